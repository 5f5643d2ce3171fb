import LVS

/// The requests, with the attributes that each needs.
extension Request {
  static func addService(_ service: VirtualService) -> Request { request(.newService, service) }
  static func updateService(_ service: VirtualService) -> Request { request(.setService, service) }
  static func removeService(_ key: ServiceKey) -> Request { request(.deleteService, key) }

  static func addServer(_ server: RealServer, to key: ServiceKey) -> Request { request(.newDestination, server, key) }
  static func updateServer(_ server: RealServer, of key: ServiceKey) -> Request {
    request(.setDestination, server, key)
  }

  static func removeServer(_ endpoint: Endpoint, from key: ServiceKey) -> Request {
    request(.deleteDestination) { writer in
      writer.nest(TopAttribute.service) { ServiceMessage.put(key, into: &$0) }
      writer.nest(TopAttribute.destination) { DestinationMessage.put(endpoint, into: &$0) }
    }
  }

  /// All services; their servers are asked for one service at a time.
  static let services = Request(command: .getService, isDump: true)

  /// One service.
  static func service(_ key: ServiceKey) -> Request { request(.getService, key) }

  /// The servers of a service; none where there is no such service.
  static func servers(of key: ServiceKey) -> Request {
    var request = request(.getDestination, key)
    request.isDump = true
    return request
  }

  static func startDaemon(_ daemon: SyncDaemon) -> Request { request(.newDaemon, daemon) }
  static func stopDaemon(_ daemon: SyncDaemon) -> Request { request(.deleteDaemon, daemon) }
  static let daemons = Request(command: .getDaemon, isDump: true)

  static func setTimeouts(_ timeouts: Timeouts) -> Request {
    request(.setTimeouts) { writer in
      writer.put(TopAttribute.timeoutTCP, number: timeouts.tcp)
      writer.put(TopAttribute.timeoutTCPFin, number: timeouts.tcpFin)
      writer.put(TopAttribute.timeoutUDP, number: timeouts.udp)
    }
  }

  static let timeouts = Request(command: .getTimeouts)
  static let info = Request(command: .getInfo)
  static let flush = Request(command: .flush)

  /// Of one service, or of all.
  static func zero(_ key: ServiceKey?) -> Request { key.map { request(.zero, $0) } ?? Request(command: .zero) }

  private static func request(_ command: Command, _ write: (inout AttributeWriter) -> Void) -> Request {
    var writer = AttributeWriter()
    write(&writer)
    return Request(command: command, attributes: writer.bytes)
  }

  private static func request(_ command: Command, _ service: VirtualService) -> Request {
    request(command) { $0.nest(TopAttribute.service) { ServiceMessage.put(service, into: &$0) } }
  }

  private static func request(_ command: Command, _ key: ServiceKey) -> Request {
    request(command) { $0.nest(TopAttribute.service) { ServiceMessage.put(key, into: &$0) } }
  }

  private static func request(_ command: Command, _ server: RealServer, _ key: ServiceKey) -> Request {
    request(command) { writer in
      writer.nest(TopAttribute.service) { ServiceMessage.put(key, into: &$0) }
      writer.nest(TopAttribute.destination) { DestinationMessage.put(server, into: &$0) }
    }
  }

  private static func request(_ command: Command, _ daemon: SyncDaemon) -> Request {
    request(command) { $0.nest(TopAttribute.daemon) { DaemonMessage.put(daemon, into: &$0) } }
  }
}

/// What the kernel says of itself.
public struct KernelInfo: Hashable, Sendable {
  /// 0x010201 is 1.2.1.
  public var version: UInt32
  /// How many buckets the connection table has.
  public var connectionTableSize: UInt32

  public init(version: UInt32, connectionTableSize: UInt32) {
    (self.version, self.connectionTableSize) = (version, connectionTableSize)
  }
}

/// The answers, read from the attributes of a message.
enum Reply {
  static func service(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> ServiceStatus {
    try ServiceMessage.read(nest(message, TopAttribute.service))
  }

  static func server(_ message: ArraySlice<UInt8>, family: IPAddress.Family) throws(MalformedMessage) -> ServerStatus {
    try DestinationMessage.read(nest(message, TopAttribute.destination), family: family)
  }

  static func daemon(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> SyncDaemon {
    try DaemonMessage.read(nest(message, TopAttribute.daemon))
  }

  static func timeouts(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> Timeouts {
    let attributes = try Attributes(message)
    guard let tcp = attributes.number(TopAttribute.timeoutTCP, as: UInt32.self),
      let tcpFin = attributes.number(TopAttribute.timeoutTCPFin, as: UInt32.self),
      let udp = attributes.number(TopAttribute.timeoutUDP, as: UInt32.self)
    else { throw MalformedMessage() }
    return Timeouts(tcp: tcp, tcpFin: tcpFin, udp: udp)
  }

  static func info(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> KernelInfo {
    let attributes = try Attributes(message)
    guard let version = attributes.number(1, as: UInt32.self), let size = attributes.number(2, as: UInt32.self) else {
      throw MalformedMessage()
    }
    return KernelInfo(version: version, connectionTableSize: size)
  }

  private static func nest(_ message: ArraySlice<UInt8>, _ type: UInt16) throws(MalformedMessage) -> Attributes {
    guard let nest = try Attributes(message).nest(type) else { throw MalformedMessage() }
    return nest
  }
}

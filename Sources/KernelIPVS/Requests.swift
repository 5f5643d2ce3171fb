import IPVSMessages
import LVS

/// The requests, with the attributes that each needs.
extension Request {
  static func addService(_ service: VirtualService) -> Request {
    Request(.newService, IPVSMessage(service: ServiceMessage(service)))
  }

  static func updateService(_ service: VirtualService) -> Request {
    Request(.setService, IPVSMessage(service: ServiceMessage(service)))
  }

  static func removeService(_ key: ServiceKey) -> Request { Request(.deleteService, key) }

  static func addServer(_ server: RealServer, to key: ServiceKey) -> Request {
    Request(.newDestination, key, DestinationMessage(server))
  }

  static func updateServer(_ server: RealServer, of key: ServiceKey) -> Request {
    Request(.setDestination, key, DestinationMessage(server))
  }

  static func removeServer(_ endpoint: Endpoint, from key: ServiceKey) -> Request {
    Request(.deleteDestination, key, DestinationMessage(endpoint))
  }

  /// All services; their servers are asked for one service at a time.
  static let services = Request(command: .getService, isDump: true)

  /// One service.
  static func service(_ key: ServiceKey) -> Request { Request(.getService, key) }

  /// The servers of a service; none where there is no such service.
  static func servers(of key: ServiceKey) -> Request {
    var request = Request(.getDestination, key)
    request.isDump = true
    return request
  }

  static func startDaemon(_ daemon: SyncDaemon) -> Request {
    Request(.newDaemon, IPVSMessage(daemon: DaemonMessage(daemon)))
  }

  static func stopDaemon(_ daemon: SyncDaemon) -> Request {
    Request(.deleteDaemon, IPVSMessage(daemon: DaemonMessage(daemon)))
  }

  static let daemons = Request(command: .getDaemon, isDump: true)

  static func setTimeouts(_ timeouts: Timeouts) -> Request { Request(.setTimeouts, IPVSMessage(timeouts: timeouts)) }
  static let timeouts = Request(command: .getTimeouts)
  static let info = Request(command: .getInfo)
  static let flush = Request(command: .flush)

  /// Of one service, or of all.
  static func zero(_ key: ServiceKey?) -> Request { key.map { Request(.zero, $0) } ?? Request(command: .zero) }

  private init(_ command: Command, _ message: IPVSMessage) {
    self.init(command: command, attributes: message.bytes())
  }

  private init(_ command: Command, _ key: ServiceKey, _ destination: DestinationMessage? = nil) {
    self.init(command, IPVSMessage(service: ServiceMessage(key), destination: destination))
  }
}

/// The answers, read from the attributes of a message.
enum Reply {
  static func service(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> ServiceStatus {
    guard let service = try IPVSMessage(bytes: message).service else { throw MalformedMessage() }
    return try service.status()
  }

  static func server(_ message: ArraySlice<UInt8>, family: IPAddress.Family) throws(MalformedMessage) -> ServerStatus {
    guard let destination = try IPVSMessage(bytes: message).destination else { throw MalformedMessage() }
    return try destination.status(of: family)
  }

  static func daemon(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> SyncDaemon {
    guard let daemon = try IPVSMessage(bytes: message).daemon else { throw MalformedMessage() }
    return try daemon.daemon()
  }

  static func timeouts(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> Timeouts {
    let message = try IPVSMessage(bytes: message)
    guard let tcp = message.timeoutTCP, let tcpFin = message.timeoutTCPFin, let udp = message.timeoutUDP else {
      throw MalformedMessage()
    }
    return Timeouts(tcp: tcp, tcpFin: tcpFin, udp: udp)
  }

  static func info(_ message: ArraySlice<UInt8>) throws(MalformedMessage) -> KernelInfo {
    let info = try InfoMessage(bytes: message)
    guard let version = info.version, let size = info.connectionTableSize else { throw MalformedMessage() }
    return KernelInfo(version: version, connectionTableSize: size)
  }
}

import Glibc
import LVS

/// The numbers of the attributes at the top of a message (`IPVS_CMD_ATTR_*`).
enum TopAttribute {
  static let service: UInt16 = 1
  static let destination: UInt16 = 2
  static let daemon: UInt16 = 3
  static let timeoutTCP: UInt16 = 4
  static let timeoutTCPFin: UInt16 = 5
  static let timeoutUDP: UInt16 = 6
}

/// A virtual service as the kernel reads and writes it (`IPVS_SVC_ATTR_*`).
enum ServiceMessage {
  enum Attribute {
    static let family: UInt16 = 1
    static let transport: UInt16 = 2
    static let address: UInt16 = 3
    static let port: UInt16 = 4
    static let fwmark: UInt16 = 5
    static let scheduler: UInt16 = 6
    static let flags: UInt16 = 7
    static let timeout: UInt16 = 8
    static let netmask: UInt16 = 9
    static let statistics: UInt16 = 10
    static let engine: UInt16 = 11
    static let statistics64: UInt16 = 12
  }

  /// `IP_VS_SVC_F_*`; the bits of the scheduler are `SchedulerFlags`.
  enum Flag {
    static let persistent: UInt32 = 0x1
    static let onePacket: UInt32 = 0x4
    static let scheduler: UInt32 = 0x38
  }

  /// Which service.
  static func put(_ key: ServiceKey, into writer: inout AttributeWriter) {
    writer.put(Attribute.family, number: UInt16(key.family.number))
    switch key {
    case .fwmark(let mark, _): writer.put(Attribute.fwmark, number: mark)
    case .endpoint(let transport, let endpoint):
      writer.put(Attribute.transport, number: UInt16(transport.rawValue))
      writer.put(Attribute.address, endpoint.address.union)
      writer.put(Attribute.port, port: endpoint.port)
    }
  }

  /// The service in full. The mask says that all flags are meant, as ipvsadm's does.
  static func put(_ service: VirtualService, into writer: inout AttributeWriter) {
    put(service.key, into: &writer)
    writer.put(Attribute.scheduler, text: service.scheduler.rawValue)
    if let engine = service.persistenceEngine { writer.put(Attribute.engine, text: engine) }
    writer.put(Attribute.flags, flags(of: service).hostBytes + UInt32.max.hostBytes)
    writer.put(Attribute.timeout, number: service.persistence?.timeout ?? 0)
    writer.put(Attribute.netmask, number: (service.persistence?.netmask ?? .host(service.key.family)).number)
  }

  private static func flags(of service: VirtualService) -> UInt32 {
    (service.persistence == nil ? 0 : Flag.persistent) | (service.onePacket ? Flag.onePacket : 0)
      | service.flags.rawValue & Flag.scheduler
  }

  /// Reads a service with its counters, but without its servers.
  static func read(_ attributes: Attributes) throws(MalformedMessage) -> ServiceStatus {
    guard let key = key(attributes), let scheduler = attributes.text(Attribute.scheduler),
      let flags = attributes.number(Attribute.flags, as: UInt32.self)
    else { throw MalformedMessage() }
    var service = VirtualService(key, scheduler: SchedulerName(rawValue: scheduler))
    service.flags = SchedulerFlags(rawValue: flags & Flag.scheduler)
    service.onePacket = flags & Flag.onePacket != 0
    if flags & Flag.persistent != 0 {
      let mask = attributes.number(Attribute.netmask, as: UInt32.self) ?? .max
      service.persistence = Persistence(
        timeout: attributes.number(Attribute.timeout) ?? 0, netmask: Netmask(number: mask, family: key.family))
    }
    if let engine = attributes.text(Attribute.engine), !engine.isEmpty { service.persistenceEngine = engine }
    let (statistics, rates) = try StatisticsMessage.read(attributes, Attribute.statistics64, Attribute.statistics)
    return ServiceStatus(service: service, statistics: statistics, rates: rates)
  }

  private static func key(_ attributes: Attributes) -> ServiceKey? {
    guard let number = attributes.number(Attribute.family, as: UInt16.self),
      let family = IPAddress.Family(number: number)
    else { return nil }
    if let mark = attributes.number(Attribute.fwmark, as: UInt32.self) { return .fwmark(mark, family) }
    guard let number = attributes.number(Attribute.transport, as: UInt16.self), let byte = UInt8(exactly: number),
      let transport = TransportProtocol(rawValue: byte), let bytes = attributes.value(Attribute.address),
      let address = IPAddress(union: bytes, family), let port = attributes.port(Attribute.port)
    else { return nil }
    return .endpoint(transport, Endpoint(address, port))
  }
}

extension IPAddress.Family {
  /// `AF_INET` or `AF_INET6`.
  var number: Int32 { self == .v4 ? AF_INET : AF_INET6 }

  init?(number: UInt16) {
    switch Int32(number) {
    case AF_INET: self = .v4
    case AF_INET6: self = .v6
    default: return nil
    }
  }
}

extension IPAddress {
  /// The kernel's `union nf_inet_addr`: 16 bytes, of which IPv4 has the first four.
  var union: [UInt8] { bytes + Array(repeating: 0, count: 16 - bytes.count) }

  init?(union bytes: ArraySlice<UInt8>, _ family: Family) {
    guard bytes.count >= (family == .v4 ? 4 : 16) else { return nil }
    func word(_ range: Range<Int>) -> UInt64 {
      bytes[(bytes.startIndex + range.lowerBound)..<(bytes.startIndex + range.upperBound)]
        .reduce(0) { $0 << 8 | UInt64($1) }
    }
    self = family == .v4 ? IPAddress(v4: UInt32(word(0..<4))) : IPAddress(v6: word(0..<8), word(8..<16))
  }
}

extension Netmask {
  /// As the kernel has it: an IPv4 mask in network order, an IPv6 prefix length as a plain number.
  var number: UInt32 {
    switch self {
    case .v4(let mask): mask.bigEndian
    case .v6(let length): UInt32(length)
    }
  }

  init(number: UInt32, family: IPAddress.Family) {
    self = family == .v4 ? .v4(UInt32(bigEndian: number)) : .v6(UInt8(clamping: number))
  }
}

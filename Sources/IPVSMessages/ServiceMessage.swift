import LVS

/// A virtual service as the kernel reads and writes it (`IPVS_SVC_ATTR_*`).
package struct ServiceMessage: AttributeTable {
  /// `AF_INET` or `AF_INET6`.
  package var family: UInt16?
  package var transport: UInt16?
  /// The kernel's `union nf_inet_addr`: 16 bytes, of which IPv4 has the first four.
  package var address: [UInt8]?
  package var port: UInt16?
  package var fwmark: UInt32?
  package var scheduler: String?
  package var engine: String?
  /// `ServiceFlags` in bytes.
  package var flags: [UInt8]?
  /// Seconds of persistence.
  package var timeout: UInt32?
  /// Of persistence: an IPv4 mask in network order, an IPv6 prefix length as a plain number.
  package var netmask: UInt32?
  package var narrowStatistics: NarrowStatistics?
  package var statistics: WideStatistics?

  package static let fields: [Field<Self>] = [
    .number(1, \.family), .number(2, \.transport), .bytes(3, \.address), .network(4, \.port), .number(5, \.fwmark),
    .text(6, \.scheduler, longest: 15), .text(11, \.engine, longest: 16), .bytes(7, \.flags), .number(8, \.timeout),
    .number(9, \.netmask), .nest(10, \.narrowStatistics), .nest(12, \.statistics),
  ]

  package init() {}
}

/// `struct ip_vs_flags`: bits, and which of them are meant.
package struct ServiceFlags: Hashable, Sendable {
  /// `IP_VS_SVC_F_*`; the bits of the scheduler are `SchedulerFlags`.
  package static let persistent: UInt32 = 0x1
  /// The kernel's own, which it shows.
  package static let hashed: UInt32 = 0x2
  package static let onePacket: UInt32 = 0x4
  package static let scheduler: UInt32 = 0x38

  package var bits: UInt32
  package var mask: UInt32

  /// All bits are meant, as ipvsadm's are.
  package init(_ service: VirtualService, isHashed: Bool = false) {
    bits =
      (service.persistence == nil ? 0 : Self.persistent) | (service.onePacket ? Self.onePacket : 0)
      | service.flags.rawValue & Self.scheduler | (isHashed ? Self.hashed : 0)
    mask = .max
  }

  /// nil where there are too few bytes. A mask that is missing means all.
  package init?(_ bytes: [UInt8]) {
    guard let bits = UInt32(hostBytes: bytes[...]) else { return nil }
    (self.bits, mask) = (bits, UInt32(hostBytes: bytes.dropFirst(4)) ?? .max)
  }

  var bytes: [UInt8] { bits.hostBytes + mask.hostBytes }
}

extension ServiceMessage {
  /// Which service.
  package init(_ key: ServiceKey) {
    family = UInt16(key.family.number)
    switch key {
    case .fwmark(let mark, _): fwmark = mark
    case .endpoint(let transport, let endpoint):
      self.transport = UInt16(transport.rawValue)
      (address, port) = (endpoint.address.union, endpoint.port)
    }
  }

  /// The service in full.
  package init(_ service: VirtualService) {
    self.init(service.key)
    (scheduler, engine) = (service.scheduler.rawValue, service.persistenceEngine)
    flags = ServiceFlags(service).bytes
    timeout = service.persistence?.timeout ?? 0
    netmask = (service.persistence?.netmask ?? .host(service.key.family)).number
  }

  /// The service as the kernel shows it.
  package init(_ status: ServiceStatus) {
    self.init(status.service)
    flags = ServiceFlags(status.service, isHashed: true).bytes
    narrowStatistics = NarrowStatistics(status.statistics, status.rates)
    statistics = WideStatistics(status.statistics, status.rates)
  }

  /// Which service is meant; nil where that is not said, or is of a family or protocol that the model has not.
  package var key: ServiceKey? {
    guard let family = family.flatMap(IPAddress.Family.init(number:)) else { return nil }
    if let fwmark { return .fwmark(fwmark, family) }
    guard let transport = transport.flatMap(UInt8.init(exactly:)).flatMap(TransportProtocol.init(rawValue:)),
      let address = address.flatMap({ IPAddress(union: $0, family) }), let port
    else { return nil }
    return .endpoint(transport, Endpoint(address, port))
  }

  /// The service that the message describes in full; nil where something is missing.
  ///
  /// - Parameter flags: what becomes of the flags that stand there.
  package func service(_ flags: (ServiceFlags) -> UInt32 = \.bits) -> VirtualService? {
    guard let key, let scheduler, let bits = self.flags.flatMap(ServiceFlags.init).map(flags) else { return nil }
    var service = VirtualService(key, scheduler: SchedulerName(rawValue: scheduler))
    service.flags = SchedulerFlags(rawValue: bits & ServiceFlags.scheduler)
    service.onePacket = bits & ServiceFlags.onePacket != 0
    if bits & ServiceFlags.persistent != 0 {
      service.persistence = Persistence(
        timeout: timeout ?? 0, netmask: Netmask(number: netmask ?? .max, family: key.family))
    }
    if let engine, !engine.isEmpty { service.persistenceEngine = engine }
    return service
  }

  /// The service with its counters, but without its servers.
  package func status() throws(MalformedMessage) -> ServiceStatus {
    guard let service = service() else { throw MalformedMessage() }
    return ServiceStatus(
      service: service, statistics: statistics?.statistics ?? narrowStatistics?.statistics ?? Statistics(),
      rates: statistics?.rates ?? narrowStatistics?.rates ?? Rates())
  }
}

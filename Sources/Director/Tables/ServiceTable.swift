import LVS

/// What a worker looks up for each frame: VIPs and services by number. Each worker has a copy of its own.
struct ServiceTable: ~Copyable {
  static let capacity = 1 << 16
  static let none = ServiceNumber(rawValue: .max)

  struct VIPSlot: BitwiseCopyable {
    var high: UInt64 = 0
    var low: UInt64 = 0
    var number: UInt16 = 0
    var family: UInt8 = 0
  }

  struct ServiceSlot: BitwiseCopyable {
    var key: UInt64 = 0
    var match = Match.none
  }

  /// What a worker must know of a service before it asks it.
  struct Match: BitwiseCopyable, Equatable {
    var number: ServiceNumber
    /// Every datagram is scheduled anew.
    var isOnePacket = false
    /// Templates are found by the Call-ID too.
    var usesCallID = false

    static let none = Match(number: ServiceTable.none)
  }

  /// A service as it goes into the table.
  struct Entry {
    var key: ServiceKey
    var match: Match
  }

  private let vips: Buffer<VIPSlot>
  private let services: Buffer<ServiceSlot>
  /// The director's own addresses; few.
  private let hosts: Buffer<IPAddress>
  /// Whether some service takes all ports, and whether some service is of port 21 (TCP).
  private let hasAllPorts: Bool
  private let hasFTP: Bool
  /// Rules whose marks have a service, with that service.
  private let marks: [(rule: MarkRule, match: Match)]

  /// Lays out the tables at a quarter of their size, so that a miss ends soon.
  init(vips: [(IPAddress, UInt16)], services: [Entry], rules: [MarkRule], hosts: [IPAddress]) {
    self.hosts = Buffer(repeating: IPAddress(v4: 0), count: hosts.count)
    for (place, host) in hosts.enumerated() { self.hosts[place] = host }
    self.vips = Buffer(repeating: VIPSlot(), count: Self.size(for: vips.count))
    self.services = Buffer(repeating: ServiceSlot(), count: Self.size(for: services.count))
    hasAllPorts = services.contains { if case .endpoint(_, let end) = $0.key { end.port == 0 } else { false } }
    hasFTP = services.contains { if case .endpoint(.tcp, let end) = $0.key { end.port == 21 } else { false } }
    let byKey = Dictionary(services.map { ($0.key, $0.match) }, uniquingKeysWith: { first, _ in first })
    marks = rules.map { rule in
      (rule: rule, match: byKey[.fwmark(rule.mark, rule.destination.address.family)] ?? .none)
    }
    for (address, number) in vips { insert(address, number) }
    let numbers = Dictionary(vips, uniquingKeysWith: { first, _ in first })
    for service in services {
      guard case .endpoint(let transport, let end) = service.key, let vip = numbers[end.address] else { continue }
      insert(Self.word(vip, transport.rawValue, end.port), service.match)
    }
  }

  private static func size(for count: Int) -> Int {
    var size = 8
    while size < 4 * count { size *= 2 }
    return size
  }

  private func insert(_ address: IPAddress, _ number: UInt16) {
    var slot = Self.slot(address.high ^ address.low, vips.count)
    while vips[slot].family != 0 { slot = (slot + 1) & (vips.count - 1) }
    vips[slot] = VIPSlot(high: address.high, low: address.low, number: number, family: address.family.rawValue)
  }

  private func insert(_ word: UInt64, _ match: Match) {
    var slot = Self.slot(word, services.count)
    while services[slot].key != 0 { slot = (slot + 1) & (services.count - 1) }
    services[slot] = ServiceSlot(key: word, match: match)
  }

  @inline(__always)
  private static func slot(_ value: UInt64, _ count: Int) -> Int {
    Int(truncatingIfNeeded: (value &* 0x9e37_79b9_7f4a_7c15) >> 32) & (count &- 1)
  }

  /// Never 0, since the transport is not.
  @inline(__always)
  private static func word(_ vip: UInt16, _ transport: UInt8, _ port: UInt16) -> UInt64 {
    UInt64(vip) << 32 | UInt64(port) << 16 | UInt64(transport)
  }

  /// The number of an owned VIP, or nil.
  @inline(__always)
  func vip(_ address: IPAddress) -> UInt16? {
    var slot = Self.slot(address.high ^ address.low, vips.count)
    while true {
      let entry = vips[slot]
      if entry.low == address.low && entry.high == address.high && entry.family == address.family.rawValue {
        return entry.number
      }
      if entry.family == 0 { return nil }
      slot = (slot &+ 1) & (vips.count &- 1)
    }
  }

  /// Whether an address is the director's: a VIP, or its host's.
  func isOwn(_ address: IPAddress) -> Bool {
    for place in 0..<hosts.count where hosts[place] == address { return true }
    return vip(address) != nil
  }

  @inline(__always)
  private func exact(_ vip: UInt16, _ transport: UInt8, _ port: UInt16) -> Match {
    let word = Self.word(vip, transport, port)
    var slot = Self.slot(word, services.count)
    while services[slot].key != 0 {
      if services[slot].key == word { return services[slot].match }
      slot = (slot &+ 1) & (services.count &- 1)
    }
    return .none
  }

  /// The service for a packet, or `none`: that of its mark, else the exact one, else FTP's for its data ports, else
  /// that of all ports (`ip_vs_service_find`).
  func service(_ packet: Packet, _ vip: UInt16) -> Match {
    let (transport, port) = (packet.transport, packet.destinationPort)
    if !marks.isEmpty {
      let marked = marks.first { $0.rule.matches(packet.source, packet.destination, transport, port) }
      if let marked, marked.match != .none { return marked.match }
    }
    return service(vip, transport, port)
  }

  /// The same for what no mark is known of.
  func service(_ vip: UInt16, _ transport: UInt8, _ port: UInt16) -> Match {
    let found = exact(vip, transport, port)
    if found != .none { return found }
    if hasFTP, transport == TCP.number, port == 20 || port >= 1024 {
      let ftp = exact(vip, transport, 21)
      if ftp != .none { return ftp }
    }
    return hasAllPorts ? exact(vip, transport, 0) : .none
  }
}

import LVS

/// What can be set while the director runs, named as the kernel's `net.ipv4.vs` sysctls are.
struct Settings: Sendable {
  var connReuseMode: UInt32 = 1
  var expireNodestConn: UInt32 = 0
  var expireQuiescentTemplate: UInt32 = 0
  var sloppyTCP: UInt32 = 0
  var sloppySCTP: UInt32 = 0
  var scheduleICMP: UInt32 = 0
  /// The three defenses: 0 off, 1 on when memory is low or the connection table nearly full (and then shown as 2),
  /// 3 always on.
  var dropEntry: UInt32 = 0
  var dropPacket: UInt32 = 0
  var secureTCP: UInt32 = 0
  /// Of how many new connections `drop_packet` drops one, always or because of the table.
  var dropRate: UInt32 = 10
  /// Memory is low below this many pages.
  var memoryThreshold: UInt32 = 1_024
  /// Seconds that a destination's server (`lblc`) or servers (`lblcr`) are remembered without use.
  var lblcExpiration: UInt32 = 86_400
  var lblcrExpiration: UInt32 = 86_400
  /// The slots of `mh`, which the kernel fixes when it is built.
  var mhTableSize: UInt32 = 4_093
  /// The packet of a connection that other directors are told of, and each so many packets after it; 0: that one only.
  var syncThreshold: UInt32 = 3
  var syncPeriod: UInt32 = 50
  /// Seconds that a connection's end must have moved by before they are told again; 0: any. How often within that.
  var syncRefreshPeriod: UInt32 = 0
  var syncRetries: UInt32 = 0
  /// 1 leaves out connections that a template controls.
  var syncPersistMode: UInt32 = 0
  /// The version of the protocol that is sent.
  var syncVersion: UInt32 = 1
  /// Over how many ports, from the daemon's on.
  var syncPorts: UInt32 = 1
  /// Datagrams that may wait for room in a socket, and the bytes that sockets have room for; 0: what they have anyway.
  var syncQueueLength: UInt32 = 4_096
  var syncSocketSize: UInt32 = 0
  var timeouts = StateTimeouts()
  var defense = Defense()

  private typealias Rule = (name: String, path: WritableKeyPath<Settings, UInt32>, values: SettingRule.Values)

  private static var all: [Rule] {
    [
      ("am_droprate", \.dropRate, .range(1...UInt32(Int32.max))),
      ("amemthresh", \.memoryThreshold, .range(1...UInt32(Int32.max))),
      ("conn_reuse_mode", \.connReuseMode, .range(0...3)),
      ("drop_entry", \.dropEntry, .range(0...3)),
      ("drop_packet", \.dropPacket, .range(0...3)),
      ("expire_nodest_conn", \.expireNodestConn, .range(0...1)),
      ("expire_quiescent_template", \.expireQuiescentTemplate, .range(0...1)),
      ("lblc_expiration", \.lblcExpiration, .range(1...21_474_836)),
      ("lblcr_expiration", \.lblcrExpiration, .range(1...21_474_836)),
      ("mh_table_size", \.mhTableSize, .choice(MaglevHashing.tableSizes.map { UInt32($0) })),
      ("schedule_icmp", \.scheduleICMP, .range(0...1)),
      ("secure_tcp", \.secureTCP, .range(0...3)),
      ("sloppy_sctp", \.sloppySCTP, .range(0...1)),
      ("sloppy_tcp", \.sloppyTCP, .range(0...1)),
      ("sync_period", \.syncPeriod, .range(0...UInt32(Int32.max))),
      ("sync_persist_mode", \.syncPersistMode, .range(0...1)),
      ("sync_ports", \.syncPorts, .choice([1, 2, 4, 8, 16, 32, 64])),
      ("sync_qlen_max", \.syncQueueLength, .range(1...65_536)),
      ("sync_refresh_period", \.syncRefreshPeriod, .range(0...21_474_836)),
      ("sync_retries", \.syncRetries, .range(0...3)),
      ("sync_sock_size", \.syncSocketSize, .range(0...UInt32(Int32.max / 2))),
      ("sync_threshold", \.syncThreshold, .range(0...UInt32(Int32.max))),
      ("sync_version", \.syncVersion, .range(0...1)),
    ]
  }

  /// What can be set, with what it is by itself.
  static var rules: [SettingRule] {
    let standard = Settings()
    return all.map { SettingRule($0.name, $0.values, standard: String(standard[keyPath: $0.path])) }
  }

  init() {}

  /// As they are wanted; the defenses are down.
  init(_ desired: DesiredState) {
    let wanted = desired.settings.compactMapValues { UInt32($0) }
    for rule in Self.all { if let value = wanted[rule.name] { self[keyPath: rule.path] = value } }
    timeouts.asSet = desired.timeouts
  }

  /// Every setting with its value as text.
  var listing: [String: String] {
    Dictionary(uniqueKeysWithValues: Self.all.map { ($0.name, String(self[keyPath: $0.path])) })
  }

  /// The schedulers that are made by settings which were others before.
  func schedulersRemade(from before: Settings) -> Set<SchedulerName> {
    let changed: [(SchedulerName, Bool)] = [
      (.mh, mhTableSize != before.mhTableSize), (.lblc, lblcExpiration != before.lblcExpiration),
      (.lblcr, lblcrExpiration != before.lblcrExpiration),
    ]
    return Set(changed.filter(\.1).map(\.0))
  }
}

/// Which defenses against overload are up (`update_defense_level`).
struct Defense: Sendable, Equatable {
  /// One in this many new connections is dropped; 0: none.
  var dropsEvery: UInt32 = 0
  var dropsEntries = false
  var isSecure = false
}

extension Settings {
  /// Moves the automatic levels and raises or lowers the defenses.
  ///
  /// - Parameters:
  ///   - freePages: pages of memory that are free.
  ///   - isCrowded: whether the connection table is nearly full.
  mutating func raiseDefenses(freePages: UInt64, isCrowded: Bool) {
    let isLow = freePages < UInt64(memoryThreshold)
    for level in [\.dropEntry, \.secureTCP, \.dropPacket] as [WritableKeyPath<Settings, UInt32>]
    where [1, 2].contains(self[keyPath: level]) {
      self[keyPath: level] = isLow || isCrowded ? 2 : 1
    }
    defense.dropsEntries = dropEntry >= 2
    defense.isSecure = secureTCP >= 2
    // As in the kernel memory counts by how low it is; in the end nothing is let in. A full table makes room itself.
    let memoryRate = isLow ? memoryThreshold / (memoryThreshold - UInt32(freePages)) : dropRate
    defense.dropsEvery = dropPacket < 2 ? 0 : dropPacket == 3 ? dropRate : memoryRate
  }

  /// The same for what is in force, to be called every second: nil where nothing changes.
  func defended(freePages: UInt64, isCrowded: Bool) -> Settings? {
    var settings = self
    settings.raiseDefenses(freePages: freePages, isCrowded: isCrowded)
    return settings.defense == defense ? nil : settings
  }
}

/// How long a connection lives in each state, in hundredths of a second.
struct StateTimeouts: Sendable {
  private var values = InlineArray<18, UInt32>(repeating: 0)

  init() {
    for state in ConnectionState.allCases { self[state] = state.defaultTimeout * ticksPerSecond }
  }

  @inline(__always)
  subscript(state: ConnectionState) -> UInt32 {
    get { values[Int(state.rawValue)] }
    set { values[Int(state.rawValue)] = newValue }
  }

  /// In seconds: `ipvsadm --set` and its listing. What is set as 0 stays.
  var asSet: Timeouts {
    get {
      Timeouts(
        tcp: self[.established] / ticksPerSecond, tcpFin: self[.finWait] / ticksPerSecond,
        udp: self[.udp] / ticksPerSecond)
    }
    set {
      if newValue.tcp != 0 { self[.established] = newValue.tcp * ticksPerSecond }
      if newValue.tcpFin != 0 { self[.finWait] = newValue.tcpFin * ticksPerSecond }
      if newValue.udp != 0 { self[.udp] = newValue.udp * ticksPerSecond }
    }
  }
}

/// The clock of the data plane counts hundredths of a second and wraps after 497 days.
let ticksPerSecond: UInt32 = 100

import LVS

/// What can be set while the director runs, named as the kernel's `net.ipv4.vs` sysctls are.
struct Settings: Sendable {
  var connReuseMode: UInt32 = 1
  var expireNodestConn: UInt32 = 0
  var expireQuiescentTemplate: UInt32 = 0
  var sloppyTCP: UInt32 = 0
  var sloppySCTP: UInt32 = 0
  var scheduleICMP: UInt32 = 0
  /// The three defences: 0 off, 1 on when memory is low (and then shown as 2), 3 always on.
  var dropEntry: UInt32 = 0
  var dropPacket: UInt32 = 0
  var secureTCP: UInt32 = 0
  /// How seldom `drop_packet` drops when it is always on: every so-manieth.
  var dropRate: UInt32 = 10
  /// Memory is low below this many pages.
  var memoryThreshold: UInt32 = 1_024
  /// Seconds that a destination's server (`lblc`) or servers (`lblcr`) are remembered without use.
  var lblcExpiration: UInt32 = 86_400
  var lblcrExpiration: UInt32 = 86_400
  /// The slots of `mh`, which the kernel fixes when it is built.
  var mhTableSize: UInt32 = 4_093
  var timeouts = StateTimeouts()
  var defence = Defence()

  private typealias Setting = (name: String, path: WritableKeyPath<Settings, UInt32>, range: ClosedRange<UInt32>)

  private static var all: [Setting] {
    [
      ("am_droprate", \.dropRate, 1...UInt32(Int32.max)),
      ("amemthresh", \.memoryThreshold, 1...UInt32(Int32.max)),
      ("conn_reuse_mode", \.connReuseMode, 0...3),
      ("drop_entry", \.dropEntry, 0...3),
      ("drop_packet", \.dropPacket, 0...3),
      ("expire_nodest_conn", \.expireNodestConn, 0...1),
      ("expire_quiescent_template", \.expireQuiescentTemplate, 0...1),
      ("lblc_expiration", \.lblcExpiration, 1...21_474_836),
      ("lblcr_expiration", \.lblcrExpiration, 1...21_474_836),
      ("mh_table_size", \.mhTableSize, 251...131_071),
      ("schedule_icmp", \.scheduleICMP, 0...1),
      ("secure_tcp", \.secureTCP, 0...3),
      ("sloppy_sctp", \.sloppySCTP, 0...1),
      ("sloppy_tcp", \.sloppyTCP, 0...1),
    ]
  }

  /// Every setting with its value as text.
  var listing: [String: String] {
    Dictionary(uniqueKeysWithValues: Self.all.map { ($0.name, String(self[keyPath: $0.path])) })
  }

  mutating func set(_ key: String, to value: String) throws(PlaneError) {
    guard let setting = Self.all.first(where: { $0.name == key }) else {
      throw .invalid("no setting '\(key)' (there are \(Self.all.map(\.name).sorted().joined(separator: ", ")))")
    }
    guard let number = UInt32(value), setting.range.contains(number) else {
      let range = setting.range
      throw .outOfRange("\(key) takes \(range.lowerBound) to \(range.upperBound), not '\(value)'")
    }
    if setting.path == \.mhTableSize, !MaglevHashing.tableSizes.contains(Int(number)) {
      let sizes = MaglevHashing.tableSizes.map(String.init).joined(separator: ", ")
      throw .outOfRange("\(key) takes one of \(sizes), not '\(value)'")
    }
    self[keyPath: setting.path] = number
  }
}

/// Which defences against overload are up (`update_defense_level`).
struct Defence: Sendable, Equatable {
  /// Every so-manieth new connection is dropped; 0: none.
  var dropsEvery: UInt32 = 0
  var dropsEntries = false
  var isSecure = false
}

extension Settings {
  /// Puts the defences up or down for this many pages of memory that are free; to be called every second.
  ///
  /// - Returns: whether anything changed.
  mutating func defend(freePages: UInt64) -> Bool {
    let before = defence
    let isLow = freePages < UInt64(memoryThreshold)
    /// Moves an automatic level between 1 and 2; whether the defence is up.
    func isUp(_ level: inout UInt32) -> Bool {
      if level == 1 || level == 2 { level = isLow ? 2 : 1 }
      return level >= 2
    }
    defence.dropsEntries = isUp(&dropEntry)
    defence.isSecure = isUp(&secureTCP)
    let lowRate = isLow ? memoryThreshold / (memoryThreshold - UInt32(freePages)) : 0
    defence.dropsEvery = isUp(&dropPacket) ? (dropPacket == 3 ? dropRate : lowRate) : 0
    return defence != before
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

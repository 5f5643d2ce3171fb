import LVS

/// What can be set while the director runs, named as the kernel's `net.ipv4.vs` sysctls are.
struct Settings: Sendable {
  var connReuseMode: UInt32 = 1
  var expireNodestConn: UInt32 = 0
  var expireQuiescentTemplate: UInt32 = 0
  var sloppyTCP: UInt32 = 0
  var sloppySCTP: UInt32 = 0
  var scheduleICMP: UInt32 = 0
  var timeouts = StateTimeouts()

  private typealias Setting = (name: String, path: WritableKeyPath<Settings, UInt32>, range: ClosedRange<UInt32>)

  private static var all: [Setting] {
    [
      ("conn_reuse_mode", \.connReuseMode, 0...3),
      ("expire_nodest_conn", \.expireNodestConn, 0...1),
      ("expire_quiescent_template", \.expireQuiescentTemplate, 0...1),
      ("sloppy_tcp", \.sloppyTCP, 0...1),
      ("sloppy_sctp", \.sloppySCTP, 0...1),
      ("schedule_icmp", \.scheduleICMP, 0...1),
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
    self[keyPath: setting.path] = number
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
        tcp: self[.established] / ticksPerSecond, tcpFin: self[.finWait] / ticksPerSecond, udp: self[.udp] / ticksPerSecond)
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

import LVS
import Sync

/// What other directors were told of each record of one table, and so what they are to be told next.
///
/// IPVS decides with each packet; this looks at the table about once a second and decides about the packets since.
struct ToldFlows {
  private struct Told {
    /// Whose this is, since numbers are given out again.
    var key = ConnectionKey(high: 0, low: 0, ports: 0)
    var packets: UInt32 = 0
    /// As `SyncPolicy` keeps it; of a template its end.
    var end: UInt32 = 0
    var state: UInt8 = 0
    var isAssured = false
  }

  private let policy: SyncPolicy
  private var told: [Told] = []

  init(_ policy: SyncPolicy) { self.policy = policy }

  /// Keeps what was told, and goes by another policy.
  init(_ policy: SyncPolicy, after old: ToldFlows) { (self.policy, told) = (policy, old.told) }

  /// What is known of a record with this number, or nothing yet.
  private mutating func place(_ number: ConnectionNumber) -> Int {
    let place = Int(number)
    if place >= told.count {
      told.append(contentsOf: repeatElement(Told(), count: max(place + 1, 2 * told.count) - told.count))
    }
    return place
  }

  /// Whether to tell of a connection now.
  mutating func tells(connection: Connection, _ number: ConnectionNumber, timeout: UInt32, now: UInt32) -> Bool {
    let place = place(number)
    if told[place].key != connection.key || connection.packets < told[place].packets {
      // What a peer told is not told back.
      let isPeers = connection.flags.contains(.synced)
      told[place] = Told(
        key: connection.key, packets: isPeers ? policy.threshold : 0,
        state: isPeers ? connection.state : ConnectionState.none.rawValue)
    }
    guard connection.packets != told[place].packets else { return false }
    let state = ConnectionState(stored: connection.state)
    let flow = SyncPolicy.Flow(
      kind: state == .udp ? .stateless : .stateful, isToldState: state.isTold, isEstablished: state.isEstablished,
      isChanged: connection.state != told[place].state, isControlled: connection.parent != 0, timeout: timeout)
    let packets = policy.decisive(after: told[place].packets, to: connection.packets)
    told[place].packets = connection.packets
    guard policy.tells(flow, packets: packets, told: &told[place].end, now: now) else { return false }
    told[place].state = connection.state
    return true
  }

  /// Whether to tell of a template now: where it is new, or a connection here was put under it since.
  mutating func tells(template: Connection, _ number: ConnectionNumber) -> Bool {
    let place = place(number)
    let isAssured = template.flags.contains(.assured)
    let isSame = told[place].key == template.key && told[place].end == template.expires
    guard !isSame || told[place].isAssured != isAssured else { return false }
    told[place] = Told(key: template.key, end: template.expires, isAssured: isAssured)
    return !template.flags.contains(.synced)
  }
}

extension SyncPolicy {
  init(_ settings: Settings, isComplete: Bool) {
    self.init()
    self.isComplete = isComplete
    threshold = settings.syncThreshold
    period = settings.syncPeriod
    refreshPeriod = settings.syncRefreshPeriod * ticksPerSecond
    retries = settings.syncRetries
    templatesOnly = settings.syncPersistMode != 0
  }

  /// Of the packets that came since `before`, the last that is told of by its number; the very last where none is.
  fileprivate func decisive(after before: UInt32, to packets: UInt32) -> UInt32 {
    guard period > 0 else { return before < threshold && threshold <= packets ? threshold : packets }
    guard threshold < period, packets >= threshold else { return packets }
    let last = packets - (packets - threshold) % period
    return last > before ? last : packets
  }
}

/// When a master tells the others of a flow (`ip_vs_sync_conn_needed`). It is asked after each packet from the client.
public struct SyncPolicy: Hashable, Sendable {
  /// The packet of a flow that is told of: `sync_threshold`, and each `sync_period` packets after it. A period of 0
  /// tells of that one packet only.
  public var threshold: UInt32 = 3
  public var period: UInt32 = 50
  /// Only tell of flows whose end moved by so much, in hundredths of a second; 0 is off (`sync_refresh_period`).
  public var refreshPeriod: UInt32 = 0
  /// How often a flow is told of again within that (`sync_retries`, 0 to 3).
  public var retries: UInt32 = 0
  /// Leave out connections that a template controls (`sync_persist_mode`).
  public var templatesOnly = false
  /// Beyond IPVS: tell of every flow when it is first asked about, and at each change of its state.
  public var isComplete = false

  public init() {}

  /// What a flow is, as far as it matters here.
  public struct Flow {
    public enum Kind {
      case template
      /// TCP or SCTP.
      case stateful
      /// UDP.
      case stateless
    }

    public var kind: Kind
    /// Whether the state is one that peers are told of at all: established, or beyond.
    public var isToldState: Bool
    public var isEstablished: Bool
    public var isChanged: Bool
    public var isControlled: Bool
    /// Its lifetime without a packet, in hundredths of a second.
    public var timeout: UInt32

    public init(
      kind: Kind, isToldState: Bool = true, isEstablished: Bool = false, isChanged: Bool = false,
      isControlled: Bool = false, timeout: UInt32
    ) {
      self.kind = kind
      self.isToldState = isToldState
      self.isEstablished = isEstablished
      self.isChanged = isChanged
      self.isControlled = isControlled
      self.timeout = timeout
    }
  }

  /// Whether to tell of a flow now.
  ///
  /// - Parameters:
  ///   - packets: from the client so far, this one included.
  ///   - told: the end that was told last, in hundredths of a second, the number of repetitions in its last two bits;
  ///     0 at first. Kept by the caller for the next time where the answer is yes.
  ///   - now: on the same clock.
  public func tells(_ flow: Flow, packets: UInt32, told: inout UInt32, now: UInt32) -> Bool {
    if flow.kind != .template, templatesOnly, flow.isControlled { return false }
    var end = (now &+ flow.timeout) & ~3
    if flow.kind != .template, isComplete, flow.isChanged || told == 0 {
      told = end
      return true
    }
    if flow.kind == .stateful {
      guard flow.isToldState else { return false }
      if flow.isChanged, !flow.isEstablished {
        told = end
        return true
      }
    }
    if refreshPeriod > 0 {
      guard let repetition = repetition(of: flow, end: end, told: told, now: now) else { return false }
      end |= repetition
    }
    guard isDue(flow, packets) else { return false }
    told = end
    return true
  }

  private func isDue(_ flow: Flow, _ packets: UInt32) -> Bool {
    if period > 0 { return flow.kind == .template || packets % period == threshold }
    return refreshPeriod > 0 || packets == threshold
  }

  /// 0 where the end moved far enough, else the number of the repetition that is due; nil where none is.
  private func repetition(of flow: Flow, end: UInt32, told: UInt32, now: UInt32) -> UInt32? {
    let moved = Int32(bitPattern: end &- told).magnitude
    guard moved < min(refreshPeriod, max(flow.timeout / 2, 1_000)) else { return 0 }
    let before = told & 3
    guard before < retries else { return nil }
    let due = told &- flow.timeout &+ refreshPeriod / 8
    return Int32(bitPattern: now &- due) < 0 ? nil : before + 1
  }
}

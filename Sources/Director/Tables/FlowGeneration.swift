import Synchronization

/// Which entries of a table of flows are current. Whatever changes what a flow's packets would meet makes a new
/// generation, to which no entry belongs until its worker has looked at the flow anew.
final class FlowGeneration: Sendable {
  private struct State {
    var number: UInt32 = 0
    /// Reasons for the program to forward none.
    var suspensions = 0
  }

  private let state = Mutex(State())
  private let latest = Atomic<UInt32>(0)
  private let publish: @Sendable (UInt32) -> Void

  /// - Parameter publish: tells the program which generation to forward by, 0 for none.
  init(_ publish: @escaping @Sendable (UInt32) -> Void) {
    self.publish = publish
  }

  /// To be asked for before it is looked at what a flow meets.
  var current: UInt32 { latest.load(ordering: .acquiring) }

  /// Has nothing forwarded until `resume`: what flows meet is about to change.
  func suspend() {
    state.withLock { state in
      state.suspensions += 1
      publish(0)
    }
  }

  /// Begins a new generation, once all who suspended have resumed.
  func resume() {
    state.withLock { state in
      state.suspensions -= 1
      renew(&state)
    }
  }

  /// Begins a new generation: what flows meet has changed.
  func renew() {
    state.withLock { renew(&$0) }
  }

  /// The program is told first: an entry of the old generation that is still written is not forwarded by.
  private func renew(_ state: inout State) {
    guard state.suspensions == 0 else { return publish(0) }
    state.number = state.number == .max ? 1 : state.number + 1
    publish(state.number)
    latest.store(state.number, ordering: .releasing)
  }
}

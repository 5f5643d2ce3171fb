import Synchronization

/// Lets one piece of work at a time through, in the order in which they came, without holding up a thread.
public final class Turnstile: Sendable {
  private struct State {
    var isTaken = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  public init() {}

  /// Waits for its turn, and has it to itself until `work` has returned or thrown.
  public func withTurn<Value, Failure: Error>(
    isolation: isolated (any Actor)? = #isolation, _ work: () async throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    await withCheckedContinuation { continuation in enter(continuation) }
    defer { leave() }
    return try await work()
  }

  private func enter(_ continuation: CheckedContinuation<Void, Never>) {
    let isFree = state.withLock { state in
      if state.isTaken {
        state.waiting.append(continuation)
        return false
      }
      state.isTaken = true
      return true
    }
    if isFree { continuation.resume() }
  }

  private func leave() {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      guard !state.waiting.isEmpty else {
        state.isTaken = false
        return nil
      }
      return state.waiting.removeFirst()
    }
    next?.resume()
  }
}

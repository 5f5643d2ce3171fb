import Dispatch
import Synchronization

/// Waits on this thread for asynchronous work. It is for the main thread, which no task needs.
public func wait<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) throws -> Value {
  let waiting = Waiting<Value>()
  Task {
    let outcome: Result<Value, any Error>
    do { outcome = .success(try await work()) } catch { outcome = .failure(error) }
    waiting.outcome.withLock { $0 = outcome }
    waiting.end.signal()
  }
  waiting.end.wait()
  return try waiting.outcome.withLock { try $0!.get() }
}

private final class Waiting<Value: Sendable>: Sendable {
  let end = DispatchSemaphore(value: 0)
  let outcome = Mutex<Result<Value, any Error>?>(nil)
}

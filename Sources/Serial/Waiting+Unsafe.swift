import Dispatch

/// Where calls are made that wait for the kernel, one after the other: beside the threads that all tasks share, since
/// those must never wait.
@globalActor public actor Waiting {
  public static let shared = Waiting()

  private let executor = WaitingExecutor()
  nonisolated public var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
}

private final class WaitingExecutor: SerialExecutor {
  private let queue = DispatchQueue(label: "waiting")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }
}

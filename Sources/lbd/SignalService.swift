import Control
import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

/// What signals other than those that end the daemon mean: SIGHUP has the configuration reloaded; SIGUSR1 and SIGUSR2
/// mean nothing.
struct SignalService: Service {
  let reloading: Reloading
  let logger: Logger

  func run() async throws {
    for await signal in await UnixSignalsSequence(trapping: .sighup, .sigusr1, .sigusr2).cancelOnGracefulShutdown() {
      guard signal == .sighup else {
        logger.info("\(signal) means nothing to lbd")
        continue
      }
      // What is wrong with it stands in the log.
      _ = try? await reloading.reload()
    }
  }

  /// Before they are listened to they mean nothing, and do not end the process. To be called first of all.
  static func ignore() {
    for signal in [UnixSignal.sighup, .sigusr1, .sigusr2] { Glibc.signal(signal.rawValue, SIG_IGN) }
  }
}

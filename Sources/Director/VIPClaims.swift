import LVS
import Synchronization

/// Who waits for the outcome of probing for which VIP.
final class VIPClaims: Sendable {
  private let waiting = Mutex<[IPAddress: CheckedContinuation<MACAddress?, Never>]>([:])

  /// Calls `probe` and waits for what comes of it: nil where the VIP is free, else its other owner.
  func outcome(of vip: IPAddress, _ probe: () -> Void) async -> MACAddress? {
    await withCheckedContinuation { continuation in
      waiting.withLock { $0[vip] = continuation }
      probe()
    }
  }

  /// Ends the waiting for a VIP; whether somebody waited.
  @discardableResult
  func settle(_ vip: IPAddress, otherOwner: MACAddress?) -> Bool {
    let continuation = waiting.withLock { $0.removeValue(forKey: vip) }
    continuation?.resume(returning: otherOwner)
    return continuation != nil
  }
}

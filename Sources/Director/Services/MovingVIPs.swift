import LVS
import Synchronization

/// VIPs whose services move to another plane, or from one, while their connections are carried over. What is for them
/// and of no known connection is dropped unanswered: its connection may be among those to come, and a client asks again.
///
/// It ends by itself, so that nobody who dies in between leaves a VIP like this.
final class MovingVIPs: Sendable {
  private struct Move {
    var vips: Set<IPAddress> = []
    var end: UInt32 = 0
  }

  private let move = Mutex(Move())
  /// Spares packets the lock where nothing moves.
  private let isAny = Atomic<Bool>(false)

  /// These move for so many seconds from now on, and no others; none for 0.
  func set(_ vips: Set<IPAddress>, seconds: UInt32, now: UInt32) {
    move.withLock { $0 = Move(vips: seconds == 0 ? [] : vips, end: now &+ seconds * ticksPerSecond) }
    isAny.store(seconds > 0 && !vips.isEmpty, ordering: .relaxed)
  }

  /// - Parameter now: in hundredths of a second.
  @inline(__always)
  func contains(_ vip: IPAddress, now: UInt32) -> Bool {
    isAny.load(ordering: .relaxed) && isMoving(vip, now)
  }

  @inline(never)
  private func isMoving(_ vip: IPAddress, _ now: UInt32) -> Bool {
    move.withLock { move in
      guard Int32(bitPattern: move.end &- now) > 0 else {
        isAny.store(false, ordering: .relaxed)
        return false
      }
      return move.vips.contains(vip)
    }
  }
}

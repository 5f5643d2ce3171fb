import LVS
import Synchronization

/// A frame as a worker saw it, and what it decided.
public struct TappedFrame: Sendable {
  /// Microseconds since the epoch.
  public let time: UInt64
  public let octets: [UInt8]
  /// In words: `transmit to 10.0.0.3 (02:00:00:00:00:03)`, `drop no_server`.
  public let verdict: String
}

/// Where workers leave copies of their frames while somebody captures. What is not fetched in time is lost.
final class Tap: Sendable {
  private static let capacity = 8192

  let isOpen = Atomic<Bool>(false)
  private let frames = Mutex<[TappedFrame]>([])
  private let listeners = Mutex(0)

  func open() {
    listeners.withLock { count in
      count += 1
      isOpen.store(true, ordering: .relaxed)
    }
  }

  func close() {
    listeners.withLock { count in
      count -= 1
      isOpen.store(count > 0, ordering: .relaxed)
    }
  }

  func append(_ frame: TappedFrame) {
    frames.withLock { frames in if frames.count < Self.capacity { frames.append(frame) } }
  }

  /// Takes all that was left here.
  func take() -> [TappedFrame] {
    frames.withLock { frames in
      defer { frames = [] }
      return frames
    }
  }
}

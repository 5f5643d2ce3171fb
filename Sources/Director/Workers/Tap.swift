import LVS
import Synchronization

/// A frame as a worker saw it, and what it decided.
public struct TappedFrame: Sendable {
  /// Microseconds since the epoch.
  public let time: UInt64
  public let bytes: [UInt8]
  /// In words: `transmit to 10.0.0.3 (02:00:00:00:00:03)`, `drop no_server`.
  public let verdict: String
  /// How many before it were lost, since its reader was slow.
  public internal(set) var lost = 0

  /// The memory that it takes, about.
  fileprivate var size: Int { 128 + bytes.count + verdict.utf8.count }
}

/// Where workers leave copies of their frames for each of those who capture.
final class Tap: Sendable {
  /// Of those who capture, since each has a heap.
  private static let most = 8

  let isOpen = Atomic<Bool>(false)
  private let heaps = Mutex<[TapHeap]>([])

  func open() throws(PlaneError) -> TapHeap {
    let heap = TapHeap()
    let isTaken = heaps.withLock { heaps in
      guard heaps.count < Self.most else { return false }
      heaps.append(heap)
      isOpen.store(true, ordering: .relaxed)
      return true
    }
    guard isTaken else { throw .unavailable("\(Self.most) captures are running: end one of them first") }
    return heap
  }

  func close(_ heap: TapHeap) {
    heaps.withLock { heaps in
      heaps.removeAll { $0 === heap }
      isOpen.store(!heaps.isEmpty, ordering: .relaxed)
    }
  }

  func append(_ frame: TappedFrame) {
    for heap in heaps.withLock({ $0 }) { heap.append(frame) }
  }
}

/// The frames that somebody has yet to fetch, in bounded memory: what comes when it is full is lost, and counted.
final class TapHeap: Sendable {
  /// In bytes. At full speed it is a hundredth of a second's frames, and they are fetched more often than that.
  static let capacity = 16 << 20

  private struct State {
    var frames: [TappedFrame] = []
    var size = 0
    /// Since the last frame that was kept, and altogether.
    var (missed, lost) = (0, 0)
  }

  private let state = Mutex(State())

  func append(_ frame: TappedFrame) {
    state.withLock { state in
      guard state.size + frame.size <= Self.capacity else {
        state.missed += 1
        state.lost += 1
        return
      }
      var frame = frame
      (frame.lost, state.missed) = (state.missed, 0)
      state.frames.append(frame)
      state.size += frame.size
    }
  }

  /// Takes all that was left here.
  func take() -> [TappedFrame] {
    state.withLock { state in
      defer { (state.frames, state.size) = ([], 0) }
      return state.frames
    }
  }

  var lost: Int { state.withLock { $0.lost } }
}

/// Somebody who captures, from `UserspacePlane.tapped` until this is dropped.
public final class TapReader: Sendable {
  private let heap: TapHeap
  private let end: @Sendable (TapHeap) -> Void

  init(_ heap: TapHeap, end: @escaping @Sendable (TapHeap) -> Void) {
    (self.heap, self.end) = (heap, end)
  }

  deinit { end(heap) }

  /// Waits for frames and fetches them.
  ///
  /// - Returns: nil where the calling task was canceled.
  public func frames() async -> [TappedFrame]? {
    while !Task.isCancelled {
      let frames = heap.take()
      if !frames.isEmpty { return frames }
      // That it is canceled meanwhile is seen above.
      try? await Task.sleep(for: .milliseconds(10))
    }
    return nil
  }
}

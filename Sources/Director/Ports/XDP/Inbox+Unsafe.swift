import LVS
import Synchronization

/// Frames that other workers hand over to the one that owns their connections. Bounded: what finds no room is lost.
///
/// The others write one at a time, a batch under one lock; the owner reads without any.
@safe final class Inbox: @unchecked Sendable {
  static let slots: UInt32 = 2048
  /// Before each frame: its length, and room for a tag.
  static let headroom = 32

  /// The longest frame that fits.
  let capacity: Int
  private let memory: Mapping
  private let bell: Bell
  private let writing = Mutex<Void>(())
  private let written = Atomic<UInt32>(0)
  private let read = Atomic<UInt32>(0)
  private let isAsleep = Atomic<Bool>(false)

  init(frame capacity: Int, bell: Bell) throws(SystemError) {
    self.capacity = capacity
    self.bell = bell
    memory = try Mapping(size: Int(Self.slots) * (Self.headroom + capacity))
  }

  private func slot(_ index: UInt32) -> UnsafeMutableRawPointer {
    unsafe memory.base + Int(index & (Self.slots &- 1)) &* (Self.headroom &+ capacity)
  }

  // MARK: The others' side

  /// Puts in all frames that `next` returns before nil; how many found no room.
  func put(_ next: () -> Bytes?) -> Int {
    let lost = writing.withLock { _ in
      var (place, lost) = (written.load(ordering: .relaxed), 0)
      while let frame = next() {
        guard place &- read.load(ordering: .acquiring) < Self.slots, frame.count <= capacity else {
          lost &+= 1
          continue
        }
        let slot = unsafe slot(place)
        unsafe slot.storeBytes(of: frame.count, as: Int.self)
        unsafe Bytes(slot + Self.headroom, count: frame.count, capacity: capacity).copy(from: frame)
        place &+= 1
      }
      written.store(place, ordering: .sequentiallyConsistent)
      return lost
    }
    if isAsleep.load(ordering: .sequentiallyConsistent) { bell.ring() }
    return lost
  }

  // MARK: The owner's side

  var waiting: Int { Int(written.load(ordering: .acquiring) &- read.load(ordering: .relaxed)) }

  /// Lends a frame that waits, the first of them being number 0.
  func frame(_ index: Int) -> Bytes {
    precondition(index < waiting)
    let slot = unsafe slot(read.load(ordering: .relaxed) &+ UInt32(truncatingIfNeeded: index))
    return unsafe Bytes(slot + Self.headroom, count: slot.load(as: Int.self), capacity: capacity)
  }

  /// Forgets the first frames.
  func release(_ count: Int) {
    precondition(count <= waiting)
    read.store(read.load(ordering: .relaxed) &+ UInt32(truncatingIfNeeded: count), ordering: .releasing)
  }

  /// Says that the owner is about to sleep, so that the next frame rings; whether it may.
  func sleep() -> Bool {
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    return written.load(ordering: .sequentiallyConsistent) == read.load(ordering: .relaxed)
  }

  func awake() { isAsleep.store(false, ordering: .relaxed) }
}

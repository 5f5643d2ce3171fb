/// A fixed number of plain records, all of zero bytes until they are written, whose memory is taken as they are.
///
/// Every access is checked.
@safe struct PagedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
  private let memory: Mapping
  private let base: UnsafeMutablePointer<Element>
  let count: Int

  /// - Parameters:
  ///   - Element: for which zero bytes are a value.
  ///   - state: where the records are kept, under this name; nil where they go with the process.
  init(count: Int, in state: StateDirectory? = nil, _ name: String = "") throws(SystemError) {
    memory = try state.map(name, size: max(count, 1) * MemoryLayout<Element>.stride)
    unsafe base = memory.base.bindMemory(to: Element.self, capacity: max(count, 1))
    self.count = count
  }

  @inline(__always)
  subscript(index: Int) -> Element {
    get {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      return unsafe base[index]
    }
    nonmutating _modify {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
      yield unsafe &base[index]
    }
  }

  /// Has the memory of some records be there, which has to be before they are looked at where it outlives the process.
  func secure(_ indices: Range<Int>) {
    let end = min(indices.upperBound, count)
    guard indices.lowerBound < end else { return }
    memory.secure(indices.lowerBound * MemoryLayout<Element>.stride..<end * MemoryLayout<Element>.stride)
  }

  /// Gives the memory back to the kernel, whole pages of it, and with that forgets what is in them.
  func discard() { memory.discard(0..<memory.size) }
}

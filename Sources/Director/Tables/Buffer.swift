/// A fixed number of plain records in one block of memory that nobody else owns.
///
/// Every access is checked. Where that has to be avoided, `Buffer` is the wrong type.
@safe struct Buffer<Element: BitwiseCopyable>: ~Copyable {
  private let base: UnsafeMutablePointer<Element>
  let count: Int

  init(repeating element: Element, count: Int) {
    precondition(count >= 0)
    unsafe base = .allocate(capacity: max(count, 1))
    unsafe base.initialize(repeating: element, count: count)
    self.count = count
  }

  deinit {
    unsafe base.deallocate()
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
}

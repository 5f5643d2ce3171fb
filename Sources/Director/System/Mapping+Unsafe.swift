import Glibc

/// Memory from `mmap`: zeroed, page-aligned, given back at the end. Anonymous memory costs nothing until it is touched.
@safe struct Mapping: ~Copyable {
  let base: UnsafeMutableRawPointer
  let size: Int

  /// Anonymous memory, with huge pages where the kernel has some to give.
  ///
  /// - Parameter call: what is said to have failed, where it does.
  init(size: Int, call: String = "mmap") throws(SystemError) {
    let pointer = unsafe mmap(
      nil, max(size, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let pointer = unsafe pointer, unsafe pointer != MAP_FAILED else { throw SystemError(call) }
    if size >= 2 << 20 { _ = unsafe madvise(pointer, size, MADV_HUGEPAGE) }
    unsafe base = pointer
    self.size = max(size, 1)
  }

  /// The memory that a descriptor shares with the kernel. `place` tells one such memory from another.
  init(descriptor: Int32, size: Int, place: off_t = 0) throws(SystemError) {
    let pointer = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, place)
    guard let pointer = unsafe pointer, unsafe pointer != MAP_FAILED else { throw SystemError("mmap of a ring") }
    unsafe base = pointer
    self.size = size
  }

  /// Gives the whole pages of a part back to the kernel; the part is all zeros afterwards, but for the rest of its last
  /// page.
  func discard(_ part: Range<Int>) {
    let page = Int(getpagesize())
    let (start, end) = ((part.lowerBound + page - 1) / page * page, min(part.upperBound, size) / page * page)
    guard start < end else { return }
    // It fails for memory that is locked, which then stays.
    _ = unsafe madvise(base + start, end - start, MADV_DONTNEED)
  }

  deinit {
    unsafe munmap(base, size)
  }
}

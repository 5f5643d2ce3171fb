import CLinux
import Glibc

/// Memory from `mmap`: zeroed, page-aligned, given back at the end. Anonymous memory costs nothing until it is touched.
@safe struct Mapping: ~Copyable {
  let base: UnsafeMutableRawPointer
  let size: Int
  /// Where the memory stays when the process ends; nil where it goes with it.
  private let file: KeptFile?

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
    file = nil
  }

  /// The memory that a descriptor shares with the kernel. `place` tells one such memory from another.
  init(descriptor: Int32, size: Int, place: off_t = 0) throws(SystemError) {
    let pointer = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, place)
    guard let pointer = unsafe pointer, unsafe pointer != MAP_FAILED else { throw SystemError("mmap of a ring") }
    unsafe base = pointer
    self.size = size
    file = nil
  }

  /// A file's memory, which outlives the process. Before a part of it is written, it has to be secured.
  init(_ file: KeptFile, size: Int, call: String) throws(SystemError) {
    let pointer = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.descriptor, 0)
    guard let pointer = unsafe pointer, unsafe pointer != MAP_FAILED else { throw SystemError(call) }
    if size >= 2 << 20 { _ = unsafe madvise(pointer, size, MADV_HUGEPAGE) }
    unsafe base = pointer
    self.size = size
    self.file = file
  }

  /// Has whole pages of this part be there when they are written. A page that the file system has no room for would end
  /// the process (SIGBUS): memory of the process's own takes the part's place then, with what the file has there.
  func secure(_ part: Range<Int>) {
    guard let file else { return }
    let pages = pages(around: part)
    guard cl_allocate(file.descriptor, off_t(pages.lowerBound), off_t(pages.count)) != 0 else { return }
    file.shortage.note()
    let place = unsafe base + pages.lowerBound
    let own = unsafe mmap(
      place, pages.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0)
    precondition(unsafe own != MAP_FAILED, "the kernel maps no memory in the place of memory")
    _ = unsafe pread(file.descriptor, place, pages.count, off_t(pages.lowerBound))
  }

  /// The parts that have been written since the file was made, by whichever process.
  var written: [Range<Int>] {
    guard let file else { return [] }
    var (parts, place): ([Range<Int>], off_t) = ([], 0)
    while case let start = lseek(file.descriptor, place, cl_seek_data), start >= 0, start < size {
      place = max(lseek(file.descriptor, start, cl_seek_hole), start + 1)
      parts.append(Int(start)..<min(Int(place), size))
    }
    return parts
  }

  private func pages(around part: Range<Int>) -> Range<Int> {
    let page = Int(getpagesize())
    return part.lowerBound / page
      * page..<min((part.upperBound + page - 1) / page * page, (size + page - 1) / page * page)
  }

  /// Gives the whole pages of a part back to the kernel; the part is all zeros afterwards, but for the rest of its last
  /// page.
  func discard(_ part: Range<Int>) {
    let page = Int(getpagesize())
    let (start, end) = ((part.lowerBound + page - 1) / page * page, min(part.upperBound, size) / page * page)
    guard start < end else { return }
    // It fails for memory that is the process's own in the place of a file's, and is to be freed as such.
    if file != nil, unsafe madvise(base + start, end - start, MADV_REMOVE) == 0 { return }
    // It fails for memory that is locked, which then stays.
    _ = unsafe madvise(base + start, end - start, MADV_DONTNEED)
  }

  deinit {
    unsafe munmap(base, size)
  }
}

import Glibc

/// Why a file cannot be read, in words for the operator.
struct FileFault: Error, Hashable {
  let words: String

  init(_ words: String) { self.words = words }
}

/// Files that are read whole since they are small.
enum SmallFile {
  /// A pipe, a device or a folder is none, and is not waited for.
  static func read(_ path: String, limit: Int) throws(FileFault) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
    guard descriptor >= 0 else { throw FileFault("it cannot be opened: \(CallFailure("open").reason)") }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw FileFault("it is not a file")
    }
    var bytes = [UInt8](repeating: 0, count: limit + 1)
    var count = 0
    while count < bytes.count {
      let more = unsafe bytes.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
      }
      guard more >= 0 else { throw FileFault("it cannot be read: \(CallFailure("read").reason)") }
      if more == 0 { break }
      count += more
    }
    guard count <= limit else { throw FileFault("it is longer than \(limit) bytes") }
    return Array(bytes[..<count])
  }
}

/// Tells when something in a folder has changed (inotify): files are replaced by renaming, so the folder is what is watched.
@safe final class FolderWatch {
  let descriptor: Int32
  private static let changes =
    UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_MOVED_FROM) | UInt32(IN_DELETE)
  private static let bufferSize = 4096

  init() throws(CallFailure) {
    descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
    guard descriptor >= 0 else { throw CallFailure("inotify_init1") }
  }

  deinit { close(descriptor) }

  /// Watches the folder that there is by that name now.
  ///
  /// - Returns: its number, the same as before where it is watched; nil where it cannot be.
  func watch(_ folder: String) -> Int32? {
    let number = unsafe inotify_add_watch(descriptor, folder, Self.changes)
    return number >= 0 ? number : nil
  }

  func forget(_ number: Int32) { _ = inotify_rm_watch(descriptor, number) }

  /// The folders in which something has changed; nil where any may be.
  func take() -> Set<Int32>? {
    var folders: Set<Int32> = []
    var buffer = [UInt8](repeating: 0, count: Self.bufferSize)
    let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
    var place = 0
    let headerSize = MemoryLayout<inotify_event>.size
    while place + headerSize <= count {
      let event = unsafe buffer.withUnsafeBytes {
        unsafe $0.loadUnaligned(fromByteOffset: place, as: inotify_event.self)
      }
      if event.wd < 0 { return nil }
      folders.insert(event.wd)
      place += headerSize + Int(event.len)
    }
    return folders
  }
}

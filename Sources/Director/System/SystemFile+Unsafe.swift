import Glibc

/// What the kernel tells in small files below /proc/sys and /sys.
enum SystemFile {
  /// A file's words with one blank between two, of its first `most` bytes; nil where it cannot be read.
  static func text(_ path: String, most: Int = 4096) -> String? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: most)
    let length = unsafe buffer.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    guard length >= 0 else { return nil }
    let text = String(decoding: buffer[..<length], as: UTF8.self)
    return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
  }

  static func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }

  /// The names in a directory; empty where there is none.
  static func entries(_ path: String) throws(SystemError) -> Set<String> {
    guard let directory = unsafe opendir(path) else {
      if errno == ENOENT { return [] }
      throw SystemError("opendir")
    }
    defer { unsafe closedir(directory) }
    var names: Set<String> = []
    while let entry = unsafe readdir(directory) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.insert(name) }
    }
    return names
  }
}

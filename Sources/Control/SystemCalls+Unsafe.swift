import Glibc

/// What the C library calls an errno.
public func errorText(_ code: Int32 = errno) -> String { unsafe String(cString: strerror(code)) }

/// A path in the file system.
struct FilePath {
  let path: String

  var isSocket: Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }

  func remove() { unsafe unlink(path) }
}

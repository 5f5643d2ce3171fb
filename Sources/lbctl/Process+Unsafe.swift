import Control
import Glibc
import LVS

/// The value of a variable of the environment; nil where it is not set.
func environment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

/// Writes text to a descriptor as it is, all of it. Not by Foundation: what ipvsadm says is to come at once, and making
/// a `Data` has the runtime look through all of the program's types.
///
/// - Throws: the system's errno.
func write(_ text: String, to descriptor: Int32) throws(SystemFailure) {
  var text = text
  let code = text.withUTF8 { bytes -> Int32 in
    var rest = UnsafeRawBufferPointer(bytes)
    while unsafe !rest.isEmpty {
      let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno != EINTR { return errno }
      unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(max(0, count)))
    }
    return 0
  }
  guard code == 0 else { throw SystemFailure(code: code) }
}

struct SystemFailure: Error {
  let code: Int32
}

/// Writes text to standard output as it is.
func write(_ text: String) throws {
  do throws(SystemFailure) {
    try write(text, to: STDOUT_FILENO)
  } catch {
    // Whoever read the output, such as 'head', has had enough: no error of ours.
    if error.code == EPIPE { exit(0) }
    throw PlaneError.unavailable("standard output cannot be written: \(errorText(error.code))")
  }
}

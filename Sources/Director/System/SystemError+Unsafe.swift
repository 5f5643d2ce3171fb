import Glibc
import LVS

/// A system call that failed: what was tried, and the errno.
struct SystemError: Error, Equatable {
  let call: String
  let code: Int32

  /// Takes the code from errno.
  init(_ call: String) {
    self.init(call, code: errno)
  }

  init(_ call: String, code: Int32) {
    (self.call, self.code) = (call, code)
  }
}

extension SystemError: CustomStringConvertible {
  var description: String { unsafe "\(call): \(String(cString: strerror(code)))" }
}

/// What the system refuses is unavailable to whoever asked.
func available<Result: ~Copyable>(_ body: () throws(SystemError) -> Result) throws(PlaneError) -> Result {
  do throws(SystemError) { return try body() } catch { throw .unavailable(error.description) }
}

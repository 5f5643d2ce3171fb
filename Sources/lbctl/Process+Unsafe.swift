import Glibc
import LVS
import Streams

/// The value of a variable of the environment; nil where it is not set, or to nothing.
func environment(_ name: String) -> String? {
  guard let value = unsafe getenv(name) else { return nil }
  let text = unsafe String(cString: value)
  return text.isEmpty ? nil : text
}

/// Writes what the command was run for.
func write(_ text: String) throws {
  try write(text.utf8)
}

func write(_ bytes: some Sequence<UInt8>, to output: Output = .standard) throws {
  do throws(OutputFailure) {
    try output.write(bytes)
  } catch {
    // Whoever read it, such as 'head', has had enough: no error of ours.
    if error.isReaderGone { exit(0) }
    throw PlaneError.unavailable(error.description)
  }
}

/// Becomes another program.
///
/// - Parameter environment: what is set beside the present variables.
/// - Returns: only where that failed: the errno.
func become(_ program: String, _ words: [String], environment: [String: String]) -> Int32 {
  for (name, value) in environment { unsafe setenv(name, value, 1) }
  var arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
  unsafe execvp(program, &arguments)
  let error = errno
  for index in unsafe arguments.indices { unsafe free(arguments[index]) }
  return error
}

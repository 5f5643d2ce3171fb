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

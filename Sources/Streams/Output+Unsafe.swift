import Glibc

/// A descriptor that a program writes to. That it is closed, full or read by nobody is an error, never a trap or the end
/// of the program.
///
/// Foundation's `FileHandle` is not for this: its `write` traps on such an error.
public struct Output: Sendable {
  public static let standard = Output(number: STDOUT_FILENO, name: "standard output")
  public static let error = Output(number: STDERR_FILENO, name: "standard error")

  public let number: Int32
  /// What errors call it.
  let name: String

  public init(number: Int32, name: String) {
    (self.number, self.name) = (number, name)
  }

  /// Opens a file from its beginning, as a shell's `>` does: what there is already, such as a device, a FIFO or a link
  /// to a file, is written to and never replaced. A new file is its owner's only. It stays open as long as the program.
  public init(file path: String) throws(OutputFailure) {
    let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0o600)
    guard number >= 0 else { throw OutputFailure(name: path, code: errno, written: 0) }
    self.init(number: number, name: path)
  }

  /// Writes all of it, waiting for as long as a reader takes.
  public func write(_ bytes: some Sequence<UInt8>) throws(OutputFailure) {
    let bytes = ContiguousArray(bytes)
    let (written, code) = unsafe bytes.withUnsafeBytes { unsafe put($0) }
    guard code == 0 else { throw OutputFailure(name: name, code: code, written: written) }
  }

  /// How many bytes were written, and the errno that ended it; 0 where all were.
  private func put(_ bytes: UnsafeRawBufferPointer) -> (written: Int, code: Int32) {
    var written = 0
    while written < bytes.count {
      let count = unsafe Glibc.write(number, bytes.baseAddress! + written, bytes.count - written)
      switch (count, errno) {
      case (0..., _): written += count
      case (_, EINTR): break
      case (_, EAGAIN): waitForRoom()
      case (_, let code): return (written, code)
      }
    }
    return (written, 0)
  }

  /// Somebody else who has the descriptor made it non-blocking.
  private func waitForRoom() {
    var entry = pollfd(fd: number, events: Int16(POLLOUT), revents: 0)
    _ = unsafe poll(&entry, 1, -1)
  }

  /// Tells a person something. Where that cannot be done there is nobody left to tell, so it is no error.
  public func say(_ text: String) {
    try? write(text.utf8)
  }

  /// Makes the three streams that every program is given safe to use. To be called first of all.
  ///
  /// A reader that has gone is an error of the write, not a signal that ends the program. A stream that was closed is
  /// occupied, so that no socket gets its number and what is said goes nowhere else; writing to it fails as before.
  public static func prepare() {
    _ = signal(SIGPIPE, SIG_IGN)
    for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 {
      // The lowest free number is this one.
      _ = unsafe open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY)
    }
  }
}

/// Why something was not written, or not all of it.
public struct OutputFailure: Error, Equatable, CustomStringConvertible {
  /// What was to be written to.
  let name: String
  /// The errno.
  public let code: Int32
  /// How many bytes were written before.
  let written: Int

  /// Whoever read it, such as `head`, has had enough.
  public var isReaderGone: Bool { code == EPIPE }

  public var description: String { unsafe "\(name) cannot be written: \(String(cString: strerror(code)))" }
}

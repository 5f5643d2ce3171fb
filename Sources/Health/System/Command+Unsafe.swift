import CHealth
import Glibc

/// The process that runs commands for this one, which may not: it is to be made before that right is given up, while
/// there is one thread.
@safe public final class CommandBroker: Sendable {
  /// What it has to tell of a command.
  enum Reply {
    /// Why it did not start.
    case failed(CallFailure)
    /// With a status as `waitpid` has it.
    case ended(Int32)
  }

  /// Room for an interpreter and its libraries.
  private static let memory: UInt64 = 1 << 30
  private static let files: UInt64 = 256
  private static let fileSize: UInt64 = 16 << 20
  private static let processes: UInt64 = 512

  /// Ready to be read where there is a reply.
  let descriptor: Int32

  /// - Returns: nil where the kernel has no process to spare.
  public init?() {
    descriptor = ch_broker()
    if descriptor < 0 { return nil }
  }

  deinit { close(descriptor) }

  /// Runs a command, whose output goes to a descriptor.
  ///
  /// - Parameter seconds: of processor time.
  func run(
    _ id: UInt64, _ words: [String], environment: [String], seconds: UInt64, output: Int32
  ) throws(CallFailure) {
    let limits = ch_limits(
      memory: Self.memory, processor: seconds, files: Self.files, file_size: Self.fileSize, processes: Self.processes)
    var request = ch_request(
      id: id, kind: UInt32(CH_RUN), words: UInt32(words.count), variables: UInt32(environment.count), limits: limits)
    let text = (words + environment).flatMap { word -> [UInt8] in Array(word.utf8) + [0] }
    let failure = unsafe text.withUnsafeBytes {
      unsafe ch_ask(descriptor, &request, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count, output)
    }
    if failure != 0 { throw CallFailure("the process that runs commands", code: failure) }
  }

  /// Ends a command with all that it started. Where the broker is gone, so are its commands.
  func kill(_ id: UInt64) {
    var request = ch_request(id: id, kind: UInt32(CH_KILL), words: 0, variables: 0, limits: ch_limits())
    _ = unsafe ch_ask(descriptor, &request, nil, 0, -1)
  }

  /// The next reply; nil where there is none just now.
  ///
  /// - Throws: where the broker is gone.
  func reply() throws(CallFailure) -> (id: UInt64, Reply)? {
    var reply = ch_reply()
    let failure = unsafe ch_hear(descriptor, &reply)
    switch failure {
    case 0:
      return (reply.id, reply.kind == CH_FAILED ? .failed(CallFailure("", code: reply.value)) : .ended(reply.value))
    case EAGAIN: return nil
    default: throw CallFailure("the process that runs commands", code: failure)
    }
  }
}

/// A command that runs, and what it has written.
@safe final class Command {
  /// How many bytes may be written until that is too much.
  static let outputLimit = 65_536

  /// Ready to be read when the command has written something, or can write no more.
  let pipe: Int32
  private(set) var output: [UInt8] = []

  init(
    _ id: UInt64, _ words: [String], environment: [String], seconds: UInt64, by broker: CommandBroker
  ) throws(CallFailure) {
    var ends: [Int32] = [-1, -1]
    guard unsafe ch_pipe(&ends) == 0 else { throw CallFailure("pipe") }
    pipe = ends[0]
    defer { close(ends[1]) }
    // The command's own end waits, as programs expect it of their output.
    _ = fcntl(ends[1], F_SETFL, 0)
    try broker.run(id, words, environment: environment, seconds: seconds, output: ends[1])
  }

  deinit { close(pipe) }

  /// What became of reading the output.
  enum Reading {
    case goesOn, ended, tooMuch
  }

  /// Reads what it has written.
  func readOutput() -> Reading {
    while output.count <= Self.outputLimit {
      let (old, size) = (output.count, 4096)
      output.append(contentsOf: repeatElement(0, count: size))
      let count = unsafe output.withUnsafeMutableBytes { unsafe read(pipe, $0.baseAddress?.advanced(by: old), size) }
      let code = errno
      output.removeLast(size - max(count, 0))
      if count == 0 || count < 0 && code != EAGAIN { return .ended }
      if count < 0 { return .goesOn }
    }
    return .tooMuch
  }
}

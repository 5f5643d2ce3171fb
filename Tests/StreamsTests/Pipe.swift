import Foundation
import Streams

/// A pipe whose ends a test has in its hands.
final class Pipe {
  private let pipe = Foundation.Pipe()

  var output: Output { Output(number: pipe.fileHandleForWriting.fileDescriptor, name: "the pipe") }

  init() { _ = signal(SIGPIPE, SIG_IGN) }

  func closeReader() throws { try pipe.fileHandleForReading.close() }
  func closeWriter() throws { try pipe.fileHandleForWriting.close() }

  /// What is in it up to its end.
  func text() throws -> String {
    String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
  }

  /// Waits until so many bytes have come.
  func read(_ count: Int) throws -> String {
    var data = Data()
    while data.count < count, let more = try pipe.fileHandleForReading.read(upToCount: count - data.count) {
      data += more
    }
    return String(decoding: data, as: UTF8.self)
  }
}

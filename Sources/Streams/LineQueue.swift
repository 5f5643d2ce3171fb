import Dispatch
import Foundation
import Synchronization

/// Lines on their way to an output whose reader may be slow, stopped or gone.
///
/// Whoever has something to say only puts it into memory, and never waits. One thread writes. What does not fit into
/// that memory, and what cannot be written, is lost; how many lines that were is told once lines can be written again.
public final class LineQueue: TextOutputStream, Sendable {
  private struct State {
    var waiting: [UInt8] = []
    var lost = 0
    var isEnding = false
  }

  private let state = Mutex(State())
  private let news = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)
  private let capacity: Int

  /// - Parameters:
  ///   - capacity: bytes that wait at most.
  ///   - loss: the line, with its end, that tells how many were lost.
  public init(to output: Output, capacity: Int = 1 << 20, loss: @escaping @Sendable (Int) -> String) {
    self.capacity = capacity
    let thread = Thread { [self] in
      var writer = LineWriter(output: output, loss: loss)
      while turn(&writer) {}
      ended.signal()
    }
    thread.name = "log"
    thread.start()
  }

  /// Takes whole lines, with their ends.
  public func write(_ text: String) {
    let bytes = Array(text.utf8)
    let isNews = state.withLock { state in
      guard state.waiting.count + bytes.count <= capacity else {
        state.lost += bytes.lineCount
        return false
      }
      defer { state.waiting += bytes }
      return state.waiting.isEmpty
    }
    if isNews { news.signal() }
  }

  /// Has written what still waits, as far as that can be done in this time. What is said later is lost.
  public func end(within time: DispatchTimeInterval) {
    state.withLock { $0.isEnding = true }
    news.signal()
    _ = ended.wait(timeout: .now() + time)
  }

  /// Writes what waits, on the queue's thread; whether to go on.
  private func turn(_ writer: inout LineWriter) -> Bool {
    news.wait()
    let (lines, lost, isEnding) = state.withLock { state in
      defer { (state.waiting, state.lost) = ([], 0) }
      return (state.waiting, state.lost, state.isEnding)
    }
    writer.write(lines, lost: lost)
    return !isEnding
  }
}

/// Writes lines and keeps count of those that were lost.
private struct LineWriter {
  let output: Output
  let loss: @Sendable (Int) -> String
  private var lost = 0
  /// Whether the last line that was written lacks its end.
  private var isTorn = false

  init(output: Output, loss: @escaping @Sendable (Int) -> String) {
    (self.output, self.loss) = (output, loss)
  }

  /// - Parameter later: how many were lost after these.
  mutating func write(_ lines: [UInt8], lost later: Int) {
    tellLoss()
    lost += put(lines) + later
    tellLoss()
  }

  private mutating func tellLoss() {
    if lost > 0, put(Array(loss(lost).utf8)) == 0 { lost = 0 }
  }

  /// - Returns: how many lines could not be written, or not to their ends.
  private mutating func put(_ lines: [UInt8]) -> Int {
    let bytes = isTorn && !lines.isEmpty ? [UInt8(ascii: "\n")] + lines : lines
    do throws(OutputFailure) {
      try output.write(bytes)
      if !bytes.isEmpty { isTorn = false }
      return 0
    } catch {
      if error.written > 0 { isTorn = bytes[error.written - 1] != UInt8(ascii: "\n") }
      return bytes[error.written...].lineCount
    }
  }
}

extension Sequence<UInt8> {
  fileprivate var lineCount: Int { count { $0 == UInt8(ascii: "\n") } }
}

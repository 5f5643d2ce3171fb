import Foundation
import Streams
import Testing

@Suite("Lines on their way to an output")
struct LineQueueTests {
  private static func queue(to output: Output, capacity: Int = 1 << 20) -> LineQueue {
    LineQueue(to: output, capacity: capacity) { "\($0) lost\n" }
  }

  @Test("They come out in their order, and all of them before the end")
  func order() throws {
    let pipe = Pipe()
    let queue = Self.queue(to: pipe.output)
    for number in 0..<1_000 { queue.write("line \(number)\n") }
    queue.end(within: .seconds(60))
    try pipe.closeWriter()
    #expect(try pipe.text() == (0..<1_000).map { "line \($0)\n" }.joined())
  }

  /// 1,000 lines of 1,000 bytes, of which the pipe takes 64 KiB and the queue 100,000 bytes.
  @Test("A reader that has stopped holds up nobody, not the end either; it is told how many lines were lost")
  func blocked() throws {
    let (pipe, line) = (Pipe(), String(repeating: "x", count: 999) + "\n")
    let queue = Self.queue(to: pipe.output, capacity: 100_000)
    for _ in 0..<1_000 { queue.write(line) }
    queue.end(within: .milliseconds(10))
    var (kept, lost) = (0, 0)
    while kept + lost < 1_000 {
      let head = try pipe.read(1)
      if head == "x" {
        #expect(try pipe.read(999) == line.dropFirst())
        kept += 1
      } else {
        var notice = head
        while !notice.hasSuffix("\n") { notice += try pipe.read(1) }
        #expect(notice.hasSuffix(" lost\n"))
        lost += try #require(Int(notice.prefix { $0.isNumber }))
      }
    }
    #expect(kept + lost == 1_000)
    #expect(kept >= 100 && lost > 0)
  }

  @Test("An output that is closed, full or not there loses the lines, and nothing else happens", arguments: 0..<3)
  func useless(kind: Int) throws {
    let pipe = Pipe()
    try pipe.closeReader()
    let output =
      switch kind {
      case 0: pipe.output
      case 1: try Output(file: "/dev/full")
      default: Output(number: 1_000_000, name: "nothing")
      }
    let queue = Self.queue(to: output)
    for number in 0..<100 { queue.write("line \(number)\n") }
    queue.end(within: .seconds(60))
  }
}

import LVS
import Testing

@testable import Director

@Suite("The inbox of a worker")
struct InboxTests {
  private func put(_ frames: [[UInt8]], _ inbox: Inbox) -> Int {
    var lost = 0
    for var frame in frames {
      lost += frame.lend { bytes in
        var next: Bytes? = bytes
        let count = inbox.put {
          defer { next = nil }
          return next
        }
        return (count, length: bytes.count)
      }
    }
    return lost
  }

  @Test("hands frames out in their order, however often it goes round")
  func order() throws {
    let inbox = try Inbox(frame: 64, bell: Bell())
    var (sent, seen) = (0, 0)
    for round in 1..<500 {
      let frames = (0..<round % 40).map { n in [UInt8](repeating: UInt8(truncatingIfNeeded: sent + n), count: 20 + n) }
      #expect(put(frames, inbox) == 0)
      sent += frames.count
      #expect(inbox.waiting == sent - seen)
      let taken = inbox.waiting / 2
      for index in 0..<taken {
        #expect(inbox.frame(index).u8(0) == UInt8(truncatingIfNeeded: seen + index))
      }
      inbox.release(taken)
      seen += taken
    }
  }

  @Test("loses what it has no room for, and keeps the rest")
  func full() throws {
    let inbox = try Inbox(frame: 64, bell: Bell())
    let slots = Int(Inbox.slots)
    #expect(put((0..<(slots + 10)).map { [UInt8(truncatingIfNeeded: $0)] }, inbox) == 10)
    #expect(inbox.waiting == slots)
    inbox.release(slots)
    #expect(put([[UInt8](repeating: 1, count: 65)], inbox) == 1, "longer than a slot")
    #expect(put([[7]], inbox) == 0)
    #expect(inbox.frame(0).array == [7])
  }

  @Test("does not let its owner sleep on a frame")
  func sleep() throws {
    let inbox = try Inbox(frame: 64, bell: Bell())
    #expect(inbox.sleep())
    inbox.awake()
    #expect(put([[1]], inbox) == 0)
    #expect(!inbox.sleep())
  }
}

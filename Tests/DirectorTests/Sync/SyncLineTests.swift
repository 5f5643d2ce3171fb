import Sync
import Synchronization
import Testing

@testable import Director

@Suite("A port that a sync master tells by")
struct SyncLineTests {
  /// A socket that has room for so many datagrams.
  private final class Peer: Sendable {
    let room = Mutex(0)
    let taken = Mutex<[[UInt8]]>([])

    func send(_ datagram: [UInt8]) -> SyncSocket.Sending {
      guard datagram != [0] else { return .refused }
      let isTaken = room.withLock { room in
        guard room > 0 else { return false }
        room -= 1
        return true
      }
      if isTaken { taken.withLock { $0.append(datagram) } }
      return isTaken ? .taken : .full
    }
  }

  @Test("What finds no room waits in order, up to so many; the rest is dropped and counted")
  func waits() {
    let (peer, figures) = (Peer(), SyncFigures())
    var line = SyncLine(SyncPacker(id: 0, limit: 1_472), peer.send)
    peer.room.withLock { $0 = 2 }
    for number in 1...8 { line.send([UInt8(number)], limit: 4, figures) }
    #expect(line.isWaiting && figures.status([]).sent == ["datagrams": 2, "records": 0, "errors": 0, "dropped": 2])
    peer.room.withLock { $0 = 3 }
    line.flush(figures)
    peer.room.withLock { $0 = 9 }
    line.send([9], limit: 4, figures)
    #expect(!line.isWaiting && peer.taken.withLock { $0 } == [[1], [2], [3], [4], [5], [6], [9]])
  }

  @Test("What the system will never send is counted and holds nothing up")
  func refused() {
    let (peer, figures) = (Peer(), SyncFigures())
    var line = SyncLine(SyncPacker(id: 0, limit: 1_472), peer.send)
    peer.room.withLock { $0 = 2 }
    for datagram in [[1], [0], [2]] as [[UInt8]] { line.send(datagram, limit: 4, figures) }
    #expect(!line.isWaiting && figures.status([]).sent["errors"] == 1 && peer.taken.withLock { $0 } == [[1], [2]])
  }
}

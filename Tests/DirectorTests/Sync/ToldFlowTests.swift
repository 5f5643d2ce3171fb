import LVS
import Sync
import Testing

@testable import Director

@Suite("What a sync master tells")
struct ToldFlowTests {
  private static func connection(_ packets: UInt32, _ state: ConnectionState, synced: Bool = false) -> Connection {
    var connection = Connection(ConnectionKey(high: 0, low: 1, ports: 2))
    (connection.packets, connection.state) = (packets, state.rawValue)
    if synced { connection.flags.insert(.synced) }
    return connection
  }

  @Test("Whenever it looks, it tells where a packet since then was one that the kernel tells of", arguments: 0..<50)
  func decides(seed: UInt64) {
    var random = SplitMix64(seed: seed)
    var policy = SyncPolicy()
    policy.period = [50, 7, 0, 1][Int(seed % 4)]
    policy.threshold = [3, 2, 3, 0][Int(seed % 4)]
    var flows = ToldFlows(policy)
    var before: UInt32 = 0
    for _ in 0..<40 {
      let packets = before + UInt32(random.next() % 30)
      let due = (before..<packets).contains { number in
        var told: UInt32 = 0
        let flow = SyncPolicy.Flow(kind: .stateful, isEstablished: true, timeout: 90_000)
        return policy.tells(flow, packets: number + 1, told: &told, now: 0)
      }
      let connection = Self.connection(packets, .established)
      let isTold = flows.tells(connection: connection, 9, timeout: 90_000, now: 0)
      #expect(isTold == due, "\(before) to \(packets)")
      before = packets
    }
  }

  @Test("An end is told at once, and once")
  func tellsEnds() {
    var flows = ToldFlows(SyncPolicy())
    func tells(_ packets: UInt32, _ state: ConnectionState) -> Bool {
      flows.tells(connection: Self.connection(packets, state), 1, timeout: 100, now: 0)
    }
    #expect(!tells(1, .synRecv) && !tells(2, .established) && tells(4, .established) && !tells(5, .established))
    #expect(tells(6, .finWait) && !tells(6, .finWait) && !tells(7, .finWait) && tells(8, .close))
  }

  @Test("What a peer told is not told back before it has packets here")
  func keepsQuiet() {
    var flows = ToldFlows(SyncPolicy())
    func tells(_ packets: UInt32, _ state: ConnectionState) -> Bool {
      flows.tells(connection: Self.connection(packets, state, synced: true), 1, timeout: 100, now: 0)
    }
    #expect(!tells(3, .established) && !tells(3, .finWait) && !tells(10, .established) && tells(60, .established))
    #expect(!tells(3, .established), "told again by the peer")
  }

  @Test("Another connection in the place of one that was told is a new one")
  func knowsOthers() {
    var flows = ToldFlows(SyncPolicy())
    var connection = Self.connection(4, .established)
    for client in 1...2 {
      connection.low = UInt64(client)
      let isTold = flows.tells(connection: connection, 1, timeout: 100, now: 0)
      #expect(isTold)
    }
  }
}

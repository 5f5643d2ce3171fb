import LVS
import Testing

@testable import Director

@Suite("Ownership: frames that come to a worker which does not own their connection")
struct OwnershipTests {
  private static let workers: UInt32 = 3

  private static func frame(_ client: String, _ vip: String) -> TestFrame {
    var frame = TestFrame()
    (frame.source, frame.destination) = (IPAddress(client)!, IPAddress(vip)!)
    return frame
  }

  /// All that has to do with one client: its own packets, its fragments, and what a router says about replies to it.
  private static func frames(of client: String, isV4: Bool) -> [(name: String, bytes: [UInt8])] {
    let vip = isV4 ? "10.1.0.100" : "2001:db8::100"
    let own = frame(client, vip)
    let reply = Array(frame(vip, client).tcp("A", from: 80, to: 1_000)[14...])
    let router = frame(isV4 ? "203.0.113.1" : "2001:db8:ffff::1", vip)
    var frames = [
      ("SYN", own.tcp("S", from: 1_000, to: 80)), ("datagram", own.udp(from: 9, to: 53)),
      ("INIT", own.sctp(chunk: 1, from: 7, to: 80)), ("ping", own.echo()),
      ("error about a reply", router.error(type: isV4 ? 3 : 1, code: 1, about: reply)),
    ]
    if isV4 {
      frames.append(("first fragment", own.ip(17, [UInt8](repeating: 0, count: 16), fragment: IPv4.moreFragments)))
      frames.append(("later fragment", own.ip(17, [1, 2, 3, 4], fragment: 5)))
    } else {
      frames.append(("later fragment", own.ip(44, [17, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4])))
    }
    return frames
  }

  @Test("All that has to do with one client is handed over to the same worker", arguments: [true, false])
  func one(_ isV4: Bool) throws {
    let vip = Endpoint(IPAddress(isV4 ? "10.1.0.100" : "2001:db8::100")!, 80)
    for worker in 0..<Self.workers {
      let ownership = Ownership(worker: worker, workers: Self.workers)
      let director = try TestDirector(ownership: ownership)
      try director.apply(.addService(VirtualService(.endpoint(.tcp, vip), scheduler: .rr), force: false))
      for number in 1..<20 {
        let client = isV4 ? "192.0.2.\(number)" : "2001:db8:\(number)::5"
        let owner = ownership.owner(of: IPAddress(client)!)
        for (name, bytes) in Self.frames(of: client, isV4: isV4) {
          let verdict = director.process(bytes).verdict
          #expect((verdict == .handOver(to: owner)) == (owner != worker), "\(name) from \(client) at worker \(worker)")
        }
      }
    }
  }
}

import LVS
import TestSupport
import Testing

@testable import Sync

@Suite("Signed datagrams")
struct SignatureTests {
  private static let key: [UInt8] = Array(0..<32)

  private func signed(_ count: Int, now: UInt64 = 1_000_000) -> [UInt8] {
    var random = Seeded(state: UInt64(count))
    var packer = SyncPacker(id: 3, limit: 60_000, signature: SyncSignature(key: Self.key, sender: 77))
    for _ in 0..<count { _ = packer.add(.random(&random), now: now) }
    return packer.finish(now: now)!
  }

  @Test("A signed datagram is read as one without a signature, and says who sent it when", arguments: 1...20)
  func verifies(_ count: Int) throws {
    let datagram = signed(count)
    #expect(try SyncDatagram.parse(datagram, id: 3).records.count == count)
    let origin = try #require(SyncSignature(key: Self.key).verify(datagram))
    #expect(origin.sender == 77 && origin.time == 1_000_000)
  }

  @Test("A datagram that was changed in any byte is not verified")
  func changed() {
    let datagram = signed(2)
    for index in datagram.indices {
      var changed = datagram
      changed[index] ^= 1
      #expect(SyncSignature(key: Self.key).verify(changed) == nil, "byte \(index)")
    }
  }

  @Test("Another key, no signature and every truncation are not verified")
  func unsigned() {
    let datagram = signed(2)
    #expect(SyncSignature(key: [1]).verify(datagram) == nil)
    for length in 0..<datagram.count {
      #expect(SyncSignature(key: Self.key).verify(Array(datagram.prefix(length))) == nil)
    }
  }

  @Test("A datagram counts once, in its time, and only after those that its sender sent before")
  func replays() {
    var replays = ReplayGuard()
    func isNew(sender: UInt64, time: UInt64, now: UInt64) -> Bool {
      replays.isNew(sender: sender, time: time, now: now)
    }
    let now: UInt64 = 1_700_000_000_000_000
    #expect(isNew(sender: 1, time: now, now: now))
    #expect(!isNew(sender: 1, time: now, now: now))
    #expect(!isNew(sender: 1, time: now - 1, now: now))
    #expect(isNew(sender: 2, time: now - 1, now: now))
    #expect(isNew(sender: 1, time: now + 1, now: now))
    #expect(!isNew(sender: 3, time: now - ReplayGuard.tolerance - 1, now: now))
    #expect(!isNew(sender: 3, time: now + ReplayGuard.tolerance + 1, now: now))
    let later = now + 10 * ReplayGuard.tolerance
    #expect(!isNew(sender: 1, time: now + 1, now: later), "too old, though it is forgotten")
    #expect(isNew(sender: 1, time: later, now: later))
  }
}

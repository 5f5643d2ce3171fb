import LVS
import TestSupport
import Testing

@testable import Sync

@Suite("Streams by which one director asks another for all that it knows")
struct StreamTests {
  private static let key: [UInt8] = Array(0..<32)
  private static let keys: [[UInt8]?] = [nil, key]
  private static let now: UInt64 = 1_700_000_000_000_000

  /// What a master answers with: the records in datagrams, a mark after each hundred.
  private func text(_ records: [FlowRecord], _ signature: SyncSignature?, id: UInt8 = 7) -> [UInt8] {
    var (bytes, time): ([UInt8], UInt64) = ([], Self.now)
    func next() -> UInt64 {
      time += 1
      return time
    }
    var packer = SyncPacker(id: id, limit: 2_000, signature: signature)
    for (index, record) in records.enumerated() {
      bytes += packer.add(record, now: next()) ?? []
      guard index % 100 == 99 else { continue }
      bytes += packer.finish(now: next()) ?? []
      bytes += SyncMark(part: 0, number: UInt32(index)).datagram(id: id, signature, now: next())
    }
    bytes += packer.finish(now: next()) ?? []
    return bytes + SyncMark.end.datagram(id: id, signature, now: next())
  }

  private func records(_ count: Int, _ seed: UInt64) -> [FlowRecord] {
    var random = Seeded(state: seed)
    return (0..<count).map { _ in FlowRecord.random(&random) }
  }

  private func question(_ answer: SyncStream.Answer, key: [UInt8]?, id: UInt8 = 7) throws -> SyncStream.Question {
    var replays = ReplayGuard()
    return try SyncStream.Question(answer.question, id: id, key: key, &replays, now: Self.now)
  }

  @Test("What is asked is understood, and what is answered is read, in whatever pieces it comes", arguments: keys)
  func conversation(_ key: [UInt8]?) throws {
    var random = Seeded(state: 1)
    let mark = SyncMark(part: 2, number: 77)
    var answer = SyncStream.Answer(id: 7, key: key, from: mark, now: Self.now)
    let question = try question(answer, key: key)
    #expect(question.mark == mark)
    let told = records(450, 2)
    var (left, taken): (ArraySlice<UInt8>, [FlowRecord]) = (text(told, question.signature)[...], [])
    while !answer.isWhole {
      let piece = left.prefix(Int.random(in: 1...3_000, using: &random))
      left = left.dropFirst(piece.count)
      answer.append(piece)
      while let more = try answer.next() { taken += more }
    }
    #expect(taken == told && left.isEmpty)
  }

  @Test("A stream that breaks off anywhere says where to go on", arguments: keys)
  func breaksOff(_ key: [UInt8]?) throws {
    let first = SyncStream.Answer(id: 7, key: key, from: .start, number: 5, now: Self.now)
    let bytes = text(records(250, 3), try question(first, key: key).signature)
    for length in stride(from: 0, to: bytes.count, by: 97) {
      var answer = first
      answer.append(bytes.prefix(length))
      var count = 0
      while let more = try answer.next() { count += more.count }
      #expect(!answer.isWhole)
      #expect(
        answer.mark == (count < 100 ? .start : SyncMark(part: 0, number: count < 200 ? 99 : 199)) || count % 100 == 0)
    }
  }

  @Test("With a key, an answer that was changed, or is to another question, is not believed")
  func distrusts() throws {
    let first = SyncStream.Answer(id: 7, key: Self.key, from: .start, number: 5, now: Self.now)
    let bytes = text(records(20, 4), try question(first, key: Self.key).signature)
    for index in bytes.indices {
      var (answer, changed) = (first, bytes)
      changed[index] ^= 1
      answer.append(changed)
      #expect(throws: SyncStream.Distrust.self) {
        while try answer.next() != nil {}
        // A size that grew waits for more, and so never is whole.
        if !answer.isWhole { throw SyncStream.Distrust.damaged }
      }
    }
    var other = SyncStream.Answer(id: 7, key: Self.key, from: .start, number: 6, now: Self.now)
    other.append(bytes)
    #expect(throws: SyncStream.Distrust.unsigned) { try other.next() }
    var multicast = first
    multicast.append(text(records(20, 4), SyncSignature(key: Self.key, sender: 5)))
    #expect(throws: SyncStream.Distrust.unsigned) { try multicast.next() }
  }

  @Test("A question is answered once, by who has the key, and to directors of the same sync ID")
  func questions() throws {
    let asking = SyncStream.Answer(id: 7, key: Self.key, from: .start, now: Self.now)
    var replays = ReplayGuard()
    func ask(_ bytes: [UInt8], key: [UInt8]?, id: UInt8 = 7) throws {
      _ = try SyncStream.Question(bytes, id: id, key: key, &replays, now: Self.now)
    }
    try ask(asking.question, key: Self.key)
    #expect(throws: SyncStream.Distrust.unsigned) { try ask(asking.question, key: Self.key) }
    let unsigned = SyncStream.Answer(id: 7, key: nil, from: .start, now: Self.now).question
    #expect(throws: SyncStream.Distrust.damaged) { try ask(unsigned, key: Self.key) }
    #expect(throws: SyncStream.Distrust.otherID) { try ask(unsigned, key: nil, id: 8) }
    try ask(unsigned, key: nil, id: 0)
    for length in 0..<unsigned.count {
      #expect(throws: SyncStream.Distrust.damaged) { try ask(Array(unsigned.prefix(length)), key: nil) }
    }
  }

  @Test("A kernel, and who knows no marks, finds nothing in one")
  func isEmpty() throws {
    for key in Self.keys {
      let mark = SyncMark.start.datagram(id: 7, key.map { SyncSignature(key: $0) }, now: Self.now)
      let content = try SyncDatagram.parse(mark, id: 7)
      #expect(content == SyncDatagram.Content())
    }
  }
}

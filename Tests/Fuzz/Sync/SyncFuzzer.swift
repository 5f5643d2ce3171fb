import Sync

/// Datagrams of connection synchronization, and streams of them. What is taken is written again and must be read as it
/// was.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  fuzzStream(input)
  // A size that is not the datagram's ends all; the fuzzer need not find out how to write it.
  guard input.count >= 4 else { return 0 }
  (input[2], input[3]) = (UInt8(truncatingIfNeeded: input.count >> 8), UInt8(truncatingIfNeeded: input.count))
  _ = SyncSignature(key: [1]).verify(input)
  guard let content = try? SyncDatagram.parse(input, id: 0) else { return 0 }
  var packer = SyncPacker(id: 1, limit: 65_000)
  for record in content.records { _ = packer.add(record, now: 0) }
  guard let written = packer.finish(now: 0) else { return 0 }
  guard (try? SyncDatagram.parse(written, id: 1))?.records == content.records else {
    fatalError("what was written is not what was read")
  }
  return 0
}

/// As what another director answers, with and without a key, and as what it asks.
private func fuzzStream(_ input: [UInt8]) {
  for key in [nil, [1]] as [[UInt8]?] {
    var answer = SyncStream.Answer(id: 0, key: key, from: .start, number: 0, now: 1)
    for piece in [input.prefix(input.count / 2), input.suffix(input.count - input.count / 2)] {
      answer.append(piece)
      // What is not believed ends the stream.
      while (try? answer.next()) != nil {}
    }
    var replays = ReplayGuard()
    _ = try? SyncStream.Question(input, id: 0, key: key, &replays, now: 1)
  }
}

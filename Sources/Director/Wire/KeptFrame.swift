import LVS

/// A copy of a frame that outlives its batch: it waits for its server's address, or for its first fragment.
struct KeptFrame {
  /// The metadata that goes before the frame on its port, if any, and the frame without its 802.1Q tag.
  var bytes: [UInt8]
  /// Where the Ethernet header begins.
  var header: Int
  var tag: UInt16?

  /// Lends the frame, with `room` behind it; the metadata stays out of sight.
  mutating func lend<Result>(room: Int = 0, _ body: (Bytes) -> (Result, length: Int)) -> Result {
    let header = header
    return bytes.lend(room: room) { bytes in
      let (result, length) = body(bytes.dropping(header))
      return (result, length: header + length)
    }
  }

  /// The frame in IPv4 fragments of at most `mtu` bytes, each complete and ready to be sent.
  func cut(mtu: Int) -> [KeptFrame] {
    var whole = self
    whole.completeChecksum()
    return IPv4Fragmentation.frames(of: Array(whole.bytes[header...]), mtu: mtu).map { frame in
      KeptFrame(bytes: [UInt8](repeating: 0, count: header) + frame, header: header, tag: tag)
    }
  }

  /// Does what the metadata says is left to do: the checksum, whose field holds the sum of the pseudo header so far.
  private mutating func completeChecksum() {
    guard header == VirtioHeader.length, bytes[0] & VirtioHeader.needsChecksum != 0 else { return }
    bytes.lend { [header] bytes in
      let start = header + Int(bytes.native16(VirtioHeader.checksumStart))
      let field = start + Int(bytes.native16(VirtioHeader.checksumOffset))
      if field + 2 <= bytes.count {
        let sum = Checksum.finish(Checksum.sum(bytes, start, bytes.count - start))
        // For UDP a zero would say that there is none.
        bytes.set(field, sum == 0 ? .max : sum)
      }
      return ((), length: bytes.count)
    }
  }

  /// Says that the frame is the director's own: nobody is to complete or cut it.
  mutating func clearMetadata() {
    for index in 0..<header { bytes[index] = 0 }
  }

  /// As the port sends it: tagged, the offsets of the metadata moved accordingly.
  var wire: [UInt8] {
    guard let tag else { return bytes }
    var tagged = Array(bytes[..<header]) + Ethernet.tagged(Array(bytes[header...]), vlan: tag)
    guard header == VirtioHeader.length else { return tagged }
    tagged.lend { bytes in
      VirtioHeader.shift(bytes, by: 4)
      return ((), length: bytes.count)
    }
    return tagged
  }
}

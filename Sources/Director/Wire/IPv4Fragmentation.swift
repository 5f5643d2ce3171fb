import LVS

/// Cutting an IPv4 packet that is longer than the way to its server carries (RFC 791, 3.2).
enum IPv4Fragmentation {
  private static let copied: UInt8 = 0x80
  private static let endOfOptions: UInt8 = 0
  private static let noOperation: UInt8 = 1

  /// The frames of the fragments, in order, each with an IP packet of at most `mtu` bytes. The packet may be a fragment
  /// itself. Bytes behind it (padding) are left out.
  ///
  /// - Returns: none where the header leaves no room for data, or the data reaches beyond a datagram's largest length.
  static func frames(of frame: [UInt8], mtu: Int) -> [[UInt8]] {
    let ip = Ethernet.length
    let start = ip + Int(frame[ip] & 15) * 4
    let end = ip + Int(word(frame, ip + IPv4.totalLength))
    let room = (mtu - (start - ip)) & ~7
    let offset = Int(word(frame, ip + IPv4.fragment) & IPv4.fragmentOffset)
    guard room > 0, start <= end, end <= frame.count, offset * 8 + end - start <= UInt16.max else { return [] }
    var header = Array(frame[..<start])
    return stride(from: start, to: end, by: room).map { place in
      let data = frame[place..<min(place + room, end)]
      if place == start + room { blankOptions(&header) }
      return fragment(header, data, offset: (place - start) / 8, isLast: data.endIndex == end)
    }
  }

  private static func word(_ bytes: [UInt8], _ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }

  private static func fragment(_ header: [UInt8], _ data: ArraySlice<UInt8>, offset: Int, isLast: Bool) -> [UInt8] {
    var frame = header + data
    let ip = Ethernet.length
    let original = word(header, ip + IPv4.fragment) & ~IPv4.dontFragment
    frame.lend { bytes in
      bytes.set(ip + IPv4.totalLength, UInt16(truncatingIfNeeded: bytes.count - ip))
      bytes.set(
        ip + IPv4.fragment, original &+ UInt16(truncatingIfNeeded: offset) | (isLast ? 0 : IPv4.moreFragments))
      bytes.set(ip + IPv4.checksum, UInt16(0))
      bytes.set(ip + IPv4.checksum, Checksum.finish(Checksum.sum(bytes, ip, header.count - ip)))
      return ((), length: bytes.count)
    }
    return frame
  }

  /// Only the first fragment has the options without the copied flag. As the kernel does it, they make way for no
  /// operations, so that all headers have one length.
  private static func blankOptions(_ header: inout [UInt8]) {
    var at = Ethernet.length + IPv4.length
    while at < header.count, header[at] != endOfOptions {
      let isSingle = header[at] == noOperation
      let length = isSingle || at + 1 == header.count ? 1 : Int(header[at + 1])
      guard isSingle || length >= 2, at + length <= header.count else { return }
      if header[at] & copied == 0 { for byte in at..<at + length { header[byte] = noOperation } }
      at += length
    }
  }
}

import LVS

/// Where the parts of one frame's packet are and what the director needs of them: the result of parsing, without
/// pointers, so that it can be kept while the frame is looked at again.
struct Packet {
  /// A fragment's part in its datagram.
  enum Fragment {
    case none
    case first
    case later
  }

  var source = IPAddress(v4: 0)
  var destination = IPAddress(v4: 0)
  /// The IP protocol number of the transport.
  var transport: UInt8 = 0
  var ttl: UInt8 = 0
  var fragment = Fragment.none
  var tcpFlags: UInt8 = 0
  /// The first chunk's type for SCTP; the type for ICMP.
  var kind: UInt8 = 0
  var sourcePort: UInt16 = 0
  var destinationPort: UInt16 = 0
  /// Of a fragment the header that says its place, as an offset: the IPv4 header, or IPv6's fragment header.
  var fragmentHeader: UInt16 = 0
  var metadata = FrameMetadata()

  private var places = (ip: UInt32(Ethernet.length), transportHeader: UInt32(0), end: UInt32(0))

  /// Offsets from the start of the frame: the IP header, the transport header, the end of the packet.
  @inline(__always) var ip: Int {
    get { Int(places.ip) }
    set { places.ip = UInt32(truncatingIfNeeded: newValue) }
  }
  @inline(__always) var transportHeader: Int {
    get { Int(places.transportHeader) }
    set { places.transportHeader = UInt32(truncatingIfNeeded: newValue) }
  }
  @inline(__always) var end: Int {
    get { Int(places.end) }
    set { places.end = UInt32(truncatingIfNeeded: newValue) }
  }

  /// The IP length: what the counters count.
  @inline(__always) var length: Int { end &- ip }
  @inline(__always) var family: IPAddress.Family { source.family }

  /// The IP length of what goes out: of a super-frame that of the longest packet that it will be cut into.
  @inline(__always)
  func wireLength(_ frame: Bytes) -> Int { metadata.segment == 0 ? length : segmentLength(frame) }

  /// Each of them has all the headers.
  @inline(never)
  private func segmentLength(_ frame: Bytes) -> Int {
    guard fragment == .none, transport == TCP.number || transport == UDP.number else { return length }
    let header = transport == TCP.number ? TCP.headerLength(frame, transportHeader) : UDP.length
    return min(transportHeader &+ header &+ Int(metadata.segment) &- ip, length)
  }

  /// Parses the network header.
  ///
  /// - Returns: nil, or the verdict that ends the frame's way.
  @inline(__always)
  mutating func parseNetwork(_ frame: Bytes) -> Verdict? {
    guard frame.count >= Ethernet.length else { return .drop(.truncatedFrame) }
    switch frame.u16(Ethernet.type) {
    case Ethernet.ipv4: return parseIPv4(frame)
    case Ethernet.ipv6: return parseIPv6(frame)
    default: return .pass
    }
  }

  @inline(__always)
  private mutating func parseIPv4(_ frame: Bytes) -> Verdict? {
    guard frame.count &- ip >= IPv4.length else { return .drop(.truncatedIp) }
    let start = frame.u8(ip)
    let header = Int(start & 15) &* 4
    guard start >> 4 == 4, header >= IPv4.length else { return .drop(.badIpHeader) }
    let total = Int(frame.u16(ip &+ IPv4.totalLength))
    guard total >= header, total <= frame.count &- ip else { return .drop(.badIpLength) }
    var sum = frame.sum(ip, words: IPv4.length / 4)
    if header > IPv4.length { sum &+= frame.sum(ip &+ IPv4.length, words: (header &- IPv4.length) / 4) }
    guard Checksum.fold(sum) == 0xffff else { return .drop(.badIpHeader) }
    source = IPAddress(v4: frame.u32(ip &+ IPv4.source))
    destination = IPAddress(v4: frame.u32(ip &+ IPv4.destination))
    transport = frame.u8(ip &+ IPv4.transport)
    ttl = frame.u8(ip &+ IPv4.ttl)
    transportHeader = ip &+ header
    end = ip &+ total
    let flags = frame.u16(ip &+ IPv4.fragment)
    if flags & (IPv4.fragmentOffset | IPv4.moreFragments) != 0 {
      fragment = flags & IPv4.fragmentOffset == 0 ? .first : .later
      fragmentHeader = UInt16(truncatingIfNeeded: ip)
    }
    return nil
  }

  @inline(__always)
  private mutating func parseIPv6(_ frame: Bytes) -> Verdict? {
    guard frame.count &- ip >= IPv6.length else { return .drop(.truncatedIp) }
    guard frame.u8(ip) >> 4 == 6 else { return .drop(.badIpHeader) }
    let payload = Int(frame.u16(ip &+ IPv6.payloadLength))
    guard payload <= frame.count &- ip &- IPv6.length else { return .drop(.badIpLength) }
    source = frame.address(ip &+ IPv6.source, .v6)
    destination = frame.address(ip &+ IPv6.destination, .v6)
    transport = frame.u8(ip &+ IPv6.nextHeader)
    ttl = frame.u8(ip &+ IPv6.hopLimit)
    transportHeader = ip &+ IPv6.length
    end = transportHeader &+ payload
    return IPv6.isExtension(transport) || transport == IPv6.fragment ? walkExtensions(frame) : nil
  }

  /// Walks to the transport header, or to the end of a later fragment's headers.
  @inline(never)
  mutating func walkExtensions(_ frame: Bytes) -> Verdict? {
    for _ in 0..<IPv6.maximumExtensions {
      guard IPv6.isExtension(transport) || transport == IPv6.fragment else { return nil }
      guard end &- transportHeader >= 8 else { return .drop(.extensionHeaders) }
      let next = frame.u8(transportHeader)
      if transport == IPv6.fragment {
        // A datagram is cut once.
        guard fragmentHeader == 0 else { return .drop(.extensionHeaders) }
        fragmentHeader = UInt16(truncatingIfNeeded: transportHeader)
        let place = frame.u16(transportHeader &+ 2)
        // An atomic fragment (RFC 6946) is a whole packet.
        if place & 0xfff9 != 0 { fragment = place & 0xfff8 == 0 ? .first : .later }
        transportHeader &+= 8
      } else {
        let length = (Int(frame.u8(transportHeader &+ 1)) &+ 1) &* 8
        guard end &- transportHeader >= length else { return .drop(.extensionHeaders) }
        transportHeader &+= length
      }
      transport = next
      if fragment == .later { return nil }
    }
    return .drop(.extensionHeaders)
  }

  /// Parses the transport header of a packet that is not a later fragment: what a connection is found by has to be there,
  /// as for the kernel's IPVS. What else the header says is for the real server to judge.
  @inline(__always)
  mutating func parseTransport(_ frame: Bytes) -> Verdict? {
    let room = end &- transportHeader
    switch transport {
    case TCP.number:
      guard room >= TCP.length else { return .drop(.truncatedTransport) }
      tcpFlags = frame.u8(transportHeader &+ TCP.flags)
    case UDP.number:
      guard room >= UDP.length else { return .drop(.truncatedTransport) }
    case SCTP.number:
      guard room >= SCTP.length &+ SCTP.chunkHeader else { return .drop(.truncatedTransport) }
      kind = frame.u8(transportHeader &+ SCTP.length)
    case ICMP.number, ICMP.numberV6:
      guard room >= ICMP.length else { return .drop(.truncatedTransport) }
      kind = frame.u8(transportHeader)
      return nil
    default:
      return nil
    }
    sourcePort = frame.u16(transportHeader)
    destinationPort = frame.u16(transportHeader &+ 2)
    return nil
  }
}

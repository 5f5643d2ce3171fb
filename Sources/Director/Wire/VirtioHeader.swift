/// The metadata of `PACKET_VNET_HDR`: what is left to do to a frame (`struct virtio_net_hdr`, in the machine's order).
///
///     flags (1) | segmentation (1) | linear length (2) | segment size (2) | checksum start (2) | offset (2)
///
/// The kernel writes it to the frames that it hands over (`virtio_net_hdr_from_skb`), and does what it says to those
/// that are sent (`virtio_net_hdr_to_skb`). The linear length is how much of the frame the kernel kept in one piece:
/// the headers at least, but where a driver puts whole packets there, the first segment's payload too. So it says
/// nothing of the headers; where those end, the packet itself tells.
enum VirtioHeader {
  static let length = 10
  static let needsChecksum: UInt8 = 1
  /// Somebody checked the transport's checksum already.
  private static let hasValidChecksum: UInt8 = 2
  private static let segmentation = 1
  private static let linearLength = 2
  private static let segmentSize = 4
  static let checksumStart = 6
  static let checksumOffset = 8
  /// Goes with a kind of segmentation, and is none of its own.
  private static let ecn: UInt8 = 0x80
  /// The kind in which each segment is a datagram (`VIRTIO_NET_HDR_GSO_UDP_L4`).
  private static let datagrams: UInt8 = 5

  /// What the header says of the frame behind it. A header that the kernel would refuse together with the frame is mended:
  /// one that has the frame cut into pieces of nothing, has more of it in one piece than there is, or is of datagrams
  /// that were merged with their checksums (`rx-gro-list`), which the kernel only cuts where checksums are left to it.
  @inline(__always)
  static func metadata(_ header: Bytes, _ frame: Bytes) -> FrameMetadata {
    header.native16(0) == 0 ? FrameMetadata() : described(header, frame)
  }

  @inline(never)
  private static func described(_ header: Bytes, _ frame: Bytes) -> FrameMetadata {
    let segment = header.u8(segmentation) & ~ecn == 0 ? 0 : header.native16(segmentSize)
    if segment == 0 { header.set(segmentation, UInt8(0)) }
    header.setNative(linearLength, min(header.native16(linearLength), UInt16(clamping: frame.count)))
    if header.u8(segmentation) == datagrams, header.u8(0) & needsChecksum == 0 { leaveChecksum(header, frame) }
    // What was merged was checked before.
    let isChecked = header.u8(0) & (needsChecksum | hasValidChecksum) != 0 || segment != 0
    return FrameMetadata(segment: segment, isChecked: isChecked)
  }

  /// The field then holds the sum of the pseudo header.
  private static func leaveChecksum(_ header: Bytes, _ frame: Bytes) {
    var packet = Packet()
    guard packet.parseNetwork(frame) == nil, packet.fragment == .none, packet.transport == UDP.number,
      packet.parseTransport(frame) == nil
    else { return }
    let udp = packet.transportHeader
    let pseudo = Checksum.pseudoHeader(
      packet.source, packet.destination, transport: UDP.number, length: Int(frame.u16(udp + UDP.datagramLength)))
    frame.set(udp + UDP.checksum, Checksum.fold(pseudo))
    header.set(0, needsChecksum)
    header.setNative(checksumStart, UInt16(truncatingIfNeeded: udp))
    header.setNative(checksumOffset, UInt16(UDP.checksum))
  }

  /// Moves what the header says to `distance` bytes further on.
  static func shift(_ bytes: Bytes, by distance: UInt16) {
    func move(_ offset: Int) { bytes.setNative(offset, bytes.native16(offset) &+ distance) }
    if bytes.u8(0) & needsChecksum != 0 { move(checksumStart) }
    if bytes.u8(segmentation) != 0 { move(linearLength) }
  }
}

/// What a port knows of a frame beside its bytes.
struct FrameMetadata: BitwiseCopyable, Equatable {
  /// Of a super-frame the most payload (what follows the transport header) in each packet that it will be cut into, in
  /// bytes (the kernel's `gso_size`); 0 for an ordinary frame.
  var segment: UInt16 = 0
  /// The transport's checksum needs no look: it was checked already, or is yet to be computed.
  var isChecked = false
}

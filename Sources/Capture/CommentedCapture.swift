import Director

/// A capture in the pcapng format, in which each frame can carry a comment: here, its verdict.
///
/// Blocks and options as in draft-ietf-opsawg-pcapng, little-endian; libpcap reads this format but cannot write it.
enum CommentedCapture {
  /// Section header and the description of one Ethernet interface, with times in microseconds.
  static var header: [UInt8] {
    let section = block(0x0a0d_0d0a, words(0x1a2b_3c4d) + [1, 0, 0, 0] + [UInt8](repeating: 0xff, count: 8))
    return section + block(1, words(1) + words(262_144))
  }

  /// One frame with its comment and, where there were some, how many were lost before it.
  static func frame(_ frame: TappedFrame, lost: Int) -> [UInt8] {
    let time = words(UInt32(frame.time >> 32)) + words(UInt32(truncatingIfNeeded: frame.time))
    let length = words(UInt32(frame.bytes.count))
    let comment = Array(frame.verdict.utf8)
    var options = [1, 0, UInt8(comment.count & 0xff), UInt8(comment.count >> 8 & 0xff)] + padded(comment)
    // epb_dropcount
    if lost > 0 { options += [4, 0, 8, 0] + words(UInt32(clamping: lost)) + words(0) }
    return block(6, words(0) + time + length + length + padded(frame.bytes) + options + words(0))
  }

  private static func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
    let length = words(UInt32(body.count + 12))
    return words(type) + length + body + length
  }

  private static func words(_ value: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: -bytes.count & 3)
  }
}

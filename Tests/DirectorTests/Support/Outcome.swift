import LVS

@testable import Director

extension TestDirector {
  /// What comes out for some frames, those too that waited for one of them, in the words of `Tests/Differential`: a
  /// server's number, `rst`, `icmp TYPE/CODE from ADDRESS`, or `none`.
  func outcome(of frames: [[UInt8]]) -> String {
    let sent = frames.flatMap { frame in [word(frame)] + ready().map(word) }.filter { $0 != "none" }
    return sent.isEmpty ? "none" : sent.joined(separator: " and ")
  }

  private func word(_ frame: [UInt8]) -> String {
    let (verdict, result) = process(frame)
    switch verdict {
    case .transmit: return String(result[5])
    case .cut:
      let pieces = KeptFrame(bytes: result, header: 0).cut(mtu: link.mtu)
      return pieces.map { String($0.bytes[5]) }.joined(separator: " and ")
    case .park: return park(frame) ? "none" : "no room"
    case .answer: return answer(result)
    case .drop: return "none"
    case .pass, .hold, .handOver: return "\(verdict)"
    }
  }

  private func answer(_ result: [UInt8]) -> String {
    let isV4 = result[Ethernet.length] >> 4 == 4
    let (transport, header) = isV4 ? (IPv4.transport, IPv4.length) : (IPv6.nextHeader, IPv6.length)
    guard result[Ethernet.length + transport] != TCP.number else { return "rst" }
    let message = result.dropFirst(Ethernet.length + header)
    var address = result
    let source = address.lend(room: 0) { bytes in
      let at = Ethernet.length + (isV4 ? IPv4.source : IPv6.source)
      return (bytes.address(at, isV4 ? .v4 : .v6), length: bytes.count)
    }
    return "icmp \(message[message.startIndex])/\(message[message.startIndex + 1]) from \(source)"
  }
}

/// Bytes written in hexadecimal.
func bytes(_ hexadecimal: String) -> [UInt8] {
  stride(from: 0, to: hexadecimal.utf8.count, by: 2).map { place in
    let start = hexadecimal.index(hexadecimal.startIndex, offsetBy: place)
    return UInt8(hexadecimal[start..<hexadecimal.index(start, offsetBy: 2)], radix: 16) ?? 0
  }
}

extension Verdict {
  /// Whether the frame goes out to a server.
  var isSent: Bool { if case .transmit = self { true } else { false } }
}

import Foundation
import IPVSMessages
import Testing

/// A conversation of Debian's ipvsadm with a kernel, as `nlmon` saw it.
struct Conversation: Decodable {
  struct Message: Decodable {
    let hex: String
    var bytes: [UInt8] { Conversation.bytes(hex) }
  }

  /// A request and all that the kernel answered.
  struct Exchange {
    var request: [UInt8]
    var answer: [UInt8] = []
    var command: UInt8 { request[NetlinkHeader.size] }
  }

  let `case`: String
  let messages: [Message]

  /// In the order of the file; a request has the flag of one.
  var exchanges: [Exchange] {
    messages.map(\.bytes).reduce(into: []) { exchanges, message in
      guard let header = NetlinkHeader(message[...]) else { return }
      if header.type > NetlinkType.control, header.flags & NetlinkFlags.request != 0 {
        exchanges.append(Exchange(request: message))
      } else if !exchanges.isEmpty {
        exchanges[exchanges.count - 1].answer += message
      }
    }
  }

  static func all() throws -> [String: Conversation] {
    let file = try #require(Bundle.module.url(forResource: "netlink", withExtension: "json", subdirectory: "Golden"))
    let all = try JSONDecoder().decode([Conversation].self, from: Data(contentsOf: file))
    return Dictionary(uniqueKeysWithValues: all.map { ($0.case, $0) })
  }

  static func exchanges(_ name: String) throws -> [Exchange] { try #require(all()[name]).exchanges }

  static func bytes(_ hex: String) -> [UInt8] {
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).compactMap { place in
      UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16)
    }
  }
}

/// The messages that follow each other in these bytes.
func messages(_ bytes: [UInt8]) -> [[UInt8]] {
  var (rest, result) = (bytes[...], [[UInt8]]())
  while let header = NetlinkHeader(rest), Int(header.length) >= NetlinkHeader.size, Int(header.length) <= rest.count {
    result.append(Array(rest.prefix(Int(header.length))))
    rest = rest.dropFirst((Int(header.length) + 3) & ~3)
  }
  return result
}

/// A message to or from lbd, made of one to or from the recorded kernel: it has lbd's number for the family, and not the
/// padding that a kernel puts before numbers of 64 bits on machines that cannot read them elsewhere.
func asOfLbd(_ message: [UInt8]) -> [UInt8] {
  guard var header = NetlinkHeader(message[...]), header.type > NetlinkType.control else { return message }
  let generic = message[NetlinkHeader.size..<NetlinkHeader.genericSize]
  // What a kernel says of itself has no nests.
  let isInfo = generic.first == Command.setInfo.rawValue
  let content =
    generic + withoutPadding(message[NetlinkHeader.genericSize...], nests: isInfo ? [] : [[1, 2, 3], [10, 12]])
  header.type = IPVSFamily.number
  header.length = UInt32(NetlinkHeader.size + content.count)
  return header.bytes + content
}

/// - Parameter nests: which attributes have attributes in them, from the outermost on.
private func withoutPadding(_ bytes: ArraySlice<UInt8>, nests: ArraySlice<Set<UInt16>>) -> [UInt8] {
  var (rest, result) = (bytes, [UInt8]())
  while let length = UInt16(hostBytes: rest), let type = UInt16(hostBytes: rest.dropFirst(2)), length >= 4 {
    var value = Array(rest.prefix(Int(length)).dropFirst(4))
    if nests.first?.contains(type & 0x3fff) ?? false { value = withoutPadding(value[...], nests: nests.dropFirst()) }
    if !(nests.isEmpty && type == 11) {
      result += UInt16(value.count + 4).hostBytes + type.hostBytes + value
      while result.count % 4 != 0 { result.append(0) }
    }
    rest = rest.dropFirst((Int(length) + 3) & ~3)
  }
  return result
}

import Foundation
import IPVSMessages
import LVS
import Testing

@testable import KernelIPVS

/// Whole conversations of ipvsadm with a kernel, as `nlmon` saw them.
struct RecordedKernel {
  private struct Conversation: Decodable {
    struct Message: Decodable {
      var dir: String?
      var hex: String
      var bytes: [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).compactMap { place in
          UInt8(String(decoding: digits[place..<place + 2], as: UTF8.self), radix: 16)
        }
      }
    }
    var `case`: String
    var messages: [Message]
  }

  /// A request as it was recorded, and the datagrams that came back.
  struct Exchange {
    var request: [UInt8]
    var answers: [[UInt8]]
    var sequence: UInt32 { UInt32(hostBytes: request[8...])! }
    var command: UInt8 { request[16] }
    var isDump: Bool { UInt16(hostBytes: request[6...])! & 0x300 == 0x300 }
    var attributes: ArraySlice<UInt8> { request[20...] }

    /// Whether all that our request says stands in the recorded one.
    func asks(_ ours: Request) -> Bool {
      guard let mine = try? tree(ours.attributes[...]), let theirs = try? tree(attributes) else { return false }
      return mine.allSatisfy { theirs[$0.key] == $0.value }
    }
  }

  static func exchanges(_ name: String) throws -> [Exchange] {
    let file = try #require(Bundle.module.url(forResource: "netlink", withExtension: "json", subdirectory: "Golden"))
    let all = try JSONDecoder().decode([Conversation].self, from: Data(contentsOf: file))
    let conversation = try #require(all.first { $0.case == name })
    return conversation.messages.reduce(into: []) { exchanges, message in
      let bytes = message.bytes
      // A request has the flag of one; what the kernel says has not.
      if bytes.count >= 20, UInt16(hostBytes: bytes[4...])! > 15, UInt16(hostBytes: bytes[6...])! & 1 == 1 {
        exchanges.append(Exchange(request: bytes, answers: []))
      } else if !exchanges.isEmpty {
        exchanges[exchanges.count - 1].answers.append(bytes)
      }
    }
  }

  static func plane(_ name: String, ours: @escaping @Sendable (Request, Exchange) -> Void = { _, _ in }) async throws
    -> KernelTable
  {
    await KernelTable(try table(name, ours: ours))
  }

  /// A table whose kernel answers as the recorded one did, request by request, after comparing what it was asked.
  static func table(_ name: String, ours: @escaping @Sendable (Request, Exchange) -> Void = { _, _ in }) throws
    -> IPVSTable
  {
    var rest = try exchanges(name)[...]
    return IPVSTable { request throws(KernelError) in
      let candidates = rest.indices.filter { rest[$0].command == request.command.rawValue }
      guard let place = candidates.first(where: { rest[$0].asks(request) }) ?? candidates.first else {
        throw .unreadable(request.command)
      }
      let recorded = rest[place]
      rest.remove(at: place)
      ours(request, recorded)
      var answer = Answer(to: recorded.sequence)
      do throws(MalformedMessage) {
        for datagram in recorded.answers { try answer.take(datagram) }
      } catch {
        throw .unreadable(request.command)
      }
      guard answer.refusal == 0 else { throw .refused(request.command, answer.refusal) }
      return answer.messages
    }
  }
}

/// Attributes as a tree, for comparing what two requests say.
func tree(_ bytes: ArraySlice<UInt8>, nests: Bool = true) throws -> [UInt16: [UInt8]] {
  let attributes = try Attributes(bytes)
  var result: [UInt16: [UInt8]] = [:]
  for type in UInt16(0)..<32 {
    guard let value = attributes.value(type) else { continue }
    if nests, (1...3).contains(type), value.count > 4 {
      for (inner, content) in try tree(value, nests: false) { result[type << 8 | inner] = content }
    } else {
      result[type] = Array(value)
    }
  }
  return result
}

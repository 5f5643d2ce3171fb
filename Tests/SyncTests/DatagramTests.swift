import Foundation
import LVS
import TestSupport
import Testing

@testable import Sync

@Suite("Datagrams of connection synchronization")
struct DatagramTests {
  /// What a Linux 6.1 master sent.
  private static let recorded: [UInt8] = {
    let file = Bundle.module.url(forResource: "sync-v1-1", withExtension: "hex", subdirectory: "Golden")!
    let digits = Array(try! String(contentsOf: file, encoding: .utf8).utf8.filter { $0 > 32 })
    return stride(from: 0, to: digits.count, by: 2).map { index in
      UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)!
    }
  }()

  @Test("A kernel's datagram is read: connections, templates, states and times left")
  func readsTheKernels() throws {
    let content = try SyncDatagram.parse(Self.recorded, id: 42)
    #expect(content.records.count == 20 && content.rejected == 0 && !content.isDamaged)
    #expect(
      content.records[0]
        == FlowRecord(
          transport: 6, client: Endpoint("192.0.2.91:45001")!, virtual: Endpoint("10.1.0.100:80")!,
          server: Endpoint("10.1.1.2:80")!, flags: .noOutput, state: 1, timeLeft: 900))
    #expect(content.records[1].state == 4 && content.records[1].flags == [.noOutput, .inactive])
    #expect(content.records[2].isTemplate && content.records[2].client.port == 0 && content.records[2].timeLeft == 50)
    #expect(content.records.filter(\.isTemplate).count == 12)
  }

  @Test("The records of a kernel's datagram are written byte for byte as the kernel wrote them")
  func writesAsTheKernel() throws {
    let content = try SyncDatagram.parse(Self.recorded, id: 0)
    var packer = SyncPacker(id: 42, limit: 1_472)
    for record in content.records { #expect(packer.add(record, now: 0) == nil) }
    #expect(packer.finish(now: 0) == Self.recorded)
  }

  @Test("Whatever is written is read back", arguments: 0..<200)
  func roundTrip(_ seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    let records = (0..<Int.random(in: 1...600, using: &random)).map { _ in FlowRecord.random(&random) }
    let limit = Int.random(in: 600...9_000, using: &random)
    var packer = SyncPacker(id: 7, limit: limit)
    var datagrams: [[UInt8]] = []
    for record in records { if let full = packer.add(record, now: 0) { datagrams.append(full) } }
    if let last = packer.finish(now: 0) { datagrams.append(last) }
    #expect(datagrams.allSatisfy { $0.count <= limit })
    #expect(try datagrams.flatMap { try SyncDatagram.parse($0, id: 7).records } == records)
  }

  @Test("Version 0 has 24 bytes for a connection and is read back without what it cannot say", arguments: 0..<50)
  func roundTripV0(_ seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    var packer = SyncPacker(id: 7, limit: 600, version: .zero)
    let records = (0..<300).map { _ in FlowRecord.random(&random) }.filter(packer.takes)
    #expect(records.allSatisfy { $0.family == .v4 } && !records.isEmpty)
    var datagrams = records.compactMap { packer.add($0, now: 0) }
    if let last = packer.finish(now: 0) { datagrams.append(last) }
    #expect(datagrams.allSatisfy { $0.count == 4 + 24 * Int($0[0]) && $0.count <= 600 })
    let plain = records.map { record in
      FlowRecord(
        transport: record.transport, client: record.client, virtual: record.virtual, server: record.server,
        method: record.method, flags: record.flags.subtracting([.inSequence, .outSequence]), state: record.state,
        timeLeft: record.isTemplate ? 180 : 0)
    }
    #expect(try datagrams.flatMap { try SyncDatagram.parse($0, id: 7).records } == plain)
  }

  @Test("A datagram of another group, or whose size is not what it says, is refused")
  func refuses() {
    #expect(throws: SyncDatagram.Refusal.otherID) { try SyncDatagram.parse(Self.recorded, id: 41) }
    #expect(throws: SyncDatagram.Refusal.wrongSize) { try SyncDatagram.parse(Self.recorded + [0], id: 42) }
    for length in 0..<Self.recorded.count {
      #expect(throws: SyncDatagram.Refusal.wrongSize) {
        try SyncDatagram.parse(Array(Self.recorded.prefix(length)), id: 0)
      }
    }
  }

  @Test("Where a record is cut off, those before it count", arguments: [8, 9, 43, 44, 60, 80, 100])
  func cutOff(_ length: Int) throws {
    var cut = Array(Self.recorded.prefix(length))
    (cut[2], cut[3]) = (0, UInt8(length))
    let content = try SyncDatagram.parse(cut, id: 42)
    #expect(content.isDamaged)
    #expect(content.records == Array(try SyncDatagram.parse(Self.recorded, id: 42).records.prefix((length - 8) / 36)))
  }

  struct Oddity: CustomTestStringConvertible, Sendable {
    var name: String
    var offset: Int
    var value: UInt8
    var rejected = 1
    var isDamaged = false
    var testDescription: String { name }
  }

  /// Offsets in the first record, which begins at 8.
  static let oddities: [Oddity] = [
    Oddity(name: "a protocol that IPVS does not balance", offset: 1, value: 1),
    Oddity(name: "a state that TCP does not have", offset: 9, value: 11),
    Oddity(name: "a one-packet connection", offset: 6, value: 0x20),
    Oddity(name: "a forwarding method that there is not", offset: 7, value: 0x85),
    Oddity(name: "a type that there is not", offset: 0, value: 2, rejected: 0, isDamaged: true),
    Oddity(name: "a record of another version", offset: 2, value: 0x10, rejected: 0, isDamaged: true),
    Oddity(name: "a record that is too short", offset: 3, value: 35, rejected: 0, isDamaged: true),
    Oddity(name: "an IPv6 record of IPv4's length", offset: 0, value: 1, rejected: 0, isDamaged: true),
  ]

  @Test("An odd record is rejected by itself, a damaged one ends the datagram", arguments: oddities)
  func oddRecord(_ oddity: Oddity) throws {
    var odd = Self.recorded
    odd[8 + oddity.offset] = oddity.value
    let content = try SyncDatagram.parse(odd, id: 42)
    #expect(content.rejected == oddity.rejected && content.isDamaged == oddity.isDamaged)
    #expect(content.records.count == (oddity.isDamaged ? 0 : 19))
  }

  private func datagram(options: [UInt8]) -> [UInt8] {
    var record = Array(Self.recorded[8..<44])
    record[3] = UInt8(36 + options.count)
    let size = 8 + record.count + options.count
    return SyncDatagram.Version.one.header(id: 42, count: 1, size: UInt16(size)) + record + options
  }

  struct OptionCase: CustomTestStringConvertible, Sendable {
    var name: String
    var options: [UInt8]
    var records = 0
    var rejected = 0
    var testDescription: String { name }
  }

  static let options: [OptionCase] = [
    OptionCase(name: "an unknown option that may be skipped", options: [0x49, 2, 0, 0], records: 1),
    OptionCase(name: "an unknown option that may not", options: [0x09, 2, 0, 0], rejected: 1),
    OptionCase(name: "an option without data", options: [0x49, 0]),
    OptionCase(name: "an option that is cut off", options: [0x49, 3, 0, 0]),
    OptionCase(name: "half an option", options: [0x49]),
    OptionCase(name: "sequences of a wrong length", options: [1, 4, 0, 0, 0, 0]),
    OptionCase(name: "an engine's name that is too long", options: [3, 17] + Array(repeating: 97, count: 17)),
    OptionCase(name: "an engine's data that stands twice", options: [2, 1, 9, 2, 1, 9]),
  ]

  @Test("Options are read, skipped or refused as the kernel does", arguments: options)
  func option(_ option: OptionCase) throws {
    let content = try SyncDatagram.parse(datagram(options: option.options), id: 42)
    #expect(content.records.count == option.records && content.rejected == option.rejected)
    #expect(content.isDamaged == (option.records + option.rejected == 0))
  }

  @Test("A version 0 datagram is read, its templates with the old lifetime")
  func version0() throws {
    let record: [UInt8] = [
      0, 6, 0xaf, 0xc9, 0, 80, 0, 80, 192, 0, 2, 91, 10, 1, 0, 100, 10, 1, 1, 2, 0, 0x83, 0, 1,
    ]
    var template = record
    (template[2], template[3], template[20], template[21]) = (0, 0, 0x11, 0x83)
    var shifted = record
    shifted[20] = 0x06
    shifted += Array(repeating: 0xee, count: 24)
    let body = record + template + shifted
    let datagram: [UInt8] = [3, 42, 0, UInt8(4 + body.count)] + body
    let content = try SyncDatagram.parse(datagram, id: 42)
    #expect(content.records.map(\.timeLeft) == [0, 180, 0] && !content.isDamaged)
    #expect(content.records[0].client == Endpoint("192.0.2.91:45001")! && content.records[0].state == 1)
    #expect(content.records[1].isTemplate && content.records[2].clientShift == nil)
  }

  @Test("No damage to a datagram traps or invents more records than it counts", arguments: 0..<40)
  func fuzz(_ seed: Int) throws {
    var random = Seeded(state: UInt64(seed))
    for _ in 0..<500 {
      var bytes = Self.recorded
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8(random.next() & 255)
      }
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &random))
      if bytes.count >= 4 { (bytes[2], bytes[3]) = (UInt8(bytes.count >> 8), UInt8(bytes.count & 255)) }
      guard let content = try? SyncDatagram.parse(bytes, id: 0) else { continue }
      #expect(content.records.count + content.rejected <= 255)
      #expect(content.records.allSatisfy { $0.isAcceptable })
    }
  }
}

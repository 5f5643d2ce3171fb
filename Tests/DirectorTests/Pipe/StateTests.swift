import LVS
import Testing

@testable import Director

private typealias Recording = [String: [String: [StateValue]]]

/// A state's name or seconds, as the recording mixes them.
private enum StateValue: Decodable, Sendable {
  case name(String)
  case number(Int)
  case nothing

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .nothing
    } else if let number = try? container.decode(Int.self) {
      self = .number(number)
    } else {
      self = .name(try container.decode(String.self))
    }
  }

  var name: String? { if case .name(let name) = self { name } else { nil } }
  var number: Int? { if case .number(let number) = self { number } else { nil } }
}

private let recording = (try? Golden.decode("states", as: Recording.self)) ?? [:]

@Suite("Recorded states of single connections")
struct StateTests {
  private static let chunks: [String: UInt8] = [
    "DATA": 0, "INIT": 1, "INIT_ACK": 2, "SACK": 3, "ABORT": 6, "SHUTDOWN": 7, "SHUTDOWN_ACK": 8, "ERROR": 9,
    "COOKIE_ECHO": 10, "COOKIE_ACK": 11, "SHUTDOWN_COMPLETE": 14,
  ]

  private func director(_ transport: TransportProtocol, _ settings: [String: String]) throws -> TestDirector {
    let director = try TestDirector()
    let key = ServiceKey.endpoint(transport, Endpoint(IPAddress("10.1.0.100")!, 80))
    try director.apply(
      .addService(VirtualService(key, scheduler: .rr), force: false),
      .addServer(RealServer(TestDirector.server(1), mac: TestDirector.mac(1)), to: key))
    for (name, value) in settings { try director.set(name, value) }
    return director
  }

  @Test(
    "follow the kernel's table for what only the client sends (TCP)",
    arguments: [
      ("tcp_input_only_reuse0", ["conn_reuse_mode": "0"]),
      ("tcp_input_only_sloppy_reuse0", ["conn_reuse_mode": "0", "sloppy_tcp": "1"]),
      ("tcp_input_only_secure3_reuse0", ["conn_reuse_mode": "0", "secure_tcp": "3"]),
    ])
  func tcp(_ name: String, _ settings: [String: String]) throws {
    let director = try director(.tcp, settings)
    let sequences = try #require(recording[name])
    #expect(sequences.count > 50)
    for (number, (flags, expected)) in sequences.enumerated() {
      try check(director, expected, name: flags) { frame in
        flags.split(separator: " ").map { frame.tcp(String($0), from: UInt16(1_000 + number), to: 80) }
      }
    }
  }

  @Test("follow the kernel's table for what only the client sends (SCTP)")
  func sctp() throws {
    let director = try director(.sctp, [:])
    let sequences = try #require(recording["sctp_input_only_reuse1"])
    #expect(sequences.count > 400)
    for (number, (chunks, expected)) in sequences.enumerated() {
      try check(director, expected, name: chunks) { frame in
        chunks.split(separator: " ").map {
          frame.sctp(chunk: Self.chunks[String($0)] ?? 255, from: UInt16(1_000 + number), to: 80)
        }
      }
    }
  }

  @Test("have the names that a listing can be filtered by")
  func names() {
    #expect(ConnectionState.allCases.allSatisfy { ConnectionFilter.states.contains($0.name) })
  }

  /// Sends the frames and compares state and seconds left, which the kernel shows less the part of a second gone.
  private func check(
    _ director: TestDirector, _ expected: [StateValue], name: String, _ frames: (TestFrame) -> [[UInt8]]
  ) throws {
    let before = Set(director.connections.map(\.record.clientPort))
    for frame in frames(TestFrame()) { _ = director.process(frame) }
    let rows = director.connections.filter { !before.contains($0.record.clientPort) }
    let (state, left) = (try #require(expected.first), expected.last?.number)
    #expect(rows.count <= 1)
    #expect(rows.first?.state == state.name, "\(name)")
    if let left, let row = rows.first { #expect((left...left + 1).contains(Int(row.left)), "\(name)") }
  }
}

import Foundation
import LVS
import Testing

@testable import Director

/// One recorded history: changes, packets and counts, with what the kernel made of each.
private struct Trace: Decodable, Sendable, CustomTestStringConvertible {
  struct Configuration: Decodable, Sendable {
    var connReuseMode: Int
    var expireNodestConn: Int
    var expireQuiescentTemplate: Int
    var persist: Bool
    var mask24: Bool

    enum CodingKeys: String, CodingKey {
      case connReuseMode = "conn_reuse_mode"
      case expireNodestConn = "expire_nodest_conn"
      case expireQuiescentTemplate = "expire_quiescent_template"
      case persist, mask24
    }
  }

  enum Outcome: Decodable, Sendable, Equatable {
    case server(Int)
    case word(String)
    case counts([String: [Int]])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let server = try? container.decode(Int.self) {
        self = .server(server)
      } else if let word = try? container.decode(String.self) {
        self = .word(word)
      } else {
        self = .counts(try container.decode([String: [Int]].self))
      }
    }
  }

  struct Step: Decodable, Sendable {
    var op: String
    var rs: Int?
    var w: Int32?
    var u: UInt32?
    var l: UInt32?
    var cip: String?
    var cport: UInt16?
    var flags: String?
    var out: Outcome?
  }

  var name: String
  var sched: String
  var proto: String
  var cfg: Configuration
  var steps: [Step]

  var testDescription: String { name }
}

private let traces = (try? Golden.decode("traces", as: [Trace].self)) ?? []
private let key = ServiceKey.endpoint(.tcp, Endpoint(IPAddress("10.1.0.100")!, 80))

@Suite("Recorded histories of a kernel")
struct TraceTests {
  @Test("are all there")
  func present() { #expect(traces.map(\.steps.count).reduce(0, +) > 5_000) }

  @Test("are repeated decision for decision", arguments: traces)
  fileprivate func replay(_ trace: Trace) throws {
    let director = try TestDirector()
    try director.set("conn_reuse_mode", String(trace.cfg.connReuseMode))
    try director.set("expire_nodest_conn", String(trace.cfg.expireNodestConn))
    try director.set("expire_quiescent_template", String(trace.cfg.expireQuiescentTemplate))
    let netmask = Netmask.v4(trace.cfg.mask24 ? 0xffff_ff00 : 0xffff_ffff)
    let persistence = trace.cfg.persist ? Persistence(timeout: 300, netmask: netmask) : nil
    try director.apply(
      .addService(
        VirtualService(key, scheduler: SchedulerName(rawValue: trace.sched), persistence: persistence), force: false))
    for (number, step) in trace.steps.enumerated() {
      try carryOut(step, director, "\(trace.name), step \(number): \(step)")
    }
  }

  private func carryOut(_ step: Trace.Step, _ director: TestDirector, _ comment: String) throws {
    let number = step.rs ?? 0
    let server = RealServer(
      TestDirector.server(number), weight: Weight(step.w ?? 0), upperThreshold: step.u ?? 0,
      lowerThreshold: step.l ?? 0,
      mac: TestDirector.mac(number))
    switch (step.op, step.out) {
    case ("add", _): try director.applyAsOlderKernels(.addServer(server, to: key), to: server, of: key)
    case ("edit", _): try director.applyAsOlderKernels(.updateServer(server, of: key), to: server, of: key)
    case ("del", _): try director.apply(.removeServer(server.endpoint, from: key))
    case ("counts", .counts(let expected)):
      let counts = director.counts(key)
      for (rs, figures) in expected {
        #expect(counts[TestDirector.server(Int(rs) ?? 0)] == figures, "RS\(rs) at \(comment)")
      }
    case ("pkt", let expected?):
      var frame = TestFrame()
      frame.source = try #require(IPAddress(step.cip ?? ""))
      let outcome = director.outcome(frame.tcp(step.flags ?? "", from: step.cport ?? 0, to: 80))
      #expect(matches(outcome, expected), "\(outcome) at \(comment)")
    default: Issue.record("a step of an unknown kind: \(comment)")
    }
  }

  /// A host leaves a reset unanswered, which the recording shows as a drop.
  private func matches(_ outcome: String, _ expected: Trace.Outcome) -> Bool {
    switch expected {
    case .server(let number): outcome == String(number)
    case .word("drop"): outcome == "drop" || outcome == "none"
    case .word(let word): outcome == word
    case .counts: false
    }
  }
}

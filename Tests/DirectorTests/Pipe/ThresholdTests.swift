import LVS
import Testing

@testable import Director

/// Edits of thresholds between connections (`Tests/Differential/thresholds.py`), and whom a kernel then refused.
private struct Recording: Decodable, Sendable {
  struct Step: Decodable, Sendable {
    var op: String
    var upper: UInt32?
    var lower: UInt32?
    /// `1`, the server, or an ICMP error.
    var out: String?
  }

  struct Case: Decodable, Sendable {
    var before: [Step]
    /// The connections that were there when every second one had ended.
    var left: Int
    var after: [Step]
  }

  /// Its release.
  var kernel: String
  var cases: [Case]
}

@Suite("Edits of thresholds")
struct ThresholdTests {
  private static let server = TestDirector.server(1, port: 53)
  private static let dns = ServiceKey("udp:10.1.0.100:53")!

  /// One case lived through by a director.
  private final class Life {
    let director: TestDirector
    private let isAsOlderKernels: Bool
    private var opened: [UInt16?] = []
    /// Edits that older kernels take otherwise.
    private(set) var differences = 0

    init(asOlderKernels: Bool) throws {
      isAsOlderKernels = asOlderKernels
      director = try TestDirector()
      try director.apply(.addService(VirtualService(dns, scheduler: .rr), force: false))
      try director.apply(.addServer(RealServer(server, mac: TestDirector.mac(1)), to: dns))
      try director.setTimeouts(Timeouts(tcp: 0, tcpFin: 0, udp: 8))
    }

    func send(_ port: UInt16) -> String { director.outcome(of: [TestFrame().udp(from: port, to: 53)]) }

    /// What the connections among some steps met.
    func live(_ steps: [Recording.Step]) throws -> [String] {
      var outcomes: [String] = []
      for step in steps {
        guard step.op == "open" else {
          try edit(step)
          continue
        }
        let port = UInt16(2_000 + opened.count)
        outcomes.append(send(port))
        opened.append(outcomes.last == "1" ? port : nil)
      }
      return outcomes
    }

    private func edit(_ step: Recording.Step) throws {
      let edited = RealServer(
        server, upperThreshold: step.upper ?? 0, lowerThreshold: step.lower ?? 0, mac: TestDirector.mac(1))
      let change = Change.updateServer(edited, of: dns)
      guard isAsOlderKernels else { return try director.apply(change) }
      if try director.applyAsOlderKernels(change, to: edited, of: dns) { differences += 1 }
    }

    /// Every second connection goes on, the others end.
    func halve() {
      director.wait(seconds: 5)
      for (place, port) in opened.compactMap(\.self).enumerated() where place % 2 == 0 { _ = send(port) }
      director.wait(ticks: 550)
    }
  }

  /// Lives through all cases of a recording; how many edits came out otherwise than with older kernels.
  private func compare(_ recording: Recording, asOlderKernels: Bool) throws -> Int {
    var differences = 0
    #expect(recording.cases.count == 150)
    for (number, expected) in recording.cases.enumerated() {
      let life = try Life(asOlderKernels: asOlderKernels)
      let name: Comment = "case \(number) of \(recording.kernel)"
      #expect(try life.live(expected.before) == expected.before.compactMap(\.out), name)
      life.halve()
      #expect(life.director.connectionCount == expected.left, name)
      #expect(try life.live(expected.after) == expected.after.compactMap(\.out), name)
      differences += life.differences
    }
    return differences
  }

  @Test("count at once, as with Linux from 6.12.117 on")
  func newer() throws {
    _ = try compare(try Golden.decode("thresholds-newer"), asOlderKernels: false)
  }

  @Test("differ from what older kernels do by the mark that an edit leaves, and by nothing else")
  func older() throws {
    let differences = try compare(try Golden.decode("thresholds-older"), asOlderKernels: true)
    print("edits of thresholds: older kernels take \(differences) otherwise")
    #expect(differences > 50)
  }
}

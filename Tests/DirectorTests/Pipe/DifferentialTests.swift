import Foundation
import LVS
import Testing

@testable import Director

/// A history that `Tests/Differential` made up and drove through a kernel's IPVS, with what that did at each step.
private struct History: Decodable, Sendable, CustomTestStringConvertible {
  var name: String
  var mtu: Int?
  var marks: [MarkRule]?
  var steps: [Step]

  var testDescription: String { name }
}

private struct Step: Decodable, Sendable {
  var op: String
  /// Hundredths of a second since the history began.
  var at: UInt32
  var key: String?
  var value: String?
  var tcp: UInt32?
  var tcpFin: UInt32?
  var udp: UInt32?
  var of: String?
  var service: VirtualService?
  var server: RealServer?
  var transport: String?
  var from: String?
  var to: String?
  var flags: String?
  var chunk: UInt8?
  var ttl: UInt8?
  /// What was on the wire, in hexadecimal, where that is more than one plain packet.
  var frames: [String]?
  var router: String?
  var type: UInt8?
  var code: UInt8?
  /// A server's number, `rst`, `icmp TYPE/CODE from ADDRESS` or `none`.
  var out: String?
  /// The flow's connections, each as server, state and seconds left.
  var rows: [String]?
  /// The servers in order of each service where something changed, each as address, weight, active and inactive.
  var counts: [String: [String]]?
  /// All connections and templates, now and then.
  var table: [String]?
}

private let recording = (try? Golden.decode("histories", as: [History].self)) ?? []

@Suite("A kernel's IPVS and this director")
struct DifferentialTests {
  @Test("have a recording of all schedulers to be compared by")
  func present() {
    let steps = recording.map(\.steps.count).reduce(0, +)
    print("a kernel and this director: \(steps) steps of \(recording.count) histories are compared")
    #expect(steps > 1_500)
    #expect(Set(recording.compactMap { $0.name.split(separator: " ").first }).count == 13)
  }

  @Test("do the same at every step of made-up histories", arguments: recording)
  fileprivate func replay(_ history: History) throws {
    let replay = try Replay(history)
    for (number, step) in history.steps.enumerated() {
      let differences = try replay.differences(step)
      for difference in differences {
        Issue.record("\(history.name), step \(number): \(difference)\n\(step.summary)")
      }
      // What follows a difference is its consequence.
      guard differences.isEmpty else { return }
      guard !replay.hasParted else {
        print("\(history.name): compared up to step \(number), where they part as they are meant to")
        return
      }
    }
  }
}

/// A director that lives through a recorded history.
private final class Replay {
  private let director: TestDirector
  private let begin: UInt32
  private var counts: [String: [String]] = [:]
  /// Whether the two went apart as they are meant to, so that what follows need not be the same.
  private(set) var hasParted = false

  init(_ history: History) throws {
    director = try TestDirector(mtu: history.mtu ?? 1_500)
    begin = director.now
    if let marks = history.marks { try director.setMarks(marks) }
  }

  /// Carries one step out: what came out otherwise than at the kernel.
  func differences(_ step: Step) throws -> [String] {
    director.wait(ticks: begin + step.at - director.now)
    var differences: [String] = []
    func compare(_ what: String, _ ours: [String], _ kernels: [String]) {
      guard !same(ours, kernels) else { return }
      let (more, missing) = (ours.filter { !kernels.contains($0) }, kernels.filter { !ours.contains($0) })
      differences.append("\(what): director \(more), kernel \(missing)")
    }
    if let expected = step.out {
      let outcome = director.outcome(of: try step.frames?.map(bytes) ?? [frame(step)])
      if !isExplained(outcome, expected, step) { compare("outcome", [outcome], [expected]) }
    } else {
      try change(step)
    }
    if let rows = step.rows {
      hasParted = isOwnReset(step, rows)
      guard !hasParted else { return differences }
      compare("connections", self.rows(of: step.flow), rows)
    }
    counts.merge(step.counts ?? [:]) { $1 }
    let ours = director.counts
    for (key, expected) in counts { compare("servers of \(key)", ours[key] ?? [], expected) }
    if let table = step.table { compare("table", director.rows.sorted(), table) }
    return differences
  }

  /// The differences that are meant: a host without SCTP says that it has no such protocol, a director that there is
  /// no such port.
  private func isExplained(_ outcome: String, _ expected: String, _ step: Step) -> Bool {
    guard step.transport == "sctp" else { return false }
    let ports = ["icmp 3/2": "icmp 3/3", "icmp 4/1": "icmp 1/4"]
    return ports.contains { expected.replacing($0.key, with: $0.value) == outcome }
  }

  /// Where a packet ends a connection and nothing else wants it, the host answers with a reset. The kernel takes that
  /// for a server's, and the connection stays for the time of its state; a director's ends.
  private func isOwnReset(_ step: Step, _ rows: [String]) -> Bool {
    step.out == "rst" && rows.count == 1 && self.rows(of: step.flow).isEmpty
  }

  /// Whether lines are the same but for a second in their last word: the clocks are not read at the same moment.
  private func same(_ ours: [String], _ kernels: [String]) -> Bool {
    ours.count == kernels.count
      && zip(ours, kernels).allSatisfy { one, other in
        guard one != other else { return true }
        let (a, b) = (one.split(separator: " "), other.split(separator: " "))
        guard a.count > 1, a.dropLast() == b.dropLast(), let left = Int(a.last ?? ""), let right = Int(b.last ?? "")
        else { return false }
        return abs(left - right) <= 1
      }
  }

  private func rows(of flow: String) -> [String] {
    director.rows.filter { $0.hasPrefix(flow + " ") }.map { String($0.dropFirst(flow.count + 1)) }.sorted()
  }

  // MARK: Changes

  private func change(_ step: Step) throws {
    switch step.op {
    case "set": try director.set(try #require(step.key), try #require(step.value))
    case "timeouts":
      try director.setTimeouts(Timeouts(tcp: step.tcp ?? 0, tcpFin: step.tcpFin ?? 0, udp: step.udp ?? 0))
    case "addService": try director.apply(.addService(try #require(step.service), force: false))
    case "updateService": try director.apply(.updateService(try #require(step.service)))
    case "removeService": try director.apply(.removeService(try step.serviceKey))
    case "addServer", "updateServer":
      let (server, key) = (try step.realServer, try step.serviceKey)
      let change = step.op == "addServer" ? Change.addServer(server, to: key) : .updateServer(server, of: key)
      try director.applyAsOlderKernels(change, to: server, of: key)
    case "removeServer": try director.apply(.removeServer(try step.realServer.endpoint, from: try step.serviceKey))
    default: try #require(step.op == "wait", "a step of an unknown kind: \(step.op)")
    }
  }

  // MARK: Frames

  private func frame(_ step: Step) throws -> [UInt8] {
    let client = try #require(Endpoint(step.from ?? ""))
    let virtual = try #require(Endpoint(step.to ?? ""))
    var frame = TestFrame()
    guard step.op == "error" else {
      (frame.source, frame.destination, frame.ttl) = (client.address, virtual.address, step.ttl ?? 64)
      return segment(frame, step, from: client.port, to: virtual.port)
    }
    (frame.source, frame.destination) = (virtual.address, client.address)
    let reply = segment(frame, step, from: virtual.port, to: client.port)
    (frame.source, frame.destination) = (try #require(IPAddress(step.router ?? "")), virtual.address)
    return frame.error(type: step.type ?? 0, code: step.code ?? 0, about: Array(reply.dropFirst(Ethernet.length)))
  }

  private func segment(_ frame: TestFrame, _ step: Step, from source: UInt16, to destination: UInt16) -> [UInt8] {
    switch step.transport {
    case "tcp": frame.tcp(step.flags ?? "SA", from: source, to: destination)
    case "udp": frame.udp(from: source, to: destination)
    default: frame.sctp(chunk: step.chunk ?? 0, from: source, to: destination)
    }
  }
}

extension Step {
  fileprivate var flow: String { "\(transport ?? "") \(from ?? "") \(to ?? "")" }

  fileprivate var serviceKey: ServiceKey { get throws { try #require(ServiceKey(of ?? "")) } }

  /// The server, with the Ethernet address that stands for its number.
  fileprivate var realServer: RealServer {
    get throws {
      var server = try #require(server)
      server.mac = TestDirector.mac(Int(server.endpoint.address.low & 0xff))
      return server
    }
  }

  fileprivate var summary: String {
    let words = [op, key, value, of, service.map { "\($0)" }, server.map { "\($0)" }, transport, from, to, flags]
    return words.compactMap(\.self).joined(separator: " ")
      + [chunk, ttl, type, code].compactMap(\.self).map { " \($0)" }.joined()
  }
}

extension TestDirector {
  /// Every service's servers in order, each as address, weight, active and inactive connections.
  fileprivate var counts: [String: [String]] {
    Dictionary(
      uniqueKeysWithValues: services.status().map { status in
        (
          status.service.key.description,
          status.servers.map {
            "\($0.server.endpoint) \($0.server.weight.effective) \($0.activeConnections) \($0.inactiveConnections)"
          }
        )
      })
  }

  /// The connections and templates as the kernel lists them: flow, server, state, seconds left.
  fileprivate var rows: [String] {
    connections.map { row($0.record, $0.state) }
      + templates.map { row($0, $0.flags.contains(.assured) ? "ASSURED" : "NONE") }
  }

  private func row(_ record: Connection, _ state: String) -> String {
    let server = services.shared.servers[record.server].endpoint.address
    let client = Endpoint(record.client(server.family), record.clientPort)
    let left = Int32(bitPattern: record.expires &- now) / Int32(ticksPerSecond)
    guard record.transport != 0 else {
      let mark = UInt32(record.vip) << 16 | UInt32(record.virtualPort)
      return "ip \(client) mark \(mark) \(Endpoint(server, record.isInvalidated ? 0xffff : 0)) \(state) \(left)"
    }
    let port = record.isInvalidated ? 0xffff : record.virtualPort
    let virtual = Endpoint(vip(record.vip), port)
    let transport = TransportProtocol(rawValue: record.transport)?.name ?? "?"
    return "\(transport) \(client) \(virtual) \(Endpoint(server, port)) \(state) \(left)"
  }
}

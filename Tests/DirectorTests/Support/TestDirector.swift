import LVS

@testable import Director

/// A director with a clock that the test turns, its control side, and nothing else.
final class TestDirector {
  let services: Services
  private var director: Director
  private(set) var now: UInt32
  let link: Link

  init(
    connections: Int = 1 << 16, templates: Int = 1 << 12, workers: Int = 1, mtu: Int = 1_500,
    leavesChecksums: Bool = false, ownership: Ownership = .sole, addresses: [IPAddress] = [],
    in state: StateDirectory? = nil, resuming desired: DesiredState? = nil, at now: UInt32 = 1_000
  ) throws {
    self.now = now
    link = Link(mac: TestFrame.director, mtu: mtu, addresses: addresses, leavesChecksums: leavesChecksums)
    let kept = try state.map { try KeptState($0, workers: 1, connections: connections) }
    let shared = try SharedTables(
      connections: connections, workers: workers, templates: templates, seed: 1, in: state)
    let counters = try Counters(in: state, kept?.manifest.traffic(0) ?? "")
    services = Services(shared: shared, counters: [counters], seed: 1)
    var tables = [
      Parcel(try ConnectionTable(capacity: connections, seed: 1, in: state, kept?.manifest.connections(0) ?? ""))
    ]
    if let kept, kept.isFound, let desired {
      _ = try kept.resume(services, &tables, desired, link: link, now: now)
    } else {
      services.publish(link: link, freePages: .max)
    }
    director = try Director(shared: shared, counters: counters, seed: 1, ownership: ownership, tables[0])
    director.connections.startClock(now)
    shared.persistence.startClock(now)
    director.tick(now)
  }

  /// The number of real server `n`, and the Ethernet address that stands for it.
  static func server(_ n: Int, port: UInt16 = 80) -> Endpoint { Endpoint(IPAddress(v4: 0x0a01_0100 + UInt32(n)), port) }
  static func mac(_ n: Int) -> MACAddress { MACAddress(0x0200_0000_0100 + UInt64(n)) }

  /// Each change at a moment of its own, as a kernel takes them.
  func apply(_ changes: Change...) throws {
    for change in changes { try adopt([change]) }
  }

  /// All changes at one moment.
  func adopt(_ changes: [Change]) throws {
    var next = services.desired
    for change in changes { try next.apply(change) }
    try services.stage(next, by: changes, now: now)
    defend(freePages: .max)
    services.collect(now)
  }

  func set(_ key: String, _ value: String) throws { try apply(.set(key, to: value)) }
  func setTimeouts(_ timeouts: Timeouts) throws { try apply(.setTimeouts(timeouts)) }

  /// The VIP with this number.
  func vip(_ number: UInt16) -> IPAddress {
    services.shared.publication.snapshot.vips.first { $0.1 == number }?.0 ?? IPAddress(v4: 0)
  }

  func setMarks(_ rules: [MarkRule]) throws { try apply(.setMarks(rules)) }

  /// Raises the defenses or lowers them for so much free memory and room in the connection table.
  func defend(freePages: UInt64, isCrowded: Bool = false) {
    services.publish(link: link, freePages: freePages, isCrowded: isCrowded)
    director.keepUp()
    while director.sweep(limit: 100) {}
  }

  /// Moves time on and ends what is due.
  func wait(seconds: UInt32) { wait(ticks: seconds * ticksPerSecond) }

  /// As a worker does it: what is due ends within a tenth of a second.
  func wait(ticks: UInt32) {
    var left = ticks
    repeat {
      let step = min(left, 10)
      (now, left) = (now + step, left - step)
      director.tick(now)
      while director.expire(budget: 1_000) {}
      services.shared.persistence.expire(now)
    } while left > 0
  }

  /// One frame through the pipe: the verdict, and what the frame became.
  func process(_ frame: [UInt8], _ metadata: FrameMetadata = FrameMetadata()) -> (verdict: Verdict, frame: [UInt8]) {
    lend(frame) { director.process($0, metadata) }
  }

  /// A batch of at most 64 frames in two passes, as a worker takes them.
  func process(batch frames: [[UInt8]]) -> [(verdict: Verdict, frame: [UInt8])] {
    for (place, var frame) in frames.enumerated() {
      frame.lend { (director.inspect($0, place, FrameMetadata()), length: $0.count) }
    }
    return frames.enumerated().map { place, frame in lend(frame) { director.decide($0, place) } }
  }

  private func lend(_ frame: [UInt8], _ body: (Bytes) -> Verdict) -> (verdict: Verdict, frame: [UInt8]) {
    var frame = frame
    let verdict = frame.lend(room: 1_024) { bytes in
      let verdict = body(bytes)
      if case .answer(let length) = verdict { return (verdict, length: length) }
      return (verdict, length: bytes.count)
    }
    return (verdict, frame)
  }

  /// Has VIPs move for so many seconds, while their connections are carried over.
  func move(_ vips: Set<IPAddress>, seconds: UInt32) {
    director.shared.moving.set(vips, seconds: seconds, now: now)
  }

  /// Enters what another director told; what became of the records.
  func take(_ flows: FlowRecord...) -> [SyncOutcome: Int] { take(flows) }

  func take(_ flows: [FlowRecord], isSnapshot: Bool = false) -> [SyncOutcome: Int] {
    let figures = SyncFigures()
    director.take(
      SyncedFlows(records: flows.map { SyncedFlow(flow: $0, isSnapshot: isSnapshot) }[...], figures: figures))
    let counted = figures.status([]).records.filter { $0.value > 0 }
    return Dictionary(uniqueKeysWithValues: counted.map { (SyncOutcome(rawValue: $0)!, Int($1)) })
  }

  /// What became of a frame, in the words of the recorded answers: a server's number, `unreach`, `rst`, `drop`.
  func outcome(_ frame: [UInt8]) -> String {
    let (verdict, result) = process(frame)
    switch verdict {
    case .transmit:
      let mac = result[0..<6].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return String(mac - 0x0200_0000_0100)
    case .answer:
      let transport = result[Ethernet.length + IPv4.transport]
      return transport == TCP.number ? "rst" : result[Ethernet.length + IPv4.length] == 3 ? "unreach" : "icmp"
    case .drop(.unclaimed): return "none"
    case .drop: return "drop"
    case .pass: return "pass"
    case .hold: return "hold"
    case .park: return "park"
    case .cut: return "cut"
    case .handOver: return "hand over"
    }
  }

  /// Weight, active and inactive connections of each server of a service.
  func counts(_ key: ServiceKey) -> [Endpoint: [Int]] {
    let servers = services.status().first { $0.service.key == key }?.servers ?? []
    return Dictionary(
      uniqueKeysWithValues: servers.map {
        ($0.server.endpoint, [Int($0.server.weight.effective), Int($0.activeConnections), Int($0.inactiveConnections)])
      })
  }

  /// The connections as the kernel would list them: state and seconds left.
  var connections: [(state: String, left: UInt32, record: Connection)] {
    var result: [(state: String, left: UInt32, record: Connection)] = []
    _ = director.connections.visit(from: 1, limit: .max) { _, record in
      let state = ConnectionState(rawValue: record.state)?.name ?? "?"
      result.append((state, (record.expires &- now) / ticksPerSecond, record))
    }
    return result
  }

  /// Has flows forwarded by the XDP program as far as it has entries for them.
  func offload(to flows: FlowTable) { director.offload(to: flows) }

  /// What a worker does after a batch, and between batches.
  func offloadOffered() {
    director.offloadOffered()
    director.releaseEntries()
  }

  /// Has all counts include what the XDP program forwarded.
  func settle(limit: Int = 100) {
    director.beginSettling()
    while director.settle(limit: limit) {}
  }

  func dropEntries() {
    director.beginDropping()
    while director.dropEntries(limit: 7) {}
  }

  func makeRoomForOthers() -> Bool { director.makeRoomForOthers() }
  func giveSpareRoom() { director.giveSpareRoom() }

  /// Keeps a frame that came before the first of its datagram.
  func park(_ frame: [UInt8]) -> Bool {
    director.park(KeptFrame(bytes: frame, header: 0))
  }

  /// What may go its way since its first fragment came.
  func ready() -> [[UInt8]] { director.fragments.takeReady().map(\.bytes) }

  /// The persistence templates, client address first.
  var templates: [Connection] {
    services.shared.persistence.slice(from: 1, limit: .max).0
  }

  var connectionCount: Int { director.connections.count }
  var drops: Counters { director.counters }
}

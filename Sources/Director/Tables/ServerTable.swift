import LVS
import Synchronization

/// What all workers read of one real server without a lock: one cache line of values that stay for the number's whole
/// life and of atomics. It is only ever borrowed.
struct ServerRecord: ~Copyable {
  /// The Ethernet address of the server's next hop; 0 while it is not known.
  private let nextHop = Atomic<UInt64>(0)
  /// False from removal on, until it is added again.
  let isAvailable = Atomic<Bool>(true)
  let isQuiesced = Atomic<Bool>(false)
  /// Persistence templates that point here.
  let templates = Atomic<UInt32>(0)
  let service: ServiceNumber
  let endpoint: Endpoint
  private let method: Egress.Method
  private let padding = InlineArray<2, UInt64>(repeating: 0)

  init(service: ServiceNumber, endpoint: Endpoint, method: Egress.Method = .directRouting) {
    (self.service, self.endpoint, self.method) = (service, endpoint, method)
  }

  /// What is done to frames for the server.
  @inline(__always)
  var egress: Egress { Egress(method: method, nextHop: MACAddress(nextHop.load(ordering: .relaxed))) }

  /// Frames go to this station from now on; zero where none is known.
  func reach(by station: MACAddress) { nextHop.store(station.value, ordering: .relaxed) }
}

/// The real servers of all services, by number. Numbers are given out and taken back by the control side only.
@safe final class ServerTable: @unchecked Sendable {
  static let capacity = 1 << 18

  private let recordMemory: Mapping
  private let records: UnsafeMutablePointer<ServerRecord>
  private let stateMemory: Mapping
  private let states: UnsafeMutablePointer<ServerState>
  /// What outlives the process of each.
  let saved: KeptRows<SavedServer>
  private var free: [ServerNumber] = []
  private var used = 0

  init(_ saved: KeptRows<SavedServer>) throws(SystemError) {
    self.saved = saved
    let strides = (MemoryLayout<ServerRecord>.stride, MemoryLayout<ServerState>.stride)
    precondition(strides.0 == 64 && strides.1 % 64 == 0, "two servers would share a cache line")
    let recordMemory = try Mapping(size: Self.capacity * strides.0)
    let stateMemory = try Mapping(size: Self.capacity * strides.1)
    unsafe records = recordMemory.base.bindMemory(to: ServerRecord.self, capacity: Self.capacity)
    unsafe states = stateMemory.base.bindMemory(to: ServerState.self, capacity: Self.capacity)
    self.recordMemory = recordMemory
    self.stateMemory = stateMemory
  }

  @inline(__always)
  subscript(number: ServerNumber) -> ServerRecord {
    unsafeAddress {
      precondition(Int(number) < Self.capacity)
      return unsafe UnsafePointer(records + Int(number))
    }
  }

  /// What is reached under the lock of the server's service only.
  @inline(__always)
  subscript(stateOf number: ServerNumber) -> ServerState {
    unsafeAddress {
      precondition(Int(number) < Self.capacity)
      return unsafe UnsafePointer(states + Int(number))
    }
    unsafeMutableAddress {
      precondition(Int(number) < Self.capacity)
      return unsafe states + Int(number)
    }
  }

  /// A number for a new server; nil where all are in use.
  func allocate(service: ServiceNumber, endpoint: Endpoint) -> ServerNumber? {
    let number: ServerNumber
    if let reused = free.popLast() {
      number = reused
    } else {
      guard used < Self.capacity else { return nil }
      number = ServerNumber(used)
      used += 1
    }
    saved.secure(Int(number))
    saved[Int(number)] = SavedServer(endpoint, service: service, number: Int(number))
    begin(number, ServerRecord(service: service, endpoint: endpoint))
    return number
  }

  private func begin(_ number: ServerNumber, _ record: consuming ServerRecord) {
    unsafe (records + Int(number)).initialize(to: record)
    unsafe (states + Int(number)).initialize(to: ServerState())
  }

  /// Has servers be there, removed, with the numbers that an earlier process gave them. Before any other is.
  func recall(_ servers: [(number: ServerNumber, endpoint: Endpoint, service: ServiceNumber)], _ now: UInt32) {
    for (number, endpoint, service) in servers {
      let kept = saved[Int(number)]
      begin(number, ServerRecord(service: service, endpoint: endpoint))
      self[number].isAvailable.store(false, ordering: .relaxed)
      let mac = MACAddress(kept.mac & 0xffff_ffff_ffff)
      if mac.isStation { self[number].reach(by: mac) }
      let idleSince = TimerWheel.reached(kept.idleSince, by: now) ? kept.idleSince : now
      self[stateOf: number] = ServerState(
        position: -1, upper: kept.upper, lower: kept.lower, isOverloaded: kept.isOverloaded, idleSince: idleSince)
    }
    used = servers.map { Int($0.number) + 1 }.max() ?? 0
    let known = Set(servers.map(\.number))
    free = (0..<used).reversed().map(ServerNumber.init).filter { !known.contains($0) }
  }

  /// Looks again whether the server is overloaded, and has what comes of that outlive the process.
  func updateOverload(_ number: ServerNumber) {
    let before = self[stateOf: number].isOverloaded
    self[stateOf: number].updateOverload()
    if self[stateOf: number].isOverloaded != before { saved[Int(number)].isOverloaded = !before }
  }

  /// The server is at this station; `zero`: nobody knows where.
  func setStation(_ number: ServerNumber, _ mac: MACAddress) {
    self[number].reach(by: mac)
    saved.write(mac.value, to: \.mac, of: Int(number))
  }

  /// What the operator set as thresholds.
  func setThresholds(_ number: ServerNumber, upper: UInt32, lower: UInt32) {
    (self[stateOf: number].upper, self[stateOf: number].lower) = (upper, lower)
    (saved[Int(number)].upper, saved[Int(number)].lower) = (upper, lower)
    updateOverload(number)
  }

  /// Nothing has referred to the removed server since then.
  func setIdle(_ number: ServerNumber, since now: UInt32) {
    self[stateOf: number].idleSince = now
    saved[Int(number)].idleSince = now
  }

  /// Makes what is counted now the server's new zero.
  func zero(_ number: ServerNumber, _ counted: Statistics) {
    self[stateOf: number].meter.zero(counted)
    saved[Int(number)].zero = SavedStatistics(counted)
  }

  /// Whether connections or templates refer to the server. Under the lock of its service.
  func isReferenced(_ number: ServerNumber) -> Bool {
    self[stateOf: number].connections != 0 || self[number].templates.load(ordering: .relaxed) != 0
  }

  /// Takes back the number of a server that no connection refers to.
  func release(_ number: ServerNumber) {
    saved[Int(number)] = SavedServer()
    free.append(number)
  }
}

import LVS
import Synchronization

/// What all workers share of one real server: what a frame needs lies in the first cache line, what the server's
/// service keeps under its lock in the second.
struct ServerRecord: ~Copyable {
  // Read for each frame.
  /// The Ethernet address of the server's next hop; 0 while it is not known.
  private let nextHop = Atomic<UInt64>(0)
  /// False from removal on, until it is added again.
  let isAvailable = Atomic<Bool>(true)
  let isQuiesced = Atomic<Bool>(false)
  /// Persistence templates that point here.
  let templates = Atomic<UInt32>(0)
  let service: UInt32
  let endpoint: Endpoint
  /// For the number's whole life.
  private let method: Egress.Method
  private let padding: UInt64 = 0

  // Under the service's lock.
  var active: UInt32 = 0
  var inactive: UInt32 = 0
  /// The place in the service's list; -1 in the trash.
  var position: Int32 = 0
  var upper: UInt32 = 0
  var lower: UInt32 = 0
  var isOverloaded = false
  /// When it went into the trash without connections.
  var idleSince: UInt32 = 0
  var meter = TrafficMeter()
  /// Whole cache lines, four of them.
  private let rest = InlineArray<8, UInt64>(repeating: 0)

  init(service: UInt32, endpoint: Endpoint, method: Egress.Method = .directRouting) {
    (self.service, self.endpoint, self.method) = (service, endpoint, method)
  }

  /// What is done to frames for the server.
  @inline(__always)
  var egress: Egress { Egress(method: method, nextHop: MACAddress(nextHop.load(ordering: .relaxed))) }

  /// Frames go to this station from now on; zero where none is known.
  func reach(by station: MACAddress) { nextHop.store(station.value, ordering: .relaxed) }

  /// Marks the server as overloaded when its connections reach the upper threshold, until they are below the lower one,
  /// three quarters of the upper where there is none (`ip_vs_dest_update_overload`, Linux 6.12.117). To be called when
  /// its connections or its thresholds have changed.
  mutating func updateOverload() {
    let total = active &+ inactive
    if upper != 0, total >= upper {
      isOverloaded = true
    } else if upper == 0 || total < (lower != 0 ? lower : upper - upper / 4) {
      isOverloaded = false
    }
  }

  var isReferenced: Bool { active | inactive | templates.load(ordering: .relaxed) != 0 }
}

/// The real servers of all services, by number. Numbers are given out and taken back by the control side only.
@safe final class ServerTable: @unchecked Sendable {
  static let capacity = 1 << 18

  private let memory: Mapping
  private let records: UnsafeMutablePointer<ServerRecord>
  /// What outlives the process of each.
  let saved: KeptRows<SavedServer>
  private var free: [UInt32] = []
  private var used: UInt32 = 0

  init(_ saved: KeptRows<SavedServer>) throws(SystemError) {
    self.saved = saved
    precondition(MemoryLayout<ServerRecord>.stride % 64 == 0, "two servers would share a cache line")
    memory = try Mapping(size: Self.capacity * MemoryLayout<ServerRecord>.stride)
    unsafe records = memory.base.bindMemory(to: ServerRecord.self, capacity: Self.capacity)
  }

  @inline(__always)
  subscript(number: UInt32) -> ServerRecord {
    unsafeAddress {
      precondition(number < Self.capacity)
      return unsafe UnsafePointer(records + Int(number))
    }
    unsafeMutableAddress {
      precondition(number < Self.capacity)
      return unsafe records + Int(number)
    }
  }

  /// A number for a new server; nil where all are in use.
  func allocate(service: UInt32, endpoint: Endpoint) -> UInt32? {
    let number: UInt32
    if let reused = free.popLast() {
      number = reused
    } else {
      guard used < Self.capacity else { return nil }
      number = used
      used += 1
    }
    saved.secure(Int(number))
    saved[Int(number)] = SavedServer(endpoint, service: service, number: Int(number))
    unsafe (records + Int(number)).initialize(to: ServerRecord(service: service, endpoint: endpoint))
    return number
  }

  /// Has servers be there, removed, with the numbers that an earlier process gave them. Before any other is.
  func recall(_ servers: [(number: UInt32, endpoint: Endpoint, service: UInt32)], _ now: UInt32) {
    for (number, endpoint, service) in servers {
      unsafe (records + Int(number)).initialize(to: ServerRecord(service: service, endpoint: endpoint))
      self[number].isAvailable.store(false, ordering: .relaxed)
      self[number].position = -1
      let idleSince = saved[Int(number)].idleSince
      self[number].idleSince = TimerWheel.reached(idleSince, by: now) ? idleSince : now
      (self[number].upper, self[number].lower) = (saved[Int(number)].upper, saved[Int(number)].lower)
      self[number].isOverloaded = saved[Int(number)].isOverloaded
      let mac = MACAddress(saved[Int(number)].mac & 0xffff_ffff_ffff)
      if mac.isStation { self[number].reach(by: mac) }
    }
    used = servers.map { $0.number + 1 }.max() ?? 0
    let known = Set(servers.map(\.number))
    free = (0..<used).reversed().filter { !known.contains($0) }
  }

  /// Looks again whether the server is overloaded, and has what comes of that outlive the process.
  func updateOverload(_ number: UInt32) {
    let before = self[number].isOverloaded
    self[number].updateOverload()
    if self[number].isOverloaded != before { saved[Int(number)].isOverloaded = !before }
  }

  /// The server is at this station; `zero`: nobody knows where.
  func setStation(_ number: UInt32, _ mac: MACAddress) {
    self[number].reach(by: mac)
    saved[Int(number)].mac = mac.value
  }

  /// What the operator set as thresholds.
  func setThresholds(_ number: UInt32, upper: UInt32, lower: UInt32) {
    (self[number].upper, self[number].lower) = (upper, lower)
    (saved[Int(number)].upper, saved[Int(number)].lower) = (upper, lower)
    updateOverload(number)
  }

  /// Nothing has referred to the removed server since then.
  func setIdle(_ number: UInt32, since now: UInt32) {
    self[number].idleSince = now
    saved[Int(number)].idleSince = now
  }

  /// Makes what is counted now the server's new zero.
  func zero(_ number: UInt32, _ counted: Statistics) {
    self[number].meter.zero(counted)
    saved[Int(number)].zero = SavedStatistics(counted)
  }

  /// Takes back the number of a server that no connection refers to.
  func release(_ number: UInt32) {
    saved[Int(number)] = SavedServer()
    free.append(number)
  }
}

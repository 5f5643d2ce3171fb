import LVS
import Synchronization

/// What one worker counts: written by that worker alone, read by anybody.
///
/// A relaxed load and store costs a sixth of an atomic addition.
struct Counter: ~Copyable {
  private let value = Atomic<UInt64>(0)

  /// Only the owner may call it.
  @inline(__always)
  func add(_ amount: UInt64) {
    value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }

  @inline(__always)
  var now: UInt64 { value.load(ordering: .relaxed) }
}

/// Connections, packets and bytes of one server or service at one worker, in half a cache line.
struct TrafficCounter: ~Copyable {
  let connections = Counter()
  let packets = Counter()
  let bytes = Counter()
  private let padding: UInt64 = 0

  @inline(__always)
  func count(bytes length: Int) {
    packets.add(1)
    bytes.add(UInt64(truncatingIfNeeded: length))
  }

  func count(packets count: UInt64, bytes length: UInt64) {
    packets.add(count)
    bytes.add(length)
  }

  var statistics: Statistics {
    Statistics(connections: connections.now, packets: packets.now, bytes: bytes.now)
  }
}

/// All that one worker counts, shared for reading. Memory for servers and services is taken as their numbers are used;
/// what is counted of them may outlive the process.
@safe final class Counters: @unchecked Sendable {
  private let traffic: Mapping
  private let memory: Mapping
  private let servers: UnsafeMutablePointer<TrafficCounter>
  private let services: UnsafeMutablePointer<TrafficCounter>
  private let drops: UnsafeMutablePointer<Counter>
  let total = TrafficCounter()
  let forwarded = Counter()
  let answered = Counter()
  let passed = Counter()
  let held = Counter()
  let frames = Counter()
  let batches = Counter()
  let transmitErrors = Counter()
  let ringDrops = Counter()
  let handedOver = Counter()
  /// Frames that the XDP program forwarded by itself.
  let offloaded = Counter()
  let connections = Atomic<Int>(0)
  /// Frames that wait: for the first fragment of their datagram, for their server's Ethernet address.
  let fragments = Atomic<Int>(0)
  let holding = Atomic<Int>(0)
  /// Connections that were ended so that new ones had room.
  let evictedHalfOpen = Counter()
  let evictedOnePacket = Counter()
  let evictedClosing = Counter()
  /// The most frames that waited in the ring at once within the last second, and how many can.
  let ringFill = Atomic<Int>(0)
  let ringSize = Atomic<Int>(0)
  /// Where the worker last ran; -1 before it did.
  let processor = Atomic<Int>(-1)
  /// Thousandths of the last second that were spent working.
  let load = Atomic<UInt32>(0)

  /// Bytes of what is counted of services, and behind that of servers.
  private static let serviceBytes = ServiceTable.capacity * MemoryLayout<TrafficCounter>.stride
  static let trafficBytes = serviceBytes + ServerTable.capacity * MemoryLayout<TrafficCounter>.stride

  /// - Parameter state: where traffic is counted, under this name; nil where that goes with the process.
  init(in state: StateDirectory? = nil, _ name: String = "") throws(SystemError) {
    traffic = try state.map(name, size: Self.trafficBytes)
    memory = try Mapping(size: DropReason.allCases.count * MemoryLayout<Counter>.stride)
    unsafe services = traffic.base.bindMemory(to: TrafficCounter.self, capacity: ServiceTable.capacity)
    unsafe servers = (traffic.base + Self.serviceBytes)
      .bindMemory(to: TrafficCounter.self, capacity: ServerTable.capacity)
    unsafe drops = memory.base.bindMemory(to: Counter.self, capacity: DropReason.allCases.count)
  }

  /// Has the memory be there that a service, or one of its servers, is counted in. To be called by the control side
  /// before the number is used.
  func secure(service: ServiceNumber) {
    let place = Int(service) * MemoryLayout<TrafficCounter>.stride
    traffic.secure(place..<place + MemoryLayout<TrafficCounter>.stride)
  }

  func secure(server: ServerNumber) {
    let place = Self.serviceBytes + Int(server) * MemoryLayout<TrafficCounter>.stride
    traffic.secure(place..<place + MemoryLayout<TrafficCounter>.stride)
  }

  /// Has the sum over all services, removed ones included, be what was counted of each. Before the worker begins.
  func recover() {
    for part in traffic.written where part.lowerBound < Self.serviceBytes {
      traffic.secure(part)
      let stride = MemoryLayout<TrafficCounter>.stride
      for number in part.lowerBound / stride..<min(part.upperBound, Self.serviceBytes) / stride {
        let counted = unsafe services[number].statistics
        total.connections.add(counted.connections)
        total.count(packets: counted.packets, bytes: counted.bytes)
      }
    }
  }

  /// Counts a packet that is forwarded to a server.
  @inline(__always)
  func packet(server: ServerNumber, service: ServiceNumber, bytes: Int) {
    precondition(Int(server) < ServerTable.capacity && Int(service) < ServiceTable.capacity)
    unsafe servers[Int(server)].count(bytes: bytes)
    unsafe services[Int(service)].count(bytes: bytes)
    total.count(bytes: bytes)
  }

  /// The same for several packets.
  func packets(_ count: UInt64, server: ServerNumber, service: ServiceNumber, bytes: UInt64) {
    precondition(Int(server) < ServerTable.capacity && Int(service) < ServiceTable.capacity)
    unsafe servers[Int(server)].count(packets: count, bytes: bytes)
    unsafe services[Int(service)].count(packets: count, bytes: bytes)
    total.count(packets: count, bytes: bytes)
  }

  func connection(server: ServerNumber, service: ServiceNumber) {
    precondition(Int(server) < ServerTable.capacity && Int(service) < ServiceTable.capacity)
    unsafe servers[Int(server)].connections.add(1)
    unsafe services[Int(service)].connections.add(1)
    total.connections.add(1)
  }

  @inline(__always)
  func drop(_ reason: DropReason) {
    unsafe drops[Int(reason.rawValue)].add(1)
  }

  /// Counts a connection of this lane that is ended for a new one.
  func evicted(_ lane: Lane) {
    switch lane {
    case .freshTCP, .freshSCTP: evictedHalfOpen.add(1)
    case .freshUDP: evictedOnePacket.add(1)
    case .settled, .closing, .closed: evictedClosing.add(1)
    }
  }

  func server(_ number: ServerNumber) -> Statistics {
    precondition(Int(number) < ServerTable.capacity)
    return unsafe servers[Int(number)].statistics
  }

  func service(_ number: ServiceNumber) -> Statistics {
    precondition(Int(number) < ServiceTable.capacity)
    return unsafe services[Int(number)].statistics
  }

  /// The processor that the worker last ran on.
  var runsOn: Int? {
    let number = processor.load(ordering: .relaxed)
    return number < 0 ? nil : number
  }

  func dropped(_ reason: DropReason) -> UInt64 { unsafe drops[Int(reason.rawValue)].now }
}

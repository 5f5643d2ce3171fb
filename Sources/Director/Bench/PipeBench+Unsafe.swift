import LVS

/// One service with its servers, which pipes in memory share as workers do.
public final class PipeService {
  fileprivate let services: Services
  fileprivate static let station = MACAddress(0x0200_0000_0001)
  fileprivate static let seed: UInt64 = 1

  /// - Parameters:
  ///   - vip: the service, of TCP.
  ///   - servers: how many it has, of weight 1 + i mod 10, each with an Ethernet address.
  ///   - workers: how many pipes it is for.
  ///   - connections: the most there can be, of all pipes together.
  public init(
    vip: Endpoint, scheduler: SchedulerName, servers: Int, workers: Int = 1, connections: Int
  ) throws(PlaneError) {
    let shared = try available { () throws(SystemError) in
      try SharedTables(connections: connections, workers: workers, seed: Self.seed)
    }
    var counters: [Counters] = []
    for _ in 0..<workers { counters.append(try available { () throws(SystemError) in try Counters() }) }
    services = Services(shared: shared, counters: counters, seed: Self.seed)
    let key = ServiceKey.endpoint(.tcp, vip)
    let members = (0..<servers).map { index in
      RealServer(
        Endpoint(IPAddress(v4: 0x0a01_0001 + UInt32(index)), vip.port), weight: Weight(1 + Int32(index % 10)),
        mac: MACAddress(0x0200_0000_0100 + UInt64(index)))
    }
    let definition = ServiceDefinition(VirtualService(key, scheduler: scheduler), servers: members)
    let desired = try DesiredState(Configuration(services: [definition]), .userspace)
    try services.stage(desired, by: changes(from: services.desired, to: desired), now: 0)
    services.publish(link: Link(mac: Self.station, mtu: 1_500), freePages: .max)
  }
}

/// The pipe in memory, for measuring it: one worker's director, and frames that somebody else writes.
///
/// It stands where a worker stands otherwise, inside this module as the worker is: what a frame meets is the same code.
@safe public struct PipeBench: ~Copyable {
  private var director: Director
  private let service: PipeService

  /// - Parameter worker: which of the service's workers this is.
  public init(_ service: PipeService, worker: Int = 0) throws(PlaneError) {
    director = try available { () throws(SystemError) in
      try Director(
        shared: service.services.shared, counters: service.services.counters[worker], seed: PipeService.seed)
    }
    self.service = service
  }

  /// The only pipe of a service of its own.
  public init(vip: Endpoint, scheduler: SchedulerName, servers: Int, connections: Int) throws(PlaneError) {
    try self.init(PipeService(vip: vip, scheduler: scheduler, servers: servers, connections: connections))
  }

  public var connections: Int { director.connections.count }

  /// Sends frames through the pipe; how many are to be transmitted.
  ///
  /// - Parameter now: the time in hundredths of a second.
  public mutating func process(_ frames: FrameBlock, now: UInt32) -> Int {
    director.tick(now)
    var sent = 0
    var first = 0
    while first < frames.count {
      let count = min(Director.batch, frames.count &- first)
      sent &+= process(frames, first, count)
      first &+= count
    }
    return sent
  }

  /// A batch, as a worker takes it.
  @inline(__always)
  private mutating func process(_ frames: FrameBlock, _ first: Int, _ count: Int) -> Int {
    var sent = 0
    for index in 0..<count { director.inspect(frames[first &+ index], index, FrameMetadata()) }
    director.prefetch(of: count)
    for index in 0..<count {
      director.prefetch(after: index, of: count)
      if case .transmit = director.decide(frames[first &+ index], index) { sent &+= 1 }
    }
    return sent
  }

  /// Ends the connections whose time has come.
  public mutating func expire(now: UInt32) {
    while expireSlice(now: now) {}
  }

  /// Ends as many of them as a worker does between two batches; whether there may be more.
  public mutating func expireSlice(now: UInt32) -> Bool {
    director.tick(now)
    return director.expire(budget: Director.expiryBudget)
  }

  /// Copies as many records as a listing has a worker copy between two batches; how many, and where to go on, 0 at the
  /// end.
  public func listSlice(from start: UInt32) -> (count: Int, next: UInt32) {
    let (records, next) = director.connections.slice(from: start, limit: WorkerPool.slice)
    return (records.count, next)
  }
}

/// Frames of one length in memory, at equal distances.
@safe public struct FrameBlock {
  public let base: UnsafeMutableRawPointer
  public let stride: Int
  public let length: Int
  public let count: Int

  /// The memory has to last as long as the block and to hold `count` times `stride` bytes.
  public init(_ base: UnsafeMutableRawPointer, stride: Int, length: Int, count: Int) {
    precondition(length <= stride && count >= 0)
    unsafe self.base = base
    (self.stride, self.length, self.count) = (stride, length, count)
  }

  @inline(__always)
  subscript(index: Int) -> Bytes {
    unsafe Bytes(base + index &* stride, count: length, capacity: stride)
  }
}

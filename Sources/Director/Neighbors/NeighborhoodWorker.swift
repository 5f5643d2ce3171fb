import LVS
import Synchronization

/// The thread that speaks ARP and neighbor discovery for all data planes, on a socket of its own.
final class NeighborhoodWorker: Sendable {
  /// What the control side has the thread do.
  private typealias Request = @Sendable (inout NeighborhoodLoop, _ now: UInt64) -> Void

  private let bell: Bell
  private let requests = Mutex<[Request]>([])
  private let isStopping = Atomic<Bool>(false)
  private let counters: Counters
  private let thread: Mutex<Thread?>

  /// Milliseconds between two looks at what is due.
  private static let beat: Int32 = 20

  /// - Parameter happened: called on the thread with what was seen.
  init(
    _ neighborhood: Neighborhood, interface: UInt32, vlan: UInt16?, counters: Counters,
    happened: @escaping @Sendable (Neighborhood.Happening) -> Void
  ) throws(SystemError) {
    bell = try Bell()
    self.counters = counters
    thread = Mutex(nil)
    let port = try NeighborhoodPort(interface: interface, vlan: vlan, virtual: neighborhood.virtual)
    let started = try Thread(name: "neighborhood") { [self] in
      var loop = NeighborhoodLoop(neighborhood, port, vlan, happened)
      while serve(&loop) {}
    }
    thread.withLock { $0 = started }
  }

  // MARK: VIPs

  func probe(_ vip: IPAddress) { post { $0.neighborhood.vips.probe(vip, now: $1) } }
  func take(_ vip: IPAddress) { post { $0.neighborhood.vips.take(vip, now: $1) } }
  /// Goes on with a VIP that was the director's just now.
  func keep(_ vip: IPAddress) { post { $0.neighborhood.vips.keep(vip, now: $1) } }
  /// Leaves the VIP to its present owner, and takes it when that is gone.
  func wait(for vip: IPAddress, heldBy mac: MACAddress) {
    post { $0.neighborhood.vips.wait(for: vip, heldBy: mac, now: $1) }
  }
  /// Keeps quiet about the VIP until it is taken again.
  func release(_ vip: IPAddress) { post { loop, _ in loop.neighborhood.vips.release(vip) } }
  /// Knows nothing of the VIP any more.
  func remove(_ vip: IPAddress) { post { loop, _ in loop.neighborhood.vips.remove(vip) } }
  func announceAgain() { post { $0.neighborhood.vips.announceAgain($1) } }
  /// The link carries frames, or none.
  func link(isUp: Bool) { post { $0.neighborhood.vips.link(isUp: isUp, now: $1) } }
  /// Nothing was heard or said for a while.
  func reappear() { post { $0.neighborhood.vips.reappear($1) } }
  /// Leaves all VIPs to others until they can be served again.
  func suspend() { post { loop, _ in loop.neighborhood.suspend() } }
  func resume() { post { $0.neighborhood.vips.resume($1) } }
  /// Answers for the VIPs until another director that waits for them has them.
  func leave() { post { loop, _ in loop.neighborhood.vips.leave() } }
  /// Asks whether somebody else has the VIP too.
  func doubt(_ vip: IPAddress) { post { $0.neighborhood.vips.doubt(vip, now: $1) } }

  // MARK: Neighbors

  /// Looks for these addresses, each with its station where the operator fixed it.
  func resolve(_ addresses: [IPAddress: MACAddress?]) {
    post { loop, now in
      for (address, fixed) in addresses { loop.neighborhood.neighbors.add(address, fixed: fixed, now: now) }
    }
  }
  func forget(_ addresses: [IPAddress]) {
    post { loop, _ in for address in addresses { loop.neighborhood.neighbors.remove(address) } }
  }
  /// Frames wait for this address.
  func want(_ address: IPAddress) { post { $0.neighborhood.neighbors.want(address, now: $1) } }

  /// Asks everybody for the VIPs and the servers, to hear of all who answer.
  func survey() { post { $0.neighborhood.survey($1) } }

  // MARK: The interface

  /// Takes over what the interface is now.
  func adopt(_ interface: Interface) {
    post { loop, _ in
      loop.neighborhood.device = interface.mac
      loop.neighborhood.addresses = interface.addresses
    }
  }

  /// Goes on at another interface: the old one is gone, and one of the same name has come.
  func rebind(_ interface: Interface, vlan: UInt16?, virtual: MACAddress?) throws(SystemError) {
    let port = try NeighborhoodPort(interface: interface.index, vlan: vlan, virtual: virtual)
    post { loop, _ in loop.rebind(port) }
  }

  // MARK: Answers

  /// Has the thread answer with what it knows.
  func inspect<Answer: Sendable>(_ question: @escaping @Sendable (Neighborhood, _ now: UInt64) -> Answer) async
    -> Answer
  {
    await withCheckedContinuation { continuation in
      post { loop, now in continuation.resume(returning: question(loop.neighborhood, now)) }
    }
  }

  /// Ends the thread.
  func stop() {
    isStopping.store(true, ordering: .relaxed)
    bell.ring()
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
  }

  private func post(_ request: @escaping Request) {
    requests.withLock { $0.append(request) }
    bell.ring()
  }

  /// One round: requests, frames, what is due. Whether to go on.
  private func serve(_ loop: inout NeighborhoodLoop) -> Bool {
    let now = Clock.milliseconds
    let pending = requests.withLock { requests in
      defer { requests = [] }
      return requests
    }
    for request in pending { request(&loop, now) }
    let isLast = isStopping.load(ordering: .relaxed)
    if !isLast { loop.receive(now, counters) }
    // The last one says what was given up.
    loop.tick(now)
    guard !isLast else { return false }
    Descriptor.wait([loop.descriptor, bell.descriptor], milliseconds: Self.beat)
    bell.hush()
    return true
  }
}

/// What the thread works with.
struct NeighborhoodLoop {
  /// Frames that are taken at once before time moves on.
  private static let batch = 256

  var neighborhood: Neighborhood
  private var port: NeighborhoodPort
  private let vlan: UInt16?
  private let happened: @Sendable (Neighborhood.Happening) -> Void
  private var buffer = [UInt8](repeating: 0, count: 2048)
  private var groups: Set<MACAddress> = []

  init(
    _ neighborhood: Neighborhood, _ port: NeighborhoodPort, _ vlan: UInt16?,
    _ happened: @escaping @Sendable (Neighborhood.Happening) -> Void
  ) {
    self.neighborhood = neighborhood
    self.port = port
    self.vlan = vlan
    self.happened = happened
  }

  var descriptor: Int32 { port.socket.descriptor.number }

  mutating func rebind(_ port: NeighborhoodPort) {
    self.port = port
    groups = []
  }

  /// Takes the frames that have come and answers them.
  mutating func receive(_ now: UInt64, _ counters: Counters) {
    for _ in 0..<Self.batch {
      guard let length = PacketSocket.receive(into: &buffer, from: descriptor) else { return }
      var frame = Array(buffer[..<length])
      let verdict = frame.lend(room: NDP.frameLength) { bytes in
        let verdict = neighborhood.receive(bytes, now: now)
        if case .answer(let length) = verdict { return (verdict, length: length) }
        return (verdict, length: bytes.count)
      }
      switch verdict {
      case .answer:
        counters.answered.add(1)
        _ = port.socket.send(Ethernet.tagged(frame, vlan: vlan))
      case .drop(let reason): counters.drop(reason)
      default: break
      }
    }
  }

  mutating func tick(_ now: UInt64) {
    neighborhood.tick(now)
    follow(neighborhood.groups)
    let (frames, events) = neighborhood.drain()
    for frame in frames { _ = port.socket.send(Ethernet.tagged(frame, vlan: vlan)) }
    for event in events { happened(event) }
  }

  /// Has the interface take in what is sent to these groups, and no others. What fails is tried again.
  private mutating func follow(_ wanted: Set<MACAddress>) {
    guard wanted != groups else { return }
    for group in wanted.subtracting(groups) where (try? port.socket.member(.group(group))) != nil {
      groups.insert(group)
    }
    for group in groups.subtracting(wanted) {
      // At worst frames come that nobody wants any more.
      try? port.socket.member(.group(group), joins: false)
      groups.remove(group)
    }
  }
}

/// The packet socket for ARP and neighbor discovery.
final class NeighborhoodPort: Sendable {
  let socket: PacketSocket

  /// - Parameter virtual: the VIPs' own station, which the interface has to take in beside its own.
  init(interface: UInt32, vlan: UInt16?, virtual: MACAddress?) throws(SystemError) {
    socket = try PacketSocket(interface: interface)
    try socket.ignoreOutgoing()
    try socket.attach(.neighborhood(vlan: vlan))
    socket.enlargeBuffers(4 << 20)
    if let virtual { try socket.member(.station(virtual)) }
    // A card keeps out the VLANs that nobody told it of; a packet socket can only have it let everything in.
    if vlan != nil { try socket.member(.everything) }
    try socket.bind()
  }
}

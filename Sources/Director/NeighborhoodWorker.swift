import LVS
import Synchronization

/// The thread that speaks ARP and neighbour discovery for all data planes, on a socket of its own.
final class NeighborhoodWorker: Sendable {
  /// What the control side asks of the thread.
  private enum Request {
    case probe(IPAddress)
    case take(IPAddress)
    case release(IPAddress)
    case resolve(IPAddress, fixed: MACAddress?)
    case forget(IPAddress)
    case want(IPAddress)
    case list(@Sendable ([NeighborStatus], [VIPStatus]) -> Void)
    case stop
  }

  private let bell: Bell
  private let requests = Mutex<[Request]>([])
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
    let socket = try PacketSocket(interface: interface)
    try socket.ignoreOutgoing()
    try socket.attach(.neighborhood(vlan: vlan))
    socket.enlargeBuffers(4 << 20)
    try socket.bind()
    let box = SocketBox(socket)
    let started = try Thread(name: "neighborhood") { [self] in
      var loop = NeighborhoodLoop(neighborhood, box, vlan, happened)
      while serve(&loop) {}
    }
    thread.withLock { $0 = started }
  }

  func probe(_ vip: IPAddress) { post(.probe(vip)) }
  func take(_ vip: IPAddress) { post(.take(vip)) }
  func release(_ vip: IPAddress) { post(.release(vip)) }
  func resolve(_ address: IPAddress, fixed: MACAddress?) { post(.resolve(address, fixed: fixed)) }
  func forget(_ address: IPAddress) { post(.forget(address)) }
  /// Frames wait for this address.
  func want(_ address: IPAddress) { post(.want(address)) }

  func list() async -> ([NeighborStatus], [VIPStatus]) {
    await withCheckedContinuation { continuation in
      post(.list { neighbors, vips in continuation.resume(returning: (neighbors, vips)) })
    }
  }

  /// Ends the thread.
  func stop() {
    post(.stop)
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
  }

  private func post(_ request: Request) {
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
    for request in pending {
      if case .stop = request { return false }
      carryOut(request, &loop, now)
    }
    loop.receive(now, counters)
    loop.tick(now)
    Descriptor.wait(loop.descriptor, bell.descriptor, milliseconds: Self.beat)
    bell.hush()
    return true
  }

  private func carryOut(_ request: Request, _ loop: inout NeighborhoodLoop, _ now: UInt64) {
    switch request {
    case .probe(let vip): loop.neighborhood.vips.probe(vip, now: now)
    case .take(let vip): loop.neighborhood.vips.take(vip, now: now)
    case .release(let vip): loop.neighborhood.vips.release(vip)
    case .resolve(let address, let fixed): loop.neighborhood.neighbors.add(address, fixed: fixed, now: now)
    case .forget(let address): loop.neighborhood.neighbors.remove(address)
    case .want(let address): loop.neighborhood.neighbors.want(address, now: now)
    case .list(let answer): answer(loop.neighborhood.neighbors.listing(now), loop.neighborhood.vips.listing)
    case .stop: break
    }
  }
}

/// What the thread works with.
struct NeighborhoodLoop {
  /// Frames that are taken at once before time moves on.
  private static let batch = 256

  var neighborhood: Neighborhood
  private let socket: SocketBox
  private let vlan: UInt16?
  private let happened: @Sendable (Neighborhood.Happening) -> Void
  private var buffer = [UInt8](repeating: 0, count: 2048)

  init(
    _ neighborhood: Neighborhood, _ socket: SocketBox, _ vlan: UInt16?,
    _ happened: @escaping @Sendable (Neighborhood.Happening) -> Void
  ) {
    self.neighborhood = neighborhood
    self.socket = socket
    self.vlan = vlan
    self.happened = happened
  }

  var descriptor: Int32 { socket.socket.descriptor.number }

  /// Takes the frames that have come and answers them.
  mutating func receive(_ now: UInt64, _ counters: Counters) {
    for _ in 0..<Self.batch {
      guard let length = PacketSocket.receive(into: &buffer, from: descriptor) else { return }
      var frame = Array(buffer[..<length])
      let verdict = frame.lend(room: ARP.frameLength) { bytes in
        let verdict = neighborhood.receive(bytes, now: now)
        if case .answer(let length) = verdict { return (verdict, length: length) }
        return (verdict, length: bytes.count)
      }
      switch verdict {
      case .answer:
        counters.answered.add(1)
        _ = socket.socket.send(Ethernet.tagged(frame, vlan: vlan))
      case .drop(let reason): counters.drop(reason)
      default: break
      }
    }
  }

  mutating func tick(_ now: UInt64) {
    neighborhood.tick(now)
    let (frames, events) = neighborhood.drain()
    for frame in frames { _ = socket.socket.send(Ethernet.tagged(frame, vlan: vlan)) }
    for event in events { happened(event) }
  }
}

/// A packet socket that a thread's closure can take along.
final class SocketBox: Sendable {
  let socket: PacketSocket

  init(_ socket: consuming PacketSocket) {
    self.socket = socket
  }
}

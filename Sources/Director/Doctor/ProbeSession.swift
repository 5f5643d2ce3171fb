import LVS

/// A look at the wire of about a second: sends the probes, takes the answers, counts what is for others.
struct ProbeSession {
  /// How long answers are waited for, in milliseconds.
  private static let patience: UInt64 = 1_000
  /// Frames that are sent before answers are taken again.
  private static let burst = 64

  private let answers: SocketBox
  private let foreign: SocketBox
  private let vlan: UInt16?
  private var probe: ServerProbe
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)

  /// - Parameter isThorough: has the interface take in all frames meanwhile, so that a switch's flooding shows on
  ///   interfaces that sort frames out themselves.
  init(
    _ probe: ServerProbe, interface: UInt32, vlan: UInt16?, senders: [IPAddress], virtual: MACAddress?, isThorough: Bool
  ) throws(SystemError) {
    (self.probe, self.vlan) = (probe, vlan)
    answers = try Self.open(interface, .balanced(vips: senders, vlan: vlan))
    foreign = try Self.open(interface, .foreign(vlan: vlan, station: virtual), takesAll: isThorough)
  }

  private static func open(
    _ interface: UInt32, _ filter: SocketFilter, takesAll: Bool = false
  ) throws(SystemError) -> SocketBox {
    let socket = try PacketSocket(interface: interface)
    try socket.ignoreOutgoing()
    try socket.attach(filter)
    socket.enlargeBuffers(4 << 20)
    if takesAll { try socket.member(.everything) }
    try socket.bind()
    return SocketBox(socket)
  }

  /// Blocks until it is over.
  mutating func run() -> (results: [ProbeResult], foreign: [MACAddress: Int]) {
    var others: [MACAddress: Int] = [:]
    var frames = probe.frames[...]
    let end = Clock.milliseconds + Self.patience + UInt64(frames.count / Self.burst)
    while Clock.milliseconds < end {
      for frame in frames.prefix(Self.burst) { _ = answers.socket.send(Ethernet.tagged(frame, vlan: vlan)) }
      frames = frames.dropFirst(Self.burst)
      Descriptor.wait(
        [answers.socket.descriptor.number, foreign.socket.descriptor.number], milliseconds: frames.isEmpty ? 20 : 1)
      takeAnswers()
      while let length = PacketSocket.receive(into: &buffer, from: foreign.socket.descriptor.number), length >= 6 {
        others[buffer.lend { ($0.mac(0), length: $0.count) }, default: 0] += 1
        if Clock.milliseconds >= end { break }
      }
    }
    return (probe.results, others)
  }

  private mutating func takeAnswers() {
    while let length = PacketSocket.receive(into: &buffer, from: answers.socket.descriptor.number) {
      var frame = Array(buffer[..<length])
      if let reply = frame.lend({ (probe.receive($0), length: $0.count) }) {
        _ = answers.socket.send(Ethernet.tagged(reply, vlan: vlan))
      }
    }
  }
}

/// A packet socket that can be kept where it could not be as a value.
private final class SocketBox {
  let socket: PacketSocket

  init(_ socket: consuming PacketSocket) {
    self.socket = socket
  }
}

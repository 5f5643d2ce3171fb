import LVS

/// What becomes of a frame. It is the whole result of the pipe: the worker counts it, a test asserts it.
enum Verdict: Equatable {
  /// The frame, written for this server in place, goes out again.
  case transmit(server: UInt32)
  /// The frame has become the director's own answer of this length.
  case answer(length: Int)
  /// Not ours: the host sees it anyway.
  case pass
  /// Ours to forward, once the Ethernet address of this server is known. All else is rewritten already.
  case hold(server: UInt32)
  /// Ours to forward like those, but longer than the interface's packets may be: to be cut into fragments.
  case cut(server: UInt32)
  /// A fragment that came before the first of its datagram: to be kept until that comes.
  case park
  /// For the worker that owns its connection.
  case handOver(to: UInt32)
  case drop(DropReason)
}

extension Director {
  /// A verdict in words, for whoever captures; `frame` is the frame after it.
  func words(_ verdict: Verdict, _ frame: Bytes) -> String {
    switch verdict {
    case .transmit: "transmit to \(frame.mac(Ethernet.destination))"
    case .answer(let length): "answer with \(length) octets"
    case .pass: "pass to the host"
    case .cut(let server): "cut into fragments for \(shared.servers[server].endpoint.address)"
    case .park: "wait for the first fragment"
    case .handOver(let worker): "hand over to worker \(worker)"
    case .hold(let server): "hold for \(shared.servers[server].endpoint.address)"
    case .drop(let reason): "drop \(reason.name)"
    }
  }
}

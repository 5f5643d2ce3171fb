import LVS

/// What becomes of a frame. It is the whole result of the pipe: the worker counts it, a test asserts it.
enum Verdict: Equatable {
  /// The frame, written for this server in place, goes out again.
  case transmit(server: ServerNumber)
  /// The frame has become the director's own answer of this length.
  case answer(length: Int)
  /// Not ours: the host sees it anyway.
  case pass
  /// Ours to forward, once the Ethernet address of this server is known. All else is rewritten already.
  case hold(server: ServerNumber)
  /// Ours to forward like those, but longer than the interface's packets may be: to be cut into fragments.
  case cut(server: ServerNumber)
  /// A fragment that came before the first of its datagram: to be kept until that comes.
  case park
  /// For the worker that owns its connection.
  case handOver(to: UInt32)
  case drop(DropReason)
}

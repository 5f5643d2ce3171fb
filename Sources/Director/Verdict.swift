import LVS

/// What becomes of a frame. It is the whole result of the pipe: the worker counts it, a test asserts it.
enum Verdict: Equatable {
  /// The frame, readdressed in place, goes out again as long as it came.
  case transmit
  /// The frame has become the director's own answer of this length.
  case answer(length: Int)
  /// Not ours: the host sees it anyway.
  case pass
  /// Ours to forward, once the Ethernet address of this server is known. All else is rewritten already.
  case hold(server: UInt32)
  case drop(DropReason)
}

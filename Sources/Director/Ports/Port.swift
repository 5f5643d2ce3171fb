import LVS

/// Where a worker's frames come from and go to, a batch at a time. Frames are lent: nothing of one outlives `flush`.
///
/// A frame is seen without its 802.1Q tag, which the port keeps and puts back.
protocol Port: ~Copyable, SendableMetatype {
  /// Borrows what has arrived, at most `Director.batch` frames; how many it is.
  mutating func receive() -> Int
  /// A frame of the batch; empty where it was captured short.
  func frame(_ index: Int) -> Bytes
  /// What is known of a frame of the batch beside its bytes.
  func metadata(_ index: Int) -> FrameMetadata
  /// Has a frame of the batch sent as it is now.
  mutating func transmit(_ index: Int)
  /// Has a frame sent that became an answer of the director's, of a length of its own.
  mutating func answer(_ index: Int, length: Int)
  /// Gives a frame to the worker that owns its connection.
  mutating func handOver(_ index: Int, to worker: UInt32)
  /// A copy of a frame that can be sent later.
  func copy(_ index: Int) -> KeptFrame
  /// Sends a frame that was kept; whether it went out.
  mutating func send(_ frame: KeptFrame) -> Bool
  /// Sends what was queued and gives the batch back.
  mutating func flush() -> Losses
  /// Frames that the kernel dropped since the last call because there was no room.
  mutating func overruns() -> UInt64
  /// Where the kernel forwards flows by itself; nil where it does not.
  var flows: FlowTable? { get }
  /// Frames that wait to be received now, and how many can.
  var fill: (waiting: Int, room: Int) { get }
  /// Sleeps until there is something to receive or the bell rings, at most so many milliseconds.
  func wait(_ bell: Bell, milliseconds: Int32)
}

/// Frames of a batch that went nowhere.
struct Losses {
  /// The kernel would not transmit them.
  var refused = 0
  /// The worker that owns their connections had no room for more.
  var notHandedOver = 0
}

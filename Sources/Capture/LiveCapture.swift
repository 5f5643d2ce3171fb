import Director
import LVS

extension UserspacePlane {
  /// The frames that workers handle from now on, with their verdicts, as a pcapng file that ends with the stream.
  public func capture(filter: String?) async throws(PlaneError) -> AsyncStream<[UInt8]> {
    let filter = try filter.map { expression throws(PlaneError) in try CaptureFilter(expression) }
    let capture = LiveCapture(try workers.tapped(), filter)
    return AsyncStream { await capture.next() }
  }
}

/// A capture that is made as its reader asks for it, so that only what the tap holds waits for a slow one.
private actor LiveCapture {
  /// Bytes that a piece has about.
  private static let piece = 64 << 10

  private let reader: TapReader
  private let filter: CaptureFilter?
  private var waiting: ArraySlice<TappedFrame> = []
  /// Frames that were lost since the last one that was written.
  private var lost = 0
  private var isBegun = false

  init(_ reader: TapReader, _ filter: CaptureFilter?) {
    (self.reader, self.filter) = (reader, filter)
  }

  /// The next piece, of whole blocks; nil where nobody waits for it any more.
  func next() async -> [UInt8]? {
    guard isBegun else {
      isBegun = true
      return CommentedCapture.header
    }
    var piece: [UInt8] = []
    while piece.isEmpty {
      if waiting.isEmpty {
        guard let frames = await reader.frames() else { return nil }
        waiting = frames[...]
      }
      while piece.count < Self.piece, let frame = waiting.popFirst() {
        lost += frame.lost
        guard filter?.matches(frame.bytes) ?? true else { continue }
        piece += CommentedCapture.frame(frame, lost: lost)
        lost = 0
      }
    }
    return piece
  }
}

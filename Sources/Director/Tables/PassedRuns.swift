/// What of a datagram has passed: runs of its fragments, in units of eight bytes.
///
/// Nothing is put together here, so a fragment that overlaps others can only be told by what passed before it. Fragments
/// come in order, or nearly: that takes one run or a few. One that would make another run than there is room for counts as
/// an overlap, since nobody could tell any more what overlaps it.
struct PassedRuns: BitwiseCopyable {
  /// Eight are enough for every second of the first 16 fragments to come late.
  static let capacity = 8

  private struct Run: BitwiseCopyable {
    var start: UInt16 = 0
    var end: UInt16 = 0
  }

  enum Outcome {
    case new
    /// All of it has passed already.
    case duplicate
    /// It would say something of the datagram for a second time, or otherwise (RFC 5722).
    case overlap
  }

  private var runs = InlineArray<8, Run>(repeating: Run())
  private var count = 0
  /// Where the datagram ends; 0 before its last fragment has come.
  private var end: UInt16 = 0

  /// Whether all of the datagram has passed.
  var isWhole: Bool { end != 0 && count == 1 && runs[0].start == 0 && runs[0].end == end }

  /// Takes note of a fragment that brings something, as `inet_frag_queue_insert` and `ip_frag_queue` do.
  mutating func add(_ piece: FragmentPiece) -> Outcome {
    if end != 0, piece.end > end || piece.isLast && piece.end != end { return .overlap }
    for place in 0..<count where piece.isLast && runs[place].end > piece.end { return .overlap }
    var (before, behind): (Int?, Int?)
    for place in 0..<count {
      let run = runs[place]
      if piece.start >= run.start, piece.end <= run.end { return .duplicate }
      if piece.start < run.end, piece.end > run.start { return .overlap }
      if run.end == piece.start { before = place }
      if run.start == piece.end { behind = place }
    }
    guard join(piece, before, behind) else { return .overlap }
    if piece.isLast { end = piece.end }
    return .new
  }

  /// Makes the runs beside a piece longer; whether there was room where it has none.
  private mutating func join(_ piece: FragmentPiece, _ before: Int?, _ behind: Int?) -> Bool {
    switch (before, behind) {
    case (let before?, let behind?):
      runs[before].end = runs[behind].end
      count -= 1
      runs[behind] = runs[count]
    case (let before?, nil): runs[before].end = piece.end
    case (nil, let behind?): runs[behind].start = piece.start
    case (nil, nil):
      guard count < Self.capacity else { return false }
      runs[count] = Run(start: piece.start, end: piece.end)
      count += 1
    }
    return true
  }
}

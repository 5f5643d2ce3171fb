import LVS

/// What directors say to each other over TCP, beside the kernel's protocol: one asks from a mark on, the other answers
/// with datagrams as they are multicast, a mark after every few, and the mark `end`.
///
/// With a key all is signed. The number of a question, which who asks draws at random, is the sender in both signatures:
/// so an answer is to this question and to no other. Times grow within an answer.
public enum SyncStream {
  /// Why the other end is not believed.
  public enum Distrust: String, Error, Sendable {
    case damaged, unsigned
    case otherID = "of another --sync-id"
  }

  /// Cuts what comes into datagrams, by the sizes that they begin with.
  public struct Cutter: Sendable {
    private var bytes: [UInt8] = []

    public init() {}

    public mutating func append(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

    /// The next whole datagram of version 1; nil where more has to come.
    public mutating func next() throws(Distrust) -> [UInt8]? {
      guard bytes.count >= 4 else { return nil }
      let size = Int(bytes[2]) << 8 | Int(bytes[3])
      guard bytes[0] == 0, size >= SyncDatagram.Version.one.headerLength else { throw .damaged }
      guard bytes.count >= size else { return nil }
      defer { bytes.removeFirst(size) }
      return Array(bytes.prefix(size))
    }
  }

  /// What is asked, as the one who is asked finds it.
  public struct Question: Sendable {
    public let mark: SyncMark
    /// What signs the answer.
    public let signature: SyncSignature?

    /// - Parameters:
    ///   - id: the sync ID that is answered to; 0 answers to all.
    ///   - replays: of the questions so far.
    ///   - now: microseconds since 1970.
    public init(
      _ datagram: [UInt8], id: UInt8, key: [UInt8]?, _ replays: inout ReplayGuard, now: UInt64
    ) throws(Distrust) {
      guard let mark = SyncMark(datagram, isSigned: key != nil) else { throw .damaged }
      guard id == 0 || datagram[1] == 0 || datagram[1] == id else { throw .otherID }
      self.mark = mark
      guard let key else {
        signature = nil
        return
      }
      guard let (sender, time) = SyncSignature(key: key, for: .question).verify(datagram),
        replays.isNew(sender: sender, time: time, now: now)
      else { throw .unsigned }
      signature = SyncSignature(key: key, for: .answer, sender: sender)
    }
  }

  /// An answer as it comes in.
  public struct Answer: Sendable {
    /// What to send first.
    public let question: [UInt8]
    /// Where to go on asking when the stream breaks off.
    public private(set) var mark: SyncMark
    private let id: UInt8
    private let signature: SyncSignature?
    private var cutter = Cutter()
    private var time: UInt64 = 0

    /// - Parameters:
    ///   - id: the sync ID that is listened to; 0 listens to all.
    ///   - mark: where to begin.
    ///   - number: of the question, at random.
    ///   - now: microseconds since 1970.
    public init(
      id: UInt8, key: [UInt8]?, from mark: SyncMark, number: UInt64 = .random(in: .min ... .max), now: UInt64
    ) {
      (self.id, self.mark) = (id, mark)
      let asking = key.map { SyncSignature(key: $0, for: .question, sender: number) }
      signature = key.map { SyncSignature(key: $0, for: .answer, sender: number) }
      question = mark.datagram(id: id, asking, now: now)
    }

    public var isWhole: Bool { mark == .end }

    public mutating func append(_ more: some Sequence<UInt8>) { cutter.append(more) }

    /// The records of the next datagram, none where it is a mark; nil where more has to come.
    public mutating func next() throws(Distrust) -> [FlowRecord]? {
      guard !isWhole, let datagram = try cutter.next() else { return nil }
      try verify(datagram)
      if let mark = SyncMark(datagram, isSigned: signature != nil) {
        self.mark = mark
        return []
      }
      let content: SyncDatagram.Content
      do throws(SyncDatagram.Refusal) { content = try SyncDatagram.parse(datagram, id: id) } catch {
        throw error == .otherID ? .otherID : .damaged
      }
      guard !content.isDamaged else { throw .damaged }
      return content.records
    }

    private mutating func verify(_ datagram: [UInt8]) throws(Distrust) {
      guard let signature else { return }
      guard let (sender, time) = signature.verify(datagram), sender == signature.sender, time > self.time else {
        throw .unsigned
      }
      self.time = time
    }
  }
}

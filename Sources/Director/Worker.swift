import LVS
import Synchronization

/// What the control side and a worker share: the configuration that it is to take over, questions for it, its counters.
final class WorkerMailbox: Sendable {
  let bell: Bell
  let counters: Counters
  let generation = Atomic<UInt64>(0)
  private let isStopping = Atomic<Bool>(false)
  private let latest: Mutex<Snapshot>
  private let adopted = Mutex<[(generation: UInt64, resume: @Sendable () -> Void)]>([])
  private let questions = Mutex<[@Sendable (borrowing ConnectionTable, UInt32) -> Void]>([])

  init(_ snapshot: Snapshot) throws(SystemError) {
    bell = try Bell()
    counters = try Counters()
    latest = Mutex(snapshot)
    generation.store(snapshot.generation, ordering: .relaxed)
  }

  var snapshot: Snapshot { latest.withLock { $0 } }
  var hasToStop: Bool { isStopping.load(ordering: .relaxed) }

  /// Hands over a new configuration; `resume` is called once the worker uses it.
  func post(_ snapshot: Snapshot, then resume: @escaping @Sendable () -> Void) {
    adopted.withLock { $0.append((snapshot.generation, resume)) }
    latest.withLock { $0 = snapshot }
    generation.store(snapshot.generation, ordering: .releasing)
    bell.ring()
  }

  /// The worker uses this configuration now.
  func acknowledge(_ generation: UInt64) {
    let waiting = adopted.withLock { adopted in
      defer { adopted.removeAll { $0.generation <= generation } }
      return adopted.filter { $0.generation <= generation }
    }
    for (_, resume) in waiting { resume() }
  }

  /// Has the worker run `question` with its connections, between two batches.
  func ask(_ question: @escaping @Sendable (borrowing ConnectionTable, UInt32) -> Void) {
    questions.withLock { $0.append(question) }
    bell.ring()
  }

  func takeQuestions() -> [@Sendable (borrowing ConnectionTable, UInt32) -> Void] {
    questions.withLock { questions in
      defer { questions = [] }
      return questions
    }
  }

  func stop() {
    isStopping.store(true, ordering: .relaxed)
    bell.ring()
  }
}

/// A thread with a port of its own: takes frames a batch at a time through its director and sends what is to be sent.
struct Worker<P: Port & ~Copyable>: ~Copyable {
  /// Records that are looked at for expiry after each batch: about 50 µs.
  private static var expiryBudget: Int { 512 }
  /// Records that are searched after each batch for connections of removed servers.
  private static var sweepLimit: UInt32 { 2_048 }
  /// Milliseconds a worker sleeps at most, so that connections end in time.
  private static var nap: Int32 { 50 }

  private var director: Director
  private var port: P
  /// Where another port comes from when the interface was replaced.
  private let replacement: Replacement<P>
  private let mailbox: WorkerMailbox
  private let tap: Tap
  /// Asks for the Ethernet address of a server.
  private let want: @Sendable (UInt32) -> Void
  private var held = HoldQueue()
  private var meter = LoadMeter()
  /// The most frames that were seen waiting since the figures were last told.
  private var peak = 0

  init(
    director: consuming Director, port: consuming P, replacement: Replacement<P>, mailbox: WorkerMailbox, tap: Tap,
    want: @escaping @Sendable (UInt32) -> Void
  ) {
    self.director = director
    self.port = port
    self.replacement = replacement
    self.mailbox = mailbox
    self.tap = tap
    self.want = want
  }

  /// Works until it is told to stop.
  mutating func run() {
    while !mailbox.hasToStop {
      adopt()
      let count = port.receive()
      director.tick(Clock.ticks)
      if tap.isOpen.load(ordering: .relaxed) { tapped(count) } else { batch(count) }
      finish(count)
      let isBehind = director.expire(budget: Self.expiryBudget)
      let isWaited = maintain()
      if count == 0, !isBehind { rest(isWaited ? 5 : Self.nap) }
    }
  }

  /// The way of each frame.
  private mutating func batch(_ count: Int) {
    for index in 0..<count { director.inspect(port.frame(index), index) }
    for index in 0..<min(count, Director.ahead) { director.prefetch(index) }
    for index in 0..<count {
      if index &+ Director.ahead < count { director.prefetch(index &+ Director.ahead) }
      carryOut(director.decide(port.frame(index), index, segment: port.segment(index)), index)
    }
  }

  /// The same with a copy for whoever captures.
  private mutating func tapped(_ count: Int) {
    for index in 0..<count {
      let octets = port.frame(index).array
      let verdict = director.process(port.frame(index), segment: port.segment(index))
      tap.append(
        TappedFrame(time: Clock.epochMicroseconds, octets: octets, verdict: director.words(verdict, port.frame(index))))
      carryOut(verdict, index)
    }
  }

  @inline(__always)
  private mutating func carryOut(_ verdict: Verdict, _ index: Int) {
    switch verdict {
    case .transmit:
      director.counters.forwarded.add(1)
      port.transmit(index)
    case .answer(let length):
      director.counters.answered.add(1)
      port.answer(index, length: length)
    case .pass:
      director.counters.passed.add(1)
    case .hold(let server):
      hold(index, server)
    case .park(let key):
      park(index, key)
    case .handOver(let worker):
      director.counters.handedOver.add(1)
      port.handOver(index, to: worker)
    case .drop(let reason):
      director.counters.drop(port.frame(index).count == 0 ? .capturedShort : reason)
    }
  }

  @inline(never)
  private mutating func park(_ index: Int, _ key: FragmentKey) {
    if !director.fragments.wait(key, port.copy(index), director.now) { director.counters.drop(.fragmentQueueFull) }
  }

  @inline(never)
  private mutating func hold(_ index: Int, _ server: UInt32) {
    hold(port.copy(index), server)
  }

  private mutating func hold(_ frame: KeptFrame, _ server: UInt32) {
    guard held.hold(frame, for: server, now: Clock.milliseconds) else {
      return director.counters.drop(.holdQueueFull)
    }
    director.counters.held.add(1)
    want(server)
  }

  private mutating func finish(_ count: Int) {
    guard count > 0 else { return }
    if count == Director.batch { peak = max(peak, port.fill.waiting) }
    let losses = port.flush()
    director.counters.frames.add(UInt64(count))
    director.counters.batches.add(1)
    for _ in 0..<losses.refused { director.counters.drop(.transmitFailed) }
    for _ in 0..<losses.notHandedOver { director.counters.drop(.handoverQueueFull) }
    director.counters.transmitErrors.add(UInt64(losses.refused))
    for frame in director.fragments.takeReady() { resume(frame) }
  }

  /// A fragment that waited goes its way.
  private mutating func resume(_ frame: KeptFrame) {
    var frame = frame
    let verdict = frame.lend { bytes in (director.process(bytes), length: bytes.count) }
    switch verdict {
    case .transmit where port.send(frame):
      director.counters.forwarded.add(1)
    case .transmit: director.counters.drop(.transmitFailed)
    case .hold(let server): hold(frame, server)
    case .drop(let reason): director.counters.drop(reason)
    case .answer, .pass, .park, .handOver: director.counters.drop(.fragmentQueueFull)
    }
  }

  /// Takes over a new configuration, if there is one.
  private mutating func adopt() {
    guard mailbox.generation.load(ordering: .acquiring) != director.snapshot.generation else { return }
    let snapshot = mailbox.snapshot
    director.adopt(snapshot)
    mailbox.acknowledge(snapshot.generation)
  }

  /// What is not urgent: frames that wait, questions, figures. Whether frames still wait.
  private mutating func maintain() -> Bool {
    if !held.isEmpty {
      let (frames, given) = held.release(Clock.milliseconds, director.shared.servers)
      for frame in frames {
        if port.send(frame) { director.counters.forwarded.add(1) } else { director.counters.drop(.transmitFailed) }
      }
      for _ in 0..<given { director.counters.drop(.neighborUnreachable) }
    }
    if let new = replacement.take()?.take() { port = new }
    for question in mailbox.takeQuestions() { question(director.connections, director.now) }
    for _ in 0..<director.fragments.expire(director.now) { director.counters.drop(.fragmentTimeout) }
    _ = director.sweep(limit: Self.sweepLimit)
    if meter.isDue {
      director.dropEntries()
      director.counters.load.store(meter.measure(), ordering: .relaxed)
      director.counters.ringDrops.add(port.overruns())
      tellFill()
      director.counters.connections.store(director.connections.count, ordering: .relaxed)
    }
    return !held.isEmpty
  }

  private mutating func tellFill() {
    let fill = port.fill
    director.counters.ringFill.store(max(peak, fill.waiting), ordering: .relaxed)
    director.counters.ringSize.store(fill.room, ordering: .relaxed)
    director.counters.processor.store(Thread.processor, ordering: .relaxed)
    peak = 0
  }

  private func rest(_ milliseconds: Int32) {
    port.wait(mailbox.bell, milliseconds: milliseconds)
  }
}

/// Another port for a worker, left there by whoever opened it.
final class Replacement<P: Port & ~Copyable>: Sendable {
  private let box = Mutex<PortBox<P>?>(nil)

  func put(_ port: PortBox<P>) { box.withLock { $0 = port } }

  func take() -> PortBox<P>? {
    box.withLock { box in
      defer { box = nil }
      return box
    }
  }
}

/// How busy the calling thread was of late.
struct LoadMeter {
  private static let period: UInt64 = 1_000_000_000
  private var since = Clock.nanoseconds
  private var used = Clock.threadNanoseconds

  /// Whether a second has passed.
  var isDue: Bool { Clock.nanoseconds - since >= Self.period }

  /// Thousandths of the time since the last call that the thread ran.
  mutating func measure() -> UInt32 {
    let (now, worked) = (Clock.nanoseconds, Clock.threadNanoseconds)
    defer { (since, used) = (now, worked) }
    // The first reading may be of another thread, the one that made the meter.
    return UInt32(clamping: (worked - min(used, worked)) * 1_000 / max(now - since, 1))
  }
}

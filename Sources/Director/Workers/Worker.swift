import LVS

/// A thread with a port of its own: takes frames a batch at a time through its director and sends what is to be sent.
struct Worker<P: Port & ~Copyable>: ~Copyable {
  /// Records that are searched after each batch for connections of removed servers.
  private static var sweepLimit: UInt32 { 2_048 }
  /// Records that `drop_entry` looks at after each batch.
  private static var dropLimit: UInt32 { 512 }
  /// Entries of the kernel's flows that are looked at after each batch.
  private static var settleLimit: Int { 2_048 }
  /// Steps in which memory is given back after each batch.
  private static var shrinkLimit: Int { 2_048 }
  /// Records of other directors' that are entered after each batch.
  private static var syncLimit: Int { 128 }
  /// Milliseconds a worker sleeps at most, so that connections end in time.
  private static var nap: Int32 { 50 }

  private var director: Director
  private var port: P
  /// Where another port comes from when the interface was replaced.
  private let replacement: Replacement<P>
  private let mailbox: WorkerMailbox
  private let tap: Tap
  /// Asks for the Ethernet address of a server.
  private let want: @Sendable (ServerNumber) -> Void
  private var held = HoldQueue()
  /// What other directors told and is yet to be entered.
  private var synced: ArraySlice<SyncedFlows> = []
  private var meter = LoadMeter()
  /// Who waits until all is counted that the kernel forwarded.
  private var settlements: [@Sendable () -> Void] = []
  /// The moment that the control side knows to be taken over.
  private var acknowledged: UInt64 = 0
  /// The most frames that were seen waiting since the figures were last told.
  private var peak = 0

  init(
    director: consuming Director, port: consuming P, replacement: Replacement<P>, mailbox: WorkerMailbox, tap: Tap,
    want: @escaping @Sendable (ServerNumber) -> Void
  ) {
    self.director = director
    self.port = port
    self.replacement = replacement
    self.mailbox = mailbox
    self.tap = tap
    self.want = want
    self.director.offload(to: self.port.flows)
  }

  /// Works until it is told to stop.
  mutating func run() {
    while !mailbox.hasToStop {
      keepUp()
      let count = port.receive()
      director.tick(Clock.ticks)
      if tap.isOpen.load(ordering: .relaxed) { tapped(count) } else { batch(count) }
      finish(count)
      let isBehind = tidy()
      let isWaited = maintain()
      if count == 0, !isBehind { rest(isWaited ? 5 : Self.nap) }
    }
    mailbox.acknowledge(.max)
    replacement.close()
    for resume in settlements + mailbox.takeSettlements() { resume() }
    for question in mailbox.takeQuestions() { question(director.connections, director.now) }
  }

  /// The way of each frame.
  private mutating func batch(_ count: Int) {
    for index in 0..<count { director.inspect(port.frame(index), index, port.metadata(index)) }
    director.prefetch(of: count)
    for index in 0..<count {
      director.prefetch(after: index, of: count)
      carryOut(director.decide(port.frame(index), index), index)
    }
  }

  /// The same with a copy for whoever captures.
  private mutating func tapped(_ count: Int) {
    for index in 0..<count {
      let bytes = port.frame(index).array
      let verdict = director.process(port.frame(index), port.metadata(index))
      tap.append(
        TappedFrame(time: Clock.epochMicroseconds, bytes: bytes, verdict: director.words(verdict, port.frame(index))))
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
    case .cut(let server):
      cut(index, server)
    case .park:
      park(index)
    case .handOver(let worker):
      director.counters.handedOver.add(1)
      port.handOver(index, to: worker)
    case .drop(let reason):
      director.counters.drop(port.frame(index).count == 0 ? .capturedShort : reason)
    }
  }

  @inline(never)
  private mutating func park(_ index: Int) {
    if !director.park(port.copy(index)) { director.counters.drop(.fragmentQueueFull) }
  }

  @inline(never)
  private mutating func hold(_ index: Int, _ server: ServerNumber) {
    hold(port.copy(index), server)
  }

  private mutating func hold(_ frame: KeptFrame, _ server: ServerNumber) {
    guard held.hold(frame, for: server, now: Clock.milliseconds) else {
      return director.counters.drop(.holdQueueFull)
    }
    director.counters.held.add(1)
    want(server)
  }

  @inline(never)
  private mutating func cut(_ index: Int, _ server: ServerNumber) {
    cut(port.copy(index), server)
  }

  /// Sends a packet in fragments.
  private mutating func cut(_ frame: KeptFrame, _ server: ServerNumber) {
    let egress = director.servers[server].egress
    for piece in frame.cut(mtu: egress.mtu(director.link)) {
      if egress.isResolved { send(piece) } else { hold(piece, server) }
    }
  }

  private mutating func send(_ frame: KeptFrame) {
    if port.send(frame) {
      director.counters.forwarded.add(1)
    } else {
      director.counters.drop(.transmitFailed)
    }
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
    if director.isOffloading { director.offloadOffered() }
    for frame in director.fragments.takeReady() { resume(frame) }
  }

  /// A fragment that waited goes its way.
  private mutating func resume(_ frame: KeptFrame) {
    var frame = frame
    let verdict = frame.lend { bytes in (director.process(bytes), length: bytes.count) }
    switch verdict {
    case .transmit: send(frame)
    case .hold(let server): hold(frame, server)
    case .cut(let server): cut(frame, server)
    case .drop(let reason): director.counters.drop(reason)
    case .answer, .pass, .park, .handOver: director.counters.drop(.fragmentQueueFull)
    }
  }

  /// Ends connections, so few at a time that no frame waits for long; whether there are more to look at.
  private mutating func tidy() -> Bool {
    let isExpiring = director.expire(budget: Director.expiryBudget)
    let isSweeping = director.sweep(limit: Self.sweepLimit)
    let isDropping = director.dropEntries(limit: Self.dropLimit)
    let isShrinking = director.shrink(limit: Self.shrinkLimit)
    let isHelping = director.makeRoomForOthers()
    let isTaking = takeSynced()
    let isSettling = (director.isOffloading || mailbox.hasToSettle || !settlements.isEmpty) && settle()
    return isExpiring || isSweeping || isDropping || isShrinking || isHelping || isTaking || isSettling
  }

  /// Enters some of what other directors told; whether there was anything.
  private mutating func takeSynced() -> Bool {
    if synced.isEmpty { synced = mailbox.takeSynced() }
    var left = Self.syncLimit
    while left > 0, let flows = synced.first {
      director.take(SyncedFlows(records: flows.records.prefix(left), figures: flows.figures))
      if flows.records.count > left {
        synced[synced.startIndex].records = flows.records.dropFirst(left)
      } else {
        synced.removeFirst()
      }
      left -= min(left, flows.records.count)
    }
    return left < Self.syncLimit
  }

  /// Keeps the counts of what the kernel forwards; whether there are more to be fetched now.
  @inline(never)
  private mutating func settle() -> Bool {
    if mailbox.takeMovedServers() { director.offload?.flows.generation.renew() }
    director.releaseEntries()
    if settlements.isEmpty {
      settlements = mailbox.takeSettlements()
      guard !settlements.isEmpty else { return false }
      director.beginSettling()
    }
    if director.settle(limit: Self.settleLimit) { return true }
    for resume in settlements { resume() }
    settlements = []
    return false
  }

  /// Takes over a new configuration, if there is one, and says so: the director may have come across it in a batch.
  private mutating func keepUp() {
    director.keepUp()
    guard director.snapshot.moment != acknowledged else { return }
    acknowledged = director.snapshot.moment
    mailbox.acknowledge(acknowledged)
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
    if let new = replacement.take()?.take() {
      director.offload(to: new.flows)
      port = new
    }
    for question in mailbox.takeQuestions() { question(director.connections, director.now) }
    for _ in 0..<director.fragments.expire(director.now) { director.counters.drop(.fragmentTimeout) }
    if meter.isDue {
      director.beginDropping()
      director.isShrinking = true
      director.fragments.shrink(director.now)
      director.giveSpareRoom()
      director.counters.load.store(meter.measure(), ordering: .relaxed)
      director.counters.ringDrops.add(port.overruns())
      tellFill()
    }
    return !held.isEmpty
  }

  private mutating func tellFill() {
    let fill = port.fill
    director.counters.ringFill.store(max(peak, fill.waiting), ordering: .relaxed)
    director.counters.ringSize.store(fill.room, ordering: .relaxed)
    director.counters.processor.store(Thread.processor, ordering: .relaxed)
    director.counters.connections.store(director.connections.count, ordering: .relaxed)
    director.counters.fragments.store(director.fragments.waitingCount, ordering: .relaxed)
    director.counters.holding.store(held.count, ordering: .relaxed)
    peak = 0
  }

  private func rest(_ milliseconds: Int32) {
    port.wait(mailbox.bell, milliseconds: milliseconds)
  }
}

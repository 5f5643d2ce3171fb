import HeapModule
import LVS
import NIOCore

/// The thread that all checks run on: when they are due, what becomes of their attempts. It waits for nothing but its
/// poller, so one server's slowness is nobody else's.
final class CheckLoop {
  /// Attempts that are due within so many milliseconds are begun together: each time that the thread wakes costs about
  /// as much as a check.
  private static let grain: Moment = 10
  /// How many commands run at once at most.
  private static let commandLimit = 16
  /// How often the way to the VIP is set up again, should somebody have taken it away.
  private static let upholdInterval: Moment = 5000
  /// A thread that comes later than this does not know what came in time.
  private static let tolerance: Moment = 100
  /// So many attempts in a row it leaves undecided for that; then silence counts, late or not.
  private static let indulgence = 3
  /// How often what is ready is heard before time is declared over.
  private static let rounds = 16
  private static let tunnelID = Poller.bellID - 1
  private static let brokerID = Poller.bellID - 2

  private let poller: Poller
  private let options: HealthMonitor.Options
  private let report: @Sendable (HealthReport) -> Void
  private let post: @Sendable (HealthMonitor.Message) -> Void
  private var watches: [CheckTarget.Name: Watch] = [:]
  private var attempts: [UInt64: Attempt] = [:]
  private var timers = Heap<CheckTimer>()
  private var attemptCount: UInt64 = 0
  private var directPath: DirectPath?
  private var upheld: Moment = 0
  /// When the thread last came too late, as it does where others have its processor, or the process was stopped.
  private var late: Moment?
  private var httpClient: HTTPClient?
  private var broker: CommandBroker?
  /// The attempts whose commands run, if only until they have ended for good.
  private var commands: Set<UInt64> = []
  private var echoCount = UInt16.random(in: 0...UInt16.max)
  /// Why servers could not be asked, and how often in a row.
  private var trouble: [CheckTarget.Name: (words: String, times: Int)] = [:]

  init(
    _ poller: Poller, _ options: HealthMonitor.Options, report: @escaping @Sendable (HealthReport) -> Void,
    post: @escaping @Sendable (HealthMonitor.Message) -> Void
  ) {
    (self.poller, self.options, self.report, self.post) = (poller, options, report, post)
    broker = options.broker
    do throws(CallFailure) {
      if let broker { try poller.add(broker.descriptor, id: Self.brokerID, reads: true) }
      if let mark = options.directPath?.mark { try PolicyRoutes.sweep(mark: mark) }
    } catch { report(.warning("health checks: \(error)")) }
  }

  private var now: Moment { NIODeadline.now().uptimeNanoseconds / 1_000_000 }

  /// Runs until it is told to stop.
  func run(_ takeMail: () -> [HealthMonitor.Message]) {
    while true {
      var hasMore = poller.wait(delay()) { handle($0) }
      for _ in 0..<Self.rounds where hasMore { hasMore = poller.wait(0) { handle($0) } }
      for message in takeMail() {
        if case .stop(let stopped) = message {
          stop()
          return stopped()
        }
        handle(message)
      }
      fire()
    }
  }

  /// Until the next timer, in whole grains.
  private func delay() -> Int32 {
    guard let next = timers.min?.at else { return -1 }
    let due = (next + Self.grain - 1) / Self.grain * Self.grain
    return Int32(clamping: Int64(due) - Int64(min(now, due)))
  }

  // MARK: Messages

  private func handle(_ message: HealthMonitor.Message) {
    switch message {
    case .watch(let targets): watch(targets)
    case .outcome(let id, let outcome): if let attempt = attempts[id] { finish(attempt, outcome) }
    case .status(let answer): answer(watches.values.map { $0.status(at: now) }.sorted { $0.name < $1.name })
    case .stop: break
    }
  }

  /// Watches these and no others. What is watched already and by the same check goes on.
  private func watch(_ targets: [CheckTarget]) {
    let wanted = Dictionary(targets.map { ($0.name, $0) }) { first, _ in first }
    for (name, watch) in watches where wanted[name] != watch.target {
      watch.abandon().forEach(end)
      watches[name] = nil
      trouble[name] = nil
    }
    for (name, target) in wanted where watches[name] == nil {
      let watch = Watch(target, at: now)
      watches[name] = watch
      setTimer(watch)
    }
  }

  private func stop() {
    for watch in watches.values { watch.abandon().forEach(end) }
    watches = [:]
    directPath = nil
  }

  // MARK: Timers

  private func setTimer(_ watch: Watch) {
    timers.insert(CheckTimer(at: watch.due, kind: .begin(watch, timer: watch.timer)))
  }

  private func fire() {
    let now = now
    if let first = timers.min, first.at + Self.grain + Self.tolerance < now { late = now }
    while let timer = timers.min, timer.at <= now {
      timers.removeMin()
      switch timer.kind {
      case .begin(let watch, let number):
        if watch.timer == number, watches[watch.target.name] === watch { begin(watch) }
      case .deadline(let attempt): if attempts[attempt.id] != nil { expire(attempt) }
      }
    }
    if let directPath, upheld + Self.upholdInterval <= now {
      upheld = now
      do throws(CallFailure) { try directPath.uphold() } catch { report(.warning("health checks: \(error)")) }
    }
  }

  // MARK: Attempts

  private func begin(_ watch: Watch) {
    let isCommand = watch.target.check.kind.name == .exec
    guard !watch.isFull, !isCommand || commands.count < Self.commandLimit else {
      watch.postpone(to: now + Self.grain)
      return setTimer(watch)
    }
    attemptCount += 1
    let attempt = Attempt(id: attemptCount, watch: watch, begun: NIODeadline.now().uptimeNanoseconds)
    attempts[attempt.id] = attempt
    watch.begin(attempt, at: now)
    setTimer(watch)
    timers.insert(CheckTimer(at: now + Moment(watch.target.check.timeout.milliseconds), kind: .deadline(attempt)))
    do throws(CallFailure) { try start(attempt) } catch { finish(attempt, Outcome(error)) }
  }

  private func start(_ attempt: Attempt) throws(CallFailure) {
    let target = attempt.watch.target
    switch target.check.kind {
    case .tcp(let dialogue):
      try open(attempt, .stream, StreamDialogue(dialogue: dialogue))
    case .http, .https: try open(attempt, .stream, nil)
    case .udp(let dialogue): try open(attempt, .datagram, DatagramDialogue(dialogue: dialogue))
    case .dns(let question):
      let isStream = target.transport == .tcp
      let exchange = DNSExchange(question: question, id: .random(in: 0...UInt16.max), isStream: isStream)
      try open(attempt, isStream ? .stream : .datagram, exchange)
    case .icmp:
      echoCount &+= 1
      let echo = Echo(family: target.address.family, identifier: echoCount, token: .random(in: 0...UInt64.max))
      try open(attempt, .echo, echo, echo: echoCount)
    case .exec(let command): try run(command, attempt)
    }
  }

  private func open(
    _ attempt: Attempt, _ transport: CheckSocket.Transport, _ conversation: (any Conversation)?, echo: UInt16? = nil
  ) throws(CallFailure) {
    let target = attempt.watch.target
    let socket = try CheckSocket(transport, target.address.family)
    if target.via == .vip, let outcome = try prepareDirectPath(socket, target, echo) { return finish(attempt, outcome) }
    let socketAttempt = SocketAttempt(socket, conversation)
    attempt.means = .socket(socketAttempt)
    let step = socketAttempt.begin(to: target.address, port: target.port)
    if case .waits(let reads, let writes) = step {
      try poller.add(socket.descriptor, id: attempt.id, reads: reads, writes: writes)
    } else {
      take(step, attempt, isWatched: false)
    }
  }

  private func prepareDirectPath(
    _ socket: CheckSocket, _ target: CheckTarget, _ echo: UInt16?
  ) throws(CallFailure) -> Outcome? {
    guard let path = options.directPath else { return .unclear("this data plane has no way to a VIP at one server") }
    if directPath == nil {
      let made = try DirectPath(path)
      try poller.add(made.tunnel.descriptor, id: Self.tunnelID, reads: true)
      (directPath, upheld) = (made, now)
    }
    return try directPath?.prepare(socket, to: target, echo: echo)
  }

  private func run(_ command: [String], _ attempt: Attempt) throws(CallFailure) {
    let check = attempt.watch.target.check
    let seconds = UInt64(check.timeout.milliseconds + 999) / 1000
    guard let broker else { return finish(attempt, .unclear("there is no process any more that runs commands")) }
    let running = try Command(
      attempt.id, command, environment: CommandAttempt.environment(attempt.watch.target), seconds: seconds, by: broker)
    attempt.means = .command(running)
    commands.insert(attempt.id)
    try poller.add(running.pipe, id: attempt.id, reads: true)
  }

  private func handle(_ event: Poller.Event) {
    if event.id == Self.tunnelID { return directPath?.forward() ?? () }
    if event.id == Self.brokerID { return hearBroker() }
    guard let attempt = attempts[event.id] else { return }
    switch attempt.means {
    case .socket(let socketAttempt): take(socketAttempt.advance(), attempt, isWatched: true)
    case .command(let command): advance(command, attempt)
    case .http, nil: break
    }
  }

  private func take(_ step: SocketAttempt.Step, _ attempt: Attempt, isWatched: Bool) {
    guard case .socket(let socketAttempt) = attempt.means else { return }
    switch step {
    case .waits(let reads, let writes):
      do throws(CallFailure) {
        try poller.change(socketAttempt.socket.descriptor, id: attempt.id, reads: reads, writes: writes)
      } catch { finish(attempt, Outcome(error)) }
    case .done(let outcome): finish(attempt, outcome)
    case .connected:
      if isWatched { poller.remove(socketAttempt.socket.descriptor) }
      ask(socketAttempt.socket, attempt)
    }
  }

  /// Goes on with HTTP over a connection that stands.
  private func ask(_ socket: CheckSocket, _ attempt: Attempt) {
    let target = attempt.watch.target
    switch attempt.watch.http {
    case .success(let preparation):
      let client = httpClient ?? HTTPClient()
      httpClient = client
      let (id, post) = (attempt.id, post)
      let exchange = client.ask(preparation, over: socket.release(), host: target.host) { post(.outcome(id, $0)) }
      attempt.means = .http(exchange)
    case .failure(let trouble): finish(attempt, .unclear(trouble.words))
    case nil: finish(attempt, .good("connected"))
    }
  }

  private func advance(_ command: Command, _ attempt: Attempt) {
    switch command.readOutput() {
    case .goesOn: break
    case .ended: poller.remove(command.pipe)
    case .tooMuch: return finish(attempt, .bad("wrote more than \(Command.outputLimit) bytes"))
    }
  }

  private func hearBroker() {
    do throws(CallFailure) {
      while let (id, reply) = try broker?.reply() {
        commands.remove(id)
        guard let attempt = attempts[id], case .command(let command) = attempt.means else { continue }
        switch reply {
        case .failed(let failure): finish(attempt, CommandAttempt.outcome(failure, of: attempt.watch.target))
        case .ended(let status):
          _ = command.readOutput()
          finish(attempt, CommandAttempt.outcome(status, command.output))
        }
      }
    } catch {
      if let broker { poller.remove(broker.descriptor) }
      broker = nil
      commands = []
      report(.warning("health checks: \(error)"))
    }
  }

  private func expire(_ attempt: Attempt) {
    let milliseconds = UInt64(attempt.watch.target.check.timeout.milliseconds)
    var (outcome, isAnswered) = (Outcome.silence(milliseconds), true)
    if case .socket(let socketAttempt) = attempt.means {
      (outcome, isAnswered) = (socketAttempt.silence(after: milliseconds), socketAttempt.isConnected)
    }
    finish(attempt, !outcome.isGood && isAnswered && isExcused(attempt) ? .unclear(Self.lateness) : outcome)
  }

  private static let lateness = "lbd itself was too late to hear an answer in time"

  /// Whether the thread was late while an attempt was under way, so that silence is not the server's for sure. One that
  /// has not answered at all is none: the kernel would have heard it.
  private func isExcused(_ attempt: Attempt) -> Bool {
    guard let late, late >= attempt.begun / 1_000_000 else { return false }
    let before = trouble[attempt.watch.target.name]
    return before?.words != Self.lateness || (before?.times ?? 0) < Self.indulgence
  }

  private func finish(_ attempt: Attempt, _ outcome: Outcome) {
    let watch = attempt.watch
    let latency = (NIODeadline.now().uptimeNanoseconds - attempt.begun) / 1000
    let wasUncertain = watch.state.isUncertain(by: watch.rules)
    let (overtaken, changed) = watch.take(outcome, of: attempt, at: now, latency: latency)
    end(attempt)
    overtaken.forEach(end)
    tell(outcome, of: watch, changed: changed)
    guard watch.target.check.fastInterval != nil, watch.state.isUncertain(by: watch.rules) != wasUncertain else {
      return
    }
    watch.schedule()
    setTimer(watch)
  }

  private func tell(_ outcome: Outcome, of watch: Watch, changed: Bool) {
    let name = watch.target.name
    if changed { report(.changed(watch.status(at: now))) }
    guard case .unclear(let words) = outcome else {
      trouble[name] = nil
      return
    }
    let times = trouble[name].map { $0.words == words ? $0.times + 1 : 1 } ?? 1
    trouble[name] = (words, times)
    // Once may be the moment in which a server is looked for.
    if times == 2 { report(.unclear(name, words)) }
  }

  /// Frees what an attempt has.
  private func end(_ attempt: Attempt) {
    guard attempts.removeValue(forKey: attempt.id) != nil else { return }
    switch attempt.means {
    case .command(let command):
      poller.remove(command.pipe)
      if commands.contains(attempt.id) { broker?.kill(attempt.id) }
    case .http(let exchange): exchange.cancel()
    case .socket, nil: break
    }
    attempt.means = nil
  }
}

/// Something that is due.
struct CheckTimer: Comparable {
  enum Kind {
    /// The next attempt, unless another timer was set meanwhile.
    case begin(Watch, timer: UInt64)
    /// The end of an attempt's time.
    case deadline(Attempt)
  }

  let at: Moment
  let kind: Kind

  static func < (a: CheckTimer, b: CheckTimer) -> Bool { a.at < b.at }
  static func == (a: CheckTimer, b: CheckTimer) -> Bool { a.at == b.at }
}

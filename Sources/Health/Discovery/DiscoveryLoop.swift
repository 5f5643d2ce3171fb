import HeapModule
import LVS
import NIOCore

/// The thread that all discoveries run on. A disk that is slow holds up other discoveries, and nobody else.
final class DiscoveryLoop {
  /// How long a resolver has for an answer, over UDP and over TCP, and all questions of one look have.
  private static let times = (datagram: Moment(2000), stream: Moment(4000), look: Moment(30_000))
  /// How often each resolver is asked before that is no answer.
  private static let rounds = 2
  /// So many names are asked for at once at most.
  private static let limit = 64
  /// How soon those that have to wait try again.
  private static let pause: Moment = 50
  /// A file is read no more often than this, however often its folder changes.
  private static let calm: Moment = 100
  /// A file is looked at this often in any case: its folder may be another one now.
  private static let rest: Moment = 10_000
  private static let folderID = Poller.bellID - 1

  private let poller: Poller
  private let report: @Sendable (HealthReport) -> Void
  private var inquiries: [ServiceKey: Inquiry] = [:]
  private var trials: [UInt64: Inquiry] = [:]
  private var timers = Heap<InquiryTimer>()
  private var count: UInt64 = 0
  /// nil: files are looked at from time to time alone.
  private var folders: FolderWatch?

  init(_ poller: Poller, report: @escaping @Sendable (HealthReport) -> Void) {
    (self.poller, self.report) = (poller, report)
    do throws(CallFailure) {
      let folders = try FolderWatch()
      try poller.add(folders.descriptor, id: Self.folderID, reads: true)
      self.folders = folders
    } catch { report(.warning("discovery: files are read each 10 s, since changes are not told: \(error)")) }
  }

  private var now: Moment { NIODeadline.now().uptimeNanoseconds / 1_000_000 }

  /// Runs until it is told to stop.
  func run(_ takeMail: () -> [DiscoveryMonitor.Message]) {
    while true {
      let delay = timers.min.map { Int32(clamping: Int64($0.at) - Int64(min(now, $0.at))) } ?? -1
      _ = poller.wait(delay) { handle($0) }
      for message in takeMail() {
        switch message {
        case .watch(let targets): watch(targets)
        case .stop(let stopped): return stopped()
        }
      }
      fire()
    }
  }

  private func watch(_ targets: [DiscoveryTarget]) {
    let wanted = Dictionary(targets.map { ($0.service, $0) }) { first, _ in first }
    for (key, inquiry) in inquiries where wanted[key] != inquiry.target {
      inquiries[key] = nil
      endTrial(of: inquiry)
    }
    for (key, target) in wanted where inquiries[key] == nil {
      let inquiry = Inquiry(target, at: now)
      inquiries[key] = inquiry
      setTimer(inquiry, inquiry.due)
    }
    let used = Set(inquiries.values.compactMap(\.folder))
    for folder in watchedFolders.subtracting(used) { folders?.forget(folder) }
    watchedFolders.formIntersection(used)
  }

  private var watchedFolders: Set<Int32> = []

  // MARK: Timers and events

  private func setTimer(_ inquiry: Inquiry, _ due: Moment) {
    inquiry.due = due
    inquiry.timer += 1
    timers.insert(InquiryTimer(at: due, inquiry: inquiry, timer: inquiry.timer))
  }

  private func fire() {
    let now = now
    while let timer = timers.min, timer.at <= now {
      timers.removeMin()
      let inquiry = timer.inquiry
      guard inquiry.timer == timer.timer, inquiries[inquiry.target.service] === inquiry else { continue }
      if let exchange = inquiry.exchange {
        inquiry.words = "\(exchange.resolver) did not answer in time"
        tryNext(inquiry)
      } else {
        look(inquiry)
      }
    }
  }

  private func handle(_ event: Poller.Event) {
    if event.id == Self.folderID { return hearFolders() }
    guard let inquiry = trials[event.id], let attempt = inquiry.attempt else { return }
    take(attempt.advance(), inquiry)
  }

  private func hearFolders() {
    guard let folders else { return }
    let changed = folders.take()
    for inquiry in inquiries.values {
      guard let folder = inquiry.folder, changed?.contains(folder) != false else { continue }
      let due = max(now, inquiry.read + Self.calm)
      if due < inquiry.due { setTimer(inquiry, due) }
    }
  }

  // MARK: Looking

  private func look(_ inquiry: Inquiry) {
    switch inquiry.target.discovery.source {
    case .file(let path):
      // First, so that no change after the reading is missed.
      inquiry.folder = watchFolder(of: path)
      inquiry.read = now
      conclude(inquiry, ServerFile.read(path), after: Self.rest)
    case .dns(let lookup):
      guard trials.count < Self.limit else { return setTimer(inquiry, now + Self.pause) }
      inquiry.lookup = NameLookup(lookup, inquiry.target.discovery.families(in: inquiry.target.service))
      inquiry.begun = now
      askNext(inquiry, lookup)
    }
  }

  private func watchFolder(of path: String) -> Int32? {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "/"
    guard let number = folders?.watch(folder) else { return nil }
    watchedFolders.insert(number)
    return number
  }

  private func askNext(_ inquiry: Inquiry, _ lookup: DNSLookup) {
    guard let known = inquiry.lookup, known.question != nil else {
      let period = inquiry.lookup?.period ?? lookup.ttls.lowerBound
      return conclude(
        inquiry, inquiry.lookup?.outcome ?? .failed("nothing was asked"), after: Moment(period.milliseconds))
    }
    let resolvers = lookup.resolver.map { [$0.endpoint] } ?? ResolverList.read()
    inquiry.trials = Array(repeatElement(resolvers.map { Inquiry.Trial(resolver: $0) }, count: Self.rounds).joined())
    tryNext(inquiry)
  }

  private func tryNext(_ inquiry: Inquiry) {
    endTrial(of: inquiry)
    guard case .dns(let lookup) = inquiry.target.discovery.source, let query = inquiry.lookup?.question else { return }
    let isLate = now >= inquiry.begun + Self.times.look
    guard !isLate, !inquiry.trials.isEmpty else {
      let words = isLate ? "its records could not be had in \(Self.times.look / 1000) s: " : ""
      return conclude(inquiry, .failed(words + inquiry.words), after: Moment(lookup.ttls.lowerBound.milliseconds))
    }
    let trial = inquiry.trials.removeFirst()
    do throws(CallFailure) { try begin(trial, query, inquiry) } catch {
      inquiry.words = "\(trial.resolver) cannot be asked: \(error)"
      tryNext(inquiry)
    }
  }

  private func begin(_ trial: Inquiry.Trial, _ query: DNSQuery, _ inquiry: Inquiry) throws(CallFailure) {
    let (address, port) = (trial.resolver.address, trial.resolver.port)
    let socket = try CheckSocket(trial.isStream ? .stream : .datagram, address.family)
    let exchange = NameExchange(query, to: trial.resolver, isStream: trial.isStream)
    let attempt = SocketAttempt(socket, exchange)
    count += 1
    (inquiry.number, inquiry.attempt, inquiry.exchange) = (count, attempt, exchange)
    trials[count] = inquiry
    setTimer(inquiry, now + (trial.isStream ? Self.times.stream : Self.times.datagram))
    try poller.add(socket.descriptor, id: count)
    take(attempt.begin(to: address, port: port), inquiry)
  }

  private func take(_ step: SocketAttempt.Step, _ inquiry: Inquiry) {
    guard let number = inquiry.number, let attempt = inquiry.attempt, let exchange = inquiry.exchange else { return }
    switch step {
    case .waits(let reads, let writes):
      do throws(CallFailure) {
        try poller.change(attempt.socket.descriptor, id: number, reads: reads, writes: writes)
      } catch {
        inquiry.words = "\(error)"
        tryNext(inquiry)
      }
    case .connected: break
    case .done(let outcome):
      guard let response = exchange.response else {
        inquiry.words = "\(exchange.resolver): \(outcome.words)"
        return tryNext(inquiry)
      }
      hear(response, exchange, inquiry)
    }
  }

  private func hear(_ response: DNSMessage, _ exchange: NameExchange, _ inquiry: Inquiry) {
    if response.isTruncated, !exchange.isStream {
      inquiry.trials.insert(.init(resolver: exchange.resolver, isStream: true), at: 0)
    } else if response.responseCode != 0, response.responseCode != DNSMessage.noSuchName {
      inquiry.words = "\(exchange.resolver) answers \(response.responseWords)"
    } else if inquiry.lookup?.take(response) == true, case .dns(let lookup) = inquiry.target.discovery.source {
      endTrial(of: inquiry)
      return askNext(inquiry, lookup)
    } else {
      inquiry.words = "the answer of \(exchange.resolver) cannot be read"
    }
    tryNext(inquiry)
  }

  private func endTrial(of inquiry: Inquiry) {
    if let number = inquiry.number { trials[number] = nil }
    inquiry.endTrial()
  }

  /// Tells what is new, and looks again later.
  private func conclude(_ inquiry: Inquiry, _ outcome: DiscoveryOutcome, after pause: Moment) {
    endTrial(of: inquiry)
    inquiry.lookup = nil
    setTimer(inquiry, now + pause)
    let outcome = outcome.sorted
    if outcome == inquiry.told { return }
    inquiry.told = outcome
    report(.discovered(inquiry.target, outcome))
  }
}

/// Something that is due.
struct InquiryTimer: Comparable {
  let at: Moment
  let inquiry: Inquiry
  let timer: UInt64

  static func < (a: InquiryTimer, b: InquiryTimer) -> Bool { a.at < b.at }
  static func == (a: InquiryTimer, b: InquiryTimer) -> Bool { a.at == b.at }
}

extension DiscoveryOutcome {
  /// Resolvers answer in another order each time.
  fileprivate var sorted: DiscoveryOutcome {
    guard case .found(let servers) = self else { return self }
    return .found(
      servers.sorted { ($0.address, $0.port ?? 0, $0.weight ?? 0) < ($1.address, $1.port ?? 0, $1.weight ?? 0) })
  }
}

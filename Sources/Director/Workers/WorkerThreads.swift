import CLinux
import Glibc
import LVS
import Synchronization

/// All workers of a plane, whatever their ports are.
protocol WorkerGroup: Sendable {
  /// Has the kernel hand over frames for these VIPs, and no others where it can tell so many apart.
  func filter(_ owned: OwnedVIPs) throws(SystemError) -> FilterReach
  /// Has the workers see every frame until `resume`: what flows meet is about to change, or somebody captures.
  func suspendFlows()
  func resumeFlows()
  /// Whether the kernel may forward flows by itself.
  var forwardsFlows: Bool { get }
  /// Looks again whether the interface can do that. To be called about once a second.
  func lookAtFlows()
  /// Has what the kernel does by itself go on for a whole lease from now.
  func extendLease()
  /// Has it go on after `stop`, where somebody keeps it for the next process.
  func leave()
  /// Has all workers go on at another interface. They get nothing before the next filter. On the caller's actor, since
  /// the kernel takes its time.
  func rebind(_ interface: Interface, isolation: isolated any Actor) async throws(PlaneError)
  /// Ends the threads; their ports close with them.
  func stop(_ mailboxes: [WorkerMailbox])
}

/// What all workers of a plane have in common.
struct WorkerContext: Sendable {
  let options: DirectorOptions
  let mailboxes: [WorkerMailbox]
  /// The connections of each.
  let tables: [Parcel<ConnectionTable>]
  let shared: SharedTables
  let tap: Tap
  let seed: UInt64
  /// Asks for the Ethernet address of a server.
  let want: @Sendable (ServerNumber) -> Void
  /// Tells how the workers are connected.
  let told: @Sendable (String) -> Void
}

/// The workers' threads, each with a port of its own.
final class WorkerThreads<P: Port & ~Copyable>: WorkerGroup {
  private let threads: Mutex<[Thread]>
  private let attachment: Mutex<Attachment<P>>
  private let suspensions = Mutex(0)
  private let transmits = Mutex<Bool?>(nil)
  private let replacements: [Replacement<P>]
  private let attach: @Sendable (Interface) throws(PlaneError) -> Attachment<P>
  private let told: @Sendable (String) -> Void
  private let mailboxes: [WorkerMailbox]

  init(
    _ context: WorkerContext, _ interface: Interface,
    attach: @escaping @Sendable (Interface) throws(PlaneError) -> Attachment<P>
  ) throws(PlaneError) {
    let attachment = try attach(interface)
    replacements = context.mailboxes.map { _ in Replacement() }
    var threads: [Thread] = []
    do throws(SystemError) {
      for (index, replacement) in replacements.enumerated() {
        threads.append(try Self.start(index, attachment, replacement, context))
      }
    } catch {
      throw .unavailable(error.description)
    }
    (self.attach, told, mailboxes) = (attach, context.told, context.mailboxes)
    self.threads = Mutex(threads)
    self.attachment = Mutex(attachment)
    if let description = attachment.description { told(description) }
    lookAtFlows()
  }

  private static func start(
    _ index: Int, _ attachment: Attachment<P>, _ replacement: Replacement<P>, _ context: WorkerContext
  ) throws(SystemError) -> Thread {
    guard let port = attachment.ports[index].take() else { preconditionFailure("a port has one worker") }
    let (mailbox, count) = (context.mailboxes[index], context.mailboxes.count)
    var director = try Director(
      shared: context.shared, counters: mailbox.counters, seed: context.seed,
      ownership: attachment.isUnsorted ? Ownership(worker: UInt32(index), workers: UInt32(count)) : .sole,
      context.tables[index])
    director.connections.startClock(Clock.ticks)
    let box = WorkerBox(
      Worker(
        director: director, port: port, replacement: replacement, mailbox: mailbox, tap: context.tap,
        want: context.want))
    let processor = count > 1 ? processor(for: index) : nil
    return try Thread(name: "worker \(index)") {
      if let processor { _ = Thread.pin(processor) }
      box.run()
    }
  }

  /// Workers fill the processors from the last one on, since interrupts tend to go to the first.
  private static func processor(for index: Int) -> Int {
    let count = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    return count - 1 - index % count
  }

  func filter(_ owned: OwnedVIPs) throws(SystemError) -> FilterReach {
    try attachment.withLock { attachment throws(SystemError) in try attachment.filter(owned) }
  }

  private var flows: FlowTable? { attachment.withLock { $0.flows } }
  var forwardsFlows: Bool { flows != nil }

  func lookAtFlows() {
    let (flows, now, name) = attachment.withLock { ($0.flows, $0.transmits(), $0.interface) }
    guard flows != nil else { return }
    let isNews = transmits.withLock { before in
      guard now != before else { return false }
      if now, before == false { resumeFlows() }
      if !now { suspendFlows() }
      before = now
      return true
    }
    guard isNews else { return }
    told(
      now
        ? "\(name): the XDP program forwards established flows by itself"
        : "\(name) cannot transmit from XDP (a veth can while gro is on at its other end): "
          + "all flows go through the workers")
  }

  func extendLease() { attachment.withLock(\.extend)() }
  func leave() { attachment.withLock(\.leave)() }

  func suspendFlows() {
    suspensions.withLock { count in
      count += 1
      flows?.generation.suspend()
    }
  }

  func resumeFlows() {
    suspensions.withLock { count in
      count -= 1
      flows?.generation.resume()
    }
  }

  func rebind(_ interface: Interface, isolation: isolated any Actor) async throws(PlaneError) {
    let isFree = try await letGo(of: interface, isolation)
    let new = isFree ? try await reattach(interface, isolation) : try attach(interface)
    suspensions.withLock { count in
      for _ in 0..<count { new.flows?.generation.suspend() }
      for (replacement, port) in zip(replacements, new.ports) { replacement.put(port) }
      attachment.withLock { $0 = new }
    }
    if let description = new.description { told(description) }
    lookAtFlows()
  }

  /// Has the workers let go of the interface where it cannot have two attachments at once; whether they did.
  private func letGo(of interface: Interface, _ isolation: isolated any Actor) async throws(PlaneError) -> Bool {
    // Whoever let go has nothing to let go of: one try is enough then.
    guard let idle = attachment.withLock({ $0.ports.isEmpty ? nil : $0.idle }) else { return false }
    let ports = try available { () throws(SystemError) in try idle(interface) }
    // Nobody will fetch what the program counts from here on.
    flows?.generation.suspend()
    for (replacement, port) in zip(replacements, ports) { replacement.put(port) }
    for mailbox in mailboxes { mailbox.bell.ring() }
    for replacement in replacements { await replacement.taken() }
    attachment.withLock { old in
      old = Attachment(ports: [], isUnsorted: true, description: nil, interface: interface.name, idle: idle) { _ in
        .exact
      }
    }
    return true
  }

  /// The kernel takes a moment to give a queue free.
  private func reattach(
    _ interface: Interface, _ isolation: isolated any Actor
  ) async throws(PlaneError) -> Attachment<P> {
    let end = Clock.milliseconds + Self.patience
    while Clock.milliseconds < end {
      // What is still refused when the patience is over is told below.
      if let new = try? attach(interface) { return new }
      guard (try? await Task.sleep(for: Self.retryInterval)) != nil else { break }
    }
    return try attach(interface)
  }

  private static var retryInterval: Duration { .milliseconds(20) }

  /// Milliseconds that an interface may take to become free.
  private static var patience: UInt64 { 1_000 }

  func stop(_ mailboxes: [WorkerMailbox]) {
    for mailbox in mailboxes { mailbox.stop() }
    threads.withLock { threads in
      for thread in threads { thread.join() }
      threads = []
    }
  }
}

/// A worker that a thread's closure can take along. Only that thread ever touches it.
private final class WorkerBox<P: Port & ~Copyable>: @unchecked Sendable {
  private var worker: Worker<P>

  init(_ worker: consuming Worker<P>) {
    self.worker = worker
  }

  func run() { worker.run() }
}

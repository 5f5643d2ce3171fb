import CLinux
import Glibc
import LVS
import Synchronization

/// All workers of a plane, whatever their ports are.
protocol WorkerGroup: Sendable {
  /// Has the kernel hand over frames for these VIPs and no others.
  func filter(_ owned: OwnedVIPs) throws(SystemError)
  /// Has the workers see every frame until `resume`: what flows meet is about to change, or somebody captures.
  func suspendFlows()
  func resumeFlows()
  /// Whether the kernel may forward flows by itself.
  var forwardsFlows: Bool { get }
  /// Looks again whether the interface can do that. To be called about once a second.
  func lookAtFlows()
  /// Has all workers go on at another interface. They get nothing before the next filter.
  func rebind(_ interface: Interface) throws(PlaneError)
  /// Ends the threads; their ports close with them.
  func stop(_ mailboxes: [WorkerMailbox])
}

/// What all workers of a plane have in common.
struct WorkerContext: Sendable {
  let options: UserspacePlane.Options
  let mailboxes: [WorkerMailbox]
  let shared: SharedTables
  let tap: Tap
  let seed: UInt64
  /// Asks for the Ethernet address of a server.
  let want: @Sendable (UInt32) -> Void
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
    (self.attach, told) = (attach, context.told)
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
      shared: context.shared, counters: mailbox.counters, snapshot: mailbox.snapshot,
      connections: context.options.connections, seed: context.seed,
      ownership: attachment.isUnsorted ? Ownership(worker: UInt32(index), workers: UInt32(count)) : .sole)
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

  func filter(_ owned: OwnedVIPs) throws(SystemError) {
    try attachment.withLock { attachment throws(SystemError) in try attachment.filter(owned) }
  }

  private var flows: FlowTable? { attachment.withLock { $0.flows } }
  var forwardsFlows: Bool { flows != nil }

  func lookAtFlows() {
    let (flows, now, name) = attachment.withLock { ($0.flows, $0.transmits(), $0.interface) }
    guard flows != nil else { return }
    let before = transmits.withLock { before in
      defer { before = now }
      return before
    }
    guard now != before else { return }
    if now, before == false { resumeFlows() }
    if !now { suspendFlows() }
    told(
      now
        ? "\(name): the XDP program forwards established flows by itself"
        : "\(name) cannot transmit from XDP (a veth can while gro is on at its other end): "
          + "all flows go through the workers")
  }

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

  func rebind(_ interface: Interface) throws(PlaneError) {
    let new = try attach(interface)
    suspensions.withLock { count in
      for _ in 0..<count { new.flows?.generation.suspend() }
      for (replacement, port) in zip(replacements, new.ports) { replacement.put(port) }
      attachment.withLock { $0 = new }
    }
    if let description = new.description { told(description) }
    lookAtFlows()
  }

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

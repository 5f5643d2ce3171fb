import CLinux
import Glibc
import LVS
import Synchronization

/// The workers' threads with their sockets.
final class WorkerThreads: Sendable {
  /// Frames that the kernel can keep for each worker while that is busy.
  private static let ringSlots = 4096

  private let threads: Mutex<[Thread]>
  private let sockets: Mutex<[Int32]>
  private let virtual: MACAddress?

  init(
    _ options: UserspacePlane.Options, _ interface: Interface, _ mailboxes: [WorkerMailbox], _ shared: SharedTables,
    _ tap: Tap, seed: UInt64, want: @escaping @Sendable (UInt32) -> Void
  ) throws(SystemError) {
    var (threads, sockets) = ([Thread](), [Int32]())
    virtual = options.virtualMAC
    for (index, mailbox) in mailboxes.enumerated() {
      let port = try Self.open(interface, count: mailboxes.count)
      sockets.append(port.socket.descriptor.number)
      var director = try Director(
        shared: shared, counters: mailbox.counters, snapshot: mailbox.snapshot, connections: options.connections,
        seed: seed)
      director.connections.startClock(Clock.ticks)
      let box = WorkerBox(Worker(director: director, port: port, mailbox: mailbox, tap: tap, want: want))
      let processor = mailboxes.count > 1 ? Self.processor(for: index) : nil
      threads.append(
        try Thread(name: "worker \(index)") {
          if let processor { _ = Thread.pin(processor) }
          box.run()
        })
    }
    self.threads = Mutex(threads)
    self.sockets = Mutex(sockets)
  }

  /// A port at the interface that takes in nothing yet, in a group with those of the other workers.
  private static func open(_ interface: Interface, count: Int) throws(SystemError) -> PacketRing {
    let socket = try PacketSocket(interface: interface.index)
    try socket.enableMetadata()
    if count == 1 { try socket.ignoreOutgoing() }
    try socket.attach(.nothing)
    socket.enlargeBuffers(64 << 20)
    let port = try PacketRing(socket, slots: ringSlots, mtu: interface.mtu)
    try port.socket.bind()
    // A group is of one interface.
    let group = UInt16(truncatingIfNeeded: UInt32(getpid()) ^ interface.index << 10)
    if count > 1 { try port.socket.join(group: group, .fanout(count: count)) }
    return port
  }

  /// Has all workers go on at another interface. They get nothing before the next filter.
  func rebind(_ interface: Interface, _ mailboxes: [WorkerMailbox]) throws(SystemError) {
    var boxes: [(PortBox, Int32)] = []
    for _ in mailboxes {
      let port = try Self.open(interface, count: mailboxes.count)
      let number = port.socket.descriptor.number
      boxes.append((PortBox(port), number))
    }
    sockets.withLock { $0 = boxes.map(\.1) }
    for (mailbox, box) in zip(mailboxes, boxes) { mailbox.replace(box.0) }
  }

  /// Workers fill the processors from the last one on, since interrupts tend to go to the first.
  private static func processor(for index: Int) -> Int {
    let count = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    return count - 1 - index % count
  }

  /// Lets the kernel copy frames for these VIPs only.
  func filter(_ vips: Set<IPAddress>, vlan: UInt16?) throws(SystemError) {
    let filter = vips.isEmpty ? SocketFilter.nothing : .balanced(vips: vips.sorted(), vlan: vlan, station: virtual)
    for socket in sockets.withLock({ $0 }) { try PacketSocket.attach(filter, to: socket) }
  }

  /// Ends the threads; their sockets close with them.
  func stop(_ mailboxes: [WorkerMailbox]) {
    for mailbox in mailboxes { mailbox.stop() }
    threads.withLock { threads in
      for thread in threads { thread.join() }
      threads = []
    }
  }
}

/// A port on its way to a worker, which takes it out once.
final class PortBox: @unchecked Sendable {
  private var port: PacketRing?

  init(_ port: consuming PacketRing) {
    self.port = consume port
  }

  func take() -> PacketRing? {
    let taken = port.take()
    return taken
  }
}

/// A worker that a thread's closure can take along. Only that thread ever touches it.
private final class WorkerBox: @unchecked Sendable {
  private var worker: Worker

  init(_ worker: consuming Worker) {
    self.worker = worker
  }

  func run() { worker.run() }
}

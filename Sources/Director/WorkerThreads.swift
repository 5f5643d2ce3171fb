import CLinux
import Glibc
import LVS
import Synchronization

/// The workers' threads with their sockets.
final class WorkerThreads: Sendable {
  /// Frames that the kernel can keep for each worker while that is busy.
  private static let ringSlots = 4096

  private let threads: Mutex<[Thread]>
  private let sockets: [Int32]

  init(
    _ options: UserspacePlane.Options, _ interface: Interface, _ mailboxes: [WorkerMailbox], _ shared: SharedTables,
    _ tap: Tap, seed: UInt64, want: @escaping @Sendable (UInt32) -> Void
  ) throws(SystemError) {
    var (threads, sockets) = ([Thread](), [Int32]())
    let group = UInt16(truncatingIfNeeded: getpid())
    for (index, mailbox) in mailboxes.enumerated() {
      let socket = try PacketSocket(interface: interface.index)
      try socket.enableMetadata()
      if mailboxes.count == 1 { try socket.ignoreOutgoing() }
      try socket.attach(.nothing)
      socket.enlargeBuffers(64 << 20)
      sockets.append(socket.descriptor.number)
      let port = try PacketRing(socket, slots: Self.ringSlots, mtu: interface.mtu)
      try port.socket.bind()
      if mailboxes.count > 1 { try port.socket.join(group: group, .fanout(count: mailboxes.count)) }
      var director = try Director(
        shared: shared, counters: mailbox.counters, snapshot: mailbox.snapshot, connections: options.connections, seed: seed)
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
    self.sockets = sockets
  }

  /// Workers fill the processors from the last one on, since interrupts tend to go to the first.
  private static func processor(for index: Int) -> Int {
    let count = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    return count - 1 - index % count
  }

  /// Lets the kernel copy frames for these VIPs only.
  func filter(_ vips: Set<IPAddress>, vlan: UInt16?) throws(SystemError) {
    let filter = vips.isEmpty ? SocketFilter.nothing : .balanced(vips: vips.sorted(), vlan: vlan)
    for socket in sockets { try PacketSocket.attach(filter, to: socket) }
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

/// A worker that a thread's closure can take along. Only that thread ever touches it.
private final class WorkerBox: @unchecked Sendable {
  private var worker: Worker

  init(_ worker: consuming Worker) {
    self.worker = worker
  }

  func run() { worker.run() }
}

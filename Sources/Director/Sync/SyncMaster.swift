import LVS
import Sync
import Synchronization

/// Tells other directors of connections and templates: looks at the tables once a second, which is half of what a
/// kernel's master lets its datagrams wait.
actor SyncMaster {
  nonisolated let daemon: SyncDaemon
  /// Where its datagrams come from.
  nonisolated let end: SyncSocket.End?
  private var socket: SyncSocket?
  private var packer: SyncPacker
  private var toldByWorker: [ToldFlows]
  private var toldTemplates: ToldFlows
  private let workers: WorkerPool
  private let figures: SyncFigures
  private let warn: @Sendable (String) -> Void
  /// Datagrams since the last rest.
  private var burst = 0
  private static let longestBurst = 32
  /// What a packet has beside a datagram: the headers of IPv6, or of IPv4, and UDP.
  private static let packet = (mtu: 1_500, v4: 28, v6: 48)

  init(
    _ daemon: SyncDaemon, _ signature: SyncSignature?, _ workers: WorkerPool, _ figures: SyncFigures,
    warn: @escaping @Sendable (String) -> Void
  ) throws(SystemError) {
    (self.daemon, self.workers, self.figures, self.warn) = (daemon, workers, figures, warn)
    let socket = try SyncSocket(daemon)
    end = socket.end
    self.socket = socket
    let headers = daemon.group?.family == .v6 ? Self.packet.v6 : Self.packet.v4
    let wanted = daemon.maxLength == 0 ? Self.packet.mtu - headers : Int(daemon.maxLength)
    let limit = min(max(wanted, SyncPacker.lengths.lowerBound), SyncPacker.lengths.upperBound)
    packer = SyncPacker(id: UInt8(truncatingIfNeeded: daemon.syncID), limit: limit, signature: signature)
    let nothing = ToldFlows(SyncPolicy())
    toldByWorker = workers.mailboxes.map { _ in nothing }
    toldTemplates = nothing
  }

  /// Until the task is canceled.
  func run() async {
    while (try? await Task.sleep(for: .seconds(1))) != nil { await round() }
  }

  private func round() async {
    reopen()
    let snapshot = workers.shared.publication.snapshot
    let (policy, records) = (SyncPolicy(snapshot.settings), FlowRecords(snapshot, workers.shared.servers))
    await workers.settle()
    for worker in toldByWorker.indices {
      toldByWorker[worker] = ToldFlows(policy, after: toldByWorker[worker])
      await tell(worker, records)
    }
    await tellTemplates(records)
    await send(packer.finish(now: Clock.epochMicroseconds))
  }

  /// The interface may be another one by the same name.
  private func reopen() {
    guard socket?.index != SyncSocket.index(of: daemon.interface) else { return }
    socket = nil
    do throws(SystemError) { socket = try SyncSocket(daemon) } catch { warn("sync master: \(error)") }
  }

  private func tell(_ worker: Int, _ records: FlowRecords) async {
    var next: UInt32 = 1
    repeat {
      let start = next
      let (slice, end, now) = await workers.numbered(worker, from: start)
      next = end
      for (number, record) in slice {
        let timeout = records.timeout(record)
        guard toldByWorker[worker].tells(connection: record, number, timeout: timeout, now: now) else { continue }
        if let flow = records.connection(record) { await tell(flow) }
      }
    } while next != 0
  }

  private func tellTemplates(_ records: FlowRecords) async {
    var next: UInt32 = 1
    repeat {
      let (slice, end) = workers.shared.persistence.numbered(from: next, limit: WorkerPool.slice)
      next = end
      for (number, record) in slice where toldTemplates.tells(template: record, number) {
        if let flow = records.template(record) { await tell(flow) }
      }
    } while next != 0
  }

  private func tell(_ flow: FlowRecord) async {
    figures.send(datagrams: 0, records: 1)
    await send(packer.add(flow, now: Clock.epochMicroseconds))
  }

  /// Sends not too many at once, so that they find room where they arrive.
  private func send(_ datagram: [UInt8]?) async {
    guard let datagram else { return }
    if socket?.send(datagram) == true { figures.send(datagrams: 1, records: 0) } else { figures.failToSend() }
    burst += 1
    guard burst >= Self.longestBurst else { return }
    burst = 0
    // Canceled is as good as rested.
    try? await Task.sleep(for: .milliseconds(1))
  }
}

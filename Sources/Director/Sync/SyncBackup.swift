import LVS
import Sync
import Synchronization

/// Takes what other directors tell of their connections, on a thread of its own, and hands each record to the worker
/// that owns the client.
final class SyncBackup: Sendable {
  let daemon: SyncDaemon
  private let bell: Bell
  private let isStopping = Atomic<Bool>(false)
  private let thread: Mutex<Thread?>

  /// - Parameter own: where the datagrams of this director's own master come from.
  init(
    _ daemon: SyncDaemon, _ reception: consuming SyncReceiver, warn: @escaping @Sendable (String) -> Void
  ) throws(SystemError) {
    self.daemon = daemon
    let bell = try Bell()
    self.bell = bell
    thread = Mutex(nil)
    let box = ReceiverBox(reception)
    let isStopping = { @Sendable [weak self] in self?.isStopping.load(ordering: .relaxed) ?? true }
    let started = try Thread(name: "sync backup") { box.run(daemon, bell, isStopping, warn) }
    thread.withLock { $0 = started }
  }

  func stop() {
    isStopping.store(true, ordering: .relaxed)
    bell.ring()
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
  }
}

/// A receiver that a thread's closure can take along. Only that thread ever touches it.
private final class ReceiverBox: @unchecked Sendable {
  private var receiver: SyncReceiver

  init(_ receiver: consuming SyncReceiver) { self.receiver = receiver }

  func run(
    _ daemon: SyncDaemon, _ bell: Bell, _ isStopping: () -> Bool, _ warn: (String) -> Void
  ) {
    while !isStopping() { receiver.turn(daemon, bell, warn) }
  }
}

/// What is done with each datagram that comes.
struct SyncReceiver: ~Copyable {
  /// Milliseconds between two looks whether the interface and the settings are still what was joined by.
  private static let nap: Int32 = 1_000
  /// Datagrams in a row without a look.
  private static let turn = 256

  private var plan: SyncSocket.Plan
  private var sockets: [SyncSocket]
  private var bytes = [UInt8](repeating: 0, count: 1 << 16)
  private var replays = ReplayGuard()
  private let signature: SyncSignature?
  private let publication: Publication
  private let delivery: SyncDelivery
  private let asker: SyncAsker?
  private let isOwn: @Sendable (SyncSocket.End) -> Bool

  /// - Parameter asker: hears of masters that can be asked; nil where none is.
  init(
    _ daemon: SyncDaemon, _ signature: SyncSignature?, _ publication: Publication, _ delivery: SyncDelivery,
    _ asker: SyncAsker?, isOwn: @escaping @Sendable (SyncSocket.End) -> Bool
  ) throws(SystemError) {
    self.publication = publication
    plan = SyncSocket.Plan(daemon, publication.snapshot.settings)
    sockets = try plan.open(daemon)
    (self.signature, self.delivery, self.asker, self.isOwn) = (signature, delivery, asker, isOwn)
  }

  /// Waits for datagrams, and takes what is there.
  mutating func turn(_ daemon: SyncDaemon, _ bell: Bell, _ warn: (String) -> Void) {
    reopen(daemon, warn)
    Descriptor.wait(sockets.map { $0.descriptor.number } + [bell.descriptor], milliseconds: Self.nap)
    for socket in sockets {
      for _ in 0..<Self.turn {
        guard let (length, source) = socket.receive(&bytes) else { break }
        take(Array(bytes[0..<length]), from: source, id: UInt8(truncatingIfNeeded: daemon.syncID))
      }
    }
  }

  private mutating func reopen(_ daemon: SyncDaemon, _ warn: (String) -> Void) {
    let present = SyncSocket.Plan(daemon, publication.snapshot.settings)
    guard present != plan || sockets.isEmpty else { return }
    (plan, sockets) = (present, [])
    do throws(SystemError) { sockets = try plan.open(daemon) } catch { warn("sync backup: \(error)") }
  }

  /// - Parameter id: the sync ID that is listened to.
  private mutating func take(_ datagram: [UInt8], from source: SyncSocket.End, id: UInt8) {
    let figures = delivery.figures
    guard !isOwn(source) else { return figures.receive(.own) }
    if let refusal = refusal(of: datagram) { return figures.receive(refusal) }
    do throws(SyncDatagram.Refusal) {
      let content = try SyncDatagram.parse(datagram, id: id)
      guard SyncMark(datagram, isSigned: signature != nil) == nil else {
        asker?.hear(source)
        return figures.receive(.offer)
      }
      figures.receive(content.isDamaged ? .damaged : .taken)
      if content.rejected > 0 { figures.take(.rejected, content.rejected) }
      let lost = delivery.deliver(content.records, isSnapshot: false)
      if !lost.isEmpty { figures.take(.overrun, lost.count) }
    } catch {
      figures.receive(error == .otherID ? .otherID : .wrongSize)
    }
  }

  /// Why a datagram is not believed, where there is a key.
  private mutating func refusal(of datagram: [UInt8]) -> SyncReception? {
    guard let signature else { return nil }
    guard let (sender, time) = signature.verify(datagram) else { return .unsigned }
    guard !signature.isOwn(sender, count: SyncSocket.mostPorts) else { return .own }
    return replays.isNew(sender: sender, time: time, now: Clock.epochMicroseconds) ? nil : .replayed
  }
}

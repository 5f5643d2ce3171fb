import Sync

/// One of the ports that a master tells by: its socket, the datagram that was begun, and those that wait for room in the
/// socket, as a kernel's do in the queue of a master's thread.
struct SyncLine {
  private let socket: @Sendable ([UInt8]) -> SyncSocket.Sending
  var packer: SyncPacker
  private var waiting: [[UInt8]] = []

  init(_ packer: SyncPacker, _ socket: @escaping @Sendable ([UInt8]) -> SyncSocket.Sending) {
    (self.socket, self.packer) = (socket, packer)
  }

  var isWaiting: Bool { !waiting.isEmpty }

  /// Sends a datagram, or has it wait behind the others; where `limit` of them wait (`sync_qlen_max`) it is dropped.
  mutating func send(_ datagram: [UInt8], limit: UInt32, _ figures: SyncFigures) {
    flush(figures)
    if waiting.isEmpty, pass(datagram, figures) { return }
    guard waiting.count < limit else { return figures.send(.dropped) }
    waiting.append(datagram)
  }

  /// Sends of what waits as much as the socket has room for.
  mutating func flush(_ figures: SyncFigures) {
    let isKept = waiting.firstIndex { !pass($0, figures) } ?? waiting.endIndex
    waiting.removeFirst(isKept)
  }

  /// Whether that is done with the datagram: the system took it, or never will.
  private func pass(_ datagram: [UInt8], _ figures: SyncFigures) -> Bool {
    switch socket(datagram) {
    case .taken: figures.send(.datagrams)
    case .refused: figures.send(.errors)
    case .full: return false
    }
    return true
  }
}

import IPVSMessages
import LVS
import Synchronization

@testable import KernelIPVS

/// A kernel of bytes: takes requests as datagrams and answers each with the datagrams that the script has for it.
final class ScriptedKernel: Sendable {
  enum Reply {
    /// The attributes of each message, then the end of a dump.
    case messages([[UInt8]], isInterrupted: Bool = false)
    /// An errno, 0 for an acknowledgment.
    case error(Int32)
    /// Whatever it is.
    case datagram([UInt8])
  }

  private struct State {
    /// The family's number; nil while the module is not loaded.
    var family: UInt16?
    var asked: [Command] = []
    var waiting: [[UInt8]] = []
  }

  private let state: Mutex<State>
  /// What a command is answered when it is asked for the nth time, from 1.
  private let script: @Sendable (Command, Int, ScriptedKernel) -> Reply

  init(family: UInt16? = 28, script: @escaping @Sendable (Command, Int, ScriptedKernel) -> Reply) {
    state = Mutex(State(family: family))
    self.script = script
  }

  /// The commands that came, in order.
  var asked: [Command] { state.withLock { $0.asked } }

  /// Loads the module anew under a number, or unloads it.
  func load(as family: UInt16?) { state.withLock { $0.family = family } }

  func socket() throws(KernelError) -> IPVSSocket {
    try IPVSSocket(
      NetlinkPort(
        send: { message throws(ExchangeFailure) in self.take(message) },
        receive: { () throws(ExchangeFailure) in
          guard let datagram = self.state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) else {
            throw .socket("no answer")
          }
          return datagram
        },
        family: { _ in self.state.withLock { $0.family } })
    ) {}
  }

  func table() throws(KernelError) -> IPVSTable { IPVSTable(try socket()) }
  func plane() async throws(KernelError) -> KernelTable { await KernelTable(try table()) }

  private func take(_ message: [UInt8]) {
    guard let type = UInt16(hostBytes: message[4...]), let sequence = UInt32(hostBytes: message[8...]),
      let command = Command(rawValue: message[16])
    else { return }
    let count = state.withLock { state in
      state.asked.append(command)
      return state.asked.count { $0 == command }
    }
    let reply = state.withLock { $0.family } == type ? script(command, count, self) : .error(2)
    state.withLock { $0.waiting += Self.datagrams(reply, type, sequence) }
  }

  private static func datagrams(_ reply: Reply, _ type: UInt16, _ sequence: UInt32) -> [[UInt8]] {
    switch reply {
    case .messages(let contents, let isInterrupted):
      let flags: UInt16 = isInterrupted ? 0x12 : 0x2
      return contents.map { netlinkMessage(type: type, flags: flags, sequence: sequence, [1, 1, 0, 0] + $0) }
        + [netlinkMessage(type: 3, flags: flags, sequence: sequence, [0, 0, 0, 0])]
    case .error(let errno):
      let request = [UInt8](repeating: 0, count: 16)
      return [netlinkMessage(type: 2, flags: 0, sequence: sequence, (-errno).hostBytes + request)]
    case .datagram(let bytes): return [bytes]
    }
  }
}

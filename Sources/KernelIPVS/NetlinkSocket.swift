import IPVSMessages

/// Requests and their answers, one after the other, over a port.
final class NetlinkSocket {
  private let port: NetlinkPort
  private var sequence: UInt32 = 0

  init(_ port: NetlinkPort) {
    self.port = port
  }

  /// The number of a generic family; nil where the kernel has none of that name.
  func family(_ name: String) -> UInt16? { port.family(name) }

  /// Sends the message that `build` makes for a sequence number, and gathers its answer.
  func exchange(_ build: (UInt32) -> [UInt8]) throws(ExchangeFailure) -> Answer {
    sequence &+= 1
    try port.send(build(sequence))
    var answer = Answer(to: sequence)
    while !answer.isComplete {
      let datagram = try port.receive()
      do throws(MalformedMessage) { try answer.take(datagram) } catch { throw .malformed }
    }
    return answer
  }
}

/// Why there is no whole answer.
enum ExchangeFailure: Error, Hashable {
  case socket(String)
  case malformed
}

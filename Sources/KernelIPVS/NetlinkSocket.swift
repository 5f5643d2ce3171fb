import CNetlink
import Glibc

/// A netlink socket of libnl. It speaks to the kernel itself, which has its answer ready when the request is sent: no
/// call waits for anything but the kernel's own work.
@safe final class NetlinkSocket {
  /// Seconds until an answer that does not come is given up.
  private static let patience = 5

  private let socket: OpaquePointer  // libnl's own, freed with this object
  private var sequence: UInt32 = 0

  /// - Parameter protocol: `NETLINK_GENERIC`, `NETLINK_ROUTE`.
  init(_ protocol: Int32) throws(KernelError) {
    guard let socket = unsafe nl_socket_alloc() else { throw .socket("no memory") }
    unsafe self.socket = socket
    let failure = unsafe nl_connect(socket, `protocol`)
    guard failure >= 0 else { throw .socket(Self.text(failure)) }
    // The kernel then fills dumps in large pieces.
    _ = unsafe nl_socket_set_msg_buf_size(socket, 1 << 16)
    _ = unsafe nl_socket_set_buffer_size(socket, 1 << 20, 1 << 16)
    var limit = timeval(tv_sec: Self.patience, tv_usec: 0)
    _ = unsafe setsockopt(
      nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit {
    unsafe nl_socket_free(socket)
  }

  /// The number of a generic family; nil where the kernel has none of that name.
  func family(_ name: String) -> UInt16? {
    let number = unsafe genl_ctrl_resolve(socket, name)
    return number < 0 ? nil : UInt16(truncatingIfNeeded: number)
  }

  /// Sends the message that `build` makes for a sequence number, and gathers its answer.
  func exchange(_ build: (UInt32) -> [UInt8]) throws(ExchangeFailure) -> Answer {
    sequence &+= 1
    var message = build(sequence)
    let sent = unsafe nl_sendto(socket, &message, message.count)
    guard sent >= 0 else { throw .socket(Self.text(sent)) }
    var answer = Answer(to: sequence)
    while !answer.isComplete {
      let datagram = try receive()
      do throws(MalformedMessage) { try answer.take(datagram) } catch { throw .malformed }
    }
    return answer
  }

  private func receive() throws(ExchangeFailure) -> [UInt8] {
    var sender = sockaddr_nl()
    var buffer: UnsafeMutablePointer<UInt8>?
    let length = unsafe nl_recv(socket, &sender, &buffer, nil)
    guard length > 0, let start = unsafe buffer else { throw .socket(Self.text(length)) }
    defer { unsafe free(start) }
    return unsafe Array(UnsafeBufferPointer(start: start, count: Int(length)))
  }

  private static func text(_ failure: Int32) -> String {
    failure == 0 ? "no answer" : unsafe String(cString: nl_geterror(failure))
  }
}

/// Why there is no whole answer.
enum ExchangeFailure: Error, Hashable {
  case socket(String)
  case malformed
}

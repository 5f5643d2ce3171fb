import CNetlink
import Glibc

/// What carries a netlink socket's datagrams: libnl's, or whatever else answers bytes as a kernel does.
struct NetlinkPort {
  var send: ([UInt8]) throws(ExchangeFailure) -> Void
  var receive: () throws(ExchangeFailure) -> [UInt8]
  /// The number of a generic family; nil where the kernel has none of that name.
  var family: (String) -> UInt16?
}

extension NetlinkPort {
  /// A socket of libnl. It speaks to the kernel itself, which has its answer ready when the request is sent: no call
  /// waits for anything but the kernel's own work.
  ///
  /// - Parameter protocol: `NETLINK_GENERIC`, `NETLINK_ROUTE`.
  init(_ protocol: Int32) throws(KernelError) {
    let socket = try LibnlSocket(`protocol`)
    send = { message throws(ExchangeFailure) in try socket.send(message) }
    receive = { () throws(ExchangeFailure) in try socket.receive() }
    family = { socket.family($0) }
  }
}

@safe private final class LibnlSocket {
  /// Seconds until an answer that does not come is given up.
  private static let patience = 5

  private let socket: OpaquePointer  // libnl's own, freed with this object

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

  func family(_ name: String) -> UInt16? {
    let number = unsafe genl_ctrl_resolve(socket, name)
    return number < 0 ? nil : UInt16(truncatingIfNeeded: number)
  }

  func send(_ message: [UInt8]) throws(ExchangeFailure) {
    var message = message
    let sent = unsafe nl_sendto(socket, &message, message.count)
    guard sent >= 0 else { throw .socket(Self.text(sent)) }
  }

  func receive() throws(ExchangeFailure) -> [UInt8] {
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

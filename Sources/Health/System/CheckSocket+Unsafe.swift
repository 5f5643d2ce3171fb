import CHealth
import Glibc
import LVS

/// A socket of a check: never waits, and is closed with its owner. A connection of it ends by a reset, which leaves
/// no port behind in TIME_WAIT, of which thousands of checks would soon have taken all.
@safe final class CheckSocket {
  enum Transport: Hashable {
    case stream, datagram
    /// Raw ICMP, of which only echo replies come in.
    case echo
  }

  let family: IPAddress.Family
  let transport: Transport
  private(set) var descriptor: Int32

  init(_ transport: Transport, _ family: IPAddress.Family) throws(CallFailure) {
    (self.transport, self.family) = (transport, family)
    let kinds: [Transport: __socket_type] = [.stream: SOCK_STREAM, .datagram: SOCK_DGRAM, .echo: SOCK_RAW]
    let kind = (kinds[transport] ?? SOCK_RAW).rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let echo = Int32(family == .v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)
    descriptor = socket(family == .v4 ? AF_INET : AF_INET6, Int32(kind), transport == .echo ? echo : 0)
    guard descriptor >= 0 else { throw CallFailure("socket") }
    switch transport {
    case .stream: try set(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0))
    case .echo: try takeEchoRepliesOnly()
    case .datagram: break
    }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Gives the descriptor away; the socket is of no more use.
  func release() -> Int32 {
    defer { descriptor = -1 }
    return descriptor
  }

  /// Has the host route what is sent here by the rules for a mark.
  func mark(_ mark: UInt32) throws(CallFailure) { try set(SOL_SOCKET, SO_MARK, mark) }

  /// Sends from an address.
  ///
  /// - Returns: the port that the kernel gave it; of no meaning for raw sockets.
  func bind(to address: IPAddress) throws(CallFailure) -> UInt16 {
    guard unsafe withSocketAddress(address, 0, { unsafe Glibc.bind(descriptor, $0, $1) }) == 0 else {
      throw CallFailure("bind to \(address)")
    }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { throw CallFailure("getsockname") }
    // The port stands at the same place in both families.
    return unsafe withUnsafeBytes(of: storage) { unsafe UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
  }

  /// Begins to connect; whether that is done already, as it is for all but streams.
  func connect(to address: IPAddress, port: UInt16) throws(CallFailure) -> Bool {
    if unsafe withSocketAddress(address, port, { unsafe Glibc.connect(descriptor, $0, $1) }) == 0 { return true }
    guard errno == EINPROGRESS else { throw CallFailure("connect") }
    return false
  }

  /// What became of a connection, or an ICMP error that came back; 0 is nothing bad.
  func takeError() -> Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
  }

  /// Sends what there is room for.
  ///
  /// - Returns: how much that was; nil where there is none just now.
  func send(_ bytes: ArraySlice<UInt8>) throws(CallFailure) -> Int? {
    let sent = unsafe bytes.withUnsafeBytes {
      unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
    if sent >= 0 { return sent }
    guard errno == EAGAIN else { throw CallFailure("send") }
    return nil
  }

  /// Adds what has come to `bytes`, at most `limit` at once.
  ///
  /// - Returns: how much that was, 0 where the stream has ended; nil where nothing has come.
  func receive(into bytes: inout [UInt8], limit: Int) throws(CallFailure) -> Int? {
    let old = bytes.count
    bytes.append(contentsOf: repeatElement(0, count: limit))
    let count = unsafe bytes.withUnsafeMutableBytes { buffer in
      unsafe recv(descriptor, buffer.baseAddress?.advanced(by: old), limit, 0)
    }
    let code = errno
    bytes.removeLast(limit - max(count, 0))
    if count >= 0 { return count }
    guard code == EAGAIN else { throw CallFailure("recv", code: code) }
    return nil
  }

  private func set<Value: BitwiseCopyable>(_ level: Int32, _ name: Int32, _ value: Value) throws(CallFailure) {
    var value = value
    guard unsafe setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Value>.size)) == 0 else {
      throw CallFailure("setsockopt")
    }
  }

  /// So that a flood of ICMP at the host is not copied to each check (`linux/icmp.h`, `linux/icmpv6.h`).
  private func takeEchoRepliesOnly() throws(CallFailure) {
    let (rawLevel, filter): (Int32, Int32) = (255, 1)
    switch family {
    case .v4: try set(rawLevel, filter, ~UInt32(1 << EchoMessage.v4Reply))
    case .v6:
      var blocked = [UInt32](repeating: ~0, count: 8)
      blocked[Int(EchoMessage.v6Reply) / 32] = ~(1 << (UInt32(EchoMessage.v6Reply) % 32))
      let result = unsafe blocked.withUnsafeBytes {
        unsafe setsockopt(descriptor, Int32(IPPROTO_ICMPV6), filter, $0.baseAddress, socklen_t($0.count))
      }
      guard result == 0 else { throw CallFailure("setsockopt") }
    }
  }
}

/// An address and a port as the system's calls take them.
private func withSocketAddress<Result>(
  _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
  switch address.family {
  case .v4:
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = address.v4.bigEndian
    return unsafe withUnsafePointer(to: name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  case .v6:
    var name = sockaddr_in6()
    name.sin6_family = sa_family_t(AF_INET6)
    name.sin6_port = port.bigEndian
    unsafe withUnsafeMutableBytes(of: &name.sin6_addr) { unsafe $0.copyBytes(from: address.bytes) }
    return unsafe withUnsafePointer(to: name) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
      }
    }
  }
}

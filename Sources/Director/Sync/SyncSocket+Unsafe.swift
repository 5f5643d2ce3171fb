import CLinux
import Glibc
import LVS

/// A UDP socket that sends to a multicast group out of one interface, or takes what comes to it there. Never blocks.
final class SyncSocket: Sendable {
  /// An end of a datagram's way.
  struct End: Hashable, Sendable {
    var address: [UInt8]
    var port: UInt16

    fileprivate init(_ source: cl_source) {
      let count = source.family == AF_INET6 ? 16 : 4
      address = unsafe withUnsafeBytes(of: source.address) { unsafe Array($0.prefix(count)) }
      port = source.port
    }
  }

  let descriptor: Descriptor
  /// The interface's number when it was opened.
  let index: UInt32

  /// The present number of an interface; 0 where there is none of the name.
  static func index(of interface: String) -> UInt32 { unsafe if_nametoindex(interface) }

  init(_ daemon: SyncDaemon) throws(SystemError) {
    let group = daemon.group ?? SyncDaemon.standardGroup
    let family = group.family == .v4 ? AF_INET : AF_INET6
    let port = daemon.port == 0 ? SyncDaemon.standardPort : daemon.port
    index = Self.index(of: daemon.interface)
    let call = "multicast to \(group) on \(daemon.interface)"
    guard index != 0 else { throw SystemError(call, code: ENODEV) }
    let number =
      switch daemon.role {
      case .master: unsafe cl_multicast_sender(family, group.bytes, port, index, Int32(max(daemon.ttl, 1)))
      case .backup: unsafe cl_multicast_receiver(family, group.bytes, port, daemon.interface)
      }
    guard number >= 0 else { throw SystemError(call, code: -number) }
    descriptor = try Descriptor(number, call: call)
  }

  /// Where its datagrams come from; nil where that cannot be told.
  var end: End? {
    var end = cl_source()
    return unsafe cl_local_end(descriptor.number, &end) == 0 ? End(end) : nil
  }

  /// Whether the system took the datagram.
  func send(_ datagram: [UInt8]) -> Bool {
    unsafe Glibc.send(descriptor.number, datagram, datagram.count, 0) == datagram.count
  }

  /// The next datagram that waits, which is put at the front of `bytes`, and who sent it; nil where there is none.
  func receive(_ bytes: inout [UInt8]) -> (length: Int, from: End)? {
    var source = cl_source()
    let count = unsafe bytes.withUnsafeMutableBytes { bytes in
      unsafe cl_receive_from(descriptor.number, bytes.baseAddress!, bytes.count, &source)
    }
    return count >= 0 ? (count, End(source)) : nil
  }
}

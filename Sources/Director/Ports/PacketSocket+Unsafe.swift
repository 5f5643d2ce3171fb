import CLinux
import Glibc
import LVS

/// A packet socket on one interface: whole frames in and out, past the host's IP stack.
struct PacketSocket: ~Copyable {
  let descriptor: Descriptor
  private let interface: UInt32

  private static let packetLevel: Int32 = 263
  private static let version2: Int32 = 1
  private static let fanoutCBPF: UInt32 = 6
  private static let fanoutIgnoreOutgoing: UInt32 = 0x4000

  /// Opens a socket that gets nothing until it is bound.
  init(interface: UInt32) throws(SystemError) {
    descriptor = try Descriptor(
      socket(AF_PACKET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0), call: "packet socket")
    self.interface = interface
  }

  /// Takes over a socket of an earlier process, with all that was set of it. It has to be one of ours (`misfit`).
  init(_ descriptor: Int32, interface: UInt32) throws(SystemError) {
    self.descriptor = try Descriptor(descriptor, call: "packet socket")
    self.interface = interface
  }

  /// Opens a socket that only sends.
  static func outlet(of interface: UInt32) throws(SystemError) -> PacketSocket {
    let socket = try PacketSocket(interface: interface)
    try socket.attach(.nothing)
    try socket.bind()
    return socket
  }

  /// Carries checksum and segmentation metadata before each frame.
  func enableMetadata() throws(SystemError) {
    try descriptor.set(Self.packetLevel, PACKET_VNET_HDR, Int32(1), call: "PACKET_VNET_HDR")
  }

  /// Keeps the host's own transmissions out.
  func ignoreOutgoing() throws(SystemError) {
    try descriptor.set(Self.packetLevel, PACKET_IGNORE_OUTGOING, Int32(1), call: "PACKET_IGNORE_OUTGOING")
  }

  /// What a socket may have its interface take in beside the interface's own frames.
  enum Membership {
    case group(MACAddress)
    /// A second unicast address.
    case station(MACAddress)
    /// All frames.
    case everything
  }

  /// Begins or ends to take in more; the kernel ends it with the socket.
  func member(_ membership: Membership, joins: Bool = true) throws(SystemError) {
    let (kind, mac): (Int32, MACAddress) =
      switch membership {
      case .group(let mac): (PACKET_MR_MULTICAST, mac)
      case .station(let mac): (PACKET_MR_UNICAST, mac)
      case .everything: (PACKET_MR_PROMISC, .zero)
      }
    func byte(_ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: mac.value >> (40 - 8 * index)) }
    let request = packet_mreq(
      mr_ifindex: Int32(interface), mr_type: UInt16(kind), mr_alen: 6,
      mr_address: (byte(0), byte(1), byte(2), byte(3), byte(4), byte(5), 0, 0))
    let option = joins ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP
    try descriptor.set(Self.packetLevel, option, request, call: "PACKET_ADD_MEMBERSHIP")
  }

  /// Replaces the filter.
  func attach(_ filter: SocketFilter) throws(SystemError) {
    try Self.attach(filter, to: descriptor.number)
  }

  /// Replaces the filter of a socket known by its number.
  static func attach(_ filter: SocketFilter, to descriptor: Int32) throws(SystemError) {
    unsafe try withProgram(filter) { program throws(SystemError) in
      try unsafe Descriptor.set(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, program, call: "SO_ATTACH_FILTER")
    }
  }

  /// Joins a group of sockets that share the interface's frames by `filter`.
  func join(group: UInt16, _ filter: SocketFilter) throws(SystemError) {
    let argument = UInt32(group) | (Self.fanoutCBPF | Self.fanoutIgnoreOutgoing) << 16
    try descriptor.set(Self.packetLevel, PACKET_FANOUT, argument, call: "PACKET_FANOUT")
    unsafe try Self.withProgram(filter) { program throws(SystemError) in
      try unsafe descriptor.set(Self.packetLevel, PACKET_FANOUT_DATA, program, call: "PACKET_FANOUT_DATA")
    }
  }

  /// Bytes before each frame in the ring that the kernel leaves alone.
  private static let reserve: Int32 = 16

  /// Sets up the receive ring. Frames too large for a slot are queued whole beside it.
  func makeRing(slots: Int, slotSize: Int) throws(SystemError) -> Mapping {
    try descriptor.set(Self.packetLevel, PACKET_VERSION, Self.version2, call: "PACKET_VERSION")
    try descriptor.set(Self.packetLevel, PACKET_RESERVE, Self.reserve, call: "PACKET_RESERVE")
    try descriptor.set(Self.packetLevel, PACKET_COPY_THRESH, Int32(1), call: "PACKET_COPY_THRESH")
    let block = max(slotSize, 1 << 16)
    let request = tpacket_req(
      tp_block_size: UInt32(block), tp_block_nr: UInt32(slots * slotSize / block), tp_frame_size: UInt32(slotSize),
      tp_frame_nr: UInt32(slots))
    try descriptor.set(Self.packetLevel, PACKET_RX_RING, request, call: "PACKET_RX_RING")
    return try Mapping(descriptor: descriptor.number, size: slots * slotSize)
  }

  /// Makes room for bursts; more than the system's limit where the process may. Frames for which there is no room are
  /// counted, so a smaller buffer than this is no error.
  func enlargeBuffers(_ size: Int32) {
    for (force, plain) in [(SO_RCVBUFFORCE, SO_RCVBUF), (SO_SNDBUFFORCE, SO_SNDBUF)] {
      if (try? descriptor.set(SOL_SOCKET, force, size, call: "")) == nil {
        try? descriptor.set(SOL_SOCKET, plain, size, call: "")
      }
    }
  }

  /// Begins to receive all protocols of the interface.
  func bind() throws(SystemError) {
    var address = sockaddr_ll()
    address.sll_family = UInt16(AF_PACKET)
    address.sll_protocol = UInt16(ETH_P_ALL).bigEndian
    address.sll_ifindex = Int32(interface)
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.bind(descriptor.number, $0, socklen_t(MemoryLayout<sockaddr_ll>.size))
      }
    }
    guard result == 0 else { throw SystemError("bind to the interface") }
  }

  /// Receives one frame without waiting; its length, or nil where there is none.
  func receive(into memory: UnsafeMutableRawPointer, _ size: Int) -> Int? {
    let length = unsafe recv(descriptor.number, memory, size, Int32(MSG_DONTWAIT | MSG_TRUNC))
    return length < 0 ? nil : length
  }

  /// Receives one frame into an array without waiting; how much of the array it fills, or nil where there is none.
  static func receive(into array: inout [UInt8], from descriptor: Int32) -> Int? {
    let length = unsafe array.withUnsafeMutableBytes {
      unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
    }
    return length < 0 ? nil : length
  }

  /// Sends one frame; whether the kernel took it.
  func send(_ frame: [UInt8]) -> Bool { Self.send(frame, on: descriptor.number) }

  func send(_ frame: Bytes) -> Bool {
    unsafe frame.withUnsafeBytes {
      unsafe Glibc.send(descriptor.number, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) >= 0
    }
  }

  /// Sends one frame on a socket known by its number.
  static func send(_ frame: [UInt8], on descriptor: Int32) -> Bool {
    unsafe frame.withUnsafeBytes { unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) >= 0 }
  }

  /// Frames that the kernel dropped since the last call because there was no room.
  func drops() -> UInt32 {
    var statistics = tpacket_stats()
    var length = socklen_t(MemoryLayout<tpacket_stats>.size)
    let result = unsafe getsockopt(descriptor.number, Self.packetLevel, PACKET_STATISTICS, &statistics, &length)
    return result == 0 ? statistics.tp_drops : 0
  }

  /// Why a descriptor that an earlier process left is none of a worker's sockets at this interface; nil where it is one.
  ///
  /// - Parameter isOfGroup: whether the worker is one of several.
  static func misfit(_ descriptor: Int32, interface: UInt32, isOfGroup: Bool) -> String? {
    func option(_ level: Int32, _ name: Int32) -> Int32? {
      var (value, length) = (Int32(0), socklen_t(MemoryLayout<Int32>.size))
      return unsafe getsockopt(descriptor, level, name, &value, &length) == 0 ? value : nil
    }
    guard option(SOL_SOCKET, SO_DOMAIN) == AF_PACKET, option(SOL_SOCKET, SO_TYPE) == Int32(SOCK_RAW.rawValue) else {
      return "it is no packet socket"
    }
    guard NetworkNamespace.cookie(of: descriptor) == NetworkNamespace.current else {
      return "it is of another network namespace"
    }
    let place = place(of: descriptor)
    guard place?.interface == interface else { return "it is at another interface" }
    guard place?.type == UInt16(ETH_P_ALL) else { return "it takes other frames" }
    guard option(packetLevel, PACKET_VERSION) == version2, option(packetLevel, PACKET_RESERVE) == reserve,
      option(packetLevel, PACKET_VNET_HDR) == 1
    else { return "its ring is laid out otherwise" }
    guard let group = option(packetLevel, PACKET_FANOUT), (group != 0) == isOfGroup else {
      return "it shares frames out otherwise"
    }
    return nil
  }

  /// Where a packet socket is bound to, and to which type of frames.
  private static func place(of descriptor: Int32) -> (interface: UInt32, type: UInt16)? {
    var address = sockaddr_ll()
    var length = socklen_t(MemoryLayout<sockaddr_ll>.size)
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(descriptor, $0, &length)
      }
    }
    guard result == 0, address.sll_ifindex > 0 else { return nil }
    return (UInt32(address.sll_ifindex), UInt16(bigEndian: address.sll_protocol))
  }

  private static func withProgram(_ filter: SocketFilter, _ body: (sock_fprog) throws(SystemError) -> Void)
    throws(SystemError)
  {
    var code = filter.instructions.map { sock_filter(code: $0.code, jt: $0.ifTrue, jf: $0.ifFalse, k: $0.value) }
    let count = UInt16(code.count)
    var failure: SystemError?
    unsafe code.withUnsafeMutableBufferPointer { buffer in
      do throws(SystemError) {
        unsafe try body(sock_fprog(len: count, filter: buffer.baseAddress))
      } catch { failure = error }
    }
    if let failure { throw failure }
  }
}

import CLinux
import Glibc
import LVS

/// An AF_XDP socket: the frames that the XDP program redirects from one receive queue, and a way out.
struct XDPSocket: ~Copyable {
  /// Frames that each ring holds.
  static let ringSize: UInt32 = 4096
  /// Frames that one system call sends at most, where the kernel lets it be set; else 32.
  private static let sendBudget: UInt32 = 256
  private static let sendBudgetOption: Int32 = 9
  private static let mostSends = 64

  let descriptor: Descriptor
  var fill: FillRing
  var completion: CompletionRing
  var received: ReceiveRing
  var outgoing: TransmitRing
  private var known: UInt64 = 0

  /// How frames get into the socket's memory.
  enum Mode: Sendable {
    /// The driver writes into it.
    case zeroCopy
    case copy
  }

  /// - Parameter owner: the socket that registered the memory, nil to do it.
  init(_ memory: borrowing FrameMemory, owner: Int32?) throws(SystemError) {
    let descriptor = try Descriptor(
      socket(AF_XDP, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), 0), call: "AF_XDP socket")
    if owner == nil {
      try descriptor.set(SOL_XDP, XDP_UMEM_REG, memory.registration, call: "AF_XDP memory (limited by RLIMIT_MEMLOCK)")
    }
    let fill = try FillRing(descriptor, size: Self.ringSize)
    let completion = try CompletionRing(descriptor, size: Self.ringSize)
    let received = try ReceiveRing(descriptor, size: Self.ringSize)
    let outgoing = try TransmitRing(descriptor, size: Self.ringSize)
    // Kernels before Linux 6.18 have no such option, and send fewer frames with a call.
    try? descriptor.set(SOL_XDP, Self.sendBudgetOption, Self.sendBudget, call: "")
    // A frame in flight counts as sent data of the socket. Those for which there is no room are counted.
    if (try? descriptor.set(SOL_SOCKET, SO_SNDBUFFORCE, Int32(64 << 20), call: "")) == nil {
      try? descriptor.set(SOL_SOCKET, SO_SNDBUF, Int32(64 << 20), call: "")
    }
    self.descriptor = descriptor
    self.fill = fill
    self.completion = completion
    self.received = received
    self.outgoing = outgoing
  }

  /// Begins to receive from a queue.
  func bind(interface: UInt32, queue: UInt32, _ mode: Mode, owner: Int32?) throws(SystemError) {
    var address = sockaddr_xdp()
    address.sxdp_family = UInt16(AF_XDP)
    address.sxdp_ifindex = interface
    address.sxdp_queue_id = queue
    if let owner {
      address.sxdp_flags = UInt16(XDP_SHARED_UMEM)
      address.sxdp_shared_umem_fd = UInt32(owner)
    } else {
      address.sxdp_flags = UInt16((mode == .zeroCopy ? XDP_ZEROCOPY : XDP_COPY) | XDP_USE_NEED_WAKEUP)
    }
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.bind(descriptor.number, $0, socklen_t(MemoryLayout<sockaddr_xdp>.size))
      }
    }
    guard result == 0 else { throw SystemError("AF_XDP socket of queue \(queue)") }
  }

  /// Has the kernel send what is in the ring. A call sends a part only, so that it is called until all is gone, or
  /// nothing goes any more: then the frames stay in the ring until the next time.
  mutating func kick() {
    outgoing.submit()
    var left = outgoing.outstanding
    for _ in 0..<Self.mostSends where left > 0 && outgoing.needsWakeup {
      let result = sendto(descriptor.number, nil, 0, Int32(MSG_DONTWAIT), nil, 0)
      let now = outgoing.outstanding
      if now == left, result != 0 { break }
      left = now
    }
  }

  /// Tells a driver that sleeps that there is memory again.
  func wake() {
    guard fill.needsWakeup else { return }
    _ = recvfrom(descriptor.number, nil, 0, Int32(MSG_DONTWAIT), nil, nil)
  }

  /// Frames that were lost since the last call because a ring or the memory was full, or that were too long.
  mutating func overruns() -> UInt64 {
    var figures = xdp_statistics()
    var length = socklen_t(MemoryLayout<xdp_statistics>.size)
    guard unsafe getsockopt(descriptor.number, SOL_XDP, XDP_STATISTICS, &figures, &length) == 0 else { return 0 }
    let all = figures.rx_dropped &+ figures.rx_ring_full
    defer { known = all }
    return all &- known
  }
}

import Glibc
import LVS

extension Attachment where P == XDPPort {
  /// An AF_XDP socket for each receive queue, shared out among the workers, and the program that redirects to them.
  static func sockets(
    _ interface: Interface, _ mode: XDPMode, _ options: DirectorOptions, bells: [Bell]
  ) throws(PlaneError) -> Attachment {
    let longest = XDPPort.longestFrame(mtu: interface.mtu)
    let most = FrameMemory.largestChunk - FrameMemory.headroom
    guard longest <= most else {
      throw .unavailable(
        "AF_XDP takes frames up to an MTU of \(interface.mtu - longest + most), that of \(interface.name) is "
          + "\(interface.mtu): lower it, or use --data-plane af-packet")
    }
    guard options.vlan == nil || !DeviceFeatures.hidesTags(interface, isGeneric: mode == .generic) else {
      throw .unavailable(
        "\(interface.name) takes VLAN tags out of frames, where no XDP program sees them: "
          + "ethtool -K \(interface.name) rxvlan off, or use --data-plane af-packet")
    }
    let name = "xdp-\(mode == .generic ? "generic" : "native")"
    var doubt: String?
    let stored = options.stored?.take(
      [name], unless: { XDPProgram.misfit($0, interface: interface.index) }, told: { doubt = $0 })?.first
    let origin = doubt.map { "; \($0)" } ?? (stored == nil ? "" : "; goes on with the link of the lbd before this one")
    let program = try XDPProgram(
      interface, isGeneric: mode == .generic, flows: flows(options), lease: options.orphanLease, stored: stored)
    if let number = program.number { options.stored?.keep(name, number) }
    do throws(SystemError) {
      let queues = interface.queues
      let (ports, copying) = try patiently(stored != nil) { () throws(SystemError) in
        try open(interface, mode, queues: queues, bells: bells, program.flows)
      }
      for port in ports { for (queue, socket) in port.sockets { try program.redirect(queue: queue, to: socket) } }
      let kind = "\(mode == .generic ? "generic" : "native") mode, \(copying == .copy ? "copying" : "zero-copy")"
      return Attachment(
        ports: ports.map(\.box), isUnsorted: bells.count > 1,
        description: "AF_XDP on \(interface.name): \(kind), \(queues) receive queue\(queues == 1 ? "" : "s")"
          + origin,
        interface: interface.name, flows: program.flows, transmits: { program.transmits },
        extend: { program.extend() }, leave: { program.leave() },
        idle: { interface throws(SystemError) in try idle(interface, bells: bells) },
        filter: { owned throws(SystemError) in
          try program.redirect(owned, vlan: options.vlan)
          return .exact
        })
    } catch {
      throw .unavailable(error.description)
    }
  }

  /// Tries again for a while as long as queues are another process's, whose end takes the kernel a moment.
  private static func patiently<Value>(
    _ isTakingOver: Bool, _ body: () throws(SystemError) -> Value
  ) throws(SystemError) -> Value {
    for _ in 0..<(isTakingOver ? 1_000 : 0) {
      do throws(SystemError) {
        return try body()
      } catch {
        guard error.code == EBUSY else { throw error }
        usleep(1_000)
      }
    }
    return try body()
  }

  /// Flows that are offloaded at most, in 64 bytes each of the kernel's memory, which is taken at once: a quarter of the
  /// connections that the operator wants to have room for.
  private static func flows(_ options: DirectorOptions) -> Int {
    options.offloadsFlows
      ? min(max((options.connections ?? DirectorOptions.leastRoom) / 4, 1 << 12), 1 << 20) : 0
  }

  /// Ports that leave the interface free for others, of workers that wait for these.
  private static func idle(_ interface: Interface, bells: [Bell]) throws(SystemError) -> [Parcel<XDPPort>] {
    try open(interface, .copy, queues: 0, bells: bells, nil).map(\.box)
  }

  private typealias Opened = [(box: Parcel<XDPPort>, sockets: [(queue: UInt32, socket: Int32)])]

  /// Without copying where the mode lets it and the driver can; what else is wrong shows when it is tried with copying.
  private static func open(
    _ interface: Interface, _ mode: XDPMode, queues: UInt32, bells: [Bell], _ flows: FlowTable?
  ) throws(SystemError) -> (Opened, XDPSocket.Mode) {
    if mode == .native, let ports = try? open(interface, .zeroCopy, queues: queues, bells: bells, flows) {
      return (ports, .zeroCopy)
    }
    return (try open(interface, .copy, queues: queues, bells: bells, flows), .copy)
  }

  /// Worker number n gets every queue whose number leaves n when divided by the number of workers.
  private static func open(
    _ interface: Interface, _ mode: XDPSocket.Mode, queues: UInt32, bells: [Bell], _ flows: FlowTable?
  ) throws(SystemError) -> Opened {
    var inboxes: [Inbox] = []
    for bell in bells { inboxes.append(try Inbox(frame: XDPPort.longestFrame(mtu: interface.mtu), bell: bell)) }
    var opened: Opened = []
    for worker in bells.indices {
      let own = (0..<queues).filter { Int($0) % bells.count == worker }
      let port = try XDPPort(interface, queues: own, mode: mode, worker: worker, inboxes: inboxes, flows: flows)
      let sockets = port.descriptors(own)
      opened.append((Parcel(port), sockets))
    }
    return opened
  }
}

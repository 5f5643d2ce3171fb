import CBPF
import Glibc
import LVS

/// The XDP program at an interface (`redirect.bpf.c`) and its tables. The kernel takes it off when this process ends,
/// however it ends, since it is attached by a link that only the process holds.
@safe final class XDPProgram: @unchecked Sendable {
  private let object: OpaquePointer
  private let link: Descriptor
  private let settings: Int32
  private let vips: Int32
  private let sockets: Int32
  private var redirected: Set<IPAddress> = []

  /// Attaches the program, which redirects nothing yet.
  ///
  /// - Parameter isGeneric: in the network stack rather than in the driver.
  init(_ interface: Interface, isGeneric: Bool) throws(PlaneError) {
    unsafe libbpf_set_print(nil)
    // The plain one for kernels that do not tell a program of tags, and for generic mode, which cannot.
    var loaded = isGeneric ? nil : unsafe Self.load("redirect_tagged", boundTo: interface.index)
    if unsafe loaded == nil { unsafe loaded = Self.load("redirect", boundTo: nil) }
    guard let (object, program) = unsafe loaded else {
      throw .unavailable(
        "the kernel refused the XDP program (\(SystemError("bpf").description)): use --data-plane af-packet")
    }
    var options = unsafe bpf_link_create_opts()
    unsafe options.sz = unsafe MemoryLayout<bpf_link_create_opts>.size
    unsafe options.flags = UInt32(isGeneric ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE)
    let number = unsafe bpf_link_create(program, Int32(interface.index), BPF_XDP, &options)
    guard number >= 0, let link = try? Descriptor(number, call: "XDP link") else {
      let code = errno
      unsafe bpf_object__close(object)
      throw Self.refusal(code, interface)
    }
    unsafe self.object = object
    self.link = link
    (settings, vips, sockets) = unsafe (
      bpf_object__find_map_fd_by_name(object, "settings"), bpf_object__find_map_fd_by_name(object, "vips"),
      bpf_object__find_map_fd_by_name(object, "sockets")
    )
  }

  deinit {
    unsafe bpf_object__close(object)
  }

  /// Loads one of the object's programs and none else.
  private static func load(_ name: String, boundTo interface: UInt32?) -> (object: OpaquePointer, program: Int32)? {
    let octets = Self.octets(redirectProgram)
    var options = unsafe bpf_object_open_opts()
    unsafe options.sz = unsafe MemoryLayout<bpf_object_open_opts>.size
    let opened = unsafe octets.withUnsafeBytes { unsafe bpf_object__open_mem($0.baseAddress, $0.count, &options) }
    guard let object = unsafe opened else { return nil }
    var (program, wanted) = unsafe (OpaquePointer?.none, OpaquePointer?.none)
    while true {
      unsafe program = bpf_object__next_program(object, program)
      guard let one = unsafe program else { break }
      let isWanted = unsafe String(cString: bpf_program__name(one)) == name
      unsafe bpf_program__set_autoload(one, isWanted)
      if isWanted { unsafe wanted = one }
    }
    guard let wanted = unsafe wanted else { return nil }
    if let interface {
      unsafe bpf_program__set_ifindex(wanted, interface)
      unsafe bpf_program__set_flags(wanted, deviceBound)
    }
    guard unsafe bpf_object__load(object) == 0 else {
      unsafe bpf_object__close(object)
      return nil
    }
    return unsafe (object, bpf_program__fd(wanted))
  }

  /// `BPF_F_XDP_DEV_BOUND_ONLY`: the program may ask the device of a frame's metadata.
  private static let deviceBound: UInt32 = 1 << 6

  private static func octets(_ hex: String) -> [UInt8] {
    func value(_ digit: UInt8) -> UInt8 { digit < 58 ? digit - 48 : digit - 87 }
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }

  private static func refusal(_ code: Int32, _ interface: Interface) -> PlaneError {
    let reason =
      switch code {
      case EBUSY: "another XDP program is there already (ip link show \(interface.name))"
      case EOPNOTSUPP:
        "its driver cannot; --xdp-mode generic can, but drops frames above the MTU, which local stacks send"
      case ERANGE: "its MTU of \(interface.mtu) is too large"
      default: SystemError("link", code: code).description
      }
    return .unavailable("no XDP program for \(interface.name): \(reason), or use --data-plane af-packet")
  }

  // MARK: Tables

  /// Says which frames are ours: those to these stations, on the VLAN where there is one.
  func set(stations: (MACAddress, MACAddress), vlan: UInt16?) throws(SystemError) {
    func octets(_ mac: MACAddress) -> [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: mac.value >> (40 - 8 * $0)) } }
    let value = octets(stations.0) + octets(stations.1) + Self.native(vlan ?? 0)
    try update(settings, key: Self.native(UInt32(0)), value: value)
  }

  /// Redirects what is for these VIPs, and nothing else.
  func redirect(_ addresses: Set<IPAddress>) throws(SystemError) {
    for vip in addresses.subtracting(redirected) { try update(vips, key: Self.key(vip), value: [1]) }
    for vip in redirected.subtracting(addresses) {
      let key = Self.key(vip)
      _ = unsafe bpf_map_delete_elem(vips, key)
    }
    redirected = addresses
  }

  /// Redirects the frames of a receive queue to a socket.
  func redirect(queue: UInt32, to socket: Int32) throws(SystemError) {
    try update(sockets, key: Self.native(queue), value: Self.native(UInt32(socket)))
  }

  private func update(_ table: Int32, key: [UInt8], value: [UInt8]) throws(SystemError) {
    guard unsafe bpf_map_update_elem(table, key, value, 0) == 0 else { throw SystemError("table of the XDP program") }
  }

  private static func key(_ vip: IPAddress) -> [UInt8] {
    let (high, low) = vip.family == .v4 ? (0, 0xffff_0000_0000 | UInt64(vip.v4)) : (vip.high, vip.low)
    return [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
  }

  /// As it lies in this machine's memory.
  private static func native(_ number: some FixedWidthInteger) -> [UInt8] {
    unsafe withUnsafeBytes(of: number) { unsafe Array($0) }
  }
}

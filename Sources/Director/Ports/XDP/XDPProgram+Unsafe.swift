import CBPF
import Glibc
import LVS
import Synchronization

/// The XDP program at an interface (`redirect.bpf.c`) and its tables. The kernel takes it off when this process ends,
/// however it ends, since it is attached by a link that only the process holds; where somebody keeps the link, it goes on
/// with the flows that it knows until its lease has run out, or the next process puts its own in its place.
@safe final class XDPProgram: @unchecked Sendable {
  private let object: OpaquePointer
  private var link: Descriptor?
  /// What the link is to lead to with the next `redirect`: it leads to an earlier process's program still.
  private var awaited: Int32?
  private let isLeft = Atomic<Bool>(false)
  private let lease: UInt64
  private let vips: Int32
  private let sockets: Int32
  private let settings: XDPSettings
  private var redirected: [IPAddress: UInt16] = [:]
  /// The flows that the program forwards by itself; nil where it is not to.
  let flows: FlowTable?
  private let interface: UInt32
  private let isGeneric: Bool

  /// Attaches the program, which redirects nothing yet.
  ///
  /// - Parameters:
  ///   - isGeneric: in the network stack rather than in the driver.
  ///   - flows: how many flows are to be forwarded by the program itself, 0 for none.
  ///   - lease: seconds for which it goes on from the last `extend` on.
  ///   - stored: the link of an earlier process, this one's from now on. That one's program is there until the first
  ///     `redirect`.
  init(
    _ interface: Interface, isGeneric: Bool, flows: Int, lease: Int, stored: Int32? = nil
  ) throws(PlaneError) {
    unsafe libbpf_set_print(nil)
    let buckets = FlowTable.buckets(for: flows)
    // The plain one for kernels that do not tell a program of tags, and for generic mode, which cannot.
    var loaded = isGeneric ? nil : unsafe Self.load("redirect_tagged", boundTo: interface.index, buckets)
    if unsafe loaded == nil { unsafe loaded = Self.load("redirect", boundTo: nil, buckets) }
    guard let (object, program) = unsafe loaded else {
      throw .unavailable(
        "the kernel refused the XDP program (\(SystemError("bpf").description)): use --data-plane af-packet")
    }
    do throws(SystemError) {
      if let stored {
        link = try Descriptor(stored, call: "XDP link")
      } else {
        link = try Self.attach(program, interface.index, isGeneric)
      }
    } catch {
      unsafe bpf_object__close(object)
      throw Self.refusal(error.code, interface)
    }
    unsafe self.object = object
    awaited = stored == nil ? nil : program
    self.lease = UInt64(lease) * 1_000_000_000
    let table: (String) -> Int32 = { unsafe bpf_object__find_map_fd_by_name(object, $0) }
    (vips, sockets) = (table("vips"), table("sockets"))
    let seed = UInt64.random(in: .min ... .max)
    let settings = XDPSettings(table("settings"), buckets: buckets, seed: seed)
    self.settings = settings
    settings.extend(to: Clock.nanoseconds + self.lease)
    (self.interface, self.isGeneric) = (interface.index, isGeneric)
    // A kernel that maps no such table has its flows forwarded by lbd, which `lbd` tells at its start.
    guard flows > 0, let memory = try? Mapping(descriptor: table("flows"), size: buckets * FlowTable.bucketSize) else {
      self.flows = nil
      return
    }
    self.flows = FlowTable(memory, buckets: buckets, seed: seed) { settings.publish(generation: $0) }
  }

  /// Whether what the program sends goes out. A driver may come to it, and leave it, while the program is attached.
  var transmits: Bool { isGeneric || DeviceFeatures.transmitsFromXDP(interface) }

  deinit {
    if !isLeft.load(ordering: .relaxed), let number = link?.number { _ = bpf_link_detach(number) }
    unsafe bpf_object__close(object)
  }

  /// The link, for whoever is to keep it.
  var number: Int32? { link?.number }

  /// Has the program go on for a whole lease from now.
  func extend() { settings.extend(to: Clock.nanoseconds + lease) }

  /// Has the program go on where somebody keeps the link.
  func leave() { isLeft.store(true, ordering: .relaxed) }

  private static func attach(
    _ program: Int32, _ interface: UInt32, _ isGeneric: Bool
  ) throws(SystemError) -> Descriptor {
    var options = unsafe bpf_link_create_opts()
    unsafe options.sz = unsafe MemoryLayout<bpf_link_create_opts>.size
    unsafe options.flags = UInt32(isGeneric ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE)
    return try Descriptor(unsafe bpf_link_create(program, Int32(interface), BPF_XDP, &options), call: "XDP link")
  }

  /// Why a descriptor that an earlier process left is no link of an XDP program at this interface; nil where it is one.
  static func misfit(_ descriptor: Int32, interface: UInt32) -> String? {
    var info = bpf_link_info()
    var size = UInt32(MemoryLayout<bpf_link_info>.size)
    guard unsafe bpf_obj_get_info_by_fd(descriptor, &info, &size) == 0, info.type == BPF_LINK_TYPE_XDP.rawValue else {
      return "it is no link of an XDP program"
    }
    return info.xdp.ifindex == interface ? nil : "it is at another interface"
  }

  /// Puts this program in the place of the earlier process's, at one moment.
  private func replaceEarlier() throws(SystemError) {
    guard let program = awaited, let number = link?.number else { return }
    awaited = nil
    guard bpf_link_update(number, program, nil) != 0 else { return }
    // One that cannot be replaced goes, and the link with it.
    _ = bpf_link_detach(number)
    link = nil
    link = try Self.attach(program, interface, isGeneric)
  }

  /// Loads one of the object's programs and none else.
  static func load(
    _ name: String, boundTo interface: UInt32?, _ buckets: Int
  ) -> (object: OpaquePointer, program: Int32)? {
    let bytes = Self.bytes(redirectProgram)
    var options = unsafe bpf_object_open_opts()
    unsafe options.sz = unsafe MemoryLayout<bpf_object_open_opts>.size
    let opened = unsafe bytes.withUnsafeBytes { unsafe bpf_object__open_mem($0.baseAddress, $0.count, &options) }
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
    unsafe bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "flows"), UInt32(buckets))
    guard unsafe bpf_object__load(object) == 0 else {
      unsafe bpf_object__close(object)
      return nil
    }
    return unsafe (object, bpf_program__fd(wanted))
  }

  /// `BPF_F_XDP_DEV_BOUND_ONLY`: the program may ask the device of a frame's metadata.
  private static let deviceBound: UInt32 = 1 << 6

  private static func bytes(_ hex: String) -> [UInt8] {
    func value(_ digit: UInt8) -> UInt8 { digit < 58 ? digit - 48 : digit - 87 }
    let digits = Array(hex.utf8)
    return stride(from: 0, to: digits.count, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
  }

  private static func refusal(_ code: Int32, _ interface: Interface) -> PlaneError {
    let reason =
      switch code {
      case EBUSY, EEXIST: "another XDP program is there already (ip link show \(interface.name))"
      case EOPNOTSUPP:
        "its driver cannot; --xdp-mode generic can, but drops frames above the MTU, which local stacks send"
      case ERANGE: "its MTU of \(interface.mtu) is too large"
      default: SystemError("link", code: code).description
      }
    return .unavailable("no XDP program for \(interface.name): \(reason), or use --data-plane af-packet")
  }

  // MARK: Tables

  /// Redirects what is for these VIPs, and nothing else.
  func redirect(_ owned: OwnedVIPs, vlan: UInt16?) throws(SystemError) {
    try settings.set(station: owned.station, link: owned.link, vlan: vlan)
    for (vip, number) in owned.vips where redirected[vip] != number {
      try update(vips, key: Self.key(vip), value: native(number))
      redirected[vip] = number
    }
    for vip in redirected.keys where owned.vips[vip] == nil {
      let key = Self.key(vip)
      _ = unsafe bpf_map_delete_elem(vips, key)
      redirected[vip] = nil
    }
    try replaceEarlier()
  }

  /// Redirects the frames of a receive queue to a socket.
  func redirect(queue: UInt32, to socket: Int32) throws(SystemError) {
    try update(sockets, key: native(queue), value: native(UInt32(socket)))
  }

  private func update(_ table: Int32, key: [UInt8], value: [UInt8]) throws(SystemError) {
    guard unsafe bpf_map_update_elem(table, key, value, 0) == 0 else { throw SystemError("table of the XDP program") }
  }

  static func key(_ vip: IPAddress) -> [UInt8] {
    let (high, low) = vip.family == .v4 ? (0, 0xffff_0000_0000 | UInt64(vip.v4)) : (vip.high, vip.low)
    return [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
  }
}

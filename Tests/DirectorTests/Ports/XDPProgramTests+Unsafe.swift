import CBPF
import LVS
import Testing

@testable import Director

/// The XDP program itself, run by the kernel on frames of the test's (`BPF_PROG_TEST_RUN`): it is attached to nothing.
@safe private final class LoadedProgram {
  // XDP_PASS is also what becomes of a frame for a queue without a socket.
  static let (passed, sent): (UInt32, UInt32) = (2, 4)

  private let object: OpaquePointer
  private let program: Int32
  let flows: FlowTable
  let settings: XDPSettings

  /// - Returns: nil where this process may not load one.
  init?(_ owned: OwnedVIPs, vlan: UInt16? = nil) throws {
    unsafe libbpf_set_print(nil)
    let (buckets, seed) = (16, UInt64(99))
    guard let (object, program) = unsafe XDPProgram.load("redirect", boundTo: nil, buckets) else { return nil }
    unsafe (self.object, self.program) = (object, program)
    let table: (String) -> Int32 = { unsafe bpf_object__find_map_fd_by_name(object, $0) }
    let settings = XDPSettings(table("settings"), buckets: buckets, seed: seed)
    settings.extend(to: .max)
    self.settings = settings
    try settings.set(station: owned.station, link: owned.link, vlan: vlan)
    for (vip, number) in owned.vips {
      let (key, value) = (XDPProgram.key(vip), native(number))
      try #require(unsafe bpf_map_update_elem(table("vips"), key, value, 0) == 0)
    }
    let memory = try Mapping(descriptor: table("flows"), size: buckets * FlowTable.bucketSize)
    flows = FlowTable(memory, buckets: buckets, seed: seed) { settings.publish(generation: $0) }
    flows.generation.renew()
  }

  deinit {
    unsafe bpf_object__close(object)
  }

  /// What the program says of a frame, and what the frame became.
  func run(_ frame: [UInt8]) throws -> (action: UInt32, frame: [UInt8]) {
    var (input, output) = (frame, [UInt8](repeating: 0, count: frame.count + 64))
    var options = unsafe bpf_test_run_opts()
    unsafe options.sz = unsafe MemoryLayout<bpf_test_run_opts>.size
    let code = unsafe input.withUnsafeMutableBytes { input in
      unsafe output.withUnsafeMutableBytes { output in
        unsafe options.data_in = UnsafeRawPointer(input.baseAddress)
        unsafe options.data_size_in = UInt32(input.count)
        unsafe options.data_out = output.baseAddress
        unsafe options.data_size_out = UInt32(output.count)
        unsafe options.repeat = 1
        return unsafe bpf_prog_test_run_opts(program, &options)
      }
    }
    try #require(code == 0)
    return unsafe (options.retval, Array(output.prefix(Int(options.data_size_out))))
  }
}

@Suite("The XDP program: what it sends is what the director would have sent")
struct XDPProgramTests {
  private static let vips = [TestFrame().destination, IPAddress("2001:db8::100")!]
  private static let mayLoad: Bool = {
    unsafe libbpf_set_print(nil)
    guard let (object, _) = unsafe XDPProgram.load("redirect", boundTo: nil, 1) else { return false }
    unsafe bpf_object__close(object)
    return true
  }()

  private static func frame(_ client: Int, isV4: Bool) -> TestFrame {
    var frame = TestFrame()
    frame.source =
      isV4 ? IPAddress(v4: 0xc000_0201 + UInt32(client)) : IPAddress(v6: 0x2001_0db8_0001_0000, UInt64(client + 1))
    frame.destination = vips[isV4 ? 0 : 1]
    return frame
  }

  /// Frames of which connections are known, whole and damaged.
  private static func frames(_ random: inout SplitMix64) -> (whole: [UInt8], damaged: [UInt8]) {
    let (client, isV4) = (Int(random.next(through: 3)), random.next(through: 1) == 0)
    let (base, size) = (frame(client, isV4: isV4), Int(random.next(through: 200)))
    let payload = (0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    let whole =
      random.next(through: 1) == 0
      ? base.udp(from: 9, to: 53, payload: payload) : base.tcp("A", from: 9, to: 80, payload: size)
    var damaged = whole
    for _ in 0...random.next(through: 2) {
      let place = Int(random.next(through: UInt64(min(whole.count, 60) - 1)))
      damaged[place] ^= 1 << UInt8(truncatingIfNeeded: random.next(through: 7))
    }
    if random.next(through: 4) == 0 { damaged.removeLast(Int(random.next(through: UInt64(damaged.count - 14)))) }
    return (whole, damaged)
  }

  /// A director with connections of all clients, and the program that has an entry for each.
  private static func pair(vlan: UInt16? = nil) throws -> (director: TestDirector, program: LoadedProgram) {
    let director = try TestDirector(leavesChecksums: true)
    for vip in vips {
      for (transport, port) in [(TransportProtocol.tcp, UInt16(80)), (.udp, 53)] {
        let key = ServiceKey.endpoint(transport, Endpoint(vip, port))
        try director.apply(.addService(VirtualService(key, scheduler: .rr), force: false))
        let address = vip.family == .v4 ? IPAddress(v4: 0x0a01_0101) : IPAddress(v6: 0x2001_0db8_0000_0000, 0x101)
        try director.apply(.addServer(RealServer(Endpoint(address, port), mac: TestDirector.mac(1)), to: key))
      }
    }
    let numbers = Dictionary(uniqueKeysWithValues: director.services.shared.publication.snapshot.vips)
    let owned = OwnedVIPs(vips: numbers, station: TestFrame.director, link: director.link)
    let program = try #require(try LoadedProgram(owned, vlan: vlan))
    director.offload(to: program.flows)
    for client in 0..<4 {
      for isV4 in [true, false] { open(frame(client, isV4: isV4), director) }
    }
    director.offloadOffered()
    return (director, program)
  }

  private static func open(_ frame: TestFrame, _ director: TestDirector) {
    _ = director.process(frame.tcp("S", from: 9, to: 80))
    for _ in 0..<9 {
      _ = director.process(frame.tcp("A", from: 9, to: 80))
      _ = director.process(frame.udp(from: 9, to: 53))
    }
  }

  @Test("Of whole and of damaged frames", .enabled(if: mayLoad, "needs CAP_BPF and CAP_NET_ADMIN: run it as root"))
  func equivalence() throws {
    let (director, program) = try Self.pair()
    try Self.compare(director, program)
  }

  @Test("A tag stays where it is", .enabled(if: mayLoad, "needs CAP_BPF and CAP_NET_ADMIN: run it as root"))
  func tags() throws {
    let (director, program) = try Self.pair(vlan: 5)
    for isV4 in [true, false] {
      let frame = Self.frame(1, isV4: isV4).udp(from: 9, to: 53)
      func tagged(_ frame: [UInt8], _ vlan: UInt8) -> [UInt8] { frame[..<12] + [0x81, 0, 0x60, vlan] + frame[12...] }
      let (action, result) = try program.run(tagged(frame, 5))
      #expect(action == LoadedProgram.sent && result == tagged(director.process(frame).frame, 5))
      for other in [frame, tagged(frame, 6)] {
        let (action, result) = try program.run(other)
        #expect(action == LoadedProgram.passed && result == other)
      }
    }
  }

  @Test(
    "Nothing is done for a director whose lease has run out", .enabled(if: mayLoad, "needs CAP_BPF: run it as root"))
  func lease() throws {
    let (director, program) = try Self.pair()
    let frame = Self.frame(1, isV4: true).udp(from: 9, to: 53)
    program.settings.extend(to: Clock.nanoseconds - 1_000_000_000)
    let (action, result) = try program.run(frame)
    #expect(action == LoadedProgram.passed && result == frame)
    program.settings.extend(to: Clock.nanoseconds + 60_000_000_000)
    let (later, forwarded) = try program.run(frame)
    #expect(later == LoadedProgram.sent && forwarded == director.process(frame).frame)
  }

  private static func compare(_ director: TestDirector, _ program: LoadedProgram) throws {
    var random = SplitMix64(seed: 5)
    var sent = 0
    for _ in 0..<20_000 {
      let (whole, damaged) = frames(&random)
      let (action, result) = try program.run(whole)
      try #require(action == LoadedProgram.sent && result == director.process(whole).frame)
      let (otherAction, otherResult) = try program.run(damaged)
      guard otherAction == LoadedProgram.sent else { continue }
      sent += 1
      let (verdict, expected) = director.process(damaged)
      try #require(verdict.isSent && otherResult == expected, "\(damaged)")
    }
    // Damage in what the program does not look at, in the payload above all.
    #expect(sent > 1_000)
  }
}

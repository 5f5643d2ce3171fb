import IPVSMessages
import LVS
import Testing

@testable import KernelIPVS

private let web = ServiceKey("tcp:10.1.0.100:80")!
private let service = VirtualService(web, scheduler: .rr)
private let server = RealServer(Endpoint("10.1.1.1:80")!)

/// A kernel's message of a service, or of a server, with counters in a nest of the type.
private func message(_ change: Change, counters: (type: UInt16, content: [UInt8])? = nil) throws -> [UInt8] {
  let attributes = try #require(Request(change)).attributes
  guard let counters else { return attributes }
  let top = UInt16(hostBytes: attributes[2...])! & 0x3fff
  var writer = AttributeWriter()
  var inner = AttributeWriter()
  inner.put(counters.type | AttributeWriter.nested, counters.content)
  let bare = try #require(try Attributes(attributes[...]).value(top))
  writer.put(top | AttributeWriter.nested, bare + inner.bytes)
  return writer.bytes
}

private let serviceMessage = Request.addService(service).attributes
private let serverMessage = IPVSMessage(destination: DestinationMessage(server)).bytes()

/// What a listing meets on the way to a kernel and back.
@Suite("The kernel's answers in bytes")
struct SocketTests {
  @Test("A dump that was interrupted is asked for again until it is whole")
  func interrupted() throws {
    let kernel = ScriptedKernel { command, count, _ in
      switch (command, count) {
      case (.getService, 1): .messages([], isInterrupted: true)
      case (.getService, 2): .messages([serviceMessage, serviceMessage], isInterrupted: true)
      case (.getService, 3): .error(4)
      case (.getService, _): .messages([serviceMessage])
      case (.getDestination, 1): .messages([], isInterrupted: true)
      default: .messages([serverMessage])
      }
    }
    let services = try kernel.table().services()
    #expect(services.map(\.definition) == [ServiceDefinition(service, servers: [server])])
    #expect(kernel.asked == [.getService, .getService, .getService, .getService, .getDestination, .getDestination])
  }

  @Test("A table that never keeps still is given up in one line")
  func restless() async throws {
    let kernel = ScriptedKernel { _, _, _ in .messages([serviceMessage], isInterrupted: true) }
    let plane = try await kernel.plane()
    await #expect(throws: PlaneError.unavailable("the kernel's table keeps changing while it is read: try again")) {
      _ = try await plane.status()
    }
    #expect(kernel.asked.count == 8)
  }

  @Test("Counters of 32 bits are read where there are none of 64", arguments: [UInt16(10), 12])
  func counters(_ type: UInt16) throws {
    var content = AttributeWriter()
    for (number, value) in zip(UInt16(1)..., [7, 100, 200, 300_000, 400_000, 1, 2, 3, 4, 5]) {
      // The old kernel's bytes are of 64 bits among the others.
      let isWide = type == 12 || number == 4 || number == 5
      if isWide { content.put(number, number: UInt64(value)) } else { content.put(number, number: UInt32(value)) }
    }
    let bytes = content.bytes
    let listed = try message(.addService(service, force: false), counters: (type, bytes))
    let kernel = ScriptedKernel { command, _, _ in .messages(command == .getService ? [listed] : []) }
    let status = try #require(try kernel.table().services().first)
    #expect(
      status.statistics
        == Statistics(connections: 7, packets: 100, bytes: 300_000, outPackets: 200, outBytes: 400_000))
    #expect(status.rates == Rates(connections: 1, packets: 2, bytes: 4, outPackets: 3, outBytes: 5))
  }

  @Test("A family that vanishes while it is listed is told of in one line with the way out")
  func vanished() async throws {
    let kernel = ScriptedKernel { command, _, kernel in
      kernel.load(as: nil)
      return .messages([serviceMessage])
    }
    let plane = try await kernel.plane()
    let error = await #expect(throws: PlaneError.self) { _ = try await plane.status() }
    let line = try #require(error?.description)
    #expect(line.contains("modprobe ip_vs") && line.contains("lbd --data-plane af-packet") && !line.contains("\n"))
    #expect(kernel.asked == [.getService, .getDestination])
  }

  @Test("A module that was loaded anew is spoken to by its new number")
  func loadedAnew() throws {
    let kernel = ScriptedKernel { command, _, _ in command == .newService ? .error(0) : .messages([]) }
    let table = try kernel.table()
    try table.carryOut(.addService(service, force: false))
    kernel.load(as: 31)
    try table.carryOut(.addService(service, force: false))
    #expect(kernel.asked == [.newService, .newService, .newService])
  }

  @Test("Without the module there is nothing to speak to; its loading is tried")
  func missing() {
    #expect(throws: KernelError.noIPVS) { _ = try ScriptedKernel(family: nil) { _, _, _ in .error(0) }.table() }
  }

  @Test("What another hand took away between reading and writing is missed in words, and nothing more is done")
  func takenAway() async throws {
    let kernel = ScriptedKernel { command, _, _ in
      switch command {
      case .getService: .messages([serviceMessage])
      case .newDestination: .error(3)
      case .setDestination: .error(2)
      default: .error(0)
      }
    }
    let plane = try await kernel.plane()
    #expect(try await plane.find(web)?.service == service)
    await #expect(throws: PlaneError.noSuchService(web)) {
      try await plane.carryOut([.addServer(server, to: web), .removeService(web)])
    }
    await #expect(throws: PlaneError.noSuchServer(server.endpoint, web)) {
      try await plane.carryOut([.updateServer(server, of: web), .removeService(web)])
    }
    #expect(!kernel.asked.contains(.deleteService))
  }

  @Test(
    "An answer that cannot be read, or none, is told of",
    arguments: [
      ([0, 0, 0, 0], "the kernel's answer to getInfo cannot be read"), ([], "no way to the kernel's IPVS: no answer"),
    ])
  func unreadable(_ bytes: [UInt8], _ line: String) throws {
    let table = try ScriptedKernel { _, _, _ in .datagram(bytes) }.table()
    let error = #expect(throws: KernelError.self) { _ = try table.info() }
    #expect(error?.description == line)
  }
}

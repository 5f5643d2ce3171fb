import Foundation
import LVS
import Testing

@testable import Control
@testable import lbctl

@Suite("ipvsadm's command line")
struct IpvsadmTests {
  /// What Debian's ipvsadm 1.31 answered to a line on a kernel with the service 10.1.0.100:80 and one server.
  struct Recorded: Decodable, CustomTestStringConvertible {
    let line: String
    let status: Int32
    let error: String
    var testDescription: String { line }

    /// Whether ipvsadm itself turned the line down; else the kernel did, or nobody.
    var isWrong: Bool {
      let ownWords = ["unknown option", "missing argument", "Try `", "does not take"]
      return status == 2 || status == 255 && ownWords.contains { error.contains($0) }
    }
  }

  static let recorded: [Recorded] = {
    let file = Bundle.module.url(forResource: "ipvsadm-mistakes", withExtension: "json", subdirectory: "Golden")
    let data = file.flatMap { try? Data(contentsOf: $0) } ?? Data()
    return (try? JSONDecoder().decode([Recorded].self, from: data)) ?? []
  }()

  private func parse(_ line: String) -> Result<IpvsadmCommand, IpvsadmExit> {
    Result { () throws(IpvsadmExit) in
      try CommandParser.parse(line.split(separator: " ").map(String.init), program: "ipvsadm")
    }
  }

  @Test("A wrong line is told of in ipvsadm's words, with its status", arguments: recorded.filter(\.isWrong))
  func wrongLine(_ recorded: Recorded) {
    guard case .failure(let ending) = parse(recorded.line) else {
      Issue.record("taken, but ipvsadm says: \(recorded.error)")
      return
    }
    #expect(ending.text + "\n" == recorded.error)
    #expect(ending.status == recorded.status)
  }

  @Test("What ipvsadm takes is taken", arguments: recorded.filter { !$0.isWrong })
  func rightLine(_ recorded: Recorded) {
    switch parse(recorded.line) {
    case .success: break
    case .failure(let ending): #expect(ending.status == 0, "\(ending.text)")
    }
  }

  @Test("The recording is there")
  func recording() {
    #expect(Self.recorded.count > 120)
    #expect(Self.recorded.count(where: \.isWrong) > 80)
  }

  @Test("Rules that are saved read back as the same services")
  func rulesRoundTrip() throws {
    var listing = RuleListing()
    listing.showsThresholds = true
    var services = sampleServices
    services[1].servers[0].server.upperThreshold = 1000
    services[1].servers[0].server.lowerThreshold = 500
    var read: [ServiceDefinition] = []
    for line in listing.text(services).split(separator: "\n") {
      switch try parse(String(line)).get().change {
      case .addService(let service, _): read.append(ServiceDefinition(service))
      case .addServer(let server, _): read[read.count - 1].servers.append(server)
      default: Issue.record("neither -A nor -a: \(line)")
      }
    }
    #expect(read == services.map { ServiceDefinition($0.service, servers: $0.servers.map(\.server)) })
  }

  @Test("The saved rules, the tunnels and the help are ipvsadm's", arguments: ["Sn", "Ln-tun-info", "help"])
  func goldenText(_ name: String) throws {
    let sorted = ListingOrder.sorted(sampleServices).map(ListingOrder.withSortedServers)
    let text =
      switch name {
      case "Sn": RuleListing().text(sorted)
      case "help": IpvsadmHelp.text("ipvsadm") + "\n"
      default: ServiceListing.tunnels.text(sampleServices)
      }
    #expect(text == (try golden(name)))
  }

  @Test("Addresses 2^31 apart stand in ipvsadm's order: the larger one first")
  func order() {
    let services = ["10.0.0.1", "192.168.0.1"].map { ServiceStatus(service: VirtualService(key("tcp:\($0):80"))) }
    #expect(
      ListingOrder.sorted(services).map(\.service.key.description) == ["tcp:192.168.0.1:80", "tcp:10.0.0.1:80"])
  }

  @Test(
    "The plane is named among ipvsadm's own words",
    arguments: [
      (["--plane", "userspace", "-Ln"], PlaneChoice(["-Ln"], plane: "userspace")),
      (
        ["--plane=kernel", "--socket", "/s", "-A", "--plane"],
        PlaneChoice(["-A", "--plane"], plane: "kernel", socket: "/s")
      ),
      (["-Ln", "--plane=userspace", "--rate"], PlaneChoice(["-Ln", "--rate"], plane: "userspace")),
      (["-Ln", "--plane"], PlaneChoice(["-Ln", "--plane"])),
    ])
  func planeChoice(words: [String], choice: PlaneChoice) {
    #expect(PlaneChoice(words) == choice)
  }
}

extension PlaneChoice {
  fileprivate init(_ words: [String], plane: String? = nil, socket: String? = nil) {
    self.init(words)
    (self.plane, self.socket) = (plane, socket)
  }
}

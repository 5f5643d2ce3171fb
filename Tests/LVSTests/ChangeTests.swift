import LVS
import Testing

private let web = ServiceKey("tcp:192.0.2.100:80")!
private let mail = ServiceKey("tcp:192.0.2.100:25")!

private func server(_ text: String, weight: Int32 = 1) -> RealServer {
  RealServer(Endpoint(text)!, weight: Weight(weight))
}

@Suite("The changes between two configurations")
struct ChangeTests {
  private let before = [
    ServiceDefinition(VirtualService(web, scheduler: .rr), servers: [server("10.0.0.1:80"), server("10.0.0.2:80")])
  ]

  @Test("are none where nothing differs")
  func equal() { #expect(changes(from: before, to: before) == []) }

  @Test("add what is new, servers in the order given")
  func added() {
    #expect(
      changes(from: [], to: before) == [
        .addService(before[0].service, force: false), .addServer(server("10.0.0.1:80"), to: web),
        .addServer(server("10.0.0.2:80"), to: web),
      ])
  }

  @Test("remove first, then edit in place, then add")
  func mixed() {
    let after = [
      ServiceDefinition(VirtualService(mail)),
      ServiceDefinition(
        VirtualService(web, scheduler: .wrr), servers: [server("10.0.0.2:80", weight: 5), server("10.0.0.3:80")]),
    ]
    #expect(
      changes(from: before + [ServiceDefinition(VirtualService(ServiceKey("udp:192.0.2.100:53")!))], to: after) == [
        .removeService(ServiceKey("udp:192.0.2.100:53")!), .removeServer(Endpoint("10.0.0.1:80")!, from: web),
        .addService(VirtualService(mail), force: false), .updateService(VirtualService(web, scheduler: .wrr)),
        .updateServer(server("10.0.0.2:80", weight: 5), of: web), .addServer(server("10.0.0.3:80"), to: web),
      ])
  }

  @Test("say nothing of a mere other order")
  func order() {
    let reversed = [ServiceDefinition(before[0].service, servers: before[0].servers.reversed())]
    #expect(changes(from: before, to: reversed) == [])
  }
}

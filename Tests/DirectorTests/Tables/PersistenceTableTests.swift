import LVS
import Synchronization
import Testing

@testable import Director

@Suite("The table of persistence templates")
struct PersistenceTableTests {
  private static let key = ServiceKey("tcp:10.1.0.100:80")!
  private static let client = IPAddress("192.0.2.1")!

  /// Begins three connections of a client and ends them, time after time, while another thread ends all templates whose
  /// time is up; how many connections there were.
  private func contend(_ director: TestDirector) throws -> Int {
    let service = try director.services.find(Self.key)
    let (shared, settings, vip) = (director.services.shared, director.services.settings, service.vip)
    let new = NewConnection(client: Self.client, clientPort: 1, destination: Self.client, now: director.now)
    let isOver = Atomic<Bool>(false)
    let begun = Atomic<Int>(0)
    let opener = try Thread(name: "opener") {
      while !isOver.load(ordering: .relaxed) {
        var templates: [UInt32] = []
        for _ in 0..<3 {
          let opening = service.locked {
            $0.open(new, port: 80, vip: vip, callID: 0, active: true, shared, settings)
          }
          guard case .server(_, let template) = opening else { continue }
          templates.append(template)
        }
        for template in templates { shared.persistence.disown(template, forced: false) }
        begun.wrappingAdd(templates.count, ordering: .relaxed)
      }
    }
    for tick in 1...400_000 { shared.persistence.expire(director.now + UInt32(tick)) }
    isOver.store(true, ordering: .relaxed)
    opener.join()
    return begun.load(ordering: .relaxed)
  }

  @Test("keeps a template that a connection begins with, at whichever moment its time is up")
  func adoptionAndExpiry() throws {
    let director = try TestDirector()
    let service = VirtualService(Self.key, scheduler: .rr, persistence: Persistence(timeout: 1, netmask: .v4(~0)))
    try director.apply(
      .addService(service, force: false),
      .addServer(RealServer(TestDirector.server(1), mac: TestDirector.mac(1)), to: Self.key))
    #expect(try contend(director) > 1_000)
    #expect(director.templates.allSatisfy { $0.parent == 0 }, "as many ended as began")
  }
}

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
    let (shared, vip) = (director.services.shared, service.vip)
    let new = NewConnection(client: Self.client, clientPort: 1, destination: Self.client, now: director.now)
    let isOver = Atomic<Bool>(false)
    let begun = Atomic<Int>(0)
    let opener = try Thread(name: "opener") {
      while !isOver.load(ordering: .relaxed) {
        var templates: [TemplateNumber] = []
        for _ in 0..<3 {
          let opening = service.locked {
            $0.open(new, port: 80, vip: vip, callID: 0, active: true, expireQuiescent: false, shared)
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

  private func adopt(
    _ table: PersistenceTable, _ client: UInt32, callID: UInt64 = 0, countsChild: Bool = false
  ) -> PersistenceTable.Adoption {
    let address = IPAddress(v4: client)
    let key = PersistenceTable.key(address, port: 80, vip: 1, Self.key, .host(.v4), callID: callID)
    return table.adopt(
      key, callID: callID, lifetime: 36_000, 0, expireQuiescent: false, countsChild: countsChild
    ) { 0 }
  }

  private func number(_ adoption: PersistenceTable.Adoption) -> TemplateNumber {
    if case .template(let number, _) = adoption { number } else { 0 }
  }

  private func table(capacity: Int) throws -> PersistenceTable {
    let servers = try ServerTable(SavedNames(nil).servers)
    _ = servers.allocate(service: 0, endpoint: TestDirector.server(1))
    return try PersistenceTable(capacity: capacity, seed: 1, servers: servers)
  }

  @Test("makes room with templates without connections, those that none was established of first, the oldest of them")
  func displacement() throws {
    let table = try table(capacity: 4)
    let used = number(adopt(table, 1, countsChild: true))
    let assured = number(adopt(table, 2))
    table.assure(assured)
    for client in UInt32(3)...4 { _ = adopt(table, client) }
    #expect(number(adopt(table, 5)) != 0 && table.evicted == 1)
    let clients = { Set(table.slice(from: 1, limit: .max).0.map { $0.client(.v4).v4 }) }
    #expect(clients() == [1, 2, 4, 5])
    for client in UInt32(6)...9 { _ = adopt(table, client, countsChild: true) }
    #expect(clients() == [1, 7, 8, 9] || clients() == [1, 6, 7, 8], "the assured one went last")
    #expect(adopt(table, 10) == .full)
    table.disown(used, forced: false)
    #expect(number(adopt(table, 10)) == used && table.count == 4)
  }

  @Test("shows the clients of those that go by a Call-ID as they are")
  func callIDs() throws {
    let table = try table(capacity: 100)
    #expect(number(adopt(table, 1, callID: 77)) != number(adopt(table, 1)))
    let clients = table.slice(from: 1, limit: .max).0
    #expect(clients.map(\.high) == clients.map { _ in IPAddress(v4: 1).high })
  }

  @Test("keeps a template that a connection begins with, at whichever moment its time is up")
  func adoptionAndExpiry() throws {
    let director = try TestDirector()
    let service = VirtualService(Self.key, scheduler: .rr, persistence: Persistence(timeout: 1, netmask: .v4(~0)))
    try director.apply(
      .addService(service, force: false),
      .addServer(RealServer(TestDirector.server(1), mac: TestDirector.mac(1)), to: Self.key))
    #expect(try contend(director) > 1_000)
    #expect(director.templates.allSatisfy { $0.children == 0 }, "as many ended as began")
  }
}

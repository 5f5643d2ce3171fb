import LVS

/// A service on its way to what it is to be: made of the steps of a change, one after the other, beside the list that
/// workers schedule from.
final class StagedService {
  let service: Service
  private(set) var definition: VirtualService
  private(set) var isRemoved: Bool
  /// Whether another scheduler takes over.
  var needsScheduler = false
  /// Whether it is a new one, whose counters begin at zero.
  private(set) var isAdded = false
  /// Its servers' numbers, the oldest first.
  private(set) var members: [ServerNumber] = []
  /// Numbers that were given out for this, to be taken back where it comes to nothing.
  private(set) var allocated: [ServerNumber] = []

  private let servers: ServerTable
  /// Of the members as they were.
  private let before: [ServerNumber]
  private var loads: [ServerNumber: ServerLoad] = [:]
  private var settings: [ServerNumber: RealServer] = [:]
  private var edits: [ListEdit] = []
  private var trash: [Endpoint: ServerNumber]

  /// The service as it is.
  init(_ service: Service, _ servers: ServerTable) {
    (self.service, self.servers) = (service, servers)
    let (definition, isRemoved, trash, loads) = service.locked { state in
      (state.definition, state.isRemoved, state.trash, (0..<state.list.count).map { state.list[$0] })
    }
    (self.definition, self.isRemoved, self.trash) = (definition, isRemoved, trash)
    before = loads.reversed().map(\.id)
    members = before
    for load in loads { self.loads[load.id] = load }
  }

  // MARK: Steps

  func add(_ definition: VirtualService) {
    (self.definition, isRemoved, needsScheduler, isAdded) = (definition, false, true, true)
  }

  func update(_ definition: VirtualService) {
    let old = self.definition
    if old.scheduler != definition.scheduler || old.flags != definition.flags { needsScheduler = true }
    self.definition = definition
  }

  func remove() {
    for number in members { trash[servers[number].endpoint] = number }
    (members, isRemoved, needsScheduler) = ([], true, true)
  }

  /// Takes the server back from the trash, or takes a number for it.
  ///
  /// - Parameter allocate: gives out a number; nil where all are in use.
  func add(_ server: RealServer, _ allocate: (Endpoint) -> ServerNumber?) throws(PlaneError) {
    let endpoint = server.endpoint
    guard let number = trash.removeValue(forKey: endpoint) ?? take(allocate(endpoint)) else {
      throw .full("\(ServerTable.capacity) real servers are the most there can be")
    }
    let weight = server.weight.effective
    loads[number] = ServerLoad(
      id: number, weight: weight, lastWeight: weight, address: endpoint.address.folded, port: endpoint.port)
    settings[number] = server
    members.append(number)
    edits.append(.added)
  }

  /// It is not new, but goes on where an earlier process had it.
  func resume(_ saved: KeptRows<SavedServer>) {
    isAdded = false
    for number in members where !allocated.contains(number) {
      let weight = saved[Int(number)].lastWeight
      if weight > 0, loads[number]?.weight == 0 { loads[number]?.lastWeight = weight }
    }
  }

  private func take(_ number: ServerNumber?) -> ServerNumber? {
    if let number { allocated.append(number) }
    return number
  }

  func update(_ server: RealServer) throws(PlaneError) {
    let index = try index(of: server.endpoint)
    let (number, weight) = (members[index], server.weight.effective)
    loads[number]?.weight = weight
    if weight != 0 { loads[number]?.lastWeight = weight }
    settings[number] = server
    edits.append(.edited(at: position(index)))
  }

  func remove(_ endpoint: Endpoint) throws(PlaneError) {
    let index = try index(of: endpoint)
    edits.append(.removed(at: position(index)))
    trash[endpoint] = members.remove(at: index)
  }

  private func index(of endpoint: Endpoint) throws(PlaneError) -> Int {
    guard let index = members.firstIndex(where: { servers[$0].endpoint == endpoint }) else {
      throw .noSuchServer(endpoint, service.key)
    }
    return index
  }

  /// In the scheduler's order, where the newest server comes first.
  private func position(_ index: Int) -> Int { members.count - 1 - index }

  // MARK: What comes of them

  /// Whether a scheduler's tables have to be filled anew.
  var hasAnotherList: Bool { !edits.isEmpty || needsScheduler }

  /// The servers that go.
  var removed: [ServerNumber] {
    let staying = Set(members)
    return (before + allocated).filter { !staying.contains($0) }
  }

  /// The list as it is to be, without counts.
  var list: ServerList {
    var list = ServerList()
    for number in members.reversed() { if let load = loads[number] { list.append(load) } }
    return list
  }

  /// - Parameter scheduler: takes over where there is one.
  func pending(
    at moment: UInt64, _ scheduler: (any Scheduler)?, isBound: Bool, now: UInt32
  ) -> PendingService {
    PendingService(
      moment: moment, definition: definition, isRemoved: isRemoved, list: list, edits: edits, scheduler: scheduler,
      isBound: isBound, settings: members.compactMap { number in settings[number].map { (number, $0) } },
      removed: removed, now: now)
  }
}

import LVS
import Testing

@testable import Director

/// A list and its scheduler, kept in step as the director does.
final class ScheduledService {
  private(set) var list = ServerList()
  private(set) var scheduler: any Scheduler

  /// A scheduler that is bound to an empty list, as for a new service.
  init(
    _ name: SchedulerName, flags: SchedulerFlags = [], mhTableSize: Int = 4093, cacheExpiration: UInt32 = 86_400 * 100
  ) throws {
    scheduler = try #require(
      makeScheduler(name, flags: flags, mhTableSize: mhTableSize, cacheExpiration: cacheExpiration, seed: 1))
    scheduler.bind(list)
  }

  /// As the golden files add them: RS1…RSn, one by one, with the addresses that the hashes go by.
  convenience init(_ name: SchedulerName, weights: [Int32], flags: SchedulerFlags = [], mhTableSize: Int = 4093) throws
  {
    try self.init(name, flags: flags, mhTableSize: mhTableSize)
    for (index, weight) in weights.enumerated() { add(.realServer(index + 1, weight: weight)) }
  }

  /// The numbers of the servers in the order of the list.
  var order: [UInt32] { (0..<list.count).map { list[$0].id.rawValue } }

  func position(of id: UInt32) -> Int? { order.firstIndex(of: id) }

  func add(_ server: ServerLoad) {
    list.insertFirst(server)
    scheduler.changed(by: [.added], list)
  }

  func remove(at position: Int) {
    list.remove(at: position)
    scheduler.changed(by: [.removed(at: position)], list)
  }

  func edit(at position: Int, weight: Int32) {
    list[position].weight = weight
    if weight != 0 { list[position].lastWeight = weight }
    scheduler.changed(by: [.edited(at: position)], list)
  }

  /// Replaces counts and the overload mark.
  func setLoad(at position: Int, _ load: ServerLoad) {
    list[position] = load
    scheduler.loadChanged(at: position, list)
  }

  /// Binds another scheduler to the list as it is.
  func rebind(_ name: SchedulerName) throws {
    scheduler = try #require(makeScheduler(name, flags: [], seed: 1))
    scheduler.bind(list)
  }

  func pick(_ connection: NewConnection = .any) -> Int? { scheduler.pick(connection, list) }

  /// A TCP connection of which only the SYN was seen: an active one that stays. The number of its server.
  func open(_ connection: NewConnection = .any) -> UInt32? {
    guard let position = pick(connection) else { return nil }
    list[position].active += 1
    scheduler.loadChanged(at: position, list)
    return list[position].id.rawValue
  }

  func open(times: Int) -> [UInt32?] { (0..<times).map { _ in open() } }
}

extension ServerLoad {
  /// RSn of the golden files: 10.1.1.n, port 80.
  static func realServer(_ number: Int, weight: Int32) -> ServerLoad {
    ServerLoad(
      id: ServerNumber(number), weight: weight, lastWeight: weight, address: 0x0a01_0100 + UInt32(number), port: 80)
  }
}

extension NewConnection {
  /// For schedulers that look at the servers only.
  static let any = NewConnection(
    client: IPAddress(v4: 0xc000_0201), clientPort: 20_000, destination: IPAddress(v4: 0x0a01_d228), now: 0)
}

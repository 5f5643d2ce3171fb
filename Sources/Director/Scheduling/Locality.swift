/// What `lblc` and `lblcr` have in common: which destination was sent where, and `wlc` for all others.
final class Locality {
  let wholeService = LeastCost(.weightedLeastConnection)
  var crowding = Crowding()
  let cache: DestinationCache
  /// Hundredths of a second.
  let expiration: UInt32

  init(expiration: UInt32) {
    self.expiration = expiration
    cache = DestinationCache(expiration: expiration)
  }

  func countCrowding(_ servers: borrowing ServerList) {
    var new = Crowding(servers)
    swap(&crowding, &new)
  }
}

/// A scheduler that follows its service's list by a `Locality`.
protocol LocalityScheduler: Scheduler {
  var locality: Locality { get }
}

extension LocalityScheduler {
  func bind(_ servers: borrowing ServerList) {
    locality.wholeService.bind(servers)
    locality.countCrowding(servers)
    locality.cache.removeAll()
  }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) {
    locality.wholeService.changed(by: edits, servers)
    locality.countCrowding(servers)
    locality.cache.follow(servers)
  }

  func loadChanged(at position: Int, _ servers: borrowing ServerList) {
    locality.wholeService.loadChanged(at: position, servers)
    locality.crowding.update(position, servers)
  }
}

/// Whether a server is crowded while others have room, which is what makes `lblc` and `lblcr` leave it:
/// its active connections are more than its weight, and some server has fewer than half of its own weight.
struct Crowding: ~Copyable {
  /// 1 for a server that has room, else 0: the root tells of all.
  private let room: SegmentTree<GreatestWeight>

  /// Of no servers.
  init() {
    room = SegmentTree()
  }

  init(_ servers: borrowing ServerList) {
    room = SegmentTree(servers) { server, _ in Self.room(at: server) }
  }

  func update(_ position: Int, _ servers: borrowing ServerList) {
    room.update(position, to: Self.room(at: servers[position]))
  }

  func isCrowded(_ server: ServerLoad) -> Bool {
    Int64(server.active) > Int64(server.weight) && room.root.weight > 0
  }

  private static func room(at server: ServerLoad) -> GreatestWeight {
    GreatestWeight(weight: Int64(server.active) * 2 < Int64(server.weight) ? 1 : 0)
  }
}

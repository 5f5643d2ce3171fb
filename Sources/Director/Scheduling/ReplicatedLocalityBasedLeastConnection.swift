/// `lblcr`: a set of servers for each destination address, which grows where one is not enough.
///
/// Of the destination's set, the member that `wlc` would choose is chosen while it is not crowded (see `Crowding`);
/// otherwise `wlc` chooses from the whole service, and its choice joins the set at the head. A set of two or more
/// that has not changed for the expiration time loses its busiest member: the greatest overhead / weight, the first
/// of equals. A pick looks at each member of one set, so it costs as much as that destination has servers.
final class ReplicatedLocalityBasedLeastConnection: LocalityScheduler {
  let locality: Locality

  /// `expiration`: how long a destination is remembered without use, and after which an unchanged set shrinks, in
  /// hundredths of a second.
  init(expiration: UInt32) {
    locality = Locality(expiration: expiration)
  }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    locality.cache.expire(now: connection.now)
    let known = locality.cache.find(connection.destination, now: connection.now)
    if let known {
      let least = locality.cache.leastLoaded(of: known, servers)
      locality.cache.shrink(known, servers, unchangedFor: locality.expiration, now: connection.now)
      if let least, !locality.crowding.isCrowded(servers[least]) { return least }
    }
    guard let best = locality.wholeService.best else { return nil }
    if let entry = known ?? locality.cache.insert(connection.destination, now: connection.now) {
      locality.cache.addMember(servers[best].id, at: best, to: entry, now: connection.now)
    }
    return best
  }
}

extension DestinationCache {
  /// The position of the member that `wlc` would choose.
  fileprivate func leastLoaded(of entry: Int32, _ servers: borrowing ServerList) -> Int? {
    var least: Int?
    var (cost, weight): (UInt64, UInt64) = (1, 0)
    var member = self[entry: entry].firstMember
    while member >= 0 {
      let position = Int(self[member: member].position)
      if position >= 0 && servers[position].isUsable {
        let server = servers[position]
        if cost &* UInt64(server.weight) > server.overhead &* weight {
          (least, cost, weight) = (position, server.overhead, UInt64(server.weight))
        }
      }
      member = self[member: member].next
    }
    return least
  }

  /// Lets the busiest member go, if there are two or more and the set has not changed for longer than `age`.
  fileprivate func shrink(
    _ entry: Int32, _ servers: borrowing ServerList, unchangedFor age: UInt32, now: UInt32
  ) {
    let set = self[entry: entry]
    guard set.memberCount > 1, Int32(bitPattern: now &- set.lastChange) > Int32(bitPattern: age) else { return }
    guard let busiest = busiest(of: set, servers) else { return }
    removeMember(busiest, from: entry, now: now)
  }

  /// The member to let go: one that left the service, else the greatest overhead / weight; weight 0 does not count.
  private func busiest(of set: Entry, _ servers: borrowing ServerList) -> Int32? {
    var busiest: Int32?
    var (cost, weight): (UInt64, UInt64) = (0, 0)
    var member = set.firstMember
    while member >= 0 {
      let position = Int(self[member: member].position)
      if position < 0 { return member }
      let server = servers[position]
      if server.weight > 0 && (busiest == nil || cost &* UInt64(server.weight) < server.overhead &* weight) {
        (busiest, cost, weight) = (member, server.overhead, UInt64(server.weight))
      }
      member = self[member: member].next
    }
    return busiest
  }
}

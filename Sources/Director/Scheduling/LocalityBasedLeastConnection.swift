/// `lblc`: one server for each destination address as long as it is not overloaded; for caching proxies.
///
/// The server that the destination was sent to last is chosen again while it is in the service, has a weight above
/// 0 and is not crowded (see `Crowding`). Otherwise `wlc` chooses, and its choice is remembered. As in the kernel,
/// the overload mark of thresholds keeps a server from being chosen by `wlc`, not from being chosen again.
final class LocalityBasedLeastConnection: LocalityScheduler {
  let locality: Locality

  /// `expiration`: how long a destination is remembered without use, in hundredths of a second.
  init(expiration: UInt32) {
    locality = Locality(expiration: expiration)
  }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    locality.cache.expire(now: connection.now)
    let known = locality.cache.find(connection.destination, now: connection.now)
    if let known, let position = locality.cache.firstPosition(of: known), servers[position].weight > 0,
      !locality.crowding.isCrowded(servers[position])
    {
      return position
    }
    guard let best = locality.wholeService.best else { return nil }
    if let entry = known ?? locality.cache.insert(connection.destination, now: connection.now) {
      locality.cache.setOnlyMember(servers[best].id, at: best, of: entry)
    }
    return best
  }
}

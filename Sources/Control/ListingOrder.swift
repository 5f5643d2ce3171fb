import LVS

/// ipvsadm's order of a listing. It subtracts, in 32 bits with a sign, so that of two addresses that lie 2^31 or more
/// apart the larger one comes first; and since such an order goes in circles, the way of sorting shows: glibc's merges.
public enum ListingOrder {
  /// The services, each with its servers as they are.
  public static func sorted(_ services: [ServiceStatus]) -> [ServiceStatus] {
    merged(services) { compare($0.service.key, $1.service.key) }
  }

  public static func withSortedServers(_ service: ServiceStatus) -> ServiceStatus {
    var service = service
    service.servers = merged(service.servers) { compare($0.server.endpoint, $1.server.endpoint) }
    return service
  }

  private static func compare(_ a: ServiceKey, _ b: ServiceKey) -> Int32 {
    switch (a, b) {
    case (.fwmark(let m, let f), .fwmark(let n, let g)):
      m == n ? Int32(f.rawValue) - Int32(g.rawValue) : Int32(bitPattern: m &- n)
    case (.fwmark(let mark, _), .endpoint): Int32(bitPattern: mark)
    case (.endpoint, .fwmark(let mark, _)): Int32(bitPattern: 0 &- mark)
    case (.endpoint(let p, let x), .endpoint(let q, let y)):
      if x.address.family != y.address.family {
        x.address.family < y.address.family ? -1 : 1
      } else {
        p == q ? compare(x, y) : Int32(p.rawValue) - Int32(q.rawValue)
      }
    }
  }

  private static func compare(_ a: Endpoint, _ b: Endpoint) -> Int32 {
    for (x, y) in zip(a.address.words, b.address.words) where x != y { return Int32(bitPattern: x &- y) }
    return Int32(a.port) - Int32(b.port)
  }

  private static func merged<Element>(_ list: [Element], _ compare: (Element, Element) -> Int32) -> [Element] {
    guard list.count > 1 else { return list }
    let middle = list.count / 2
    var first = merged(Array(list[..<middle]), compare)[...]
    var second = merged(Array(list[middle...]), compare)[...]
    var result: [Element] = []
    result.reserveCapacity(list.count)
    while let a = first.first, let b = second.first {
      if compare(a, b) <= 0 {
        result.append(a)
        first = first.dropFirst()
      } else {
        result.append(b)
        second = second.dropFirst()
      }
    }
    return result + first + second
  }
}

extension IPAddress.Family {
  fileprivate static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

extension IPAddress {
  /// The address in words of 32 bits.
  fileprivate var words: [UInt32] {
    family == .v4 ? [v4] : [high >> 32, high, low >> 32, low].map { UInt32(truncatingIfNeeded: $0) }
  }
}

/// A virtual service as its operator sets it. What it does meanwhile is `ServiceStatus`.
public struct VirtualService: Hashable, Sendable {
  public var key: ServiceKey
  public var scheduler: SchedulerName
  public var flags: SchedulerFlags
  public var persistence: Persistence?
  /// The persistence engine; `sip` is the only one there is.
  public var persistenceEngine: String?
  /// One-packet scheduling (UDP only): every datagram is scheduled anew and leaves no connection.
  public var onePacket: Bool

  public init(
    _ key: ServiceKey, scheduler: SchedulerName = .wlc, flags: SchedulerFlags = [], persistence: Persistence? = nil,
    persistenceEngine: String? = nil, onePacket: Bool = false
  ) {
    self.key = key
    self.scheduler = scheduler
    self.flags = flags
    self.persistence = persistence
    self.persistenceEngine = persistenceEngine
    self.onePacket = onePacket
  }
}

/// How long, and for clients of what width, one client keeps its real server.
public struct Persistence: Hashable, Sendable {
  /// ipvsadm's value for `-p` without a number.
  public static let defaultTimeout: UInt32 = 360
  /// What ipvsadm accepts, in seconds: up to 31 days.
  public static let timeouts: ClosedRange<UInt32> = 1...2_678_400

  /// The template's lifetime in seconds, counted anew from each new connection.
  public var timeout: UInt32
  public var netmask: Netmask

  public init(timeout: UInt32 = defaultTimeout, netmask: Netmask) {
    (self.timeout, self.netmask) = (timeout, netmask)
  }
}

/// The granularity of persistence: an IPv4 mask of any shape, or an IPv6 prefix length.
public enum Netmask: Hashable, Sendable, LosslessStringConvertible {
  /// In host order: 255.255.255.0 is 0xffffff00.
  case v4(UInt32)
  /// 1 to 128.
  case v6(UInt8)

  /// The mask that tells every client from every other.
  public static func host(_ family: IPAddress.Family) -> Netmask {
    family == .v4 ? .v4(0xffff_ffff) : .v6(128)
  }

  public init?(_ text: String) {
    if let address = IPAddress(text), address.family == .v4, address.v4 != 0 {
      self = .v4(address.v4)
    } else if let prefix = UInt8(text), (1...128).contains(prefix) {
      self = .v6(prefix)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .v4(let mask): IPAddress(v4: mask).description
    case .v6(let prefix): String(prefix)
    }
  }

  public var family: IPAddress.Family {
    if case .v4 = self { .v4 } else { .v6 }
  }

  /// The part of a client's address that the mask keeps. The families must agree.
  @inlinable
  public func apply(_ client: IPAddress) -> IPAddress {
    switch self {
    case .v4(let mask): IPAddress(v4: client.v4 & mask)
    case .v6(let prefix): client.masked(prefix: prefix)
    }
  }
}

/// A real server's weight in layers: what the operator asked for, and what else has a say in it.
///
/// Schedulers see `effective` and nothing else. What was asked for stays beneath it, so that whatever holds the weight
/// down can let go of it again, in any order.
public struct Weight: Hashable, Sendable {
  /// What ipvsadm accepts.
  public static let range: ClosedRange<Int32> = 0...65535

  /// Something that holds the weight down.
  public enum Hold: String, Hashable, Sendable, Codable, CaseIterable {
    /// The operator drains the server: it gets no new connections, those it has go on.
    case drain
    /// It is down by its health checks: it gets no new connections, those it has go on.
    case health
    /// It is down by its health checks, and taken out of the service.
    case removed
    /// It came back a while ago, and its weight grows.
    case slowStart = "slow_start"
    /// Its service's discovery no longer finds it: it gets no new connections, those it has go on for a while.
    case leaving
    /// Nobody answers at its address (ARP, ND): it gets no new connections while another server is there.
    case neighbor

    /// As listings name it.
    public var words: String { self == .slowStart ? "slow-start" : rawValue }
  }

  /// What the operator asked for; 0 quiesces the server.
  public var asked: Int32
  /// Whether the operator drains the server until that is undone.
  public var isDrained: Bool
  /// What health checks leave of it.
  public internal(set) var standing = Standing.full
  /// Whether nobody answers at the server's address while another server is there.
  public internal(set) var isUnreachable = false
  /// Whether a discovery no longer finds the server.
  public internal(set) var isLeaving = false
  /// What all weights of the service are multiplied by, at least 1: small ones could not grow in steps.
  var scale: Int32 = 1

  public init(_ asked: Int32 = 1, isDrained: Bool = false) {
    (self.asked, self.isDrained) = (asked, isDrained)
  }

  /// Goes on as health has it.
  mutating func keep(_ other: Weight?) {
    (standing, scale) = (other?.standing ?? .full, other?.scale ?? 1)
    isUnreachable = other?.isUnreachable ?? false
  }

  /// What schedulers go by.
  public var effective: Int32 {
    if isDrained || isLeaving || isUnreachable || asked == 0 { return 0 }
    let whole = scale == 1 ? asked : min(asked &* scale, Self.range.upperBound)
    return switch standing {
    case .full: whole
    case .growing(let percent): max(whole * Int32(percent) / 100, 1)
    case .quiesced, .removed: 0
    }
  }

  /// Why the effective weight is less than what was asked for.
  public var holds: [Hold] {
    let health: [Hold] =
      switch standing {
      case .full: []
      case .growing: [.slowStart]
      case .quiesced: [.health]
      case .removed: [.removed]
      }
    return (isDrained ? [.drain] : []) + (isLeaving ? [.leaving] : []) + health + (isUnreachable ? [.neighbor] : [])
  }
}

extension Weight: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int32) { self.init(value) }
}

/// A real server's weight in layers: what the operator asked for, and what else has a say in it.
///
/// Schedulers see `effective` and nothing else. What was asked for stays beneath it, so that whatever holds the weight
/// down can let go of it again, in any order.
public struct Weight: Hashable, Sendable {
  /// What ipvsadm accepts.
  public static let range: ClosedRange<Int32> = 0...65535

  /// Something that holds the weight down, as listings name it.
  public enum Hold: String, Hashable, Sendable, Codable {
    /// The operator drains the server: it gets no new connections, those it has go on.
    case drain
  }

  /// What the operator asked for; 0 quiesces the server.
  public var asked: Int32
  /// Whether the operator drains the server until that is undone.
  public var isDrained: Bool

  public init(_ asked: Int32 = 1, isDrained: Bool = false) {
    (self.asked, self.isDrained) = (asked, isDrained)
  }

  /// What schedulers go by.
  public var effective: Int32 { isDrained ? 0 : asked }

  /// Why the effective weight is less than what was asked for.
  public var holds: [Hold] { isDrained ? [.drain] : [] }
}

extension Weight: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int32) { self.init(value) }
}

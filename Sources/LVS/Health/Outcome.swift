/// What one attempt of a check came to, in words for the operator.
public enum Outcome: Hashable, Sendable {
  case good(String)
  case bad(String)
  /// The director could not ask: that says nothing about the server.
  case unclear(String)

  public var words: String {
    switch self {
    case .good(let words), .bad(let words), .unclear(let words): words
    }
  }

  public var isGood: Bool {
    if case .good = self { true } else { false }
  }
}

/// An attempt that has ended.
public struct AttemptResult: Hashable, Sendable {
  public let outcome: Outcome
  /// Microseconds from its begin to its end.
  public let latency: UInt64

  public init(_ outcome: Outcome, latency: UInt64) { (self.outcome, self.latency) = (outcome, latency) }
}

/// How many attempts there were, by what they came to.
public struct AttemptCounts: Hashable, Sendable, Codable {
  public private(set) var good: UInt64 = 0
  public private(set) var bad: UInt64 = 0
  public private(set) var unclear: UInt64 = 0

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case good, bad, unclear
  }

  public init() {}

  public mutating func add(_ outcome: Outcome) {
    switch outcome {
    case .good: good += 1
    case .bad: bad += 1
    case .unclear: unclear += 1
    }
  }
}

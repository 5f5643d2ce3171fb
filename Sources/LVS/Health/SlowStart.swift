/// The growth of a server's share after it came back: from a twentieth to the whole, in twenty equal steps.
public struct SlowStart: Hashable, Sendable {
  /// So many steps there are; each is a change of the data plane's, so they are few.
  public static let steps: Moment = 20

  public let begin: Moment
  /// In milliseconds, at least one.
  public let duration: Moment

  public init(at begin: Moment, over period: Period) {
    (self.begin, duration) = (begin, max(Moment(period.milliseconds), 1))
  }

  /// The share of its weight that the server has, in percent: 5 to 100.
  public func percent(at now: Moment) -> UInt8 {
    UInt8(min(step(at: now) + 1, Self.steps) * 100 / Self.steps)
  }

  /// When the share grows next; nil where it is whole.
  public func nextStep(after now: Moment) -> Moment? {
    let step = step(at: now)
    guard step + 1 < Self.steps else { return nil }
    // The first moment at which `step(at:)` is one more.
    return begin + ((step + 1) * duration + Self.steps - 1) / Self.steps
  }

  private func step(at now: Moment) -> Moment {
    min((now - min(begin, now)).multipliedSaturating(by: Self.steps) / duration, Self.steps)
  }
}

extension Moment {
  fileprivate func multipliedSaturating(by factor: Moment) -> Moment {
    let (product, overflows) = multipliedReportingOverflow(by: factor)
    return overflows ? .max : product
  }
}

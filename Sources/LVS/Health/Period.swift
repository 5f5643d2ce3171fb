/// A length of time in whole milliseconds, written with its unit: `500ms`, `30s`, `2m`, `1h`.
public struct Period: Hashable, Sendable, Comparable {
  public var milliseconds: UInt32

  public static func milliseconds(_ count: UInt32) -> Period { Period(milliseconds: count) }

  /// At most a month's worth; more is cut to what there is room for.
  public static func seconds(_ count: UInt32) -> Period {
    let (product, overflows) = count.multipliedReportingOverflow(by: 1000)
    return Period(milliseconds: overflows ? .max : product)
  }

  public static func < (a: Period, b: Period) -> Bool { a.milliseconds < b.milliseconds }
}

extension Period: TextCodable {
  public static var kind: String { "a length of time such as 500ms, 30s or 2m" }

  /// From the longest on.
  private static let units: [(name: String, milliseconds: UInt32)] = [
    ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1),
  ]

  public init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let name = text[digits.endIndex...]
    guard let count = UInt32(digits), let unit = Self.units.first(where: { $0.name == name }) else { return nil }
    let (product, overflows) = count.multipliedReportingOverflow(by: unit.milliseconds)
    if overflows { return nil }
    milliseconds = product
  }

  public var description: String {
    let unit = Self.units.first { milliseconds >= $0.milliseconds && milliseconds % $0.milliseconds == 0 }
    guard let unit else { return "0s" }
    return "\(milliseconds / unit.milliseconds)\(unit.name)"
  }
}

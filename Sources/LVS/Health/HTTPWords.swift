/// A set of HTTP status codes, written `200-299,301`.
public struct StatusSet: Hashable, Sendable {
  /// In the order they were written.
  public var ranges: [ClosedRange<UInt16>]

  public init(_ ranges: [ClosedRange<UInt16>]) { self.ranges = ranges }

  /// What counts as a good answer where nothing else is said: success and redirection.
  public static let good = StatusSet([200...399])

  public func contains(_ status: UInt16) -> Bool { ranges.contains { $0.contains(status) } }
}

extension StatusSet: TextCodable {
  public static var kind: String { "a set of HTTP statuses such as 200-299,301" }

  /// What a status can be.
  private static let statuses: ClosedRange<UInt16> = 100...599

  public init?(_ text: String) {
    var ranges: [ClosedRange<UInt16>] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { UInt16($0) }
      guard ends.count <= 2, let low = ends.first ?? nil, let high = ends.last ?? nil, low <= high,
        Self.statuses.contains(low), Self.statuses.contains(high)
      else { return nil }
      ranges.append(low...high)
    }
    self.ranges = ranges
  }

  public var description: String {
    ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
  }
}

/// A header of a request, written `Name: value`.
public struct HTTPHeader: Hashable, Sendable {
  public var name: String
  public var value: String

  public init(name: String, value: String) { (self.name, self.value) = (name, value) }
}

extension HTTPHeader: TextCodable {
  public static var kind: String { "a header such as 'X-Check: yes'" }

  public init?(_ text: String) {
    guard let colon = text.firstIndex(of: ":") else { return nil }
    let value = text[text.index(after: colon)...].drop { $0 == " " }
    guard String(text[..<colon]).isToken, String(value).isHeaderValue else { return nil }
    (name, self.value) = (String(text[..<colon]), String(value))
  }

  public var description: String { "\(name): \(value)" }
}

extension String {
  /// Whether this is a token of HTTP's (RFC 9110, section 5.6.2), as names of methods and headers are.
  var isToken: Bool {
    let marks = Set("!#$%&'*+-.^_`|~".utf8)
    return !isEmpty
      && utf8.allSatisfy { byte in
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || marks.contains(byte)
      }
  }

  /// Whether this can stand as the value of a header: nothing that would end its line.
  var isHeaderValue: Bool { utf8.allSatisfy { $0 >= 32 && $0 != 127 } }

  /// Whether this can stand as a request's target: from a slash on, without blanks or controls.
  var isTarget: Bool { hasPrefix("/") && utf8.allSatisfy { (33..<127).contains($0) } }

  /// Whether this can be a name in the DNS (RFC 1035, section 2.3.4; underscores are let through).
  public var isDomainName: Bool {
    let name = hasSuffix(".") ? dropLast() : self[...]
    let labels = name.split(separator: ".", omittingEmptySubsequences: false)
    return name.utf8.count <= 253
      && labels.allSatisfy { label in
        (1...63).contains(label.utf8.count)
          && label.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45
              || byte == 95
          }
      }
  }
}

/// A setting's value, which stands in files and in JSON as a number where it is one.
public struct SettingValue: Hashable, Sendable, Codable {
  public let text: String

  public init(_ text: String) { self.text = text }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    // A number, else a text.
    text = try (try? container.decode(Int64.self)).map(String.init) ?? container.decode(String.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    // Only what is written as the number is: 007 stays as it is.
    if let number = Int64(text), String(number) == text {
      try container.encode(number)
    } else {
      try container.encode(text)
    }
  }
}

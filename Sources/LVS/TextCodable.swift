/// A value that travels through JSON and YAML as its text.
public protocol TextCodable: LosslessStringConvertible, Codable {
  /// What the value is, for the error about a text that is none: `an endpoint such as 192.0.2.1:80`.
  static var kind: String { get }
}

extension TextCodable {
  public init(from decoder: any Decoder) throws {
    self = try Self.read(decoder)
  }

  public func encode(to encoder: any Encoder) throws {
    try write(to: encoder)
  }

  static func read(_ decoder: any Decoder) throws -> Self {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let value = Self(text) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is not \(Self.kind)"))
    }
    return value
  }

  func write(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

extension IPAddress: TextCodable {
  public static var kind: String { "an IP address" }
}

extension MACAddress: TextCodable {
  public static var kind: String { "a MAC address such as 02:00:00:00:00:01" }
}

extension Endpoint: TextCodable {
  public static var kind: String { "an address with a port such as 192.0.2.1:80 or [2001:db8::1]:80" }
}

extension ServiceKey: TextCodable {
  public static var kind: String { "a service such as tcp:192.0.2.1:80 or fwmark:7" }
}

extension Netmask: TextCodable {
  public static var kind: String { "a netmask such as 255.255.255.0 or a prefix length such as 64" }
}

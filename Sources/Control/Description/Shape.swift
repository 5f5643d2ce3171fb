import LVS

/// A type whose values the API takes or answers, and what they are like in JSON.
protocol Shaped {
  static var shape: Shape { get }
}

/// What a value is in JSON.
indirect enum Shape: Sendable {
  /// A text; what it is: `an endpoint such as 192.0.2.1:80`.
  case text(String)
  /// One of these texts.
  case word([String])
  case boolean
  /// 0 to 1 or beyond, with digits after the point.
  case number
  case integer(ClosedRange<Int64>)
  /// A number, or a text where it is none.
  case numberOrText
  case list(Shape)
  /// Values by name; which names there are is not fixed.
  case table(Shape)
  case orNull(Shape)
  /// An object of a type that others may refer to.
  case resource(any Described.Type)
  /// An object of these fields.
  case object([Field])
  /// One of the fields and no other: what it is called says what it is.
  case oneOf([Field])
  case either([Shape])
  /// Any JSON.
  case any
}

/// What stands under a name in an object.
struct Field: Sendable {
  var name = ""
  let shape: Shape
  let meaning: String
  let isOptional: Bool

  private init(_ shape: Shape, _ meaning: String, isOptional: Bool) {
    (self.shape, self.meaning, self.isOptional) = (shape, meaning, isOptional)
  }

  static func always(_ type: any Shaped.Type, _ meaning: String) -> Field {
    Field(type.shape, meaning, isOptional: false)
  }

  /// What is left out where there is nothing to say.
  static func sometimes(_ type: any Shaped.Type, _ meaning: String) -> Field {
    Field(type.shape, meaning, isOptional: true)
  }

  static func always(_ shape: Shape, _ meaning: String) -> Field { Field(shape, meaning, isOptional: false) }
  static func sometimes(_ shape: Shape, _ meaning: String) -> Field { Field(shape, meaning, isOptional: true) }
}

/// A type that is an object in JSON. Each of its coding keys has a meaning, or it does not compile.
protocol Described: Shaped, SendableMetatype {
  associatedtype CodingKeys: CodingKey & CaseIterable

  /// What it is, in one sentence.
  static var meaning: String { get }
  /// Those whose fields it has too, unless it has one of that name itself.
  static var bases: [any Described.Type] { get }
  static func field(_ key: CodingKeys) -> Field
}

extension Described {
  static var shape: Shape { .resource(Self.self) }
  static var bases: [any Described.Type] { [] }

  static var ownFields: [Field] {
    CodingKeys.allCases.map { key in
      var field = field(key)
      field.name = key.stringValue
      return field
    }
  }

  /// Its own, then those of its bases.
  static var fields: [Field] {
    let own = ownFields
    let names = Set(own.map(\.name))
    return own + bases.flatMap { $0.fields.filter { !names.contains($0.name) } }
  }
}

extension Shaped where Self: TextCodable {
  static var shape: Shape { .text(kind) }
}

extension Shaped where Self: CaseIterable & RawRepresentable<String> {
  static var shape: Shape { .word(allCases.map(\.rawValue)) }
}

extension Shaped where Self: FixedWidthInteger {
  static var shape: Shape { .integer(Int64(clamping: min)...Int64(clamping: max)) }
}

extension Int: Shaped {}
extension Int32: Shaped {}
extension UInt8: Shaped {}
extension UInt16: Shaped {}
extension UInt32: Shaped {}
extension UInt64: Shaped {}

extension Double: Shaped {
  static var shape: Shape { .number }
}

extension Bool: Shaped {
  static var shape: Shape { .boolean }
}

extension String: Shaped {
  static var shape: Shape { .text("") }
}

extension Array: Shaped where Element: Shaped {
  static var shape: Shape { .list(Element.shape) }
}

extension Dictionary: Shaped where Key == String, Value: Shaped {
  static var shape: Shape { .table(Value.shape) }
}

extension Optional: Shaped where Wrapped: Shaped {
  static var shape: Shape { .orNull(Wrapped.shape) }
}

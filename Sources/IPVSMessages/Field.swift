/// A message, or a nest in one, that one table describes for reading and for writing. What is absent is nil.
package protocol AttributeTable: Sendable {
  init()
  /// The attributes in the order in which they are written, which is the kernel's.
  static var fields: [Field<Self>] { get }
}

extension AttributeTable {
  /// - Throws: where lengths lie. An attribute that is too short for what it should be counts as absent.
  package init(_ attributes: Attributes) throws(MalformedMessage) {
    self.init()
    for field in Self.fields { try field.read(&self, attributes) }
  }

  /// - Throws: where lengths lie.
  package init(bytes: ArraySlice<UInt8>) throws(MalformedMessage) {
    try self.init(Attributes(bytes))
  }

  package func write(into writer: inout AttributeWriter) {
    for field in Self.fields { field.write(self, &writer) }
  }

  /// - Parameter marksNests: as libnl's requests do, and the kernel's answers do not.
  package func bytes(marksNests: Bool = true) -> [UInt8] {
    var writer = AttributeWriter(marksNests: marksNests)
    write(into: &writer)
    return writer.bytes
  }
}

/// One attribute: its number, how its value lies in bytes, and what of the message it is.
package struct Field<Message>: Sendable {
  typealias Path<Value> = any (WritableKeyPath<Message, Value?> & Sendable)

  let write: @Sendable (Message, inout AttributeWriter) -> Void
  let read: @Sendable (inout Message, Attributes) throws(MalformedMessage) -> Void

  private init<Value>(
    _ path: Path<Value>, write: @escaping @Sendable (Value, inout AttributeWriter) -> Void,
    read: @escaping @Sendable (Attributes) throws(MalformedMessage) -> Value?
  ) {
    self.write = { message, writer in
      if let value = message[keyPath: path] { write(value, &writer) }
    }
    self.read = { message, attributes throws(MalformedMessage) in message[keyPath: path] = try read(attributes) }
  }

  /// A number in the order of the host.
  static func number<Number: FixedWidthInteger & Sendable>(_ type: UInt16, _ path: Path<Number>) -> Self {
    Self(path) {
      $1.put(type, number: $0)
    } read: {
      $0.number(type)
    }
  }

  /// A number in the order of the network, such as a port.
  static func network<Number: FixedWidthInteger & Sendable>(_ type: UInt16, _ path: Path<Number>) -> Self {
    Self(path) {
      $1.put(type, number: $0.bigEndian)
    } read: {
      $0.number(type, as: Number.self).map { Number(bigEndian: $0) }
    }
  }

  /// Text that ends in a NUL, within `longest` bytes before that.
  static func text(_ type: UInt16, _ path: Path<String>, longest: Int) -> Self {
    Self(path) {
      $1.put(type, text: $0)
    } read: { attributes in
      let value = attributes.value(type)?.prefix(longest + 1)
      guard let value, let end = value.firstIndex(of: 0) else { return nil }
      return String(decoding: value[..<end], as: UTF8.self)
    }
  }

  /// Bytes as they are.
  static func bytes(_ type: UInt16, _ path: Path<[UInt8]>) -> Self {
    Self(path) {
      $1.put(type, $0)
    } read: {
      $0.value(type).map(Array.init)
    }
  }

  static func nest<Inner: AttributeTable>(_ type: UInt16, _ path: Path<Inner>) -> Self {
    Self(path) { inner, writer in
      writer.nest(type) { inner.write(into: &$0) }
    } read: { attributes throws(MalformedMessage) in
      guard let value = attributes.value(type) else { return nil }
      return try Inner(bytes: value)
    }
  }
}

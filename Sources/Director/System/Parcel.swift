/// A value on its way to its owner, who takes it out once. Whoever packs it touches it no more.
final class Parcel<Value: ~Copyable>: @unchecked Sendable {
  private var value: Value?

  init(_ value: consuming Value) {
    self.value = consume value
  }

  func take() -> Value? {
    let taken = value.take()
    return taken
  }
}

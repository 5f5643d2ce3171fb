/// What is mixed into the keys of those templates that go by a Call-ID: its hash, by the template's number; 0 for none.
///
/// Memory is taken as numbers are used.
@safe struct CallIDs: ~Copyable, @unchecked Sendable {
  private let memory: Mapping
  private let hashes: UnsafeMutablePointer<UInt64>
  private let capacity: Int
  private var isUsed = false

  init(capacity: Int) throws(SystemError) {
    memory = try Mapping(size: (capacity + 1) * MemoryLayout<UInt64>.stride)
    unsafe hashes = memory.base.bindMemory(to: UInt64.self, capacity: capacity + 1)
    self.capacity = capacity
  }

  subscript(number: UInt32) -> UInt64 {
    get {
      precondition(number <= capacity)
      return isUsed ? unsafe hashes[Int(number)] : 0
    }
    set {
      precondition(number <= capacity)
      guard isUsed || newValue != 0 else { return }
      isUsed = true
      unsafe hashes[Int(number)] = newValue
    }
  }
}

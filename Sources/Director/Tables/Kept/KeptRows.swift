/// Plain rows by number, all of zero bytes until they are written, in memory that may outlive the process.
///
/// Every access is checked. A row is written by the control side, or under its service's lock.
@safe final class KeptRows<Row: BitwiseCopyable>: @unchecked Sendable {
  /// Rows that are secured at once.
  private static var portion: Int { 1 << 10 }

  private let memory: Mapping
  private let base: UnsafeMutablePointer<Row>
  private let count: Int
  /// Rows below this one may be written.
  private var secured = 0

  /// - Parameter Row: for which zero bytes are a value, and all others too.
  init(_ state: StateDirectory?, _ name: String, count: Int) throws(SystemError) {
    memory = try state.map(name, size: count * MemoryLayout<Row>.stride)
    unsafe base = memory.base.bindMemory(to: Row.self, capacity: count)
    self.count = count
  }

  /// Has rows up to this one have memory. To be called by the control side before the row is written.
  func secure(_ number: Int) {
    guard number >= secured else { return }
    let end = min((number / Self.portion + 1) * Self.portion, count)
    memory.secure(secured * MemoryLayout<Row>.stride..<end * MemoryLayout<Row>.stride)
    secured = end
  }

  /// Writes one field of a row whose others are written by somebody else meanwhile.
  func write<Value: BitwiseCopyable>(_ value: Value, to field: WritableKeyPath<Row, Value>, of number: Int) {
    precondition(UInt(bitPattern: number) < UInt(bitPattern: secured))
    guard let place = unsafe (base + number).pointer(to: field) else { fatalError("a row's fields are stored ones") }
    unsafe place.pointee = value
  }

  @inline(__always)
  subscript(number: Int) -> Row {
    get {
      precondition(UInt(bitPattern: number) < UInt(bitPattern: secured))
      return unsafe base[number]
    }
    _modify {
      precondition(UInt(bitPattern: number) < UInt(bitPattern: secured))
      yield unsafe &base[number]
    }
  }

  /// The numbers of rows that may have been written by an earlier process.
  var written: [Int] {
    let stride = MemoryLayout<Row>.stride
    let numbers = memory.written.flatMap { part in
      part.lowerBound / stride..<min((part.upperBound + stride - 1) / stride, count)
    }
    if let last = numbers.last { secure(last) }
    return numbers
  }
}

extension StateDirectory? {
  /// Memory of a file there; of the process's own where no state is kept.
  func map(_ name: String, size: Int, call: String = "mmap") throws(SystemError) -> Mapping {
    if let self { return try self.map(name, size: size, call: call) }
    return try Mapping(size: size, call: call)
  }
}

/// Records of one kind that come and go, each with a number that stays its own until it is released.
struct Slab<Record: BitwiseCopyable>: ~Copyable {
  private var records: Buffer<Record>
  private var released: [Int32] = []
  /// How many numbers were ever given out: all live records have a smaller one.
  private(set) var end = 0
  private let blank: Record

  /// `blank` fills the places that are not yet in use.
  init(blank: Record) {
    self.blank = blank
    records = Buffer(repeating: blank, count: 16)
  }

  /// The number of live records.
  var count: Int { end - released.count }

  subscript(number: Int32) -> Record {
    get { records[Int(number)] }
    nonmutating _modify { yield &records[Int(number)] }
  }

  mutating func insert(_ record: Record) -> Int32 {
    if let number = released.popLast() {
      records[Int(number)] = record
      return number
    }
    if end == records.count { grow() }
    records[end] = record
    end += 1
    return Int32(end - 1)
  }

  mutating func release(_ number: Int32) {
    released.append(number)
  }

  private mutating func grow() {
    let larger = Buffer(repeating: blank, count: 2 * records.count)
    for index in 0..<end { larger[index] = records[index] }
    records = larger
  }
}

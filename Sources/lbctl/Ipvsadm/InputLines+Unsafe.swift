import Glibc

/// The lines of standard input, as many at a time as one read completes: what somebody types comes line by line, a file
/// in large pieces.
struct InputLines {
  private static let piece = 1 << 18

  private var rest: [UInt8] = []
  private var isAtEnd = false

  /// nil at the end. The last line need not have an end of its own.
  mutating func next() -> [String]? {
    while !isAtEnd {
      read()
      let end = isAtEnd ? rest.count : (rest.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
      guard end > 0 else { continue }
      defer { rest.removeFirst(end) }
      return rest[..<end].split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }
    return nil
  }

  private mutating func read() {
    var buffer = [UInt8](repeating: 0, count: Self.piece)
    let count = unsafe Glibc.read(STDIN_FILENO, &buffer, buffer.count)
    if count > 0 {
      rest += buffer.prefix(count)
    } else {
      isAtEnd = true
    }
  }
}

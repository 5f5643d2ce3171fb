extension FixedWidthInteger {
  /// The number's bytes as they lie in this machine's memory.
  package var hostBytes: [UInt8] { unsafe withUnsafeBytes(of: self) { unsafe Array($0) } }

  /// Reads a number that lies at the beginning of the bytes; nil where there are too few.
  package init?(hostBytes bytes: ArraySlice<UInt8>) {
    guard bytes.count >= MemoryLayout<Self>.size else { return nil }
    self = unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: Self.self) }
  }
}

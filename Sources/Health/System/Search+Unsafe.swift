import CHealth

extension [UInt8] {
  /// Whether `part` stands somewhere in it, found in linear time whatever both are.
  func contains(_ part: [UInt8]) -> Bool {
    unsafe withUnsafeBytes { all in
      unsafe part.withUnsafeBytes { wanted in
        guard let all = all.baseAddress, let wanted = wanted.baseAddress else { return part.isEmpty }
        return unsafe ch_find(all, count, wanted, part.count) != 0
      }
    }
  }
}

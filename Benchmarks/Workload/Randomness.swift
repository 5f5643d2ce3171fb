/// Numbers that look random and are the same in every run (xorshift64*).
public struct Randomness {
  private var state: UInt64 = 0x9e37_79b9_7f4a_7c15

  public init() {}

  public mutating func next(below limit: Int) -> UInt32 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    let word = (state &* 0x2545_f491_4f6c_dd1d) >> 32
    return UInt32(truncatingIfNeeded: (word &* UInt64(limit)) >> 32)
  }
}

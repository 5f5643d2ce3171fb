/// Steele, Lea and Flood's generator of 64-bit numbers: small, fast, and good enough to spread load.
struct SplitMix64: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }

  /// A number from 0 to `limit`, inclusive. `limit` < 2^64 - 1.
  mutating func next(through limit: UInt64) -> UInt64 {
    next().multipliedFullWidth(by: limit + 1).high
  }
}

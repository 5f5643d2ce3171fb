/// SipHash-1-3 of four bytes under a key of 32 bits: the kernel's `hsiphash_1u32` on a 64-bit machine with the
/// key (k, k), cut to the low 32 bits.
func sipHash13(_ value: UInt32, key: UInt32) -> UInt32 {
  let key = UInt64(key)
  var state = SipState(
    v0: 0x736f_6d65_7073_6575 ^ key, v1: 0x646f_7261_6e64_6f6d ^ key,
    v2: 0x6c79_6765_6e65_7261 ^ key, v3: 0x7465_6462_7974_6573 ^ key)
  // The only block: the message, little-endian, with its length of 4 in the top byte.
  let block = 4 << 56 | UInt64(value)
  state.v3 ^= block
  state.round()
  state.v0 ^= block
  state.v2 ^= 0xff
  for _ in 0..<3 { state.round() }
  return UInt32(truncatingIfNeeded: state.v0 ^ state.v1 ^ state.v2 ^ state.v3)
}

private struct SipState {
  var v0: UInt64
  var v1: UInt64
  var v2: UInt64
  var v3: UInt64

  @inline(__always)
  mutating func round() {
    v0 &+= v1
    v1 = rotated(v1, by: 13) ^ v0
    v0 = rotated(v0, by: 32)
    v2 &+= v3
    v3 = rotated(v3, by: 16) ^ v2
    v0 &+= v3
    v3 = rotated(v3, by: 21) ^ v0
    v2 &+= v1
    v1 = rotated(v1, by: 17) ^ v2
    v2 = rotated(v2, by: 32)
  }

  @inline(__always)
  private func rotated(_ word: UInt64, by bits: UInt64) -> UInt64 {
    word << bits | word >> (64 - bits)
  }
}

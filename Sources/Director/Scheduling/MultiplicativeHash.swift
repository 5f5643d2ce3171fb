/// Multiplication by the golden ratio of 2^32, of which the upper `bits` (1...32) remain: the kernel's `hash_32`.
func multiplicativeHash(_ value: UInt32, bits: UInt32) -> UInt32 {
  (value &* 0x61c8_8647) >> (32 - bits)
}

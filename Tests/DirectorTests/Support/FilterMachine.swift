@testable import Director

/// The machine of the classic packet filter (BSD's bpf(4)) with Linux's ancillary data, as far as our programs use it.
struct FilterMachine {
  var frame: [UInt8]
  /// 0: to this host; 3: to another one.
  var packetType: UInt32 = 0
  var vlanTag: UInt16?

  private static let network: UInt32 = 0xfff0_0000
  private static let ancillary: UInt32 = 0xffff_f000

  /// What the program returns; a load outside of the frame ends it with 0.
  func run(_ filter: SocketFilter) -> UInt32? {
    var (a, x, at) = (UInt32(0), UInt32(0), 0)
    var memory = [UInt32](repeating: 0, count: 16)
    while at < filter.instructions.count {
      let instruction = filter.instructions[at]
      let k = instruction.value
      at += 1
      func jump(_ truth: Bool) { at += Int(truth ? instruction.ifTrue : instruction.ifFalse) }
      switch instruction.code {
      case 0x20, 0x28, 0x30, 0x40, 0x50:
        let offset = instruction.code == 0x40 || instruction.code == 0x50 ? k &+ x : k
        let width = [0x00: 4, 0x08: 2, 0x10: 1][Int(instruction.code & 0x18)] ?? 4
        guard let value = load(offset, width) else { return 0 }
        a = value
      case 0xb1:
        guard let value = load(k, 1) else { return 0 }
        x = (value & 15) * 4
      case 0x01: x = k
      case 0x02: memory[Int(k)] = a
      case 0x61: x = memory[Int(k)]
      case 0x07: x = a
      case 0x05: at += Int(k)
      case 0x15: jump(a == k)
      case 0x25: jump(a > k)
      case 0x35: jump(a >= k)
      case 0x54: a &= k
      case 0x74: a >>= k
      case 0x24: a = a &* k
      case 0x94: a %= k
      case 0xac: a ^= x
      case 0x06: return k
      case 0x16: return a
      default: return nil
      }
    }
    return nil
  }

  private func load(_ offset: UInt32, _ width: Int) -> UInt32? {
    switch offset {
    case Self.ancillary + 4: return packetType
    case Self.ancillary + 44: return UInt32(vlanTag ?? 0)
    case Self.ancillary + 48: return vlanTag == nil ? 0 : 1
    default: break
    }
    let start = Int(offset >= Self.network ? offset - Self.network + UInt32(Ethernet.length) : offset)
    guard start + width <= frame.count else { return nil }
    return frame[start..<start + width].reduce(0) { $0 << 8 | UInt32($1) }
  }
}

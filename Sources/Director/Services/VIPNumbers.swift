import LVS

/// The numbers that connections know VIPs by.
struct VIPNumbers {
  private let saved: KeptRows<SavedVIP>
  private(set) var byAddress: [IPAddress: UInt16] = [:]
  private var free: [UInt16] = []
  private var used: UInt16 = 0

  init(_ saved: KeptRows<SavedVIP>) { self.saved = saved }

  subscript(address: IPAddress) -> UInt16? { byAddress[address] }

  /// The address's number, a new one where it has none.
  mutating func number(of address: IPAddress) throws(PlaneError) -> UInt16 {
    if let number = byAddress[address] { return number }
    guard let number = free.popLast() ?? (used < .max ? used : nil) else {
      throw .full("\(UInt16.max) VIPs are the most there can be")
    }
    if number == used { used += 1 }
    byAddress[address] = number
    saved.secure(Int(number))
    saved[Int(number)] = SavedVIP(address, number: Int(number))
    return number
  }

  /// Takes back the numbers of all but these addresses; no connection may refer to them.
  mutating func keep(_ needed: Set<IPAddress>) {
    for (address, number) in byAddress where !needed.contains(address) {
      byAddress[address] = nil
      free.append(number)
      saved[Int(number)] = SavedVIP()
    }
  }

  /// The numbers that an earlier process gave.
  mutating func recall() {
    for row in saved.written {
      guard row < UInt16.max, let address = saved[row].address(row), byAddress[address] == nil else { continue }
      byAddress[address] = UInt16(row)
    }
    let known = Set(byAddress.values)
    used = known.max().map { $0 + 1 } ?? 0
    free = (0..<used).reversed().filter { !known.contains($0) }
  }
}

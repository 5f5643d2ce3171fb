import LVS

/// `mh`: one server for each client address, by a table that few clients leave when a server comes or goes.
///
/// (Eisenbud et al., "Maglev", NSDI 2016.) With H(k, v) the SipHash-1-3 and SIZE the prime number of slots, server s
/// of address a and port q prefers the slots offset, offset + skip, offset + 2 · skip, … mod SIZE, where
///
///     offset = H(k1, a + q) mod SIZE        skip = H(k2, a + q) mod (SIZE - 1) + 1
///
/// In turn, each takes the next free slots of its own until all are taken: as many at a time as its weight divided by
/// the weights' common divisor, shifted right so that the greatest has no more bits than `turnBits`, and at least 1.
/// Weights are the last ones above 0, so a quiesced server keeps its slots and no other server's clients move.
///
/// The slot of a connection is H(k1, client address + p) mod SIZE; p is the client's port with the flag `port` and 0
/// without. Where its server is not usable, nobody gets the connection; with the flag `fallback` up to SIZE other
/// slots are tried: H(k1, (o + slot) mod SIZE + client address + p) mod SIZE for o = 0, 1, …
final class MaglevHashing: Scheduler {
  /// The kernel's choices (`CONFIG_IP_VS_MH_TAB_INDEX` 8...17, of which 12 is the default).
  static let tableSizes = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131_071]

  private static let key1: UInt32 = 2_654_435_761
  private static let key2: UInt32 = 2_654_446_892

  private let size: UInt32
  /// The bits that remain of a weight: half the index of the table's size.
  private let turnBits: Int
  private let flags: SchedulerFlags
  /// The server's position for each slot.
  private let slots: Buffer<UInt32>
  /// Whether the slots have servers: not without a weight above 0, nor with more servers than slots, for which the
  /// kernel refuses to fill a table.
  private var isFilled = false

  /// `tableSize`: one of `tableSizes`.
  init(flags: SchedulerFlags, tableSize: Int = 4093) {
    guard let index = Self.tableSizes.firstIndex(of: tableSize) else {
      preconditionFailure("mh has no table of \(tableSize) slots")
    }
    self.flags = flags
    size = UInt32(tableSize)
    turnBits = (index + 8) / 2
    slots = Buffer(repeating: 0, count: tableSize)
  }

  func bind(_ servers: borrowing ServerList) { isFilled = fill(servers) }

  func changed(by edits: [ListEdit], _ servers: borrowing ServerList) { bind(servers) }

  func pick(_ connection: NewConnection, _ servers: borrowing ServerList) -> Int? {
    guard isFilled else { return nil }
    let client = connection.client.folded &+ (flags.contains(.port) ? UInt32(connection.clientPort) : 0)
    let slot = sipHash13(client, key: Self.key1) % size
    let position = Int(slots[Int(slot)])
    if servers[position].isUsable { return position }
    return flags.contains(.fallback) ? fallback(of: client, from: slot, servers) : nil
  }

  private func fallback(of client: UInt32, from slot: UInt32, _ servers: borrowing ServerList) -> Int? {
    // With everybody out, the whole table would be tried for each connection.
    guard (0..<servers.count).contains(where: { servers[$0].isUsable }) else { return nil }
    for offset in 0..<size {
      let next = sipHash13((offset + slot) % size &+ client, key: Self.key1) % size
      let position = Int(slots[Int(next)])
      if servers[position].isUsable { return position }
    }
    return nil
  }

  /// A server while the table is being filled.
  private struct Claimant: BitwiseCopyable {
    /// The slot that it asks for next.
    var slot: UInt32
    var skip: UInt32
    /// How many slots it takes at a time.
    var turns: UInt32
  }

  private func fill(_ servers: borrowing ServerList) -> Bool {
    guard servers.count <= slots.count, let claimants = claimants(servers) else { return false }
    let taken = Buffer<UInt64>(repeating: 0, count: slots.count / 64 + 1)
    var free = slots.count
    while true {
      for position in 0..<claimants.count {
        var claimant = claimants[position]
        for _ in 0..<claimant.turns {
          while taken[Int(claimant.slot >> 6)] >> UInt64(claimant.slot & 63) & 1 == 1 {
            claimant.slot += claimant.skip
            if claimant.slot >= size { claimant.slot -= size }
          }
          taken[Int(claimant.slot >> 6)] |= 1 << UInt64(claimant.slot & 63)
          slots[Int(claimant.slot)] = UInt32(position)
          free -= 1
          if free == 0 { return true }
        }
        claimants[position].slot = claimant.slot
      }
    }
  }

  /// nil where no weight is above 0: nobody claims a slot.
  private func claimants(_ servers: borrowing ServerList) -> Buffer<Claimant>? {
    var (divisor, greatest): (Int32, Int32) = (0, 0)
    for position in 0..<servers.count where servers[position].lastWeight > 0 {
      divisor = greatestCommonDivisor(servers[position].lastWeight, divisor)
      greatest = max(greatest, servers[position].lastWeight)
    }
    guard divisor > 0 else { return nil }
    let bits = Int32.bitWidth - (greatest / divisor).leadingZeroBitCount
    let shift = max(0, bits - turnBits)
    let claimants = Buffer(repeating: Claimant(slot: 0, skip: 0, turns: 0), count: servers.count)
    for position in 0..<servers.count {
      let server = servers[position]
      let name = server.address &+ UInt32(server.port)
      let turns = server.lastWeight > 0 ? max(1, UInt32(server.lastWeight / divisor) >> UInt32(shift)) : 0
      claimants[position] = Claimant(
        slot: sipHash13(name, key: Self.key1) % size, skip: sipHash13(name, key: Self.key2) % (size - 1) + 1,
        turns: turns)
    }
    return claimants
  }
}

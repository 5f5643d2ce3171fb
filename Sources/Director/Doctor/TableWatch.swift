import LVS

/// Which tables have too little room: from the moment that one is nearly full, or that something was ended early or
/// refused for want of room, until it has been three quarters full at most, and calm, for ten looks.
struct TableWatch {
  private static let calm = 10

  /// What each had lost so far, and for how many looks those with too little room have been calm.
  private var lost: [TableStatus.Name: UInt64] = [:]
  private var calm: [TableStatus.Name: Int] = [:]

  /// Looks at them, once a second: those in trouble.
  mutating func look(_ tables: [TableStatus]) -> [TableStatus] {
    tables.filter { table in
      let now = table.evicted.values.reduce(table.refused, &+)
      let isLosing = now != lost[table.name] ?? 0
      lost[table.name] = now
      if isLosing || table.isCrowded {
        calm[table.name] = 0
      } else if let looks = calm[table.name], table.entries * 4 < table.capacity * 3 {
        calm[table.name] = looks < Self.calm ? looks + 1 : nil
      }
      return calm[table.name] != nil
    }
  }
}

extension Finding {
  /// A table that has too little room.
  init(_ table: TableStatus) {
    let ended = table.evicted.values.reduce(0, +)
    let toll = ended == 0 ? "" : ", \(ended) ended early for others"
    let (what, why, fix) = table.name.words
    self.init(
      .tableFull, subject: table.name.rawValue,
      seen: "\(what): \(table.entries) of \(table.capacity)\(toll), \(table.refused) refused", why: why, fix: fix)
  }
}

extension TableStatus.Name {
  /// What the table is, what it means that it is full, and what helps.
  fileprivate var words: (what: String, why: String, fix: String) {
    switch self {
    case .connections:
      (
        "the connection table is full or was",
        "half-open connections end first for new ones, then closing ones; where "
          + "only established ones are left, new clients are refused",
        "lbd --connections with more (64 bytes of memory each); in a flood, lbctl set drop_entry 1"
      )
    case .templates:
      (
        "the table of persistence templates is full or was",
        "clients without connections lose their server to new ones; "
          + "where all have connections, new clients are refused",
        "lbd --templates with more (72 bytes of memory each), or services with a shorter -p"
      )
    case .fragments:
      (
        "fragments come without the first of their datagram", "of those that come early only so many can wait",
        "see who sends them: lbctl capture --filter 'ip[6:2] & 0x1fff != 0' -w - | tcpdump -nr -"
      )
    case .held:
      (
        "too many frames wait for a server's Ethernet address", "the others for that server are dropped",
        "lbctl neighbors shows which server does not answer: bring it back, or lbctl del-rs"
      )
    }
  }
}

/// One of the tables that traffic fills: the whole of it, of all workers together.
public struct TableStatus: Sendable, Codable, Hashable {
  public enum Name: String, Sendable, Codable, CaseIterable {
    case connections
    /// Persistence templates.
    case templates
    /// Fragments that came before the first of their datagram, and wait for it.
    case fragments
    /// Frames that wait until their server's Ethernet address is known.
    case held
  }

  public var name: Name
  public var entries: UInt64
  public var capacity: UInt64
  /// How many were ended before their time so that new ones had room: `half_open`, `one_packet` and `closing`
  /// connections, `unused` templates.
  public var evicted: [String: UInt64]
  /// How many found no room.
  public var refused: UInt64

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case name, entries, capacity, evicted, refused
  }

  public init(
    _ name: Name, entries: UInt64, capacity: UInt64, evicted: [String: UInt64] = [:], refused: UInt64 = 0
  ) {
    self.name = name
    self.entries = entries
    self.capacity = capacity
    self.evicted = evicted
    self.refused = refused
  }

  /// Nearly full: seven eighths of it.
  public var isCrowded: Bool { entries * 8 >= capacity * 7 }
}

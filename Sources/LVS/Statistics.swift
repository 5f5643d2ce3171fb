/// What went through, as the kernel counts it: bytes are IP lengths without the Ethernet header.
///
/// In direct routing replies do not pass the director, so there is nothing outgoing to count.
public struct Statistics: Hashable, Sendable, Codable {
  public var connections: UInt64
  public var packets: UInt64
  public var bytes: UInt64
  /// Replies, which only a kernel that masquerades sees.
  public var outPackets: UInt64
  public var outBytes: UInt64

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case connections, packets, bytes
    case outPackets = "out_packets"
    case outBytes = "out_bytes"
  }

  public init(
    connections: UInt64 = 0, packets: UInt64 = 0, bytes: UInt64 = 0, outPackets: UInt64 = 0, outBytes: UInt64 = 0
  ) {
    self.connections = connections
    self.packets = packets
    self.bytes = bytes
    self.outPackets = outPackets
    self.outBytes = outBytes
  }

  public static func + (a: Statistics, b: Statistics) -> Statistics {
    Statistics(
      connections: a.connections &+ b.connections, packets: a.packets &+ b.packets, bytes: a.bytes &+ b.bytes,
      outPackets: a.outPackets &+ b.outPackets, outBytes: a.outBytes &+ b.outBytes)
  }

  public static func - (a: Statistics, b: Statistics) -> Statistics {
    Statistics(
      connections: a.connections &- b.connections, packets: a.packets &- b.packets, bytes: a.bytes &- b.bytes,
      outPackets: a.outPackets &- b.outPackets, outBytes: a.outBytes &- b.outBytes)
  }
}

/// Events per second by the kernel's estimator (an exponential average over 2 s steps).
public struct Rates: Hashable, Sendable, Codable {
  public var connections: UInt64
  public var packets: UInt64
  public var bytes: UInt64
  public var outPackets: UInt64
  public var outBytes: UInt64

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case connections, packets, bytes
    case outPackets = "out_packets"
    case outBytes = "out_bytes"
  }

  public init(
    connections: UInt64 = 0, packets: UInt64 = 0, bytes: UInt64 = 0, outPackets: UInt64 = 0, outBytes: UInt64 = 0
  ) {
    self.connections = connections
    self.packets = packets
    self.bytes = bytes
    self.outPackets = outPackets
    self.outBytes = outBytes
  }
}

/// What went through the whole plane, and how fast: removed services included, unlike in a sum over those that there are.
public struct Traffic: Hashable, Sendable, Codable {
  public var statistics: Statistics
  public var rates: Rates

  public enum CodingKeys: String, CodingKey, CaseIterable {
    case statistics, rates
  }

  public init(statistics: Statistics = Statistics(), rates: Rates = Rates()) {
    self.statistics = statistics
    self.rates = rates
  }
}

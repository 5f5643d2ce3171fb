import LVS

/// Counters (`IPVS_STATS_ATTR_*`): all of 64 bits, or from an older kernel of 32 bits but for the bytes.
enum StatisticsMessage {
  private enum Attribute {
    static let connections: UInt16 = 1
    static let packets: UInt16 = 2
    static let outPackets: UInt16 = 3
    static let bytes: UInt16 = 4
    static let outBytes: UInt16 = 5
    static let connectionRate: UInt16 = 6
    static let packetRate: UInt16 = 7
    static let outPacketRate: UInt16 = 8
    static let byteRate: UInt16 = 9
    static let outByteRate: UInt16 = 10
  }

  /// Reads the first of the two nests that is there; zeros where neither is.
  static func read(
    _ attributes: Attributes, _ wide: UInt16, _ narrow: UInt16
  ) throws(MalformedMessage) -> (Statistics, Rates) {
    let type = attributes.value(wide) == nil ? narrow : wide
    guard let nest = try attributes.nest(type) else { return (Statistics(), Rates()) }
    return (
      Statistics(
        connections: count(nest, Attribute.connections), packets: count(nest, Attribute.packets),
        bytes: count(nest, Attribute.bytes), outPackets: count(nest, Attribute.outPackets),
        outBytes: count(nest, Attribute.outBytes)),
      Rates(
        connections: count(nest, Attribute.connectionRate), packets: count(nest, Attribute.packetRate),
        bytes: count(nest, Attribute.byteRate), outPackets: count(nest, Attribute.outPacketRate),
        outBytes: count(nest, Attribute.outByteRate))
    )
  }

  /// A number of whichever width it came in.
  private static func count(_ nest: Attributes, _ type: UInt16) -> UInt64 {
    nest.number(type, as: UInt64.self) ?? nest.number(type, as: UInt32.self).map(UInt64.init) ?? 0
  }
}

import LVS

/// Counters and rates (`IPVS_STATS_ATTR_*`): all of 64 bits, or of 32 but for the bytes.
package struct StatisticsMessage<Count: FixedWidthInteger & Sendable>: AttributeTable {
  var connections: Count?
  var packets: Count?
  var outPackets: Count?
  var bytes: UInt64?
  var outBytes: UInt64?
  var connectionRate: Count?
  var packetRate: Count?
  var outPacketRate: Count?
  var byteRate: Count?
  var outByteRate: Count?

  package static var fields: [Field<Self>] {
    [
      .number(1, \.connections), .number(2, \.packets), .number(3, \.outPackets), .number(4, \.bytes),
      .number(5, \.outBytes), .number(6, \.connectionRate), .number(7, \.packetRate), .number(8, \.outPacketRate),
      .number(9, \.byteRate), .number(10, \.outByteRate),
    ]
  }

  package init() {}

  /// What does not fit 32 bits loses its upper half, as the kernel's does.
  init(_ statistics: Statistics, _ rates: Rates) {
    connections = Count(truncatingIfNeeded: statistics.connections)
    packets = Count(truncatingIfNeeded: statistics.packets)
    outPackets = Count(truncatingIfNeeded: statistics.outPackets)
    (bytes, outBytes) = (statistics.bytes, statistics.outBytes)
    connectionRate = Count(truncatingIfNeeded: rates.connections)
    packetRate = Count(truncatingIfNeeded: rates.packets)
    outPacketRate = Count(truncatingIfNeeded: rates.outPackets)
    byteRate = Count(truncatingIfNeeded: rates.bytes)
    outByteRate = Count(truncatingIfNeeded: rates.outBytes)
  }

  var statistics: Statistics {
    Statistics(
      connections: UInt64(connections ?? 0), packets: UInt64(packets ?? 0), bytes: bytes ?? 0,
      outPackets: UInt64(outPackets ?? 0), outBytes: outBytes ?? 0)
  }

  var rates: Rates {
    Rates(
      connections: UInt64(connectionRate ?? 0), packets: UInt64(packetRate ?? 0), bytes: UInt64(byteRate ?? 0),
      outPackets: UInt64(outPacketRate ?? 0), outBytes: UInt64(outByteRate ?? 0))
  }
}

/// What old programs read.
package typealias NarrowStatistics = StatisticsMessage<UInt32>
package typealias WideStatistics = StatisticsMessage<UInt64>

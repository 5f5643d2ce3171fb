import LVS

/// What a connection is found by: protocol, client and virtual endpoint, in three words.
///
/// The VIP stands as its number in the service table, which tells IPv4 from IPv6 too.
struct ConnectionKey: Equatable {
  /// Set in `ports`, this makes the key one that is never looked for.
  static let invalidated: UInt64 = 1

  var high: UInt64
  var low: UInt64
  /// VIP number, client port, virtual port, transport: 16, 16, 16 and 8 bits from the top.
  var ports: UInt64

  @inline(__always)
  init(client: IPAddress, clientPort: UInt16, vip: UInt16, virtualPort: UInt16, transport: UInt8) {
    high = client.high
    low = client.low
    ports = UInt64(vip) << 48 | UInt64(clientPort) << 32 | UInt64(virtualPort) << 16 | UInt64(transport) << 8
  }

  @inline(__always)
  init(_ packet: Packet, _ vip: UInt16) {
    self.init(
      client: packet.source, clientPort: packet.sourcePort, vip: vip, virtualPort: packet.destinationPort,
      transport: packet.transport)
  }

  @inline(__always)
  init(high: UInt64, low: UInt64, ports: UInt64) {
    (self.high, self.low, self.ports) = (high, low, ports)
  }
}

/// A connection, or a persistence template: 56 bytes without pointers, IPv4 and IPv6 alike.
///
/// With eight bytes of the hash index that makes 64 for each. They may outlive the process (`ConnectionTable.recover`):
/// whoever changes what they mean raises `StateManifest.layout`.
struct Connection: BitwiseCopyable {
  struct Flags: OptionSet, BitwiseCopyable {
    let rawValue: UInt8

    /// Counted as inactive at its server.
    static let inactive = Flags(rawValue: 1)
    /// A template, not a connection.
    static let template = Flags(rawValue: 2)
    /// A template of which a connection was established.
    static let assured = Flags(rawValue: 4)
    /// Linked into the timer wheel.
    static let timed = Flags(rawValue: 8)
    /// Follows the state table of `secure_tcp`.
    static let secure = Flags(rawValue: 16)
    /// The XDP program may forward its packets by itself.
    static let offloaded = Flags(rawValue: 32)
    /// Written to its end: a record without it is nothing to a process that comes after this one.
    static let whole = Flags(rawValue: 64)
    /// Another director told of it last. Of a connection this is history once it has had packets of its own.
    static let synced = Flags(rawValue: 128)
  }

  var high: UInt64 = 0
  var low: UInt64 = 0
  var ports: UInt64 = 0
  /// The server's number in the server table.
  var server: ServerNumber = 0
  /// When it ends, in hundredths of a second on the batch clock.
  var expires: UInt32 = 0
  /// The next record of the same bucket, or of the free list; 0 ends either.
  var next: UInt32 = 0
  /// `parent`, or of a template `children`.
  private var family: UInt32 = 0
  /// Packets from the client; of a template `lifetime`.
  var packets: UInt32 = 0
  var timerNext: UInt32 = 0
  var timerPrevious: UInt32 = 0
  var state = ConnectionState.none.rawValue
  var flags: Flags = []
  /// Where it waits for its end.
  var lane = Lane.settled
  /// Of what stays the same for all of its life (`sealed`).
  var seal: UInt8 = 0

  init(_ key: ConnectionKey = ConnectionKey(high: 0, low: 0, ports: 0)) {
    (high, low, ports) = (key.high, key.low, key.ports)
  }

  /// The template that controls the connection, 0 for none.
  @inline(__always) var parent: TemplateNumber {
    get { TemplateNumber(rawValue: family) }
    set { family = newValue.rawValue }
  }

  /// How many connections the template controls.
  @inline(__always) var children: UInt32 {
    get { family }
    set { family = newValue }
  }

  /// How long the template is kept after it was last used, in hundredths of a second.
  @inline(__always) var lifetime: UInt32 {
    get { packets }
    set { packets = newValue }
  }

  @inline(__always) var key: ConnectionKey { ConnectionKey(high: high, low: low, ports: ports) }
  var vip: UInt16 { UInt16(truncatingIfNeeded: ports >> 48) }
  var clientPort: UInt16 { UInt16(truncatingIfNeeded: ports >> 32) }
  var virtualPort: UInt16 { UInt16(truncatingIfNeeded: ports >> 16) }
  /// A template that is not to be used any more: it has a key that none is looked for under, and shows port 65535.
  var isInvalidated: Bool { ports & ConnectionKey.invalidated != 0 }
  var transport: UInt8 { UInt8(truncatingIfNeeded: ports >> 8) }

  /// What tells a record that was written whole, and is undamaged, in all but one of 256 cases.
  var sealed: UInt8 {
    let ends = ports & ~ConnectionKey.invalidated
    let parent = flags.contains(.template) ? 0 : parent
    var mixed = (high ^ ends &* 0x9e37_79b9_7f4a_7c15) &* 0xe703_7ed1_a0b4_28db
    mixed = (mixed ^ low ^ mixed >> 32) &* 0x9e37_79b9_7f4a_7c15
    mixed = (mixed ^ UInt64(server.rawValue) << 32 ^ UInt64(parent.rawValue) ^ mixed >> 32) &* 0xe703_7ed1_a0b4_28db
    return UInt8(truncatingIfNeeded: mixed >> 56)
  }

  /// Where in a record its lane stands, the one field for which not every byte is a value.
  static let lanePlace = MemoryLayout<Connection>.offset(of: \.lane) ?? 0

  func client(_ family: IPAddress.Family) -> IPAddress {
    family == .v4 ? IPAddress(v4: UInt32(truncatingIfNeeded: low)) : IPAddress(v6: high, low)
  }
}

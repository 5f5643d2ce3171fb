import LVS

/// One record of a version 1 datagram (`struct ip_vs_sync_v4`, `struct ip_vs_sync_v6` and their options).
///
///      0                   1                   2                   3
///     |      type     |    protocol   |version|     record's size     |
///     |                            flags                              |
///     |            state              |          client port          |
///     |         virtual port          |          server port          |
///     |                        firewall mark                          |
///     |                     time left in seconds                      |
///     |          client, virtual and server address (4 or 16 bytes each)
///     |          options: type (1), length (1), data
///
/// All in network order. Records begin at multiples of four bytes; the padding is not in a record's size.
enum SyncRecord {
  static let sizeV4 = 36
  static let sizeV6 = 72
  /// The most that a record with all options takes: names and data are bounded.
  static let largest = 72 + 2 + Option.sequenceLength + 2 + Option.largestData + 2 + Option.largestName

  private static let typeV6: UInt8 = 1
  private static let sizeMask: UInt16 = 0xfff
  private static let methodMask: UInt32 = 7

  enum Option {
    static let sequences: UInt8 = 1
    static let engineData: UInt8 = 2
    static let engineName: UInt8 = 3
    /// Set in the type of an option that may be skipped by who does not know it.
    static let maySkip: UInt8 = 0x40
    static let sequenceLength = 24
    static let largestData = 255
    static let largestName = 16
  }

  /// What became of a record's bytes.
  enum Outcome: Equatable {
    case record(FlowRecord)
    /// Whole, but nothing that can be taken: the ones after it still count.
    case rejected
    /// Damaged: nothing after it can be believed.
    case damaged
  }

  /// The length of the record at the front, without padding; nil where its header says what cannot be.
  static func size(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.count >= sizeV4 else { return nil }
    let word = UInt16(bytes[bytes.startIndex + 2]) << 8 | UInt16(bytes[bytes.startIndex + 3])
    let size = Int(word & sizeMask)
    guard word & ~sizeMask == 0, size >= sizeV4, size <= bytes.count else { return nil }
    return size
  }

  /// - Parameter bytes: exactly the record, as `size` has it.
  static func parse(_ bytes: ArraySlice<UInt8>) -> Outcome {
    var reader = WireReader(bytes)
    guard let type = reader.u8(), type == 0 || type == typeV6, let transport = reader.u8(), reader.u16() != nil,
      let rawFlags = reader.u32(), let state = reader.u16(), let clientPort = reader.u16(),
      let virtualPort = reader.u16(), let serverPort = reader.u16(), let mark = reader.u32(),
      let timeLeft = reader.u32(), let client = reader.address(type == 0 ? .v4 : .v6),
      let virtual = reader.address(client.family), let server = reader.address(client.family)
    else { return .damaged }
    guard let options = Options(&reader) else { return .damaged }
    guard let method = FlowRecord.Method(rawValue: UInt8(rawFlags & methodMask)), !options.hasUnknown else {
      return .rejected
    }
    let record = FlowRecord(
      transport: transport, client: Endpoint(client, clientPort), virtual: Endpoint(virtual, virtualPort),
      server: Endpoint(server, serverPort), mark: mark, method: method,
      flags: FlowRecord.Flags(rawValue: rawFlags).intersection(.known), state: state, timeLeft: timeLeft,
      clientShift: options.clientShift, serverShift: options.serverShift, engine: options.engine)
    return record.isAcceptable ? .record(record) : .rejected
  }

  /// - Returns: the record without padding.
  static func write(_ record: FlowRecord) -> [UInt8] {
    var writer = WireWriter()
    writer.append(record.family == .v6 ? typeV6 : 0)
    writer.append(record.transport)
    writer.append(UInt16(0))
    writer.append(record.flags.rawValue | UInt32(record.method.rawValue))
    writer.append(record.state)
    writer.append(record.client.port)
    writer.append(record.virtual.port)
    writer.append(record.server.port)
    writer.append(record.mark)
    writer.append(record.timeLeft)
    for address in [record.client.address, record.virtual.address, record.server.address] { writer.append(address) }
    Options(record).write(to: &writer)
    writer.set(UInt16(writer.bytes.count), at: 2)
    return writer.bytes
  }
}

/// The options of a record.
private struct Options {
  var clientShift: FlowRecord.SequenceShift?
  var serverShift: FlowRecord.SequenceShift?
  var name: String?
  var data: [UInt8]?
  /// There is one that must not be skipped and that nobody knows.
  var hasUnknown = false

  init(_ record: FlowRecord) {
    (clientShift, serverShift) = (record.clientShift, record.serverShift)
    (name, data) = (record.engine?.name, record.engine?.data)
  }

  /// Reads options up to the end; nil where one is cut off, empty, of a wrong length, or stands twice.
  init?(_ reader: inout WireReader) {
    while !reader.isAtEnd {
      guard let type = reader.u8(), let length = reader.u8(), length > 0, let bytes = reader.bytes(Int(length)) else {
        return nil
      }
      switch type & ~SyncRecord.Option.maySkip {
      case SyncRecord.Option.sequences:
        guard length == SyncRecord.Option.sequenceLength, clientShift == nil else { return nil }
        var shifts = WireReader(bytes)
        (clientShift, serverShift) = (FlowRecord.SequenceShift(&shifts), FlowRecord.SequenceShift(&shifts))
      case SyncRecord.Option.engineData:
        guard data == nil else { return nil }
        data = Array(bytes)
      case SyncRecord.Option.engineName:
        guard name == nil, length <= SyncRecord.Option.largestName else { return nil }
        name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      default: hasUnknown = hasUnknown || type & SyncRecord.Option.maySkip == 0
      }
    }
  }

  var engine: FlowRecord.Engine? {
    guard let name, let data else { return nil }
    return FlowRecord.Engine(name: name, data: data)
  }

  func write(to writer: inout WireWriter) {
    if clientShift != nil || serverShift != nil {
      writer.append([SyncRecord.Option.sequences, UInt8(SyncRecord.Option.sequenceLength)])
      for shift in [clientShift ?? .init(), serverShift ?? .init()] { shift.write(to: &writer) }
    }
    if let data, let name {
      append(SyncRecord.Option.engineData, data.prefix(SyncRecord.Option.largestData), to: &writer)
      append(SyncRecord.Option.engineName, name.utf8.prefix(SyncRecord.Option.largestName), to: &writer)
    }
  }

  private func append(_ type: UInt8, _ bytes: some Collection<UInt8>, to writer: inout WireWriter) {
    guard !bytes.isEmpty else { return }
    writer.append([type, UInt8(bytes.count)])
    writer.append(bytes)
  }
}

extension FlowRecord.SequenceShift {
  fileprivate init?(_ reader: inout WireReader) {
    guard let initial = reader.u32(), let delta = reader.u32(), let previous = reader.u32() else { return nil }
    self.init(initial: initial, delta: delta, previousDelta: previous)
  }

  fileprivate func write(to writer: inout WireWriter) {
    for word in [initial, delta, previousDelta] { writer.append(word) }
  }
}

extension FlowRecord.Flags {
  /// What a receiver keeps of a peer's flags, and the two that tell it what to reject.
  static let known: Self = [
    .noOutput, .inactive, .outSequence, .inSequence, .noClientPort, .template, .onePacket,
  ]
}

extension FlowRecord {
  /// How many states a protocol has in the kernel (`IP_VS_TCP_S_LAST`, `IP_VS_UDP_S_LAST`, `IP_VS_SCTP_S_LAST`).
  private static let states: [UInt8: UInt16] = [6: 11, 17: 1, 132: 14]

  /// What `ip_vs_proc_conn` and `ip_vs_process_message` let in.
  var isAcceptable: Bool {
    guard !flags.contains(.onePacket) else { return false }
    if isTemplate { return state < 2 && !flags.contains(.noClientPort) }
    return Self.states[transport].map { state < $0 } ?? false
  }
}

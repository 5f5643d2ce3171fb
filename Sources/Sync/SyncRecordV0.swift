import LVS

/// One record of a version 0 datagram (`struct ip_vs_sync_conn_v0`), as old kernels have it: 24 bytes, IPv4 only.
///
///     |    reserved   |    protocol   |          client port          |
///     |         virtual port          |          server port          |
///     |                client, virtual and server address (4 bytes each)
///     |            flags              |             state             |
///
/// With sequence flags another 24 bytes follow, in the sender's own byte order.
enum SyncRecordV0 {
  static let size = 24
  /// The lifetime of a template that an old master sends without one, in seconds (`IP_VS_SYNC_CONN_TIMEOUT`).
  static let templateLifetime: UInt32 = 180

  /// The length of the record at the front; nil where it is cut off.
  static func size(_ bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.count >= size else { return nil }
    let flags = FlowRecord.Flags(
      rawValue: UInt32(bytes[bytes.startIndex + 20]) << 8 | UInt32(bytes[bytes.startIndex + 21]))
    let whole = flags.isDisjoint(with: [.outSequence, .inSequence]) ? size : size + SyncRecord.Option.sequenceLength
    return whole <= bytes.count ? whole : nil
  }

  /// - Parameter bytes: exactly the record, as `size` has it. Its time left is 0: the state's own.
  static func parse(_ bytes: ArraySlice<UInt8>) -> SyncRecord.Outcome {
    var reader = WireReader(bytes)
    guard reader.u8() != nil, let transport = reader.u8(), let clientPort = reader.u16(),
      let virtualPort = reader.u16(), let serverPort = reader.u16(), let client = reader.address(.v4),
      let virtual = reader.address(.v4), let server = reader.address(.v4), let flags = reader.u16(),
      let state = reader.u16()
    else { return .damaged }
    guard let method = FlowRecord.Method(rawValue: UInt8(flags & 7)) else { return .rejected }
    let known = FlowRecord.Flags(rawValue: UInt32(flags)).intersection(.known)
    let record = FlowRecord(
      transport: transport, client: Endpoint(client, clientPort), virtual: Endpoint(virtual, virtualPort),
      server: Endpoint(server, serverPort), method: method,
      flags: known.subtracting([.outSequence, .inSequence]), state: state,
      timeLeft: known.contains(.template) ? templateLifetime : 0)
    return record.isAcceptable ? .record(record) : .rejected
  }

  /// - Parameter record: of IPv4. Shifts of its sequence numbers, which direct routing has none of, are left out.
  static func write(_ record: FlowRecord) -> [UInt8] {
    var writer = WireWriter()
    writer.append([0, record.transport])
    for port in [record.client.port, record.virtual.port, record.server.port] { writer.append(port) }
    for address in [record.client.address, record.virtual.address, record.server.address] { writer.append(address) }
    let flags = record.flags.subtracting([.outSequence, .inSequence]).rawValue | UInt32(record.method.rawValue)
    writer.append(UInt16(truncatingIfNeeded: flags))
    writer.append(record.state)
    return writer.bytes
  }
}

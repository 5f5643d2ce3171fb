import IPVSMessages

/// The messages of one answer, as a kernel puts them.
struct IPVSAnswer {
  private let request: [UInt8]
  private let header: NetlinkHeader
  private let isDump: Bool
  private(set) var bytes: [UInt8] = []

  init(to request: [UInt8], _ header: NetlinkHeader) {
    (self.request, self.header) = (request, header)
    isDump = header.flags & NetlinkFlags.dump == NetlinkFlags.dump
  }

  mutating func add(_ command: Command, _ content: some AttributeTable) {
    add(command.rawValue, version: IPVSFamily.version, content)
  }

  mutating func add(_ command: UInt8, version: UInt8, _ content: some AttributeTable) {
    add(
      header.type, isDump ? NetlinkFlags.multi : 0, [command, version, 0, 0] + content.bytes(marksNests: false))
  }

  /// The end of a dump.
  mutating func end() { add(NetlinkType.done, NetlinkFlags.multi, Int32(0).hostBytes) }

  /// Says that it was done, where the asker wants to know.
  mutating func acknowledge() {
    guard header.flags & NetlinkFlags.acknowledge != 0 else { return }
    add(NetlinkType.error, NetlinkFlags.capped, Int32(0).hostBytes + request.prefix(NetlinkHeader.size))
  }

  /// In the place of all else: a refusal quotes the whole request.
  mutating func refuse(_ refusal: IPVSRefusal) {
    bytes = []
    add(NetlinkType.error, 0, (-refusal.errno).hostBytes + request)
  }

  private mutating func add(_ type: UInt16, _ flags: UInt16, _ content: [UInt8]) {
    bytes += netlinkMessage(type: type, flags: flags, sequence: header.sequence, port: header.port, content)
    while bytes.count % 4 != 0 { bytes.append(0) }
  }
}

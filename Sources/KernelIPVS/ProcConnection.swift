import Glibc
import LVS

/// A line of `/proc/net/ip_vs_conn`:
///
///     Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
///     TCP C0000202 9C42 0A010064 0050 0A010102 0050 ESTABLISHED     890
public struct ProcConnection: Hashable, Sendable {
  public static let file = "/proc/net/ip_vs_conn"

  public var status: ConnectionStatus
  /// The persistence engine and what it keeps the client by, where there is one.
  public var engine: String?
  public var engineData: String?

  /// nil for the title and whatever else is no row.
  public init?(_ line: some StringProtocol) {
    let words = line.split(separator: " ")
    guard words.count >= 9, let client = Self.endpoint(words[1], words[2]),
      let virtual = Self.endpoint(words[3], words[4]), let server = Self.endpoint(words[5], words[6]),
      let expires = UInt32(words[8])
    else { return nil }
    let state = String(words[7])
    status = ConnectionStatus(
      transport: words[0].lowercased(), client: client, virtual: virtual, server: server, state: state,
      expires: expires, isTemplate: client.port == 0 && ["NONE", "ASSURED"].contains(state))
    if words.count >= 11 { (engine, engineData) = (String(words[9]), String(words[10])) }
  }

  /// IPv4 stands there as eight hexadecimal digits, IPv6 in full text; ports are hexadecimal.
  private static func endpoint(_ address: some StringProtocol, _ port: some StringProtocol) -> Endpoint? {
    guard let port = UInt16(port, radix: 16) else { return nil }
    if address.contains(":") {
      let bare = address.hasPrefix("[") ? String(address.dropFirst().dropLast()) : String(address)
      return IPAddress(bare).map { Endpoint($0, port) }
    }
    return UInt32(address, radix: 16).map { Endpoint(IPAddress(v4: $0), port) }
  }
}

/// The rows of the connection table, a slice at a time.
public struct ProcConnections: ~Copyable {
  private static let piece = 1 << 16

  private let descriptor: Int32
  private var rest: [UInt8] = []

  public init(_ path: String = ProcConnection.file) throws(PlaneError) {
    descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .unavailable("\(path) cannot be read: \(unsafe String(cString: strerror(errno)))")
    }
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// The rows that the next piece of the file completes; nil at its end.
  public mutating func next() -> [ProcConnection]? {
    var buffer = [UInt8](repeating: 0, count: Self.piece)
    let count = unsafe read(descriptor, &buffer, buffer.count)
    guard count > 0 else { return nil }
    rest += buffer.prefix(count)
    guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { return [] }
    defer { rest.removeSubrange(...end) }
    return rest[..<end].split(separator: UInt8(ascii: "\n")).compactMap {
      ProcConnection(String(decoding: $0, as: UTF8.self))
    }
  }
}

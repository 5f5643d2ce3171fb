/// The three timeouts of `ipvsadm --set`, in seconds; where they are set, 0 leaves one as it is.
public struct Timeouts: Hashable, Sendable {
  public var tcp: UInt32
  /// After a FIN.
  public var tcpFin: UInt32
  public var udp: UInt32

  public init(tcp: UInt32 = 0, tcpFin: UInt32 = 0, udp: UInt32 = 0) {
    (self.tcp, self.tcpFin, self.udp) = (tcp, tcpFin, udp)
  }

  /// What IPVS begins with.
  public static let standard = Timeouts(tcp: 900, tcpFin: 120, udp: 300)

  /// What a clock of hundredths of a second that wraps can tell from the past.
  public static let longest = UInt32(Int32.max) / 100

  public func validate() throws(PlaneError) {
    guard [tcp, tcpFin, udp].allSatisfy({ $0 <= Self.longest }) else {
      throw .outOfRange("a timeout is at most \(Self.longest) seconds")
    }
  }

  /// Takes those over that are not 0.
  public mutating func take(_ others: Timeouts) {
    if others.tcp != 0 { tcp = others.tcp }
    if others.tcpFin != 0 { tcpFin = others.tcpFin }
    if others.udp != 0 { udp = others.udp }
  }
}

/// Those that are 0 need not be written.
extension Timeouts: Codable {
  public enum CodingKeys: String, CodingKey, CaseIterable {
    case tcp
    case tcpFin = "tcp_fin"
    case udp
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      tcp: try values.decodeIfPresent(UInt32.self, forKey: .tcp) ?? 0,
      tcpFin: try values.decodeIfPresent(UInt32.self, forKey: .tcpFin) ?? 0,
      udp: try values.decodeIfPresent(UInt32.self, forKey: .udp) ?? 0)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    if tcp != 0 { try values.encode(tcp, forKey: .tcp) }
    if tcpFin != 0 { try values.encode(tcpFin, forKey: .tcpFin) }
    if udp != 0 { try values.encode(udp, forKey: .udp) }
  }
}

/// A connection or a persistence template as it looks from outside: endpoints, state, time left, and no number that only
/// one process knows. What is written for a peer, or kept over a restart, is this.
public struct FlowRecord: Hashable, Sendable {
  /// The bits of the kernel's connection flags that mean something outside (`IP_VS_CONN_F_*`).
  public struct Flags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The server's answers do not pass the director, as with direct routing and tunnels.
    public static let noOutput = Flags(rawValue: 0x80)
    /// Counted as inactive at its server.
    public static let inactive = Flags(rawValue: 0x100)
    /// The sequence numbers of the server's, and of the client's, packets are shifted (NAT with an application helper).
    public static let outSequence = Flags(rawValue: 0x200)
    public static let inSequence = Flags(rawValue: 0x400)
    /// The client's port is not known yet (FTP's data connection).
    public static let noClientPort = Flags(rawValue: 0x800)
    public static let template = Flags(rawValue: 0x1000)
    public static let onePacket = Flags(rawValue: 0x2000)
  }

  /// How one direction's TCP sequence numbers are shifted (`struct ip_vs_seq`). Carried, never interpreted.
  public struct SequenceShift: Hashable, Sendable {
    public var initial: UInt32
    public var delta: UInt32
    public var previousDelta: UInt32

    public init(initial: UInt32 = 0, delta: UInt32 = 0, previousDelta: UInt32 = 0) {
      (self.initial, self.delta, self.previousDelta) = (initial, delta, previousDelta)
    }
  }

  /// The kernel's numbers of the forwarding methods (`IP_VS_CONN_F_FWD_MASK`).
  public enum Method: UInt8, Hashable, Sendable {
    case masquerade, local, tunnel, route, bypass
  }

  /// What a persistence engine found in the flow's first packet.
  public struct Engine: Hashable, Sendable {
    public var name: String
    public var data: [UInt8]

    public init(name: String, data: [UInt8]) { (self.name, self.data) = (name, data) }
  }

  /// The IP protocol number; 0 for a template of a firewall mark.
  public var transport: UInt8
  public var client: Endpoint
  /// For a template of a firewall mark, the mark stands in the place of the address.
  public var virtual: Endpoint
  public var server: Endpoint
  /// The mark of the service that took it; 0 for a service by address.
  public var mark: UInt32
  public var method: Method
  public var flags: Flags
  /// The kernel's number of the state within its protocol; of a template 0, or 1 once a connection was established.
  public var state: UInt16
  /// Seconds until it ends without another packet.
  public var timeLeft: UInt32
  public var clientShift: SequenceShift?
  public var serverShift: SequenceShift?
  public var engine: Engine?

  public init(
    transport: UInt8, client: Endpoint, virtual: Endpoint, server: Endpoint, mark: UInt32 = 0, method: Method = .route,
    flags: Flags = .noOutput, state: UInt16, timeLeft: UInt32, clientShift: SequenceShift? = nil,
    serverShift: SequenceShift? = nil, engine: Engine? = nil
  ) {
    self.transport = transport
    self.client = client
    self.virtual = virtual
    self.server = server
    self.mark = mark
    self.method = method
    self.flags = flags
    self.state = state
    self.timeLeft = timeLeft
    self.clientShift = clientShift
    self.serverShift = serverShift
    self.engine = engine
  }

  public var isTemplate: Bool { flags.contains(.template) }
  public var family: IPAddress.Family { client.address.family }
}

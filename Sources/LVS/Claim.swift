/// Something of a request that the outside world has a say in.
public struct Claim: Hashable, Sendable {
  public enum Subject: Hashable, Sendable {
    /// A service that is new.
    case service(ServiceKey)
    /// A VIP that is new.
    case vip(IPAddress)
    /// A server that is new, or is to be otherwise than it was.
    case server(RealServer)
  }

  /// What is done where somebody else has it.
  public enum Manner: Hashable, Sendable {
    /// It is refused.
    case ask
    /// It is taken whoever has it.
    case force
    /// It is left to another director until that lets go of it, and refused where any other host has it.
    case standBy
    /// It is left to whoever has it until that lets go of it.
    case wait
  }

  public var subject: Subject
  public var manner: Manner

  public init(_ subject: Subject, _ manner: Manner = .ask) { (self.subject, self.manner) = (subject, manner) }
}

/// What the outside world says to the claims of a request.
public struct Admission: Sendable {
  /// Why a subject cannot be had.
  public var refusals: [Claim.Subject: PlaneError] = [:]
  /// VIPs that are another host's for now, and that host's station.
  public var standby: [IPAddress: MACAddress] = [:]
  /// Services that were there already and are taken over as they are.
  public var found: [ServiceDefinition] = []

  public init() {}
}

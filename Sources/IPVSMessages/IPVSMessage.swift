import LVS

/// What stands in a request and in an answer (`IPVS_CMD_ATTR_*`).
package struct IPVSMessage: AttributeTable {
  package var service: ServiceMessage?
  package var destination: DestinationMessage?
  package var daemon: DaemonMessage?
  package var timeoutTCP: UInt32?
  package var timeoutTCPFin: UInt32?
  package var timeoutUDP: UInt32?

  package static let fields: [Field<Self>] = [
    .nest(1, \.service), .nest(2, \.destination), .nest(3, \.daemon), .number(4, \.timeoutTCP),
    .number(5, \.timeoutTCPFin), .number(6, \.timeoutUDP),
  ]

  package init() {}

  package init(
    service: ServiceMessage? = nil, destination: DestinationMessage? = nil, daemon: DaemonMessage? = nil,
    timeouts: Timeouts? = nil
  ) {
    (self.service, self.destination, self.daemon) = (service, destination, daemon)
    (timeoutTCP, timeoutTCPFin, timeoutUDP) = (timeouts?.tcp, timeouts?.tcpFin, timeouts?.udp)
  }
}

/// What the kernel says of itself (`IPVS_INFO_ATTR_*`).
public struct KernelInfo: Hashable, Sendable {
  /// Of the protocol, 0x010201: 1.2.1.
  public var version: UInt32
  /// How many buckets the connection table has.
  public var connectionTableSize: UInt32

  public init(version: UInt32, connectionTableSize: UInt32) {
    (self.version, self.connectionTableSize) = (version, connectionTableSize)
  }
}

package struct InfoMessage: AttributeTable {
  package var version: UInt32?
  package var connectionTableSize: UInt32?

  package static let fields: [Field<Self>] = [.number(1, \.version), .number(2, \.connectionTableSize)]

  package init() {}

  package init(_ info: KernelInfo) {
    (version, connectionTableSize) = (info.version, info.connectionTableSize)
  }
}

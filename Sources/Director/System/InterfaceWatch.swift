import LVS

/// What became of the interface between two looks at it.
struct InterfaceWatch {
  enum Change: Equatable {
    /// It is not there any more.
    case gone
    /// There is another one of the same name: sockets must be bound anew.
    case renewed
    case down
    /// It carries frames again, after it did not.
    case up
    case station(MACAddress)
    case addresses
    case mtu
    /// Frames arrive on more or fewer receive queues.
    case queues
    /// A bridge has a port more, behind which nobody knows the VIPs.
    case port
  }

  private(set) var interface: Interface
  private var isThere = true

  init(_ interface: Interface) {
    self.interface = interface
  }

  /// Takes over what the interface is now, nil where there is none.
  mutating func look(_ now: Interface?) -> [Change] {
    let old = interface
    guard let now else {
      defer { isThere = false }
      return isThere ? [.gone] : []
    }
    let (wasThere, wasUp) = (isThere, isThere && old.isUp)
    (interface, isThere) = (now, true)
    var changes: [Change] = []
    if now.index != old.index || !wasThere { changes.append(.renewed) }
    if now.mac != old.mac { changes.append(.station(now.mac)) }
    if now.addresses != old.addresses { changes.append(.addresses) }
    if now.mtu != old.mtu { changes.append(.mtu) }
    if now.queues != old.queues { changes.append(.queues) }
    if wasUp != now.isUp { changes.append(now.isUp ? .up : .down) }
    if !now.ports.isSubset(of: old.ports) { changes.append(.port) }
    return changes
  }
}

import LVS

/// What is done to a frame for its server: a value that the server has, whatever the frame.
///
/// As IPVS has one transmit function for each forwarding method, a method is a case here, which says what it adds to a
/// packet and how it writes the frame. Nothing else in the pipe asks for the method. Direct routing adds nothing and
/// writes two addresses.
struct Egress: Equatable {
  enum Method: UInt8, CaseIterable {
    case directRouting

    /// nil where frames cannot be sent so.
    init?(_ kind: ForwardingMethod.Kind) {
      guard let method = Self.allCases.first(where: { $0.kind == kind }) else { return nil }
      self = method
    }

    var kind: ForwardingMethod.Kind {
      switch self {
      case .directRouting: .route
      }
    }

    /// Bytes that it adds to a packet, which have to fit the interface's MTU too.
    @inline(__always)
    var headroom: Int {
      switch self {
      case .directRouting: 0
      }
    }
  }

  let method: Method
  /// The station that takes the frame; zero while it is not known.
  let nextHop: MACAddress

  @inline(__always)
  var isResolved: Bool { nextHop.value != 0 }

  /// How long a packet to the server may be.
  @inline(__always)
  func mtu(_ link: Link) -> Int { link.mtu &- method.headroom }

  /// Writes the server's addresses into a frame, whose hop is counted already.
  @inline(__always)
  func write(_ frame: Bytes, from link: Link) {
    switch method {
    case .directRouting: Ethernet.readdress(frame, from: link.mac, to: nextHop)
    }
  }
}

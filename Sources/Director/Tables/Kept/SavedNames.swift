import LVS
import Synchronization

/// What the numbers in records stand for: VIPs, services and servers, with what else of them has to outlive the
/// process.
///
/// A row is written whole before its number is given out, its seal last, and cleared before the number is given out
/// again. A row whose seal does not fit was not written to its end, or damaged: its number stands for nothing.
final class SavedNames: Sendable {
  let servers: KeptRows<SavedServer>
  let services: KeptRows<SavedService>
  let vips: KeptRows<SavedVIP>
  private let figures: KeptRows<SavedFigures>

  init(_ state: StateDirectory?) throws(SystemError) {
    servers = try KeptRows(state, "servers", count: ServerTable.capacity)
    services = try KeptRows(state, "services", count: ServiceTable.capacity)
    vips = try KeptRows(state, "vips", count: 1 << 16)
    figures = try KeptRows(state, "figures", count: 1)
    figures.secure(0)
  }

  var figure: SavedFigures {
    get { figures[0] }
    set { figures[0] = newValue }
  }
}

/// An address with its port, in plain words.
struct SavedEndpoint: BitwiseCopyable {
  var high: UInt64 = 0
  var low: UInt64 = 0
  var port: UInt16 = 0
  var family: UInt8 = 0
  /// The transport's number; of a service by mark 255, with the mark in `low`.
  var kind: UInt8 = 0

  static let mark: UInt8 = 255

  init() {}

  init(_ endpoint: Endpoint, kind: UInt8 = 0) {
    (high, low, port) = (endpoint.address.high, endpoint.address.low, endpoint.port)
    (family, self.kind) = (endpoint.address.family.rawValue, kind)
  }

  init(_ key: ServiceKey) {
    switch key {
    case .endpoint(let transport, let end): self = SavedEndpoint(end, kind: transport.rawValue)
    case .fwmark(let mark, let family): (low, self.family, kind) = (UInt64(mark), family.rawValue, Self.mark)
    }
  }

  /// What tells whether it is whole; never 0. `number` is the row's: one row's words are none in another.
  func seal(_ number: Int, _ more: UInt64 = 0) -> UInt32 {
    let words = [high, low, UInt64(port) << 16 | UInt64(family) << 8 | UInt64(kind), UInt64(number), more]
    return CRC32C.of(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) } }) | 1
  }

  var address: IPAddress? {
    switch IPAddress.Family(rawValue: family) {
    case .v4: high == 0 && low >> 32 == 0 ? IPAddress(v4: UInt32(low)) : nil
    case .v6: IPAddress(v6: high, low)
    case nil: nil
    }
  }

  var endpoint: Endpoint? { address.map { Endpoint($0, port) } }

  var key: ServiceKey? {
    if kind == Self.mark {
      guard let family = IPAddress.Family(rawValue: family), let mark = UInt32(exactly: low), mark > 0 else {
        return nil
      }
      return .fwmark(mark, family)
    }
    guard let transport = TransportProtocol(rawValue: kind), let endpoint else { return nil }
    return .endpoint(transport, endpoint)
  }
}

/// The zero point of a figure.
struct SavedStatistics: BitwiseCopyable {
  var connections: UInt64 = 0
  var packets: UInt64 = 0
  var bytes: UInt64 = 0

  init() {}

  init(_ statistics: Statistics) {
    (connections, packets, bytes) = (statistics.connections, statistics.packets, statistics.bytes)
  }

  var statistics: Statistics { Statistics(connections: connections, packets: packets, bytes: bytes) }
}

/// A real server, by its number.
struct SavedServer: BitwiseCopyable {
  private var end = SavedEndpoint()
  private var service: ServiceNumber = 0
  private var seal: UInt32 = 0
  var zero = SavedStatistics()
  /// The last weight that was not zero.
  var lastWeight: Int32 = 0
  /// The place in its service's list; -1 in the trash.
  var position: Int32 = -1
  /// See `ServerState`.
  var idleSince: UInt32 = 0
  /// See `ServerState`.
  var upper: UInt32 = 0
  var lower: UInt32 = 0
  private var overload: UInt32 = 0
  /// The server's Ethernet address, as it was last known; 0 where it was not.
  var mac: UInt64 = 0

  init() {}

  init(_ endpoint: Endpoint, service: ServiceNumber, number: Int) {
    (end, self.service) = (SavedEndpoint(endpoint), service)
    seal = end.seal(number, UInt64(service.rawValue))
  }

  var isOverloaded: Bool {
    get { overload & 1 != 0 }
    set { overload = newValue ? 1 : 0 }
  }

  /// Which server it is, and of which service; nil where it is none.
  func identity(_ number: Int) -> (endpoint: Endpoint, service: ServiceNumber)? {
    guard seal == end.seal(number, UInt64(service.rawValue)), let endpoint = end.endpoint,
      Int(service) < ServiceTable.capacity
    else {
      return nil
    }
    return (endpoint, service)
  }
}

/// A virtual service, by its number.
struct SavedService: BitwiseCopyable {
  private var end = SavedEndpoint()
  private var seal: UInt32 = 0
  var turn = SchedulerTurn()
  var zero = SavedStatistics()

  init() {}

  init(_ key: ServiceKey, number: Int) {
    end = SavedEndpoint(key)
    seal = end.seal(number)
  }

  func key(_ number: Int) -> ServiceKey? { seal == end.seal(number) ? end.key : nil }
}

/// A VIP, by its number.
struct SavedVIP: BitwiseCopyable {
  private var end = SavedEndpoint()
  private var seal: UInt32 = 0
  private var owned: UInt32 = 0

  init() {}

  init(_ address: IPAddress, number: Int) {
    end = SavedEndpoint(Endpoint(address, 0))
    seal = end.seal(number)
  }

  /// Whether it was the director's on the LAN, rather than another host's for now.
  var isOwned: Bool {
    get { owned & 1 != 0 }
    set { owned = newValue ? 1 : 0 }
  }

  func address(_ number: Int) -> IPAddress? { seal == end.seal(number) ? end.address : nil }
}

/// What there is once.
struct SavedFigures: BitwiseCopyable {
  /// When the director last said that it is alive, in milliseconds of the monotonic clock.
  var alive: UInt64 = 0
  /// The zero point of the sum over all services.
  var zero = SavedStatistics()
}

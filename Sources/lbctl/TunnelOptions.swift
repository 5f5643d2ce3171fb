import ArgumentParser
import LVS

/// What `-i` encapsulates in. Only the kernel plane can.
struct TunnelOptions: ParsableArguments {
  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case ipip, gue, gre
  }

  enum Checksum: EnumerableFlag {
    case without, full, remote

    static func name(for value: Checksum) -> NameSpecification {
      switch value {
      case .without: [.customLong("tun-nocsum")]
      case .full: [.customLong("tun-csum")]
      case .remote: [.customLong("tun-remcsum")]
      }
    }

    static func help(for value: Checksum) -> ArgumentHelp? {
      switch value {
      case .without: "No checksums in the tunnel's header."
      case .full: "Checksums in the tunnel's header."
      case .remote: "Remote checksum offload, with gue."
      }
    }
  }

  @Option(name: .customLong("tun-type"), help: "With -i: ipip, gue or gre.")
  var kind: Kind?

  @Option(name: .customLong("tun-port"), help: ArgumentHelp("The UDP port of gue.", valueName: "port"))
  var port: UInt16?

  @Flag var checksum: Checksum?

  var isNamed: Bool { kind != nil || port != nil || checksum != nil }

  var tunnel: Tunnel {
    let kinds: [Kind: Tunnel.Kind] = [.gue: .gue, .gre: .gre]
    let checksums: [Checksum: Tunnel.Checksum] = [.full: .full, .remote: .remote]
    return Tunnel(
      kind: kind.flatMap { kinds[$0] } ?? .ipip, port: port ?? 0,
      checksum: checksum.flatMap { checksums[$0] } ?? .none)
  }

  func validate() throws {
    guard isNamed else { return }
    if (kind == .gue) != (port.map { $0 != 0 } ?? false) {
      throw ValidationError(kind == .gue ? "gue needs --tun-port" : "--tun-port goes with --tun-type gue")
    }
    if checksum != nil, kind != .gue, kind != .gre { throw ValidationError("ipip has no checksums") }
    if checksum == .remote, kind != .gue { throw ValidationError("--tun-remcsum goes with --tun-type gue") }
  }
}

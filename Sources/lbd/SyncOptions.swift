import ArgumentParser
import Foundation
import LVS

/// How connections are synchronized with other directors; named as ipvsadm's daemon options are.
struct SyncOptions: ParsableArguments {
  enum Roles: String, ExpressibleByArgument, CaseIterable {
    case master, backup, both
  }

  /// The fewest bytes of a key.
  private static let shortestKey = 16

  @Option(
    help: """
      Tell other directors of connections (master), enter theirs (backup), or both, by the protocol of the kernel's IPVS.
      """)
  var sync: Roles?

  @Option(
    help: ArgumentHelp("The interface that the multicast goes out of and comes in by.", valueName: "name"),
    completion: .shellCommand("ls /sys/class/net"))
  var syncInterface: String?

  @Option(help: ArgumentHelp("The directors of one group have one number; 0 listens to all.", valueName: "0-255"))
  var syncID: UInt8 = 0

  @Option(
    help: ArgumentHelp("The multicast group (default: 224.0.0.81).", valueName: "address"),
    transform: group)
  var syncGroup: IPAddress?

  @Option(help: ArgumentHelp("The UDP port.", valueName: "port"))
  var syncPort = SyncDaemon.standardPort

  @Option(help: ArgumentHelp("How many routers the multicast may pass, and one.", valueName: "1-255"))
  var syncTTL: UInt8 = 1

  @Option(help: ArgumentHelp("The longest datagram (default: what fits the interface).", valueName: "bytes"))
  var syncMaxlen: UInt16?

  @Option(
    help: ArgumentHelp(
      "Sign datagrams with this file's bytes, and take none that is not; the same on all directors.", valueName: "file"),
    completion: .file())
  var syncKey: String?

  @Flag(
    help: """
      Between lbds: tell of every connection at once and of each of its states, and give who starts all that there are.
      """)
  var syncAll = false

  func validate() throws {
    guard sync != nil else {
      if syncAll { throw ValidationError("--sync-all goes with --sync") }
      if syncInterface != nil { throw ValidationError("--sync-interface goes with --sync") }
      return
    }
    if syncInterface == nil {
      throw ValidationError("name the interface to the other directors: --sync-interface eth0")
    }
    if syncPort == 0 { throw ValidationError("--sync-port 0 is not in 1 to 65535") }
    if syncTTL == 0 { throw ValidationError("--sync-ttl 0 is not in 1 to 255") }
    if let syncMaxlen, !(431...65_507).contains(syncMaxlen) {
      throw ValidationError("--sync-maxlen \(syncMaxlen) is not in 431 to 65507")
    }
  }

  /// Those that are asked for.
  var daemons: [SyncDaemon] {
    let roles: [SyncDaemon.Role] =
      switch sync {
      case .master: [.master]
      case .backup: [.backup]
      case .both: [.backup, .master]
      case nil: []
      }
    return roles.map { role in
      SyncDaemon(
        role, interface: syncInterface ?? "", syncID: UInt32(syncID), maxLength: syncMaxlen ?? 0, group: syncGroup,
        port: syncPort, ttl: syncTTL)
    }
  }

  /// What the key's file holds, without the end of its line.
  func key() throws(PlaneError) -> [UInt8]? {
    guard let syncKey else { return nil }
    let content: Data
    do { content = try Data(contentsOf: URL(filePath: syncKey)) } catch {
      throw .unavailable("cannot read the key \(syncKey): \(error.localizedDescription)")
    }
    let key = content.last == UInt8(ascii: "\n") ? Array(content.dropLast()) : Array(content)
    guard key.count >= Self.shortestKey else {
      throw .invalid("the key \(syncKey) is shorter than \(Self.shortestKey) bytes (openssl rand -hex 32 makes one)")
    }
    return key
  }
}

private func group(_ text: String) throws -> IPAddress {
  guard let group = IPAddress(text), group.isMulticast else {
    throw ValidationError("'\(text)' is not a multicast address")
  }
  return group
}

extension IPAddress {
  fileprivate var isMulticast: Bool { family == .v4 ? v4 >> 28 == 14 : high >> 56 == 0xff }
}

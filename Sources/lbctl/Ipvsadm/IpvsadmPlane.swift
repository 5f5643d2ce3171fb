import Control
import Foundation
import KernelIPVS
import LVS

/// What the ipvsadm face speaks to.
enum IpvsadmPlane {
  case kernel(KernelPlane, KernelInfo)
  case userspace(ControlClient)

  /// The plane that was chosen, by name or by `LBCTL_PLANE`; where none was, the kernel, or an lbd that answers where
  /// the kernel has no IPVS.
  static func open(_ choice: PlaneChoice, _ environment: [String: String]) async throws(IpvsadmExit) -> IpvsadmPlane {
    let name = choice.plane ?? environment["LBCTL_PLANE"]
    let socket = choice.socket ?? environment["LBCTL_SOCKET"] ?? ControlSocket.standardPath
    let client = ControlClient(ControlSocket(socket))
    switch name {
    case "userspace": return .userspace(client)
    case "kernel", nil: break
    case .some(let name): throw .usage("unknown plane `\(name)' (there are kernel and userspace)")
    }
    do {
      let plane = try KernelPlane()
      return .kernel(plane, try await plane.info())
    } catch let error {
      guard name == nil else { throw .usage(noKernel(error)) }
      do {
        _ = try await client.timeouts()
        return .userspace(client)
      } catch let silence {
        throw .usage(noKernel(error, "; \(silence)"))
      }
    }
  }

  /// ipvsadm's words, and before them, where modprobe has its own, what can be done.
  ///
  /// - Parameter silence: why no lbd answers instead.
  private static func noKernel(_ error: any Error, _ silence: String = "") -> String {
    let words = "Are you sure that IP Virtual Server is built in the kernel or as module?"
    if case KernelError.refused(let command, let errno) = error {
      return "Can't initialize ipvs: \(KernelWords.text(command, errno))\n\(words)"
    }
    return "ipvsadm: \(error)\(silence)\nCan't initialize ipvs: Protocol not available\n\(words)"
  }

  /// What the listings call the size of the connection table.
  var tableSize: Int {
    if case .kernel(_, let info) = self { Int(info.connectionTableSize) } else { 4096 }
  }

  func services() async throws -> [ServiceStatus] {
    switch self {
    case .kernel(let plane, _): try await plane.services()
    case .userspace(let client): try await client.services()
    }
  }

  func service(_ key: ServiceKey) async throws -> ServiceStatus {
    switch self {
    case .kernel(let plane, _): try await plane.service(key)
    case .userspace(let client): try await client.service(key)
    }
  }

  /// Carries each change out by itself, in order.
  ///
  /// - Returns: of each why it was refused; nil where it is in force.
  func attempt(_ changes: [Change]) async throws -> [(any Error)?] {
    switch self {
    case .kernel(let plane, _): await plane.carryOut(changes)
    case .userspace(let client): try await client.attempt(changes)
    }
  }

  func flush() async throws {
    switch self {
    case .kernel(let plane, _): try await plane.flush()
    case .userspace(let client): try await client.flush()
    }
  }

  func zero(_ key: ServiceKey?) async throws {
    switch self {
    case .kernel(let plane, _): try await plane.clearCounters(key)
    case .userspace(let client): try await client.zero(key)
    }
  }

  func timeouts() async throws -> Timeouts {
    switch self {
    case .kernel(let plane, _): try await plane.currentTimeouts()
    case .userspace(let client): try await client.timeouts()
    }
  }

  func set(_ timeouts: Timeouts) async throws {
    switch self {
    case .kernel(let plane, _): try await plane.change(timeouts)
    case .userspace(let client): _ = try await client.setTimeouts(timeouts)
    }
  }

  /// The daemons are the kernel's alone.
  func daemons() async throws -> [SyncDaemon] {
    if case .kernel(let plane, _) = self { try await plane.daemons() } else { [] }
  }

  func start(_ daemon: SyncDaemon) async throws {
    guard case .kernel(let plane, _) = self else { throw Self.noDaemons }
    try await plane.start(daemon)
  }

  func stop(_ daemon: SyncDaemon) async throws {
    guard case .kernel(let plane, _) = self else { throw Self.noDaemons }
    try await plane.stop(daemon)
  }

  private static let noDaemons = PlaneError.notSupported(
    "the synchronisation daemon is the kernel plane's (--plane kernel): lbd has none")
}

/// What stood before ipvsadm's own words: `--plane NAME`, `--socket PATH`.
struct PlaneChoice: Equatable {
  var plane: String?
  var socket: String?
  /// ipvsadm's own words.
  var words: [String]

  init(_ words: [String]) {
    var rest = words[...]
    while let word = rest.first {
      if let (option, value) = Self.pair(word, rest.dropFirst().first) {
        if option == "--plane" { plane = value } else { socket = value }
        rest = rest.dropFirst(word.contains("=") ? 1 : 2)
      } else {
        break
      }
    }
    self.words = Array(rest)
  }

  private static func pair(_ word: String, _ next: String?) -> (option: String, value: String)? {
    let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
    guard let option = parts.first, ["--plane", "--socket"].contains(option) else { return nil }
    if parts.count == 2 { return (option, parts[1]) }
    return next.map { (option, $0) }
  }
}

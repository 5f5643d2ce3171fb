import Control
import KernelIPVS
import LVS

/// What the ipvsadm face speaks to.
enum IpvsadmPlane {
  case kernel(IPVSTable, KernelInfo)
  case userspace(ControlClient)

  /// The plane that was chosen, by name, by the socket of an lbd, or by `LBCTL_PLANE`; where none was, the kernel, or an
  /// lbd that answers where the kernel has no IPVS.
  static func open(_ choice: PlaneChoice) throws(IpvsadmExit) -> IpvsadmPlane {
    let name = choice.plane ?? choice.socket.map { _ in "userspace" } ?? environment("LBCTL_PLANE")
    let socket = choice.socket ?? environment("LBCTL_SOCKET") ?? ControlSocket.standardPath
    let client = ControlClient(ControlSocket(socket))
    switch name {
    case "userspace": return .userspace(client)
    case "kernel", nil: break
    case .some(let name): throw .usage("unknown plane `\(name)' (there are kernel and userspace)")
    }
    do {
      let table = try IPVSTable()
      return .kernel(table, try table.info())
    } catch let error {
      guard name == nil else { throw .usage(noKernel(error)) }
      do {
        _ = try wait { try await client.timeouts() }
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

  func services() throws -> [ServiceStatus] {
    switch self {
    case .kernel(let table, _): try table.services()
    case .userspace(let client): try wait { try await client.services() }
    }
  }

  func service(_ key: ServiceKey) throws -> ServiceStatus {
    switch self {
    case .kernel(let table, _): try table.service(key)
    case .userspace(let client): try wait { try await client.service(key) }
    }
  }

  /// Carries each change out by itself, in order.
  ///
  /// - Returns: of each why it was refused; nil where it is in force.
  func attempt(_ changes: [Change]) throws -> [(any Error)?] {
    switch self {
    case .kernel(let table, _): table.carryOut(changes)
    case .userspace(let client): try wait { try await client.attempt(changes) }
    }
  }

  func flush() throws {
    switch self {
    case .kernel(let table, _): try table.flush()
    case .userspace(let client): try wait { try await client.flush() }
    }
  }

  func zero(_ key: ServiceKey?) throws {
    switch self {
    case .kernel(let table, _): try table.zero(key)
    case .userspace(let client): try wait { try await client.zero(key) }
    }
  }

  func timeouts() throws -> Timeouts {
    switch self {
    case .kernel(let table, _): try table.timeouts()
    case .userspace(let client): try wait { try await client.timeouts() }
    }
  }

  func set(_ timeouts: Timeouts) throws {
    switch self {
    case .kernel(let table, _): try table.set(timeouts)
    case .userspace(let client): _ = try wait { try await client.setTimeouts(timeouts) }
    }
  }

  /// The daemons are the kernel's alone.
  func daemons() throws -> [SyncDaemon] {
    if case .kernel(let table, _) = self { try table.daemons() } else { [] }
  }

  func start(_ daemon: SyncDaemon) throws {
    guard case .kernel(let table, _) = self else { throw Self.noDaemons }
    try table.start(daemon)
  }

  func stop(_ daemon: SyncDaemon) throws {
    guard case .kernel(let table, _) = self else { throw Self.noDaemons }
    try table.stop(daemon)
  }

  private static let noDaemons = PlaneError.notSupported(
    "the synchronisation daemon is the kernel plane's (--plane kernel): lbd has none")
}

/// What stood among ipvsadm's own words: `--plane NAME`, `--socket PATH`.
struct PlaneChoice: Equatable {
  var plane: String?
  var socket: String?
  /// ipvsadm's own words.
  var words: [String]

  init(_ words: [String]) {
    var (rest, own) = (words[...], [String]())
    while let word = rest.popFirst() {
      guard let (option, value) = Self.pair(word, rest.first) else {
        own.append(word)
        continue
      }
      if option == "--plane" { plane = value } else { socket = value }
      if !word.contains("=") { rest.removeFirst() }
    }
    self.words = own
  }

  private static func pair(_ word: String, _ next: String?) -> (option: String, value: String)? {
    let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
    guard let option = parts.first, ["--plane", "--socket"].contains(option) else { return nil }
    if parts.count == 2 { return (option, parts[1]) }
    return next.map { (option, $0) }
  }
}

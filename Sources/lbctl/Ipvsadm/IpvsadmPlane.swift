import Control
import IPVSMessages
import KernelIPVS
import LVS

/// What the ipvsadm face speaks to.
struct IpvsadmPlane {
  let client: any DirectorClient
  /// Where that is the kernel.
  let kernel: KernelClient?
  /// What the listings call the size of the connection table.
  let tableSize: Int

  /// The plane that was chosen, by name, by the socket of an lbd, or by `LBCTL_PLANE`; where none was, the kernel, or an
  /// lbd that answers where the kernel has no IPVS.
  static func open(_ choice: PlaneChoice) throws -> IpvsadmPlane {
    let name = choice.plane ?? choice.socket.map { _ in "userspace" } ?? environment("LBCTL_PLANE")
    let socket = choice.socket ?? DaemonOptions.standardSocket
    let patience = choice.patience.map { Int($0) ?? -1 } ?? ControlClient.standardPatience
    guard DaemonOptions.patience.contains(patience) else {
      throw IpvsadmExit.usage("--timeout \(choice.patience ?? "") is not in 0 to \(DaemonOptions.patience.upperBound)")
    }
    let client = ControlClient(ControlSocket(socket), patience: patience)
    let lbd = IpvsadmPlane(client: client, kernel: nil, tableSize: 4096)
    switch name {
    case "userspace": return lbd
    case "kernel", nil: break
    case .some(let name): throw IpvsadmExit.usage("unknown plane `\(name)' (there are kernel and userspace)")
    }
    do {
      return try wait { try await ofTheKernel() }
    } catch let error {
      guard name == nil else { throw IpvsadmExit.usage(noKernel(error)) }
      do {
        _ = try lbd.call(API.timeouts)
        return lbd
      } catch let silence {
        throw IpvsadmExit.usage(noKernel(error, "; \(silence)"))
      }
    }
  }

  private static func ofTheKernel() async throws -> IpvsadmPlane {
    let kernel = try await KernelClient()
    let info = try await kernel.ask { table throws(KernelError) in try table.info() }
    return IpvsadmPlane(client: kernel, kernel: kernel, tableSize: Int(info.connectionTableSize))
  }

  /// ipvsadm's words, and before them, where modprobe has its own, what can be done.
  ///
  /// - Parameter silence: why no lbd answers instead.
  private static func noKernel(_ error: any Error, _ silence: String = "") -> String {
    let words = "Are you sure that IP Virtual Server is built in the kernel or as module?"
    if let refusal = error as? KernelRefusal, case .refused(let command, let errno) = refusal.error {
      return "Can't initialize ipvs: \(KernelWords.text(command, errno))\n\(words)"
    }
    return "ipvsadm: \(error)\(silence)\nCan't initialize ipvs: Protocol not available\n\(words)"
  }

  /// The same over one connection for all requests to come.
  func connected() throws -> IpvsadmPlane {
    IpvsadmPlane(client: try wait { try await client.connected() }, kernel: kernel, tableSize: tableSize)
  }

  func call<Request, Answer>(_ operation: Operation<Request, Answer>, _ request: Request) throws -> Answer {
    try wait { try await client.call(operation, request) }
  }

  func call<Answer>(_ operation: Operation<Nothing, Answer>) throws -> Answer { try call(operation, Nothing()) }

  /// Carries each change out by itself, in order.
  ///
  /// - Returns: of each why it was refused; nil where it is in force.
  func attempt(_ changes: [Change]) throws -> [(any Error)?] { try wait { try await client.attempt(changes) } }

  func daemons() throws -> [SyncDaemon] {
    guard let kernel else { return try call(API.sync).daemons }
    return try wait { try await kernel.ask { table throws(KernelError) in try table.daemons() } }
  }

  func start(_ daemon: SyncDaemon) throws {
    guard let kernel else {
      _ = try call(API.startSync, daemon)
      return
    }
    try wait { try await kernel.ask { table throws(KernelError) in try table.start(daemon) } }
  }

  func stop(_ daemon: SyncDaemon) throws {
    guard let kernel else {
      _ = try call(API.stopSync, SyncRole(daemon.role))
      return
    }
    try wait { try await kernel.ask { table throws(KernelError) in try table.stop(daemon) } }
  }
}

/// What stood among ipvsadm's own words: `--plane NAME`, `--socket PATH`, `--patience SECONDS`, which is what lbctl calls
/// `--timeout`.
struct PlaneChoice: Equatable {
  var plane: String?
  var socket: String?
  var patience: String?
  /// ipvsadm's own words.
  var words: [String]

  init(_ words: [String]) {
    var (rest, own) = (words[...], [String]())
    while let word = rest.popFirst() {
      guard let (option, value) = Self.pair(word, rest.first) else {
        own.append(word)
        continue
      }
      switch option {
      case "--plane": plane = value
      case "--socket": socket = value
      default: patience = value
      }
      if !word.contains("=") { rest.removeFirst() }
    }
    self.words = own
  }

  private static func pair(_ word: String, _ next: String?) -> (option: String, value: String)? {
    let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
    guard let option = parts.first, ["--plane", "--socket", "--patience"].contains(option) else { return nil }
    if parts.count == 2 { return (option, parts[1]) }
    return next.map { (option, $0) }
  }
}

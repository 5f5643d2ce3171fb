import CNetlink
import Glibc
import IPVSMessages

/// The kernel's IPVS: one netlink socket, and the number that the kernel gave the family.
final class IPVSSocket {
  /// How often a dump is begun anew because the table changed meanwhile.
  private static let attempts = 8

  private let socket: NetlinkSocket
  /// The module may be loaded anew under us: its number is asked for again when it seems to be gone.
  private var family: UInt16

  /// Loads the module where it is missing and can be had, as ipvsadm does.
  convenience init() throws(KernelError) {
    try self.init(NetlinkPort(NETLINK_GENERIC)) { Self.loadModule() }
  }

  init(_ port: NetlinkPort, loadModule: () -> Void) throws(KernelError) {
    socket = NetlinkSocket(port)
    if let family = socket.family(IPVSFamily.name) {
      self.family = family
    } else {
      loadModule()
      guard let family = socket.family(IPVSFamily.name) else { throw .noIPVS }
      self.family = family
    }
  }

  /// - Returns: the attributes of each message of the answer.
  func exchange(_ request: Request) throws(KernelError) -> [ArraySlice<UInt8>] {
    for _ in 0..<Self.attempts {
      let answer: Answer
      do throws(ExchangeFailure) {
        answer = try socket.exchange { request.bytes(family: family, sequence: $0) }
      } catch {
        throw KernelError(error, request.command)
      }
      if answer.refusal == EINTR { continue }
      // An unknown family is refused with ENOENT, which also means other things.
      if answer.refusal == ENOENT, try lookUpAgain() { continue }
      guard answer.refusal == 0 else { throw .refused(request.command, answer.refusal) }
      if !answer.isInterrupted { return answer.messages }
    }
    throw .interrupted(request.command)
  }

  /// Asks for the family's number again; whether it is another one than before.
  private func lookUpAgain() throws(KernelError) -> Bool {
    guard let now = socket.family(IPVSFamily.name) else { throw .noIPVS }
    defer { family = now }
    return now != family
  }

  private static func loadModule() {
    guard geteuid() == 0 else { return }
    var process: pid_t = 0
    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe []
    for word in ["/sbin/modprobe", "-q", "--", "ip_vs"] { unsafe arguments.append(strdup(word)) }
    defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
    unsafe arguments.append(nil)
    guard unsafe posix_spawn(&process, "/sbin/modprobe", nil, nil, &arguments, environ) == 0 else { return }
    var status: Int32 = 0
    while unsafe waitpid(process, &status, 0) < 0, errno == EINTR {}
  }
}

extension KernelError {
  init(_ failure: ExchangeFailure, _ command: Command) {
    switch failure {
    case .socket(let reason): self = .socket(reason)
    case .malformed: self = .unreadable(command)
    }
  }
}

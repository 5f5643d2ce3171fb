import CNetlink
import Glibc

/// The kernel's IPVS: one netlink socket, and the number that the kernel gave the family.
final class IPVSSocket {
  /// How often a dump is begun anew because the table changed meanwhile.
  private static let attempts = 8

  private let socket: NetlinkSocket
  private var family: UInt16
  /// The module's load number may change under us: it is asked for again when it seems to be gone.
  private static let name = "IPVS"

  /// Loads the module where it is missing and can be had, as ipvsadm does.
  init() throws(KernelError) {
    socket = try NetlinkSocket(NETLINK_GENERIC)
    if let family = socket.family(Self.name) {
      self.family = family
    } else {
      Self.loadModule()
      guard let family = socket.family(Self.name) else { throw .noIPVS }
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
      guard answer.refusal == 0 else { throw refusal(answer.refusal, request) }
      if !answer.isInterrupted { return answer.messages }
    }
    throw .interrupted(request.command)
  }

  /// An unknown family is refused with ENOENT, which also means other things.
  private func refusal(_ errno: Int32, _ request: Request) -> KernelError {
    errno == ENOENT && socket.family(Self.name) != family ? .noIPVS : .refused(request.command, errno)
  }

  private static func loadModule() {
    guard geteuid() == 0 else { return }
    var process: pid_t = 0
    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe []
    for word in ["/sbin/modprobe", "-q", "--", "ip_vs"] { unsafe arguments.append(strdup(word)) }
    unsafe arguments.append(nil)
    defer { for index in unsafe arguments.indices { unsafe free(arguments[index]) } }
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

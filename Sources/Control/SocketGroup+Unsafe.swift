import Glibc
import LVS

/// A group whose members may use the control socket, beside its owner.
public struct SocketGroup: Hashable, Sendable {
  public let name: String
  let number: gid_t

  /// - Returns: nil where there is no group of the name.
  public init?(_ name: String) {
    guard let entry = unsafe getgrnam(name) else { return nil }
    self.name = name
    number = unsafe entry.pointee.gr_gid
  }

  /// Becomes a member, so that the socket can be given to the group without the right to give files away. To be called
  /// while the process has no other thread.
  public func join() throws(PlaneError) {
    var groups = [gid_t](repeating: 0, count: 65_536)
    let count = unsafe getgroups(Int32(groups.count), &groups)
    guard count >= 0 else { throw problem("its groups cannot be read") }
    groups.removeLast(groups.count - Int(count))
    guard !groups.contains(number), getegid() != number else { return }
    guard unsafe setgroups(groups.count + 1, groups + [number]) == 0 else {
      throw problem("lbd is not in the group and cannot join it")
    }
  }

  /// Lets the group use a socket that only its owner may.
  func open(_ path: String) throws(PlaneError) {
    guard unsafe lchown(path, uid_t.max, number) == 0, unsafe chmod(path, 0o660) == 0 else {
      throw problem("\(path) cannot be given to it")
    }
  }

  private func problem(_ what: String) -> PlaneError {
    .unavailable("--socket-group \(name): \(what): \(errorText())")
  }
}

import Glibc
import LVS
import Serial

/// Taking over from the lbd that runs (`lbd --replace`).
public struct Takeover: Sendable {
  /// Milliseconds that it may take to end.
  private static let patience: Int32 = 30_000

  private let path: String
  private let request: HandoverRequest

  /// - Parameter control: the control socket of both.
  public init(of control: ControlSocket, interface: String, vlan: UInt16?) {
    path = control.handover.path
    request = HandoverRequest(interface: InterfaceLock.trueName(of: interface), vlan: vlan)
  }

  /// Has it end, and takes what it leaves: on return its locks are free, or are so in a moment.
  ///
  /// - Parameter told: what is lost, in one line.
  /// - Returns: descriptors by name, the caller's from now on.
  /// - Throws: where there is nobody to take over from, or it refuses; then it goes on.
  @Waiting public func carryOut(told: (String) -> Void) throws(PlaneError) -> [String: Int32] {
    let owner: HandoverSocket
    do throws(SystemCallFailure) {
      owner = try .connected(to: path)
      try owner.send(request.text)
    } catch {
      throw refusal(error.code)
    }
    var (found, isGranted) = ([String: Int32](), false)
    while let (text, descriptors) = owner.receive(within: Self.patience) {
      switch HandoverAnswer(text) {
      case .granted: isGranted = true
      case .refused(let reason): throw .unavailable("the running lbd does not hand over: \(reason)")
      case .descriptors(let names):
        for (name, descriptor) in zip(names, descriptors) {
          if let older = found.updateValue(descriptor, forKey: name) { close(older) }
        }
        for extra in descriptors.dropFirst(names.count) { close(extra) }
      case .over(let loss):
        if let loss { told(loss) }
        return found
      case nil: throw .unavailable("what answers at \(path) hands over by no protocol that is known")
      }
    }
    for descriptor in found.values { close(descriptor) }
    guard isGranted else { throw .unavailable("the running lbd does not answer at \(path)") }
    told("the lbd that ran handed nothing over: connections go on, frames that came meanwhile are lost")
    return [:]
  }

  private func refusal(_ code: Int32) -> PlaneError {
    switch code {
    case ENOENT, ECONNREFUSED:
      .unavailable("no lbd can be taken over from at \(path): start this one without --replace, or stop an older one")
    default: .unavailable("no lbd can be taken over from at \(path): \(errorText(code))")
    }
  }

  /// Tries again for a while what another process ends to stand in the way of.
  public static func retrying<Value>(_ body: () async throws(PlaneError) -> Value) async throws(PlaneError) -> Value {
    for _ in 0..<500 {
      // What still stands in the way at the end is told below.
      if let value = try? await body() { return value }
      // Only a canceled task does not sleep.
      try? await Task.sleep(for: .milliseconds(2))
    }
    return try await body()
  }
}

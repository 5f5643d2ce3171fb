import Glibc
import Synchronization

/// Descriptors that outlive the process, each by a name: a service manager keeps them for the next one, or it asks for
/// them itself (`lbd --replace`). What comes for them meanwhile waits in their rings.
///
/// What is found is looked at before it is used: a name says what a descriptor is meant to be, and no more.
public final class StoredDescriptors: Sendable {
  private struct State {
    /// Of the process before this one, until they are taken over.
    var found: [String: Int32]
    /// Copies of this one's, so that they are open still when their owners have ended.
    var kept: [String: Int32] = [:]
  }

  /// Who keeps descriptors while no process does.
  public struct Keeper: Sendable {
    private(set) var store: @Sendable (_ name: String, _ descriptor: Int32) -> Void
    private(set) var forget: @Sendable (_ name: String) -> Void

    /// - Parameters:
    ///   - store: keeps one more.
    ///   - forget: closes those of this name.
    public init(
      store: @escaping @Sendable (_ name: String, _ descriptor: Int32) -> Void,
      forget: @escaping @Sendable (_ name: String) -> Void
    ) { (self.store, self.forget) = (store, forget) }
  }

  private let state: Mutex<State>
  private let keeper: Keeper?

  /// - Parameters:
  ///   - found: descriptors of the process before this one, which are this object's from now on.
  ///   - keeper: nil where they end with the process, unless another one asks for them.
  public init(_ found: [String: Int32], keeper: Keeper? = nil) {
    state = Mutex(State(found: found))
    self.keeper = keeper
  }

  /// Whether they outlive the process whatever becomes of it.
  var lasts: Bool { keeper != nil && !kept.isEmpty }

  /// Takes over the descriptors of these names, where all of them are there and none is refused; whoever gets them owns
  /// them. What is there of them else is closed, and those after this find none of these names.
  ///
  /// - Parameters:
  ///   - misfit: why a descriptor is none of what its name says; nil where it is.
  ///   - told: why what is there is not taken over, in one line.
  func take(_ names: [String], unless misfit: (Int32) -> String?, told: (String) -> Void) -> [Int32]? {
    let found = state.withLock { state in names.map { state.found.removeValue(forKey: $0) } }
    let reasons = zip(names, found).compactMap { name, descriptor in
      descriptor.map { misfit($0).map { reason in "\(name): \(reason)" } } ?? "\(name) is missing"
    }
    if reasons.isEmpty { return found.compactMap { $0 } }
    for case (let name, let descriptor?) in zip(names, found) { end(name, descriptor) }
    if reasons.count < names.count || found.contains(where: { $0 != nil }) {
      told("what an earlier lbd left open is not used: \(reasons[0])")
    }
    return nil
  }

  /// Closes all that was found and not taken over.
  ///
  /// - Parameter told: that there was any, and why it is of no use, in one line.
  public func discard(because reason: String, told: (String) -> Void) {
    let found = state.withLock { state in
      defer { state.found = [:] }
      return state.found
    }
    guard !found.isEmpty else { return }
    for (name, descriptor) in found { end(name, descriptor) }
    told("what an earlier lbd left open is not used: \(reason)")
  }

  /// Closes some of those that were taken over, and has nobody keep any of them any more.
  func giveUp(_ names: [String], _ descriptors: some Sequence<Int32>) {
    for name in names { keeper?.forget(name) }
    for descriptor in descriptors { close(descriptor) }
  }

  private func end(_ name: String, _ descriptor: Int32) {
    keeper?.forget(name)
    close(descriptor)
  }

  deinit {
    state.withLock { state in
      for descriptor in state.kept.values { close(descriptor) }
      for descriptor in state.found.values { close(descriptor) }
    }
  }

  /// Has a descriptor outlive its owner, and the process, in the place of what had its name.
  func keep(_ name: String, _ descriptor: Int32) {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    if let old = state.withLock({ $0.kept.updateValue(copy, forKey: name) }) {
      keeper?.forget(name)
      close(old)
    }
    keeper?.store(name, copy)
  }

  /// Those that outlive the process, for whoever goes on with them.
  public var kept: [String: Int32] { state.withLock(\.kept) }
}

import Control
import Director
import Glibc
import LVS
import Logging

/// Where this lbd keeps what is to outlive it, and what it found there.
struct KeptDirectory {
  /// The word for nowhere.
  static let none = "none"

  let directory: StateDirectory
  /// What was in force when the lbd before this one ended; nil where there was none.
  let configuration: DesiredState?
  private let logger: Logger

  /// nil where nothing is kept, be it that nothing can be: lbd runs all the same, and says so.
  init?(options: String?, _ lock: InterfaceLock, _ logger: Logger) {
    guard let path = options ?? Self.usual, path != Self.none else { return nil }
    self.logger = logger
    do {
      (directory, configuration) = try Self.open(path, lock) { Self.tell($0, logger) }
    } catch {
      Self.tell("\(error)", logger)
      return nil
    }
  }

  /// The service manager's directory for this, where it has one.
  private static var usual: String? {
    guard let named = unsafe getenv("RUNTIME_DIRECTORY") else { return nil }
    return unsafe String(cString: named).split(separator: ":").first.map(String.init)
  }

  private static func open(
    _ path: String, _ lock: InterfaceLock, _ told: (String) -> Void
  ) throws(PlaneError) -> (StateDirectory, DesiredState?) {
    let directory = try StateDirectory(in: path, interface: lock.interface, vlan: lock.vlan, told: told)
    guard directory.isFound else { return (directory, nil) }
    do {
      var capabilities = UserspacePlane.standing
      capabilities.features.formUnion([.checks, .vipChecks, .discovery])
      let kept = directory.configuration()
      return (directory, try kept.map { try DesiredState(kept: $0, capabilities) } ?? DesiredState(capabilities))
    } catch {
      told(try directory.setAside("its configuration is none: \(error)"))
      return (try StateDirectory(in: path, interface: lock.interface, vlan: lock.vlan, told: told), nil)
    }
  }

  private static func tell(_ line: String, _ logger: Logger) { DirectorEvent.warning(line).log(to: logger) }

  /// Keeps what is about to be in force. Where there is no room, what was in force before is what is found.
  var keep: ControlCore.Keep {
    { [directory, logger] state in
      do {
        try directory.keep(state.kept())
      } catch {
        Self.tell("the configuration is not kept: \(error)", logger)
      }
    }
  }
}

import Control
import Foundation
import IPVSMessages
import KernelIPVS
import LVS

/// ipvsadm's words for a refusal.
enum KernelWords {
  /// What ipvsadm says of the kernel's errno, by the command it was for.
  static func text(_ command: Command, _ errno: Int32) -> String {
    switch (command, errno) {
    case (.newService, EEXIST): "Service already exists"
    case (.newService, ENOENT), (.setService, ENOENT): "Scheduler or persistence engine not found"
    case (.setService, ESRCH), (.deleteService, ESRCH), (.zero, ESRCH), (.getService, ESRCH), (.getDestination, ESRCH):
      "No such service"
    case (.newDestination, ESRCH), (.setDestination, ESRCH), (.deleteDestination, ESRCH): "Service not defined"
    case (.newDestination, EEXIST): "Destination already exists"
    case (.setDestination, ENOENT), (.deleteDestination, ENOENT): "No such destination"
    case (.newDaemon, EEXIST): "Daemon has already run"
    case (.deleteDaemon, ESRCH): "No daemon is running"
    case (_, EPERM): "Permission denied (you must be root)"
    case (_, EINVAL): "Invalid operation.  Possibly wrong module version, address not unicast, ..."
    case (_, ENOPROTOOPT): "Protocol not available"
    case (_, ENOMEM): "Memory allocation problem"
    case (_, EOPNOTSUPP): "Operation not supported with IPv6"
    case (_, EAFNOSUPPORT): "Operation not supported with specified address family"
    case (_, EMSGSIZE): "Module is wrong version"
    default: errorText(errno)
    }
  }

  /// The same for what the user-space plane refuses; where ipvsadm has no words for it, the plane's own.
  static func text(_ error: any Error, _ verb: IpvsadmVerb) -> String {
    switch error {
    case let refusal as KernelRefusal: text(refusal)
    case let error as ErrorReply: text(code: error.code, verb) ?? error.description
    default: "\(error)"
    }
  }

  private static func text(_ refusal: KernelRefusal) -> String {
    switch refusal.error {
    case .refused(let command, let errno): text(command, errno)
    case .noIPVS: "Protocol not available"
    default: refusal.description
    }
  }

  private static func text(code: String, _ verb: IpvsadmVerb) -> String? {
    let isAboutServers = [.addServer, .editServer, .deleteServer].contains(verb)
    switch code {
    case "service_exists": return "Service already exists"
    case "no_such_service": return isAboutServers ? "Service not defined" : "No such service"
    case "server_exists": return "Destination already exists"
    case "no_such_server": return "No such destination"
    case "sync_runs": return "Daemon has already run"
    case "no_sync": return "No daemon is running"
    case "unknown_scheduler", "unknown_engine": return "Scheduler or persistence engine not found"
    case "not_unicast": return "Invalid operation.  Possibly wrong module version, address not unicast, ..."
    case "out_of_range": return "Numerical result out of range"
    default: return nil
    }
  }
}

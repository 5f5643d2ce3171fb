/// The requests of the generic-netlink family `IPVS` (linux/ip_vs.h, `IPVS_CMD_*`).
public enum Command: UInt8, Hashable, Sendable, CaseIterable {
  case newService = 1
  case setService = 2
  case deleteService = 3
  case getService = 4
  case newDestination = 5
  case setDestination = 6
  case deleteDestination = 7
  case getDestination = 8
  case newDaemon = 9
  case deleteDaemon = 10
  case getDaemon = 11
  case setTimeouts = 12
  case getTimeouts = 13
  /// Only ever an answer.
  case setInfo = 14
  case getInfo = 15
  case zero = 16
  case flush = 17
}

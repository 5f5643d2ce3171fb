/// What ipvsadm 1.31 knows on its command line. Commands and options stand in the order of its own tables, which
/// decides which of several mistakes it tells of.
enum IpvsadmWord: Hashable {
  case verb(IpvsadmVerb)
  case option(IpvsadmOption)
  case tcpService, udpService, sctpService, fwmarkService
  case gatewaying, ipip, masquerading
  case ipv6, sort, help, version
}

enum IpvsadmVerb: Int, CaseIterable {
  case addService, editService, deleteService, flush, list, addServer, deleteServer, editServer, set, startDaemon
  case stopDaemon, restore, save, zero

  /// ipvsadm's name for it in an error.
  var name: String {
    switch self {
    case .addService: "add-service"
    case .editService: "edit-service"
    case .deleteService: "delete-service"
    case .flush: "flush"
    case .list: "list"
    case .addServer: "add-server"
    case .deleteServer: "delete-server"
    case .editServer: "edit-server"
    case .set: "set"
    case .startDaemon: "start-daemon"
    case .stopDaemon: "stop-daemon"
    case .restore: "restore"
    case .save: "save"
    case .zero: "zero"
    }
  }
}

enum IpvsadmOption: Int, CaseIterable {
  case numeric, connection, service, scheduler, persistent, netmask, realServer, forward, weight, upperThreshold
  case lowerThreshold, mcastInterface, timeout, daemon, stats, rate, thresholds, persistentConn, nosort, syncid, exact
  case ops, pe, schedFlags, mcastGroup, mcastPort, mcastTTL, syncMaxlen, tunInfo, tunType, tunPort, tunNocsum, tunCsum
  case tunRemcsum

  /// ipvsadm's name for it in an error.
  var name: String {
    switch self {
    case .numeric: "numeric"
    case .connection: "connection"
    case .service: "service-address"
    case .scheduler: "scheduler"
    case .persistent: "persistent"
    case .netmask: "netmask"
    case .realServer: "real-server"
    case .forward: "forwarding-method"
    case .weight: "weight"
    case .upperThreshold: "u-threshold"
    case .lowerThreshold: "l-threshold"
    case .mcastInterface: "mcast-interface"
    case .timeout: "timeout"
    case .daemon: "daemon"
    case .stats: "stats"
    case .rate: "rate"
    case .thresholds: "thresholds"
    case .persistentConn: "persistent-conn"
    case .nosort: "nosort"
    case .syncid: "syncid"
    case .exact: "exact"
    case .ops: "ops"
    case .pe: "pe"
    case .schedFlags: "sched-flags"
    case .mcastGroup: "mcast-group"
    case .mcastPort: "mcast-port"
    case .mcastTTL: "mcast-ttl"
    case .syncMaxlen: "sync-maxlen"
    case .tunInfo: "tun-info"
    case .tunType: "tun-type"
    case .tunPort: "tun-port"
    case .tunNocsum: "tun-nocsum"
    case .tunCsum: "tun-csum"
    case .tunRemcsum: "tun-remcsum"
    }
  }
}

/// One row of the table: how a word is written, and whether a value follows it.
struct IpvsadmSpelling {
  enum Value {
    case none, required
    /// The next word, unless it begins with a hyphen (`-p`).
    case optional
  }

  let long: String
  let short: Character?
  let value: Value
  let word: IpvsadmWord

  init(_ long: String, _ short: Character? = nil, _ value: Value = .none, _ word: IpvsadmWord) {
    (self.long, self.short, self.value, self.word) = (long, short, value, word)
  }

  static let all: [IpvsadmSpelling] = verbs + services + settings + listings + daemons

  private static let verbs: [IpvsadmSpelling] = [
    .init("add-service", "A", .verb(.addService)), .init("edit-service", "E", .verb(.editService)),
    .init("delete-service", "D", .verb(.deleteService)), .init("clear", "C", .verb(.flush)),
    .init("list", "L", .verb(.list)), .init("list", "l", .verb(.list)), .init("zero", "Z", .verb(.zero)),
    .init("add-server", "a", .verb(.addServer)), .init("edit-server", "e", .verb(.editServer)),
    .init("delete-server", "d", .verb(.deleteServer)), .init("set", nil, .verb(.set)), .init("help", "h", .help),
    .init("version", "v", .version), .init("restore", "R", .verb(.restore)), .init("save", "S", .verb(.save)),
    .init("start-daemon", nil, .required, .verb(.startDaemon)),
    .init("stop-daemon", nil, .required, .verb(.stopDaemon)),
  ]

  private static let services: [IpvsadmSpelling] = [
    .init("tcp-service", "t", .required, .tcpService), .init("udp-service", "u", .required, .udpService),
    .init("sctp-service", nil, .required, .sctpService), .init("fwmark-service", "f", .required, .fwmarkService),
    .init("ipv6", "6", .ipv6), .init("real-server", "r", .required, .option(.realServer)),
  ]

  private static let settings: [IpvsadmSpelling] = [
    .init("scheduler", "s", .required, .option(.scheduler)), .init("persistent", "p", .optional, .option(.persistent)),
    .init("netmask", "M", .required, .option(.netmask)), .init("ops", "o", .option(.ops)),
    .init("pe", nil, .required, .option(.pe)), .init("sched-flags", "b", .required, .option(.schedFlags)),
    .init("masquerading", "m", .masquerading), .init("ipip", "i", .ipip), .init("gatewaying", "g", .gatewaying),
    .init("weight", "w", .required, .option(.weight)), .init("u-threshold", "x", .required, .option(.upperThreshold)),
    .init("l-threshold", "y", .required, .option(.lowerThreshold)),
    .init("tun-type", nil, .required, .option(.tunType)), .init("tun-port", nil, .required, .option(.tunPort)),
    .init("tun-nocsum", nil, .option(.tunNocsum)), .init("tun-csum", nil, .option(.tunCsum)),
    .init("tun-remcsum", nil, .option(.tunRemcsum)),
  ]

  private static let listings: [IpvsadmSpelling] = [
    .init("numeric", "n", .option(.numeric)), .init("connection", "c", .option(.connection)),
    .init("timeout", nil, .option(.timeout)), .init("daemon", nil, .option(.daemon)),
    .init("stats", nil, .option(.stats)), .init("rate", nil, .option(.rate)),
    .init("thresholds", nil, .option(.thresholds)), .init("persistent-conn", nil, .option(.persistentConn)),
    .init("nosort", nil, .option(.nosort)), .init("sort", nil, .sort), .init("exact", "X", .option(.exact)),
    .init("tun-info", nil, .option(.tunInfo)),
  ]

  private static let daemons: [IpvsadmSpelling] = [
    .init("mcast-interface", nil, .required, .option(.mcastInterface)),
    .init("syncid", nil, .required, .option(.syncid)), .init("mcast-group", nil, .required, .option(.mcastGroup)),
    .init("mcast-port", nil, .required, .option(.mcastPort)),
    .init("mcast-ttl", nil, .required, .option(.mcastTTL)), .init("sync-maxlen", nil, .required, .option(.syncMaxlen)),
  ]

  private init(_ long: String, _ short: Character?, _ word: IpvsadmWord) { self.init(long, short, .none, word) }
}

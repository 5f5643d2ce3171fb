import IPVSMessages
import KernelIPVS
import LVS

/// Reads ipvsadm's command line in ipvsadm's order: word by word, the first mistake ends it.
struct CommandParser {
  private var reader: WordReader
  private let program: String
  private var command: IpvsadmCommand
  private var flagNames = ""

  /// 31 days, in seconds.
  static let longestTimeout = 86400 * 31

  /// - Parameter program: the name that the program was called by.
  static func parse(_ words: [String], program: String) throws(IpvsadmExit) -> IpvsadmCommand {
    var parser = try CommandParser(words, program)
    try parser.readOptions()
    try parser.readArguments()
    try parser.finish()
    return parser.command
  }

  private init(_ words: [String], _ program: String) throws(IpvsadmExit) {
    reader = WordReader(words)
    self.program = program
    guard let first = try? reader.next() else { throw .tryHelp(program) }
    switch first.word {
    case .help: throw .init(status: 0, text: IpvsadmHelp.text(program))
    case .version: throw .init(status: 0, text: IpvsadmHelp.version)
    case .verb(let verb):
      command = IpvsadmCommand(verb: verb)
      switch verb {
      case .startDaemon: command.daemon.role = try Self.role(first.value, "illegal start-daemon parameter specified")
      case .stopDaemon: command.daemon.role = try Self.role(first.value, "illegal start_daemon specified")
      default: break
      }
    default: throw .tryHelp(program)
    }
  }

  private static func role(_ text: String?, _ refusal: String) throws(IpvsadmExit) -> SyncDaemon.Role {
    switch text {
    case "master": return .master
    case "backup": return .backup
    default: throw .usage(refusal)
    }
  }

  private mutating func readOptions() throws(IpvsadmExit) {
    while true {
      let next: (word: IpvsadmWord, value: String?)?
      do throws(WordReader.Mistake) {
        next = try reader.next()
      } catch {
        throw IpvsadmExit(status: 255, text: "\(error.word): \(error.problem)", isUnreadable: true)
      }
      guard let next else { return }
      try take(next.word, next.value ?? "", isGiven: next.value != nil)
    }
  }

  private mutating func take(_ word: IpvsadmWord, _ value: String, isGiven: Bool) throws(IpvsadmExit) {
    switch word {
    case .tcpService: try nameService(.tcp, value)
    case .udpService: try nameService(.udp, value)
    case .sctpService: try nameService(.sctp, value)
    case .fwmarkService:
      try set(.service)
      (command.key.transport, command.key.markFamily) = (.tcp, .v4)
      command.key.mark = try Numbers.mark(value)
    case .ipv6:
      guard command.key.mark != 0 else { throw .usage("-6 used before -f\n") }
      (command.key.markFamily, command.key.netmask) = (.v6, .v6(128))
    case .gatewaying: try choose(.route)
    case .ipip: try choose(.tunnel(Tunnel()))
    case .masquerading: try choose(.masquerade)
    case .sort: break
    case .option(let option):
      try set(option)
      try take(option, value, isGiven)
    case .verb, .help, .version: throw .usage("invalid option `\(reader.lastWord)'")
    }
  }

  private mutating func choose(_ method: ForwardingMethod) throws(IpvsadmExit) {
    try set(.forward)
    command.method = method
  }

  private mutating func set(_ option: IpvsadmOption) throws(IpvsadmExit) {
    guard command.options.insert(option).inserted else { throw .usage("multiple '\(option.name)' options specified") }
  }

  private mutating func nameService(_ transport: TransportProtocol, _ text: String) throws(IpvsadmExit) {
    try set(.service)
    command.key.transport = transport
    guard let named = NamedAddress(text, transport) else {
      throw .usage("illegal virtual server address[:port] specified")
    }
    command.key.address = named.address
    if let port = named.port { command.key.port = port }
    if named.address.family == .v6 { command.key.netmask = .v6(128) }
  }

  private mutating func take(_ option: IpvsadmOption, _ value: String, _ isGiven: Bool) throws(IpvsadmExit) {
    switch option {
    case .scheduler: command.scheduler = String(decoding: value.utf8.prefix(15), as: UTF8.self)
    case .persistent:
      command.persistence =
        isGiven ? try Numbers.timeout(value, 1...Self.longestTimeout) : Persistence.defaultTimeout
    case .netmask: command.key.netmask = try netmask(value)
    case .realServer: try nameServer(value)
    case .weight:
      // Debian's ipvsadm takes more than the 65535 of the source that it was made from.
      command.weight = Int32(try Numbers.read(value, 0...0x7fff_ffff, "illegal weight specified"))
    case .upperThreshold:
      command.upperThreshold = UInt32(try Numbers.read(value, 0...0x7fff_ffff, "illegal u_threshold specified"))
    case .lowerThreshold:
      command.lowerThreshold = UInt32(try Numbers.read(value, 0...0x7fff_ffff, "illegal l_threshold specified"))
    case .ops: command.onePacket = true
    case .pe: command.engine = String(decoding: value.utf8.prefix(16), as: UTF8.self)
    case .schedFlags: flagNames = String(decoding: value.utf8.prefix(127), as: UTF8.self)
    case .tunType:
      guard ["ipip", "gue", "gre"].contains(value) else { throw .usage("illegal tunnel type specified") }
      command.tunnelKind = value
    case .tunPort: command.tunnelPort = UInt16(try Numbers.read(value, 1...65535, "illegal tunnel port specified"))
    default: try takeOfDaemon(option, value)
    }
  }

  private mutating func takeOfDaemon(_ option: IpvsadmOption, _ value: String) throws(IpvsadmExit) {
    switch option {
    case .mcastInterface: command.daemon.interface = String(decoding: value.utf8.prefix(15), as: UTF8.self)
    case .syncid: command.daemon.syncID = UInt32(try Numbers.read(value, 0...255, "illegal syncid specified"))
    case .mcastGroup:
      let family: IPAddress.Family = value.contains(":") ? .v6 : .v4
      guard let group = IPAddress(value), group.family == family, group.isMulticast else {
        throw .usage("invalid IPv\(family.rawValue) mcast-group `\(value)'")
      }
      command.daemon.group = group
    case .mcastPort: command.daemon.port = UInt16(try Numbers.read(value, 1...65535, "illegal mcast-port specified"))
    case .mcastTTL: command.daemon.ttl = UInt8(try Numbers.read(value, 1...255, "illegal mcast-ttl specified"))
    case .syncMaxlen:
      command.daemon.maxLength = UInt16(try Numbers.read(value, 1...65507, "illegal sync-maxlen specified"))
    default: break
    }
  }

  /// For what was named so far: before an IPv6 service it is an IPv4 mask.
  private func netmask(_ text: String) throws(IpvsadmExit) -> Netmask {
    if command.key.family == .v6 {
      let length = Numbers.leading(text)
      guard (1...128).contains(length) else { throw .usage("illegal ipv6 netmask specified") }
      return .v6(UInt8(length))
    }
    guard let address = HostNames.address(text) else {
      throw .usage("illegal virtual server persistent mask specified")
    }
    return .v4(address.v4)
  }

  /// A server without a port has that of the service, as far as one was named.
  private mutating func nameServer(_ text: String) throws(IpvsadmExit) {
    guard let named = NamedAddress(text, command.key.transport) else {
      throw .usage("illegal real server address[:port] specified")
    }
    command.server = (named.address, named.port ?? command.key.port)
  }

  private mutating func readArguments() throws(IpvsadmExit) {
    var rest = reader.arguments[...]
    if command.verb == .set {
      guard rest.count >= 3 else { throw .usage("--set option requires 3 timeout values") }
      let values = rest.prefix(3).map { $0 }
      let range = 0...Self.longestTimeout
      command.timeouts = Timeouts(
        tcp: try Numbers.timeout(values[0], range), tcpFin: try Numbers.timeout(values[1], range),
        udp: try Numbers.timeout(values[2], range))
      rest = rest.dropFirst(3)
    }
    if let unexpected = rest.first { throw .usage("unexpected argument \(unexpected)") }
    if !flagNames.isEmpty { command.flags = try SchedulerFlags(ipvsadm: flagNames, command.scheduler) }
  }

  /// What ipvsadm looks at when all was read.
  private mutating func finish() throws(IpvsadmExit) {
    try Legality.check(command.verb, command.options)
    switch command.verb {
    case .addService, .editService: try checkService()
    case .addServer, .editServer: try placeServer()
    case .list: try checkListing()
    case .startDaemon: if command.daemon.interface.isEmpty { command.daemon.interface = "eth0" }
    default: break
    }
  }

  private func checkService() throws(IpvsadmExit) {
    guard command.key.mark == 0 else { return }
    if command.key.port == 0, command.persistence == nil {
      throw .usage("Zero port specified for non-persistent service")
    }
    if command.onePacket, command.key.transport != .udp {
      throw .usage("One-Packet Scheduling is only for UDP virtual services")
    }
  }

  private mutating func placeServer() throws(IpvsadmExit) {
    if command.key.mark == 0, command.method != .masquerade { command.server.port = command.key.port }
    let tunnels = if case .tunnel = command.method { true } else { false }
    if command.server.address?.family != command.key.family, !tunnels {
      throw .usage("Different address family is allowed only for tunneling servers")
    }
    if !command.options.isDisjoint(with: [.tunType, .tunPort, .tunNocsum, .tunCsum, .tunRemcsum]), !tunnels {
      throw .usage("Tunnel options conflict with forward method")
    }
    try Legality.check(tunnel: command.tunnelKind, command.options)
  }

  private func checkListing() throws(IpvsadmExit) {
    let options = command.options
    let isOther = !options.isDisjoint(with: [.connection, .timeout, .daemon])
    let isCounting = !options.isDisjoint(with: [.stats, .rate, .thresholds])
    let isSetting = !options.isDisjoint(with: [.timeout, .daemon])
    if isOther && isCounting || isSetting && options.contains(.persistentConn) {
      throw .usage("options conflicts in the list command")
    }
  }
}

extension IpvsadmExit {
  static func tryHelp(_ program: String) -> IpvsadmExit {
    .refused("Try `\(program) -h' or '\(program) --help' for more information.")
  }
}

extension IPAddress {
  fileprivate var isMulticast: Bool { family == .v4 ? v4 >> 28 == 14 : high >> 56 == 0xff }
}

extension SchedulerFlags {
  /// The names of `-b`, which go with their scheduler.
  fileprivate init(ipvsadm names: String, _ scheduler: String) throws(IpvsadmExit) {
    let scheduler = scheduler.isEmpty ? "wlc" : scheduler
    var flags: SchedulerFlags = []
    for name in names.split(separator: ",") {
      switch name {
      case "flag-1": flags.insert(.fallback)
      case "flag-2": flags.insert(.port)
      case "flag-3": flags.insert(.third)
      case "sh-fallback", "mh-fallback", "sh-port", "mh-port":
        guard name.hasPrefix("\(scheduler)-") else { throw .usage("incompatible scheduler flag `\(name)'") }
        flags.insert(name.hasSuffix("port") ? .port : .fallback)
      default: throw .usage("invalid scheduler flag `\(name)'")
      }
    }
    self = flags
  }
}

import ArgumentParser
import LVS

/// Which service: ipvsadm's letters.
struct ServiceOptions: ParsableArguments {
  @Option(
    name: [.customShort("t"), .customLong("tcp-service")],
    help: ArgumentHelp("The TCP service.", valueName: "vip:port"), completion: .services(.tcp),
    transform: virtualAddress)
  var tcp: Endpoint?

  @Option(
    name: [.customShort("u"), .customLong("udp-service")],
    help: ArgumentHelp("The UDP service.", valueName: "vip:port"), completion: .services(.udp),
    transform: virtualAddress)
  var udp: Endpoint?

  @Option(
    name: .customLong("sctp-service"),
    help: ArgumentHelp("The SCTP service.", valueName: "vip:port"), completion: .services(.sctp),
    transform: virtualAddress)
  var sctp: Endpoint?

  @Option(
    name: [.customShort("f"), .customLong("fwmark-service")],
    help: ArgumentHelp("The service of a firewall mark.", valueName: "mark"), completion: .marks)
  var fwmark: UInt32?

  @Flag(name: [.customShort("6"), .customLong("ipv6")], help: "The firewall mark is for IPv6.")
  var ipv6 = false

  /// nil where none is named.
  var named: ServiceKey? {
    tcp.map { .endpoint(.tcp, $0) } ?? udp.map { .endpoint(.udp, $0) } ?? sctp.map { .endpoint(.sctp, $0) }
      ?? fwmark.map { .fwmark($0, ipv6 ? .v6 : .v4) }
  }

  var key: ServiceKey {
    get throws {
      guard let named else { throw ValidationError("name the service: -t, -u or --sctp-service VIP:PORT, or -f MARK") }
      return named
    }
  }

  func validate() throws {
    let count = [tcp != nil, udp != nil, sctp != nil, fwmark != nil].count { $0 }
    if count > 1 { throw ValidationError("name one service only, by one of -t, -u, --sctp-service and -f") }
    if fwmark == 0 { throw ValidationError("the firewall mark 0 marks nothing: give one from 1 on") }
    if ipv6, fwmark == nil { throw ValidationError("-6 goes with -f: an address says itself of which family it is") }
  }
}

/// What a service is to be like. Only what is named is set.
struct ServiceSettings: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "One of \(SchedulerName.all.map(\.rawValue).joined(separator: " ")).", valueName: "scheduler"),
    completion: .list(SchedulerName.all.map(\.rawValue)))
  var scheduler: String?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("A client keeps its server; without a number, for 360 s.", valueName: "seconds"))
  var persistent: UInt32?

  @Option(
    name: [.customShort("M"), .long],
    help: ArgumentHelp("Clients that count as one: 255.255.255.0, or for IPv6 a prefix length.", valueName: "netmask"),
    transform: wholeNetmask)
  var netmask: Netmask?

  @Flag(name: [.customShort("o"), .long], help: "One-packet scheduling: each datagram on its own (UDP).")
  var ops = false

  @Option(
    name: [.customShort("b"), .long],
    help: ArgumentHelp("Scheduler flags: sh-fallback, sh-port, mh-fallback, mh-port.", valueName: "flags"),
    completion: .list(["sh-fallback", "sh-port", "mh-fallback", "mh-port"]))
  var schedFlags: String?

  @Option(help: ArgumentHelp("Persistence engine: sip.", valueName: "name"), completion: .list(["sip"]))
  var pe: String?

  /// A scheduler that is named without flags starts with none: they are another scheduler's.
  func apply(to service: inout VirtualService) throws {
    if let scheduler {
      let name = SchedulerName(rawValue: scheduler)
      if name != service.scheduler { service.flags = [] }
      service.scheduler = name
    }
    if let persistent {
      service.persistence = Persistence(
        timeout: persistent, netmask: service.persistence?.netmask ?? .host(service.key.family))
    }
    if let netmask {
      guard service.persistence != nil else { throw ValidationError("a netmask (-M) needs persistence: add -p") }
      service.persistence?.netmask = netmask
    }
    if ops { service.onePacket = true }
    if let pe { service.persistenceEngine = pe }
    try applyFlags(to: &service)
  }

  private func applyFlags(to service: inout VirtualService) throws {
    guard let schedFlags else { return }
    switch SchedulerFlags.parse(schedFlags, scheduler: service.scheduler) {
    case .success(let flags): service.flags = flags
    case .failure(let unknown):
      throw ValidationError("the scheduler \(service.scheduler.rawValue) has no flag '\(unknown.name)'")
    }
  }
}

/// IPVS takes masks with gaps too, which put clients together that have nothing in common: here they are mistyped.
private func wholeNetmask(_ word: String) throws -> Netmask {
  let netmask = try text(word, as: Netmask.self)
  if case .v4(let mask) = netmask, ~mask & (~mask &+ 1) != 0 {
    throw ValidationError("has gaps: ones, then zeros, such as 255.255.255.0")
  }
  return netmask
}

/// `VIP:PORT`, or a VIP alone, whose port is then 0. An IPv6 address stands in brackets, or its last group could be meant
/// for a port.
func virtualAddress(_ text: String) throws -> Endpoint {
  let endpoint = try addressAndPort(text)
  guard endpoint.address.family == .v4 || text.hasPrefix("[") else {
    throw ValidationError(
      "an IPv6 address of a service stands in brackets: [2001:db8::1]:80, or [2001:db8::1] for every port")
  }
  return endpoint
}

/// `RIP:PORT`, or an address alone, in brackets or not, whose port is then 0.
func addressAndPort(_ text: String) throws -> Endpoint {
  if let address = IPAddress(text) ?? bracketed(text) { return Endpoint(address, 0) }
  guard let endpoint = Endpoint(text) else {
    throw ValidationError("not an address with a port (0 to 65535) such as 192.0.2.1:80 or [2001:db8::1]:80")
  }
  return endpoint
}

private func bracketed(_ text: String) -> IPAddress? {
  guard text.hasPrefix("["), text.hasSuffix("]"), text.contains(":") else { return nil }
  return IPAddress(text.dropFirst().dropLast())
}

func text<Value: TextCodable>(_ text: String, as type: Value.Type) throws -> Value {
  guard let value = Value(text) else { throw ValidationError("not \(Value.kind)") }
  return value
}

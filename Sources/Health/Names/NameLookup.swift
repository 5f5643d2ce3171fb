import LVS

/// A look at the DNS for the servers of a service: the questions that it takes, one after the other, and what comes of
/// their answers. It knows no socket and no clock.
struct NameLookup {
  /// So many hosts of SRV records are looked for at most.
  static let hostLimit = 64
  /// So many servers are taken from answers at most.
  static let serverLimit = 4096

  private struct Question {
    let query: DNSQuery
    /// Whose address is asked for, where an SRV record named it.
    var host: DNSMessage.Host?
  }

  private let lookup: DNSLookup
  private let families: [IPAddress.Family]
  /// Those to come, the last first.
  private var questions: [Question] = []
  private var servers: [FoundServer] = []
  /// The shortest of all answers, in seconds.
  private var ttl: UInt32?

  init(_ lookup: DNSLookup, _ families: [IPAddress.Family]) {
    (self.lookup, self.families) = (lookup, families)
    questions = lookup.type == .srv ? [Question(query: DNSQuery(lookup.name, type: .srv))] : addresses(of: lookup.name)
  }

  private func addresses(of name: String, _ host: DNSMessage.Host? = nil) -> [Question] {
    families.reversed().map { Question(query: DNSQuery(name, type: $0 == .v4 ? .a : .aaaa), host: host) }
  }

  /// What is to be asked now; nil where all is answered.
  var question: DNSQuery? { questions.last?.query }

  /// Takes the answer to the question, which has no error but that there is no such name.
  ///
  /// - Returns: whether it can be read.
  mutating func take(_ message: DNSMessage) -> Bool {
    guard let question = questions.last, let records = message.records else { return false }
    questions.removeLast()
    if question.query.type == .srv {
      takeHosts(records.compactMap { record in message.host(in: record).map { ($0, record.ttl) } })
    } else {
      let addresses = records.compactMap { record in message.address(in: record) }
      let room = max(Self.serverLimit - servers.count, 0)
      servers += addresses.prefix(room).map { address in
        // Weight 0 is for one that is hardly to be chosen, not for one that gets nobody (RFC 2782).
        FoundServer(address, port: question.host?.port, weight: question.host.map { Int32(max($0.weight, 1)) })
      }
      // A name that is another's is believed for as long as both are.
      if !addresses.isEmpty { take(ttls: records.map(\.ttl)) }
    }
    return true
  }

  /// Those of the lowest priority are looked for, in an order that does not depend on the answer's.
  private mutating func takeHosts(_ hosts: [(host: DNSMessage.Host, ttl: UInt32)]) {
    take(ttls: hosts.map(\.ttl))
    let lowest = hosts.map(\.host.priority).min()
    let wanted = Set(hosts.map(\.host).filter { $0.priority == lowest && $0.name != "." && $0.port != 0 })
    let sorted = wanted.sorted { ($0.name, $0.port, $0.weight) < ($1.name, $1.port, $1.weight) }
    questions += sorted.prefix(Self.hostLimit).flatMap { addresses(of: $0.name, $0) }
  }

  private mutating func take(ttls: [UInt32]) {
    for each in ttls { ttl = min(ttl ?? each, each) }
  }

  /// What came of it when all is answered.
  var outcome: DiscoveryOutcome {
    if !servers.isEmpty { return .found(servers) }
    let types = families.map { $0 == .v4 ? "A" : "AAAA" }.joined(separator: " or ")
    return .failed("it has no server: no record \(lookup.type == .srv ? "SRV with hosts that have \(types)" : types)")
  }

  /// For how long it is believed.
  var period: Period {
    let (milliseconds, overflows) = (ttl ?? 0).multipliedReportingOverflow(by: 1000)
    let period = Period.milliseconds(overflows ? .max : milliseconds)
    return min(max(period, lookup.ttls.lowerBound), lookup.ttls.upperBound)
  }
}

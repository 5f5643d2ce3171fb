/// What discoveries have found so far, as the control core goes by it.
public struct DiscoveryBook: Sendable {
  /// What is known by one discovery.
  public struct Page: Sendable {
    public let discovery: Discovery
    /// The last good answer; nil before there is one.
    public internal(set) var answer: [FoundServer]?
    /// Why the source gives no answer now; nil where it does.
    public internal(set) var failure: String?
    /// What is not as it should be, all in all.
    public internal(set) var trouble: DiscoveryTrouble?
    /// Since when the source says what it says; nil before it has said anything.
    public internal(set) var since: Moment?
    /// Since when servers are on their way out.
    public internal(set) var leaving: [Endpoint: Moment] = [:]

    init(_ discovery: Discovery) { self.discovery = discovery }
  }

  public private(set) var pages: [ServiceKey: Page] = [:]

  public init() {}

  /// Knows of these and no others.
  public mutating func watch(_ targets: [DiscoveryTarget]) {
    var next: [ServiceKey: Page] = [:]
    for target in targets {
      let known = pages[target.service].flatMap { $0.discovery == target.discovery ? $0 : nil }
      next[target.service] = known ?? Page(target.discovery)
    }
    pages = next
  }

  /// Takes over what a look came to; of a discovery that there is no more, nothing.
  public mutating func take(_ outcome: DiscoveryOutcome, of target: DiscoveryTarget, at now: Moment) {
    guard var page = pages[target.service], page.discovery == target.discovery else { return }
    page.since = now
    switch outcome {
    case .found(let servers): (page.answer, page.failure) = (servers, nil)
    case .failed(let words): page.failure = words
    }
    pages[target.service] = page
  }

  /// What came of an answer in the state.
  ///
  /// - Returns: what the trouble was before.
  public mutating func note(_ trouble: DiscoveryTrouble?, of key: ServiceKey) -> DiscoveryTrouble? {
    guard let page = pages[key] else { return nil }
    pages[key]?.trouble = page.failure.map { .failed($0) } ?? trouble
    return page.trouble
  }

  /// Servers that are on their way out, and since when.
  public mutating func note(leaving servers: [Endpoint], of key: ServiceKey, at now: Moment) {
    guard let known = pages[key]?.leaving else { return }
    pages[key]?.leaving = Dictionary(uniqueKeysWithValues: servers.map { ($0, known[$0] ?? now) })
  }
}

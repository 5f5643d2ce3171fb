/// The name of a scheduling algorithm, at most 15 characters (`IP_VS_SCHEDNAME_MAXLEN`).
///
/// A kernel may have schedulers that this program does not; hence a name and not a closed list.
public struct SchedulerName: RawRepresentable, Hashable, Sendable, Codable {
  public let rawValue: String

  public init(rawValue: String) {
    self.rawValue = rawValue
  }

  public static let rr = Self(rawValue: "rr")
  public static let wrr = Self(rawValue: "wrr")
  public static let lc = Self(rawValue: "lc")
  public static let wlc = Self(rawValue: "wlc")
  public static let lblc = Self(rawValue: "lblc")
  public static let lblcr = Self(rawValue: "lblcr")
  public static let dh = Self(rawValue: "dh")
  public static let sh = Self(rawValue: "sh")
  public static let mh = Self(rawValue: "mh")
  public static let sed = Self(rawValue: "sed")
  public static let nq = Self(rawValue: "nq")
  public static let fo = Self(rawValue: "fo")
  public static let ovf = Self(rawValue: "ovf")
  public static let twos = Self(rawValue: "twos")
  /// A service without a scheduler: nothing is ever selected.
  public static let none = Self(rawValue: "none")

  /// All that select servers, in ipvsadm's order.
  public static let all: [SchedulerName] = [rr, wrr, lc, wlc, lblc, lblcr, dh, sh, mh, sed, nq, fo, ovf, twos]
}

/// The scheduler flags of `-b` (`IP_VS_SVC_F_SCHED1…3`); what each means depends on the scheduler.
public struct SchedulerFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// `sh-fallback`, `mh-fallback`, `flag-1`.
  public static let fallback = Self(rawValue: 0x8)
  /// `sh-port`, `mh-port`, `flag-2`.
  public static let port = Self(rawValue: 0x10)
  /// `flag-3`.
  public static let third = Self(rawValue: 0x20)

  private static let generic = ["flag-1": fallback, "flag-2": port, "flag-3": third]

  private static func names(for scheduler: SchedulerName) -> [String: SchedulerFlags] {
    switch scheduler {
    case .sh: ["sh-fallback": .fallback, "sh-port": .port]
    case .mh: ["mh-fallback": .fallback, "mh-port": .port]
    default: [:]
    }
  }

  /// Reads a comma-separated list as ipvsadm does: the generic names, or those of `scheduler`.
  /// The error is the first name that is unknown.
  public static func parse(_ text: String, scheduler: SchedulerName) -> Result<SchedulerFlags, UnknownFlag> {
    let known = names(for: scheduler).merging(generic) { own, _ in own }
    var flags: SchedulerFlags = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      guard let flag = known[name] else { return .failure(UnknownFlag(name: name)) }
      flags.insert(flag)
    }
    return .success(flags)
  }

  public struct UnknownFlag: Error {
    public let name: String
  }

  /// The names in ascending order of their bits, as `ipvsadm -L` prints them.
  public func names(for scheduler: SchedulerName) -> [String] {
    let own = Self.names(for: scheduler)
    let order = [Self.fallback, .port, .third].filter(contains)
    return order.compactMap { flag in
      own.first { $0.value == flag }?.key ?? Self.generic.first { $0.value == flag }?.key
    }
  }
}

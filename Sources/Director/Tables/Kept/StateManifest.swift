/// What state is of, and how its files are laid out: what is not of this machine, this boot, this interface and this
/// layout is never read.
struct StateManifest: Equatable {
  /// Raised whenever the meaning or the place of anything in a file changes.
  static let layout = 1

  /// Bytes of each kind of record.
  static let records = [
    MemoryLayout<Connection>.stride, MemoryLayout<TrafficCounter>.stride, MemoryLayout<SavedServer>.stride,
    MemoryLayout<SavedService>.stride, MemoryLayout<SavedVIP>.stride, MemoryLayout<SavedFigures>.stride,
  ]

  /// What it all belongs to.
  struct Place: Equatable {
    /// Of the kernel (`random/boot_id`): clocks begin anew with each boot.
    var boot: String
    /// `/etc/machine-id`; empty where there is none.
    var machine: String
    var interface: String
    /// 0 for none.
    var vlan: UInt16
  }

  var place: Place
  /// What hashes are keyed with that stand in records.
  var seed: UInt64
  /// Counts up whenever the tables are laid out anew: it is in the names of the workers' files.
  var generation = 1
  var workers: Int

  /// The lines of the file.
  var text: String {
    let fields: [(String, String)] = [
      ("layout", "\(Self.layout)"), ("records", "\(Self.records)"), ("boot", place.boot), ("machine", place.machine),
      ("interface", place.interface), ("vlan", "\(place.vlan)"), ("seed", "\(seed)"), ("generation", "\(generation)"),
      ("workers", "\(workers)"),
    ]
    return fields.map { "\($0): \($1)\n" }.joined()
  }

  /// Why state is not believed.
  enum Refusal: Error, Equatable {
    case damaged
    case otherLayout
    case otherMachine
    case otherBoot
    case otherInterface(String)

    var reason: String {
      switch self {
      case .damaged: "it is damaged"
      case .otherLayout: "it is another version's"
      case .otherMachine: "it is another machine's"
      case .otherBoot: "it is from before the last boot"
      case .otherInterface(let name): "it is of interface \(name)"
      }
    }
  }

  /// Reads a file, which has to be of this place.
  init(_ sealed: [UInt8], at place: Place) throws(Refusal) {
    guard let text = SealedText.open(sealed) else { throw .damaged }
    let fields = Self.fields(String(decoding: text, as: UTF8.self))
    guard fields["layout"] == "\(Self.layout)", fields["records"] == "\(Self.records)" else { throw .otherLayout }
    guard fields["machine"] == place.machine else { throw .otherMachine }
    guard fields["boot"] == place.boot else { throw .otherBoot }
    guard let interface = fields["interface"], let vlan = fields["vlan"] else { throw .damaged }
    guard interface == place.interface, vlan == "\(place.vlan)" else {
      throw .otherInterface(vlan == "0" ? interface : "\(interface).\(vlan)")
    }
    guard let seed = fields["seed"].flatMap({ UInt64($0) }), let generation = fields["generation"].flatMap({ Int($0) }),
      let workers = fields["workers"].flatMap({ Int($0) }), workers > 0, generation > 0, generation < .max
    else { throw .damaged }
    self.init(place: place, seed: seed, generation: generation, workers: workers)
  }

  init(place: Place, seed: UInt64, generation: Int = 1, workers: Int) {
    (self.place, self.seed, self.generation, self.workers) = (place, seed, generation, workers)
  }

  private static func fields(_ text: String) -> [String: String] {
    let pairs = text.split(separator: "\n").compactMap { line -> (String, String)? in
      guard let colon = line.firstIndex(of: ":") else { return nil }
      return (String(line[..<colon]), String(line[colon...].dropFirst(2)))
    }
    return Dictionary(pairs, uniquingKeysWith: { first, _ in first })
  }
}

/// Which options go with which command, in ipvsadm's notation, one column for each `IpvsadmOption`:
/// `+` compulsory, `x` illegal, `1` at most one of these, `.` as you like.
enum Legality {
  private static func row(_ verb: IpvsadmVerb) -> String {
    switch verb {
    case .addService, .editService: "xx+...xxxxxxxxxxxxxxx...xxxxxxxxxx"
    case .deleteService: "xx+xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    case .flush, .set, .restore: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    case .list: ".11xxxxxxxxx11.......xxxxxxx.xxxxx"
    case .addServer, .editServer: "xx+xxx+....xxxxxxxxxxxxxxxxxx....."
    case .deleteServer: "xx+xxx+xxxxxxxxxxxxxxxxxxxxxxxxxxx"
    case .startDaemon: "xxxxxxxxxxx.xxxxxxx.xxxx....xxxxxx"
    case .stopDaemon: "xxxxxxxxxxxxxxxxxxx.xxxxxxxxxxxxxx"
    case .save: ".xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    case .zero: "xx.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    }
  }

  static func check(_ verb: IpvsadmVerb, _ options: Set<IpvsadmOption>) throws(IpvsadmExit) {
    try check(
      zip(IpvsadmOption.allCases, row(verb)).map { ($0, $1) }, options, thing: "the '\(verb.name)' command")
  }

  /// The checksum flags and the port, by the kind of tunnel.
  static func check(tunnel kind: String, _ options: Set<IpvsadmOption>) throws(IpvsadmExit) {
    let row =
      switch kind {
      case "gue": "+111"
      case "gre": "x11x"
      default: "xxxx"
      }
    try check(
      zip([.tunPort, .tunNocsum, .tunCsum, .tunRemcsum], row).map { ($0, $1) }, options,
      thing: "the '\(kind)' tunnel type")
  }

  private static func check(
    _ columns: [(IpvsadmOption, Character)], _ options: Set<IpvsadmOption>, thing: String
  ) throws(IpvsadmExit) {
    var exclusive: IpvsadmOption?
    for (option, mark) in columns {
      switch (mark, options.contains(option)) {
      case ("+", false): throw .usage("You need to supply the '\(option.name)' option for \(thing)")
      case ("x", true): throw .usage("Illegal '\(option.name)' option with \(thing)")
      case ("1", true):
        if let exclusive {
          throw .usage("The option '\(option.name)' conflicts with the '\(exclusive.name)' option in \(thing)")
        }
        exclusive = option
      default: break
      }
    }
  }
}

/// How ipvsadm ends: what it says on standard error, and its status.
struct IpvsadmExit: Error, Equatable {
  var status: Int32
  var text: String
  /// Whether popt could not read the line: within a restore, the next line is then tried.
  var isUnreadable = false

  /// A wrong command line.
  static func usage(_ text: String) -> IpvsadmExit { IpvsadmExit(status: 2, text: text) }
  /// Refused by the plane: ipvsadm returns -1.
  static func refused(_ text: String) -> IpvsadmExit { IpvsadmExit(status: 255, text: text) }
}

import Glibc
import LVS

/// What a command is told, and what its end says.
enum CommandAttempt {
  /// The environment: a path, and what is asked about.
  static func environment(_ target: CheckTarget) -> [String] {
    [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
      "LBD_SERVICE=\(target.name.service)", "LBD_VIP=\(target.name.service.address?.description ?? "")",
      "LBD_SERVER=\(target.name.server.address)", "LBD_PORT=\(target.name.server.port)",
    ]
  }

  /// A program that cannot be run says nothing about the server.
  static func outcome(_ failure: CallFailure, of target: CheckTarget) -> Outcome {
    guard case .exec(let words) = target.check.kind else { return .unclear("\(failure)") }
    return .unclear("\(words.first ?? ""): \(failure.reason)")
  }

  static func outcome(_ status: Int32, _ output: [UInt8]) -> Outcome {
    let line = String(decoding: output.prefix { $0 != 10 && $0 != 13 }.prefix(120), as: UTF8.self)
    let said = line.isEmpty ? "" : ": " + String(line.map { $0.isPrintable ? $0 : "?" })
    guard status & 0x7f == 0 else { return .bad("ended by signal \(status & 0x7f)\(said)") }
    let code = status >> 8 & 0xff
    return code == 0 ? .good("status 0\(said)") : .bad("status \(code)\(said)")
  }
}

extension Character {
  /// Whether it can stand in a line of a log without doing anything to it.
  fileprivate var isPrintable: Bool {
    unicodeScalars.allSatisfy { scalar in
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
      default: true
      }
    }
  }
}

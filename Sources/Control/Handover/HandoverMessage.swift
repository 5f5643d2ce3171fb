import LVS

/// What an lbd that is to take over says first (`lbd --replace`): which version of this conversation it speaks, and what
/// it wants.
///
/// Each message is one record of a sequenced-packet socket, lines of text:
///
///     asker:  lbd-handover VERSION / interface: NAME / vlan: NUMBER (0 for none)
///     owner:  granted, or refused: REASON, which ends it
///     owner:  descriptors: NAME NAME …, which come along in this order; as often as needed
///     owner:  over, or over: LOSS: it has ended by now, and all locks are free
struct HandoverRequest: Equatable {
  /// Raised whenever the meaning of anything above changes.
  static let version = 1

  var version = Self.version
  var interface: String
  var vlan: UInt16?

  init(interface: String, vlan: UInt16?) { (self.interface, self.vlan) = (interface, vlan) }

  var text: String { "lbd-handover \(version)\ninterface: \(interface)\nvlan: \(vlan ?? 0)" }

  /// - Returns: nil where it is no request of any version. What other versions ask for is not read.
  init?(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    let first = lines[0].split(separator: " ")
    guard first.count == 2, first[0] == "lbd-handover", let version = Int(first[1]) else { return nil }
    self.init(interface: "", vlan: nil)
    self.version = version
    guard version == Self.version else { return }
    guard lines.count == 3, let interface = lines[1].value(of: "interface"),
      let vlan = lines[2].value(of: "vlan").flatMap({ UInt16($0) })
    else { return nil }
    (self.interface, self.vlan) = (String(interface), vlan == 0 ? nil : vlan)
  }

  /// Why whoever has this place does not do as it is asked; nil where it does.
  func refusal(of interface: String, _ vlan: UInt16?) -> String? {
    guard version == Self.version else {
      return "it hands over by version \(Self.version) of the protocol, not by \(version): stop it, then start this one"
    }
    func place(_ interface: String, _ vlan: UInt16?) -> String { interface + (vlan.map { ".\($0)" } ?? "") }
    return self.interface == interface && self.vlan == vlan
      ? nil : "it has interface \(place(interface, vlan)), not \(place(self.interface, self.vlan))"
  }
}

/// What the one that has the place says.
enum HandoverAnswer: Equatable {
  case granted
  case refused(String)
  case descriptors([String])
  /// What is lost, where anything is.
  case over(String?)

  var text: String {
    switch self {
    case .granted: "granted"
    case .refused(let reason): "refused: \(reason)"
    case .descriptors(let names): "descriptors: \(names.joined(separator: " "))"
    case .over(let loss): loss.map { "over: \($0)" } ?? "over"
    }
  }

  init?(_ text: String) {
    let text = Substring(text.prefix { $0 != "\n" })
    if text == "granted" {
      self = .granted
    } else if text == "over" {
      self = .over(nil)
    } else if let loss = text.value(of: "over") {
      self = .over(String(loss))
    } else if let reason = text.value(of: "refused") {
      self = .refused(String(reason))
    } else if let names = text.value(of: "descriptors") {
      self = .descriptors(names.split(separator: " ").map(String.init))
    } else {
      return nil
    }
  }
}

extension Substring {
  fileprivate func value(of word: String) -> Substring? {
    hasPrefix("\(word): ") ? dropFirst(word.count + 2) : nil
  }
}

/// The family `IPVS` of generic netlink, by name and, where it is lbd's, by number.
package enum IPVSFamily {
  package static let name = "IPVS"
  package static let version: UInt8 = 1
  /// The family's number where lbd answers; a kernel gives none above 1,023. `libipvs-lbd.so` knows it too.
  package static let number: UInt16 = 0x4c42
  /// A command of `libipvs-lbd.so` alone, which is answered with the text of `/proc/net/ip_vs_conn` to the end of the
  /// connection.
  package static let readConnections: UInt8 = 255
}

/// What generic netlink's own family says of another (`CTRL_ATTR_*`).
package struct FamilyMessage: AttributeTable {
  package var name: String?
  package var number: UInt16?
  package var version: UInt32?
  package var headerSize: UInt32?
  package var greatestAttribute: UInt32?
  /// A nest of a nest for each command.
  package var operations: [UInt8]?

  package static let fields: [Field<Self>] = [
    .text(2, \.name, longest: 15), .number(1, \.number), .number(3, \.version), .number(4, \.headerSize),
    .number(5, \.greatestAttribute), .bytes(6, \.operations),
  ]

  /// `CTRL_CMD_NEWFAMILY`, the answer to `CTRL_CMD_GETFAMILY`.
  package static let newFamily: UInt8 = 1
  package static let getFamily: UInt8 = 3
  package static let controlVersion: UInt8 = 2

  package init() {}

  /// The family as a kernel that has it describes it.
  package static let ipvs: FamilyMessage = {
    var message = FamilyMessage()
    (message.name, message.number) = (IPVSFamily.name, IPVSFamily.number)
    (message.version, message.headerSize, message.greatestAttribute) = (UInt32(IPVSFamily.version), 0, 6)
    var list = AttributeWriter(marksNests: false)
    for (index, command) in Command.allCases.filter({ $0 != .setInfo }).enumerated() {
      list.nest(UInt16(index + 1)) { operation in
        operation.put(1, number: UInt32(command.rawValue))
        operation.put(2, number: command.operationFlags)
      }
    }
    message.operations = list.bytes
    return message
  }()
}

extension Command {
  /// Whether the command may ask for one thing, and for a dump of all.
  package var isSingle: Bool { ![.getDestination, .getDaemon, .setInfo].contains(self) }
  package var isDump: Bool { [.getService, .getDestination, .getDaemon].contains(self) }

  /// `GENL_ADMIN_PERM`, `GENL_CMD_CAP_DO`, `GENL_CMD_CAP_DUMP`, `GENL_CMD_CAP_HASPOL`.
  fileprivate var operationFlags: UInt32 {
    0x1 | (isSingle ? 0x2 : 0) | (isDump ? 0x4 : 0) | ([.getTimeouts, .getInfo, .flush].contains(self) ? 0 : 0x8)
  }
}

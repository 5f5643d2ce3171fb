import ArgumentParser
import Control
import LVS

struct TimeoutsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "timeouts", abstract: "Shows or sets the timeouts of connections, in seconds.",
    discussion: """
      0 leaves a timeout as it is. A connection takes a new timeout from its next packet on.

      Example:
        lbctl timeouts 900 120 300
      """)

  @Argument(help: ArgumentHelp("TCP, TCP after a FIN, and UDP, all three.", valueName: "seconds"))
  var values: [UInt32] = []

  @OptionGroup var options: ListingOptions

  func validate() throws {
    if ![0, 3].contains(values.count) { throw ValidationError("give all three timeouts, TCP TCPFIN UDP, or none") }
  }

  func run() async throws {
    if values.count == 3 {
      let timeouts = Timeouts(tcp: values[0], tcpFin: values[1], udp: values[2])
      _ = try await options.director.call(API.setTimeouts, timeouts)
    } else {
      try options.show(try await options.director.call(API.timeouts)) {
        "Timeout (tcp tcpfin udp): \($0.tcp) \($0.tcpFin) \($0.udp)\n"
      }
    }
  }
}

struct SetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set", abstract: "Changes a setting, named as the kernel's net.ipv4.vs sysctls are.",
    discussion: """
      Example:
        lbctl set expire_nodest_conn 1
      """)

  @Argument(completion: .settings) var key: String
  @Argument var value: String
  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    try await daemon.director.apply([.set(key, to: value)])
  }
}

struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Shows a setting, or all of them.",
    discussion: """
      The defenses drop_entry, drop_packet and secure_tcp are off at 0 and always up at 3. At 1 they are up while less
      than amemthresh pages of memory are free, or while the connection table is at least seven eighths full; they show
      2 then. By the table's fill, drop_packet drops one in am_droprate new connections; by memory, the more the less is
      left.

      Example:
        lbctl get expire_nodest_conn
      """)

  @Argument(completion: .settings) var key: String?
  @OptionGroup var options: ListingOptions

  func run() async throws {
    let settings = try await options.director.call(API.settings)
    guard let key else {
      return try options.show(settings) { all in
        all.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value.text)\n" }.joined()
      }
    }
    guard let value = settings[key] else { throw PlaneError.invalid("no setting '\(key)' (get shows what there is)") }
    try options.show(value) { $0.text + "\n" }
  }
}

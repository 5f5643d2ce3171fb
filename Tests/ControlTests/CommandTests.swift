import Foundation
import LVS
import Testing

@testable import Control
@testable import lbctl

@Suite("lbctl", .serialized, .timeLimit(.minutes(1)))
struct CommandTests {
  /// Runs one command line as the program does; nil where it is done, else how it ends.
  private func run(_ line: String, at socket: String = "/nonexistent/lbd.sock") async -> Ending? {
    await Program.run(words(line + " --socket \(socket)"))
  }

  private func words(_ line: String) -> CommandWords {
    CommandWords(line.split(separator: " ").map(String.init))
  }

  @Test(
    "A wrong command line ends with 2 and one line",
    arguments: [
      ("add-service", "name the service: -t, -u or --sctp-service VIP:PORT, or -f MARK (see lbctl add-service --help)"),
      (
        "add-service -t 192.0.2.1:80 -u 192.0.2.1:80",
        "name one service only, by one of -t, -u, --sctp-service and -f (see lbctl add-service --help)"
      ),
      (
        "add-service -t 192.0.2.1:65536",
        "The value '192.0.2.1:65536' is invalid for '-t <vip:port>': not an address with a port (0 to 65535) such as "
          + "192.0.2.1:80 or [2001:db8::1]:80 (see lbctl add-service --help)"
      ),
      (
        "add-service -t 192.0.2.1",
        "port 0 (every port of 192.0.2.1) needs persistence: give a port, or add -p (see lbctl add-service --help)"
      ),
      (
        "add-service -t 192.0.2.1:80 -M 255.0.0.0",
        "a netmask (-M) needs persistence: add -p (see lbctl add-service --help)"
      ),
      (
        "add-service -t 192.0.2.1:80 -b sh-port",
        "the scheduler wlc has no flag 'sh-port' (see lbctl add-service --help)"
      ),
      (
        "add-service -t 192.0.2.1:80 -6",
        "-6 goes with -f: an address says itself of which family it is (see lbctl add-service --help)"
      ),
      ("add-rs -t 192.0.2.1:80 -r 192.0.2.11 -w -1", "weight -1 is not in 0 to 65535 (see lbctl add-rs --help)"),
      ("add-rs -t 192.0.2.1:80 -r 192.0.2.11 -w 65536", "weight 65536 is not in 0 to 65535 (see lbctl add-rs --help)"),
      (
        "add-rs -t 192.0.2.1:80 -r 192.0.2.11 -w one",
        "The value 'one' is invalid for '-w <weight>' (see lbctl add-rs --help)"
      ),
      ("add-rs -t 192.0.2.1:80", "Missing expected argument '--real-server <rip[:port]>' (see lbctl add-rs --help)"),
      (
        "edit-service -t 192.0.2.1:80 --no-persistent -p",
        "--no-persistent contradicts -p, -M and --pe (see lbctl edit-service --help)"
      ),
      ("list --client 10.0.0.0/8", "--client, --server and --state go with --connections (see lbctl list --help)"),
      ("timeouts 900 120", "give all three timeouts, TCP TCPFIN UDP, or none (see lbctl timeouts --help)"),
      ("bench schedulers -n 0", "0 servers are not in 1 to 100000 (see lbctl bench --help)"),
      ("lsit", "there is no command 'lsit': is 'list' meant? (see lbctl --help)"),
      ("help lsit", "there is no command 'lsit': is 'list' meant? (see lbctl --help)"),
      ("help mark lsit", "there is no command 'mark lsit': is 'list' meant? (see lbctl mark --help)"),
      (
        "real-server setpu", "there is no command 'real-server setpu': is 'setup' meant? (see lbctl real-server --help)"
      ),
      ("mark lsit", "there is no command 'mark lsit': is 'list' meant? (see lbctl mark --help)"),
      ("help list all", "there is no command 'list all' (see lbctl list --help)"),
      ("neigh", "there is no command 'neigh': is 'neighbors' meant? (see lbctl --help)"),
      ("add-servcie -t 192.0.2.1:80", "there is no command 'add-servcie': is 'add-service' meant? (see lbctl --help)"),
      ("ipvsamd -L", "there is no command 'ipvsamd': is 'ipvsadm' meant? (see lbctl --help)"),
      ("hlep", "there is no command 'hlep': is 'help' meant? (see lbctl --help)"),
      ("xyzzy", "there is no command 'xyzzy' (see lbctl --help)"),
      ("list --timeout 86401", "--timeout 86401 is not in 0 to 86400 (see lbctl list --help)"),
    ])
  func wrong(_ line: String, _ text: String) async {
    let ending = await Program.run(words(line))
    #expect(ending?.status == 2)
    #expect(ending?.text == "lbctl: " + text)
  }

  @Test("Help ends with 0", arguments: ["", "--help", "add-rs --help", "help list", "bench"])
  func help(_ line: String) async {
    let ending = await Program.run(words(line))
    #expect(ending?.status == 0)
    #expect(ending?.text.hasPrefix("OVERVIEW: ") == true)
  }

  @Test("The version is that of the changes, and names the data planes")
  func version() async throws {
    let changes = try String(contentsOfFile: "CHANGELOG.md", encoding: .utf8)
    let newest = try #require(changes.split(separator: "\n").first { $0.hasPrefix("## ") }).split(separator: " ")[1]
    let ending = await Program.run(words("--version"))
    #expect(ending?.status == 0)
    #expect(ending?.text.hasPrefix("lbctl \(newest)") == true)
    #expect(ending?.text.hasSuffix("\ndata planes: userspace kernel") == true)
  }

  @Test("A socket that nobody answers ends with 1 and one line")
  func nobody() async {
    let line = "nobody answers on /nonexistent/lbd.sock: is lbd running? start it with 'lbd --interface eth0', "
    let ending = await run("list")
    #expect(ending?.status == 1)
    #expect(ending?.text == "lbctl: " + line + "or name its socket with --socket")
  }

  static let lines = [
    "add-service -t 192.0.2.100:80 -s sh -b sh-port -p 50 -M 255.255.255.0",
    "edit-service -t 192.0.2.100:80 -p",
    "add-service -u [2001:db8::100]:53 --scheduler rr --ops",
    "edit-service -u [2001:db8::100]:53 -s wrr --no-ops",
    "add-service -f 7 -6 -p -M 64",
    "add-rs -t 192.0.2.100:80 -r 192.0.2.11:8080 -w 3 -x 100 -y 50",
    "edit-rs -t 192.0.2.100:80 -r 192.0.2.11:8080 -w 4 --mac 02-00-00-00-00-0b",
    "add-rs -t 192.0.2.100:80 -r 192.0.2.12 -m",
    "add-rs -t 192.0.2.100:80 -r 192.0.2.12:8080 -m",
    "edit-rs -t 192.0.2.100:80 -r 192.0.2.12:8080 -w 9",
    "del-rs -t 192.0.2.100:80 -r 192.0.2.12",
    "drain-rs -t 192.0.2.100:80 -r 192.0.2.11",
    "drain-rs -t 192.0.2.100:80 -r 192.0.2.11",
    "add-rs -u [2001:db8::100]:53 -r 2001:db8::1",
    "drain-rs -u [2001:db8::100]:53 -r 2001:db8::1",
    "drain-rs -u [2001:db8::100]:53 -r 2001:db8::1 --undo",
    "add-rs -f 7 -6 --real-server 2001:db8::2 --gatewaying",
    "zero -f 7 -6",
  ]

  static let result = """
    services:
    - service: tcp:192.0.2.100:80
      scheduler: sh
      flags:
      - sh-port
      persistence:
        timeout: 360
        netmask: 255.255.255.0
      servers:
      - address: 192.0.2.11:80
        weight: 4
        upper_threshold: 100
        lower_threshold: 50
        mac: 02:00:00:00:00:0b
        drained: true
      - address: 192.0.2.12:8080
        method: masquerade
        weight: 9
    - service: udp:[2001:db8::100]:53
      scheduler: wrr
      servers:
      - address: '[2001:db8::1]:53'
        weight: 1
    - service: fwmark6:7
      scheduler: wlc
      persistence:
        timeout: 360
        netmask: '64'
      servers:
      - address: '[2001:db8::2]:0'
        weight: 1

    """

  @Test("Commands change what they name and nothing else")
  func commands() async throws {
    try await Served.run { served in
      for line in Self.lines {
        let ending = await run(line, at: served.socket.path)
        #expect(ending == nil, "\(line)")
      }
      let saved = try await served.client.call(API.configuration).yaml()
      #expect(saved == Self.result)
    }
  }

  @Test(
    "A refused command ends with 1 and the daemon's line",
    arguments: [
      ("add-service -t 192.0.2.100:80", "service tcp:192.0.2.100:80 already exists (edit-service changes it)"),
      (
        "del-service -t 192.0.2.99:80", "no service tcp:192.0.2.99:80 (add-service makes one; list shows what there is)"
      ),
      (
        "del-rs -t 192.0.2.100:80 -r 192.0.2.11",
        "service tcp:192.0.2.100:80 has no real server 192.0.2.11:80 (list shows what there is)"
      ),
      (
        "edit-rs -t 192.0.2.100:80 -r 192.0.2.11:81",
        "service tcp:192.0.2.100:80 has no real server 192.0.2.11:81 (list shows what there is)"
      ),
      (
        "add-rs -t 192.0.2.100:80 -r 192.0.2.11 -i",
        "the userspace data plane forwards by -g, -m and not by -i, as 192.0.2.11:80 asks for (lbctl capabilities shows "
          + "what it can do)"
      ),
      ("get nothing", "no setting 'nothing' (get shows what there is)"),
      ("restore /nonexistent/lbd.yaml", "/nonexistent/lbd.yaml cannot be read: No such file or directory"),
    ])
  func refused(_ line: String, _ text: String) async throws {
    try await Served.run { served in
      try await served.client.apply([.addService(VirtualService(key("tcp:192.0.2.100:80")), force: false)])
      let ending = await run(line, at: served.socket.path)
      #expect(ending?.status == 1)
      #expect(ending?.text == "lbctl: " + text)
    }
  }
}

import LVS
import Testing

@testable import Control

@Suite("Configuration")
struct ConfigurationTests {
  @Test("What save prints reads back the same")
  func roundTrip() throws {
    var definitions = sampleServices.map(\.definition)
    definitions[1].servers = [
      RealServer(endpoint("10.1.1.7:0"), upperThreshold: 10, lowerThreshold: 5, mac: MACAddress("02:00:00:00:00:07")),
      RealServer(endpoint("10.1.1.8:0"), weight: Weight(7, isDrained: true)),
    ]
    definitions[4].service.persistence = Persistence(netmask: Netmask("255.255.0.0")!)
    definitions[4].service.persistenceEngine = "sip"
    let saved = Configuration(
      services: definitions, marks: [MarkRule(destination: Prefix("192.0.2.100")!, mark: 7)],
      timeouts: Timeouts(tcpFin: 30), settings: ["mh_table_size": "251", "sync_threshold": "3 50"])
    #expect(try Configuration(yaml: saved.yaml()) == saved)
  }

  @Test("JSON is read as well")
  func json() throws {
    let saved = Configuration(services: sampleServices.map(\.definition))
    #expect(try Configuration(yaml: String(decoding: JSON.encode(saved), as: UTF8.self)) == saved)
  }

  @Test("What is left out has ipvsadm's defaults, and servers keep their order")
  func defaults() throws {
    let text = """
      services:
        - service: tcp:192.0.2.100:80
          persistence: {}
          servers:
            - address: 192.0.2.12
            - address: 192.0.2.11:8080
              weight: 3
      """
    let service = VirtualService(key("tcp:192.0.2.100:80"), persistence: Persistence(netmask: .host(.v4)))
    let servers = [RealServer(endpoint("192.0.2.12:80")), RealServer(endpoint("192.0.2.11:80"), weight: 3)]
    #expect(try Configuration(yaml: text).services == [ServiceDefinition(service, servers: servers)])
  }

  @Test("Keys are read as earlier versions wrote them")
  func spellings() throws {
    let checked = "    checks: [{type: icmp, on-failure: remove, fast-interval: 50ms}]\n"
    let old = Self.service + "    slow-start: 30s\n" + checked
    let new = old.replacing("slow-start", with: "slow_start").replacing("on-failure", with: "on_failure")
    #expect(try Configuration(yaml: old) == Configuration(yaml: new))
    #expect(try Configuration(yaml: old).services[0].farm.slowStart == .seconds(30))
    #expect(try Configuration(yaml: old).services[0].checks.common[0].onFailure == .remove)
  }

  @Test("What a drained server weighed is read as earlier versions wrote it")
  func drainedWeight() throws {
    let server = { try Configuration(yaml: Self.server + $0).services[0].servers[0] }
    #expect(try server("        weight: 0\n        drainedWeight: 3\n").weight == Weight(3, isDrained: true))
    #expect(try server("        weight: 3\n        drained: true\n").weight == Weight(3, isDrained: true))
    let error = #expect(throws: ConfigurationError.self) { try server("        weight: 1\n        drainedWeight: 3\n") }
    #expect(error?.problem.hasSuffix("192.0.2.11:0 has the weight 1, so it is not drained") == true)
  }

  @Test("No services is said by an empty list")
  func empty() throws {
    #expect(try Configuration(yaml: "services: []").services.isEmpty)
  }

  static let service = "services:\n  - service: tcp:192.0.2.100:80\n"
  static let server = service + "    servers:\n      - address: 192.0.2.11\n"

  @Test(
    "Bad input is refused in one line that names it",
    arguments: [
      ("", "the configuration is empty: 'services: []' says that there are none"),
      ("# nothing\n", "the configuration is empty: 'services: []' says that there are none"),
      ("hello", "line 1: the configuration is a mapping of services, marks, timeouts, settings"),
      ("services:\n  - [", "line 3: not YAML: did not find expected node content"),
      (
        "service: 1",
        "line 1: unknown key 'service' of the configuration (there are services, marks, timeouts, settings)"
      ),
      ("{}", "line 1: 'services' is missing"),
      (
        service + "    wieght: 1\n",
        "line 3: unknown key 'wieght' of a service (there are service, scheduler, flags, persistence, "
          + "persistence_engine, one_packet, fallback, panic, slow_start, checks, discover, servers)"
      ),
      (
        server + "        wieght: 1\n",
        "line 5: unknown key 'wieght' of a server (there are address, method, weight, upper_threshold, lower_threshold, "
          + "mac, drained, drained_weight, checks)"
      ),
      (
        service + "    persistence: {seconds: 3}\n",
        "line 3: unknown key 'seconds' of persistence (there are timeout, netmask)"
      ),
      (service + "    scheduler: rr\n    scheduler: wrr\n", "line 3: key 'scheduler' stands twice"),
      (service + "    one_packet: true\n    onePacket: true\n", "line 4: key 'one_packet' stands twice"),
      (
        "services:\n  - service: tcp:192.0.2.300:80\n",
        "line 2: services[0].service: 'tcp:192.0.2.300:80' is not a service such as tcp:192.0.2.1:80 or fwmark:7"
      ),
      (server + "        weight: heavy\n", "line 5: services[0].servers[0].weight: not a whole number in range"),
      (
        server + "        weight: 70000\n",
        "line 4: services[0].servers[0] (192.0.2.11:80 of tcp:192.0.2.100:80): weight 70000 is not in 0 to 65535"
      ),
      (
        service + "    scheduler: best\n",
        "line 2: services[0] (tcp:192.0.2.100:80): \(PlaneError.unknownScheduler("best"))"
      ),
      (service + "    flags: [sh-port]\n", "line 3: services[0].flags: the scheduler wlc has no flag 'sh-port'"),
      (
        server + "      - address: 192.0.2.11:80\n",
        "line 2: services[0]: \(PlaneError.serverExists(endpoint("192.0.2.11:80"), key("tcp:192.0.2.100:80")))"
      ),
      (service + "  - service: tcp:192.0.2.100:80\n", "service tcp:192.0.2.100:80 stands twice in the configuration"),
    ])
  func refused(_ text: String, _ line: String) {
    let error = #expect(throws: (any Error).self) { try Configuration(yaml: text) }
    #expect(error.map { ErrorReply($0).error } == line)
  }

  @Test(
    "A check that cannot be is refused in one line that names it",
    arguments: [
      (
        service + "    checks: [{type: tcp, prot: 80}]\n",
        "line 3: unknown key 'prot' of a check (there are type, path, host, method, headers, status, body, sni, verify, ca, "
          + "send, expect, query, command, port, via, interval, timeout, jitter, rise, fall, fast_interval, flap_limit, "
          + "on_failure)"
      ),
      (
        service + "    checks: [{type: tcp}, {type: tcp}]\n",
        "line 3: services[0].checks: there are two checks of the type tcp"
      ),
      (
        service + "    checks:\n    - type: tcp\n      path: /\n",
        "line 5: services[0].checks[0].path: 'path' is for http, https, and this is tcp"
      ),
      (
        service + "    checks:\n    - type: icmp\n    - type: exec\n      command: [true-ish]\n",
        "line 5: services[0] (tcp:192.0.2.100:80), check exec: the command 'true-ish' must begin with a program's whole "
          + "path, such as /bin/true"
      ),
      (service + "    panic: 101 %\n", "line 3: services[0].panic: '101 %' is not a share such as 50 %"),
    ] as [(String, String)])
  func refusedCheck(_ text: String, _ line: String) { refused(text, line) }

  @Test("A file that cannot be read is named")
  func missingFile() {
    let error = #expect(throws: ConfigurationError.self) { try Configuration(file: "/nonexistent/lbd.yaml") }
    #expect(error?.description == "/nonexistent/lbd.yaml cannot be read: No such file or directory")
  }
}

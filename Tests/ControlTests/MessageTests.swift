import Foundation
import LVS
import Testing

@testable import Control

@Suite("The JSON of the API")
struct MessageTests {
  @Test(
    "A change travels under its name",
    arguments: [
      (
        Change.addService(VirtualService(key("tcp:192.0.2.100:80"), scheduler: .rr), force: true),
        #"{"add_service":{"force":true,"service":{"scheduler":"rr","service":"tcp:192.0.2.100:80"}}}"#
      ),
      (
        .updateService(VirtualService(key("udp:192.0.2.100:53"), scheduler: .sh, flags: .port, onePacket: true)),
        #"{"update_service":{"service":{"flags":["sh-port"],"one_packet":true,"scheduler":"sh","service":"udp:192.0.2.100:53"}}}"#
      ),
      (.removeService(key("fwmark6:7")), #"{"remove_service":{"service":"fwmark6:7"}}"#),
      (
        .addServer(RealServer(endpoint("192.0.2.11:80"), weight: 3), to: key("tcp:192.0.2.100:80")),
        #"{"add_server":{"server":{"address":"192.0.2.11:80","weight":3},"to":"tcp:192.0.2.100:80"}}"#
      ),
      (
        .updateServer(
          RealServer(endpoint("192.0.2.11:80"), weight: Weight(3, isDrained: true)), of: key("tcp:192.0.2.100:80")),
        #"{"update_server":{"of":"tcp:192.0.2.100:80","server":{"address":"192.0.2.11:80","drained":true,"weight":3}}}"#
      ),
      (
        .removeServer(endpoint("192.0.2.11:80"), from: key("tcp:192.0.2.100:80")),
        #"{"remove_server":{"from":"tcp:192.0.2.100:80","server":"192.0.2.11:80"}}"#
      ),
      (
        .drainServer(endpoint("192.0.2.11:80"), of: key("tcp:192.0.2.100:80")),
        #"{"drain_server":{"of":"tcp:192.0.2.100:80","server":"192.0.2.11:80"}}"#
      ),
      (
        .undrainServer(endpoint("192.0.2.11:80"), of: key("fwmark:7")),
        #"{"undrain_server":{"of":"fwmark:7","server":"192.0.2.11:80"}}"#
      ),
      (
        .addCheck(
          HealthCheck(.http(.init(path: "/alive")), interval: .seconds(2)), to: key("fwmark:7"),
          server: endpoint("192.0.2.11:80")),
        #"{"add_check":{"check":{"interval":"2s","path":"/alive","type":"http"},"server":"192.0.2.11:80","to":"fwmark:7"}}"#
      ),
      (
        .addCheck(HealthCheck(.icmp), to: key("fwmark:7"), server: nil),
        #"{"add_check":{"check":{"type":"icmp"},"to":"fwmark:7"}}"#
      ),
      (.removeCheck(nil, from: key("fwmark:7"), server: nil), #"{"remove_check":{"from":"fwmark:7"}}"#),
      (
        .removeCheck(.tcp, from: key("fwmark:7"), server: endpoint("192.0.2.11:80")),
        #"{"remove_check":{"from":"fwmark:7","server":"192.0.2.11:80","type":"tcp"}}"#
      ),
      (
        .setFarm(
          FarmPolicy(fallback: [RealServer(endpoint("192.0.2.9:80"))], slowStart: .seconds(30), panic: 50),
          of: key("fwmark:7")),
        #"{"set_farm":{"farm":{"fallback":[{"address":"192.0.2.9:80","weight":1}],"panic":"50 %","slow_start":"30s"},"of":"fwmark:7"}}"#
      ),
      (
        .addDiscovery(Discovery(.dns(DNSLookup("web.example.lan", type: .srv))), to: key("fwmark:7")),
        #"{"add_discovery":{"discovery":{"dns":"web.example.lan","type":"srv"},"to":"fwmark:7"}}"#
      ),
      (.removeDiscovery(from: key("fwmark:7")), #"{"remove_discovery":{"from":"fwmark:7"}}"#),
      (
        .setMarks([MarkRule(destination: Prefix("192.0.2.100")!, mark: 7)]),
        #"{"set_marks":{"marks":[{"destination":"192.0.2.100/32","mark":7}]}}"#
      ),
      (.set("drop_entry", to: "1"), #"{"set":{"setting":"drop_entry","value":1}}"#),
      (.setTimeouts(Timeouts(udp: 60)), #"{"set_timeouts":{"timeouts":{"udp":60}}}"#),
    ])
  func change(_ change: Change, _ json: String) throws {
    #expect(String(decoding: try JSON.encode(change), as: UTF8.self) == json)
    #expect(try JSON.decode(Change.self, from: Data(json.utf8)) == change)
  }

  @Test("A service's status reads back the same", arguments: sampleServices)
  func status(_ status: ServiceStatus) throws {
    #expect(try JSON.decode(ServiceStatus.self, from: JSON.encode(status)) == status)
  }

  @Test(
    "A forwarding method is a word",
    arguments: [
      (ForwardingMethod.route, "route"), (.masquerade, "masquerade"), (.local, "local"), (.bypass, "bypass"),
      (.tunnel(Tunnel()), "tunnel:ipip"), (.tunnel(Tunnel(kind: .gre, checksum: .none)), "tunnel:gre:-c"),
      (.tunnel(Tunnel(kind: .gue, port: 6080, checksum: .remote)), "tunnel:gue:6080:r+c"),
    ])
  func method(_ method: ForwardingMethod, _ text: String) {
    #expect(method.description == text)
    #expect(ForwardingMethod(text) == method)
  }

  @Test(
    "Keys are read in any spelling, and names of settings as they are",
    arguments: [
      #"{"add_server":{"to":"fwmark:7","server":{"address":"192.0.2.11:80","upper_threshold":3}}}"#,
      #"{"addServer":{"to":"fwmark:7","server":{"address":"192.0.2.11:80","upperThreshold":3}}}"#,
      #"{"add-server":{"to":"fwmark:7","server":{"address":"192.0.2.11:80","upper-threshold":3}}}"#,
    ])
  func spellings(_ json: String) throws {
    let server = RealServer(endpoint("192.0.2.11:80"), upperThreshold: 3)
    #expect(try JSON.decode(Change.self, from: Data(json.utf8)) == .addServer(server, to: key("fwmark:7")))
    let named = #"{"services":[],"settings":{"someName":"7"}}"#
    #expect(try JSON.decode(Configuration.self, from: Data(named.utf8)).settings == ["someName": "7"])
  }

  @Test(
    "A word in snake_case",
    arguments: [
      ("onePacket", "one_packet"), ("on-failure", "on_failure"), ("resolvedMAC", "resolved_mac"),
      ("is_template", "is_template"), ("weight", "weight"), ("", ""), ("Slow-Start", "slow_start"),
    ])
  func snakeCase(_ word: String, _ spelled: String) { #expect(SnakeCase.spelled(word) == spelled) }

  @Test(
    "Other words are no forwarding method", arguments: ["", "Route", "tunnel", "tunnel:", "tunnel:gue", "tunnel:gre:c"])
  func noMethod(_ text: String) {
    #expect(ForwardingMethod(text) == nil)
  }

  @Test("A connection's line by hand is what the decoder expects", arguments: 0..<4)
  func connection(_ number: Int) throws {
    var row = MemoryPlane.row(number)
    row.isTemplate = number == 0
    if number == 1 { row.client = endpoint("[2001:db8::1]:65535") }
    let line = ConnectionStatus.jsonLines([row])
    #expect(try JSON.decode(ConnectionStatus.self, from: Data(line)) == row)
    #expect(try ConnectionStatus.rows(inLines: line + line) == [row, row])
    #expect(try ConnectionStatus.rows(inLines: Array(JSON.encode(row) + "\n".utf8)) == [row])
  }

  @Test("A line that is no connection is refused", arguments: ["\n", "{}", #"{"error":"x","code":"y"}"#])
  func noConnection(_ line: String) {
    #expect(throws: ErrorReply.self) { try ConnectionStatus.rows(inLines: Array(line.utf8)) }
  }

  @Test(
    "What cannot be read is refused in one line that says where",
    arguments: [
      (#"[{"add_server":{}}]"#, "[0].add_server: 'server' is missing"),
      (
        #"[{"remove_service":{"service":"tcp:x"}}]"#,
        "[0].remove_service.service: 'tcp:x' is not a service such as tcp:192.0.2.1:80 or fwmark:7"
      ),
      (
        #"[{}]"#,
        "[0]: a change is one of add_service, update_service, remove_service, add_server, update_server, remove_server, "
          + "drain_server, undrain_server, add_check, remove_check, set_farm, add_discovery, "
          + "remove_discovery, set_marks, set, set_timeouts"
      ),
    ])
  func refused(_ json: String, _ line: String) {
    let error = #expect(throws: ErrorReply.self) { try JSON.decode([Change].self, from: Data(json.utf8)) }
    #expect(error == .badRequest(line))
  }
}

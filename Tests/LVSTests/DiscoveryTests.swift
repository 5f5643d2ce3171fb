import Foundation
import LVS
import Testing

@Suite("Discoveries as they are asked for")
struct DiscoveryTests {
  private static let web = ServiceKey("tcp:192.0.2.100:80")!

  private static func read(_ text: String) throws -> Discovery {
    try JSONDecoder().decode(Discovery.self, from: Data(text.utf8))
  }

  @Test(
    "They are written without what has its standard, and read as they were",
    arguments: [
      (#"{"dns":"web.example.lan"}"#, Discovery(.dns(DNSLookup("web.example.lan")))),
      (
        #"{"dns":"_http._tcp.lan","max_ttl":"3s","resolver":"192.0.2.53","type":"srv"}"#,
        Discovery(
          .dns(
            DNSLookup(
              "_http._tcp.lan", type: .srv, resolver: Resolver("192.0.2.53"), ttls: .seconds(3) ... .seconds(3))))
      ),
      (
        #"{"dns":"web.lan","min_ttl":"10m","port":8080,"resolver":"[2001:db8::53]:5353","weight":4}"#,
        Discovery(
          .dns(
            DNSLookup(
              "web.lan", port: 8080, resolver: Resolver("[2001:db8::53]:5353"), ttls: .seconds(600) ... .seconds(600))),
          weight: 4)
      ),
      (
        #"{"file":"/etc/servers","grace":"0s","method":"masquerade"}"#,
        Discovery(.file("/etc/servers"), method: .masquerade, grace: .milliseconds(0))
      ),
    ])
  func written(_ text: String, _ discovery: Discovery) throws {
    #expect(try Self.read(text) == discovery)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    #expect(String(decoding: try encoder.encode(discovery), as: UTF8.self) == text)
  }

  @Test(
    "What does not go together is refused",
    arguments: [
      "{}", #"{"weight":1}"#, #"{"dns":"a.lan","file":"/a"}"#, #"{"file":"/a","type":"a"}"#,
      #"{"file":"/a","port":80}"#, #"{"file":"/a","resolver":"192.0.2.1"}"#, #"{"file":"/a","min_ttl":"1s"}"#,
      #"{"dns":"a.lan","type":"mx"}"#, #"{"dns":"a.lan","resolver":"lan"}"#,
      #"{"dns":"a.lan","min_ttl":"2m","max_ttl":"1m"}"#, #"{"dns":"a.lan","port":70000}"#,
    ])
  func together(_ text: String) {
    #expect(throws: DecodingError.self) { try Self.read(text) }
  }

  @Test(
    "What cannot be is refused in words",
    arguments: [
      (#"{"dns":"a lan"}"#, "'a lan' is not a name to ask the DNS for"),
      (#"{"dns":"a.lan","port":0}"#, "port 0 is not in 1 to 65535"),
      (#"{"dns":"a.lan","resolver":"192.0.2.53:0"}"#, "port 0 is not in 1 to 65535"),
      (#"{"dns":"a.lan","weight":70000}"#, "weight 70000 is not in 0 to 65535"),
      (#"{"dns":"a.lan","min_ttl":"500ms"}"#, "an answer is believed for 1s to 24h, not 500ms to 5m"),
      (#"{"dns":"a.lan","max_ttl":"48h"}"#, "an answer is believed for 1s to 24h, not 5s to 48h"),
      (#"{"dns":"a.lan","type":"srv","port":80}"#, "an SRV record says port and weight itself"),
      (#"{"dns":"a.lan","type":"srv","weight":3}"#, "an SRV record says port and weight itself"),
      (
        #"{"dns":"a.lan","type":"aaaa"}"#,
        "records AAAA have no addresses that servers of tcp:192.0.2.100:80 can have"
      ),
      (#"{"file":"servers"}"#, "'servers' must be a file's whole path"),
      (#"{"file":"/a","grace":"25h"}"#, "the grace 25h is longer than 24h"),
    ])
  func refused(_ text: String, _ words: String) throws {
    let discovery = try Self.read(text)
    let error = #expect(throws: PlaneError.self) { try discovery.validate(in: Self.web) }
    #expect(error?.description == words)
  }

  @Test("Addresses are looked for that the service can have")
  func families() throws {
    let six = ServiceKey("tcp:[2001:db8::100]:80")!
    let any = Discovery(.dns(DNSLookup("a.lan")))
    #expect(any.families(in: Self.web) == [.v4])
    #expect(any.families(in: six) == [.v6])
    let tunneled = Discovery(.dns(DNSLookup("a.lan")), method: .tunnel(Tunnel()))
    #expect(tunneled.families(in: Self.web) == [.v4, .v6])
    #expect(Discovery(.dns(DNSLookup("a.lan", type: .a))).families(in: six).isEmpty)
  }
}

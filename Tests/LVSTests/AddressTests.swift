import LVS
import Testing

@Suite("Addresses as text")
struct AddressTests {
  /// Text, and how it is written again; nil where it is no address.
  static let addresses: [(String, String?)] = [
    ("192.0.2.1", "192.0.2.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
    ("192.0.2", nil), ("192.0.2.1.1", nil), ("192.0.2.256", nil), ("192.0.2.01", nil), ("192.0.2.+1", nil),
    ("192.0.2. 1", nil), ("", nil), ("a.b.c.d", nil), ("192.0.2.1/24", nil), (".0.2.1", nil), ("192..2.1", nil),
    ("2001:db8::1", "2001:db8::1"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::", "::"), ("::1", "::1"),
    ("1::", "1::"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
    ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ("1:2:3:4:5:6:7", nil), ("1:2:3:4:5:6:7:8:9", nil), ("1::2::3", nil), (":::", nil), ("12345::", nil),
    ("1:2:3:4:5:6:7:8::", nil), ("g::", nil), ("fe80::1%eth0", nil), (":1", nil), ("1:", nil), ("1.2.3.4::", nil),
  ]

  @Test("are read whole or not at all, and written as RFC 5952 has them", arguments: addresses)
  func read(_ text: String, _ written: String?) {
    #expect(IPAddress(text)?.description == written)
  }

  @Test(
    "with a port need brackets for IPv6",
    arguments: [
      ("192.0.2.1:80", "192.0.2.1:80"), ("[2001:db8::1]:443", "[2001:db8::1]:443"), ("2001:db8::1:443", nil),
      ("192.0.2.1", nil), ("192.0.2.1:", nil), ("192.0.2.1:65536", nil), ("192.0.2.1:-1", nil), ("[192.0.2.1]:80", nil),
      ("192.0.2.1:+8", nil), ("[::1]80", nil), ("[::1", nil),
    ])
  func endpoints(_ text: String, _ written: String?) {
    #expect(Endpoint(text)?.description == written)
  }

  @Test(
    "of stations have six pairs of digits",
    arguments: [
      ("02:00:00:00:00:01", "02:00:00:00:00:01"), ("AA-BB-CC-DD-EE-FF", "aa:bb:cc:dd:ee:ff"), ("2:0:0:0:0:1", nil),
      ("02:00:00:00:00", nil), ("02:00:00:00:00:01:02", nil), ("02:00:00:00:00:0g", nil), ("", nil),
      ("+2:00:00:00:00:01", nil),
    ])
  func stations(_ text: String, _ written: String?) {
    #expect(MACAddress(text)?.description == written)
  }

  @Test(
    "name services with protocol, endpoint or mark",
    arguments: [
      ("tcp:192.0.2.1:80", "tcp:192.0.2.1:80"), ("udp:[2001:db8::1]:53", "udp:[2001:db8::1]:53"),
      ("fwmark:7", "fwmark:7"),
      ("fwmark6:7", "fwmark6:7"), ("fwmark:0", nil), ("icmp:192.0.2.1:80", nil), ("tcp:192.0.2.1", nil), ("", nil),
    ])
  func services(_ text: String, _ written: String?) {
    #expect(ServiceKey(text)?.description == written)
  }

  @Test(
    "fall into the ranges that contain them",
    arguments: [
      ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("0.0.0.0/0", "192.0.2.1", true),
      ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("2001:db8::/64", "2001:db8::ffff", true),
      ("2001:db8::/65", "2001:db8::8000:0:0:1", false), ("2001:db8::/64", "10.0.0.1", false),
      ("::/0", "10.0.0.1", false),
    ])
  func ranges(_ range: String, _ address: String, _ isInside: Bool) throws {
    #expect(try #require(Prefix(range)).contains(try #require(IPAddress(address))) == isInside)
  }

  @Test(
    "are told apart by what hosts can have",
    arguments: [
      ("192.0.2.1", true), ("0.0.0.0", false), ("0.1.2.3", false), ("224.0.0.1", false), ("255.255.255.255", false),
      ("2001:db8::1", true), ("::", false), ("ff02::1", false),
    ])
  func unicast(_ text: String, _ isUnicast: Bool) throws {
    #expect(try #require(IPAddress(text)).isUnicast == isUnicast)
  }
}

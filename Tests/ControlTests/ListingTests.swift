import LVS
import Testing

@testable import Control

@Suite("Listings")
struct ListingTests {
  @Test(
    "A listing of services is ipvsadm's, byte for byte",
    arguments: [
      (ServiceListing.plain, "Ln"), (.statistics, "Ln-stats"), (.rates, "Ln-rate"), (.thresholds, "Ln-thresholds"),
      (.persistentConnections, "Ln-persistent-conn"),
    ])
  func services(_ listing: ServiceListing, _ name: String) throws {
    #expect(listing.text(sampleServices) == (try golden(name)))
  }

  @Test("The first line is left out where one service was asked for", arguments: ServiceListing.allCases)
  func withoutFirstLine(_ listing: ServiceListing) {
    #expect("IP Virtual Server version 1.2.1 (size=4096)\n" + listing.text([], isWhole: false) == listing.text([]))
  }

  @Test("The first line names the size that it is given")
  func size() {
    #expect(ServiceListing.plain.text([], size: 1 << 20).hasPrefix("IP Virtual Server version 1.2.1 (size=1048576)\n"))
  }

  @Test("A listing of connections is ipvsadm's, byte for byte")
  func connections() throws {
    let order = [
      (2, false), (3, false), (4, true), (1, false), (5, false), (2, true), (4, false), (5, true), (3, true), (1, true),
    ]
    let rows = order.map { client, isTemplate in
      ConnectionStatus(
        transport: "tcp", client: endpoint("192.0.2.\(client):\(isTemplate ? 0 : 40000 + client)"),
        virtual: endpoint("10.1.0.100:80"), server: endpoint("10.1.1.2:80"),
        state: isTemplate ? "ASSURED" : "ESTABLISHED", expires: isTemplate ? 110 : 890, isTemplate: isTemplate)
    }
    let text = String(decoding: ConnectionListing.rows(rows), as: UTF8.self)
    #expect(ConnectionListing.title + text == (try golden("Lnc")))
  }

  @Test(
    "A row's columns stand apart, however long they are",
    arguments: [
      (
        "sctp", "192.0.2.1:10001", "10.1.0.100:80", "10.1.1.2:80", 3,
        "SCTP 00:03  INIT1       192.0.2.1:10001    10.1.0.100:80      10.1.1.2:80\n"
      ),
      (
        "tcp", "[2001:db8:1::11]:40000", "[fd77::100]:80", "[fd77::201]:80", 60_000,
        "TCP 1000:00 INIT1       [2001:db8:1::11]:40000 [fd77::100]:80     [fd77::201]:80\n"
      ),
    ] as [(String, String, String, String, UInt32, String)])
  func longColumns(
    _ transport: String, _ client: String, _ virtual: String, _ server: String, _ expires: UInt32, _ text: String
  ) {
    let row = ConnectionStatus(
      transport: transport, client: endpoint(client), virtual: endpoint(virtual), server: endpoint(server),
      state: "INIT1", expires: expires, isTemplate: false)
    #expect(String(decoding: ConnectionListing.rows([row]), as: UTF8.self) == text)
  }

  @Test(
    "Large numbers are shortened as ipvsadm shortens them",
    arguments: [
      (0, "        0"), (99_999_999, " 99999999"), (100_000_000, "  100000K"), (999_999_999, "  999999K"),
      (1_000_000_000, "    1000M"), (99_999_999_999, "   99999M"), (100_000_000_000, "     100G"),
      (99_999_999_999_999, "   99999G"), (100_000_000_000_000, "     100T"), (UInt64.max, "18446744T"),
    ] as [(UInt64, String)])
  func large(_ value: UInt64, _ text: String) {
    #expect(largeNumber(value) == text)
  }

  @Test("A table's columns are as wide as their widest cell, and no line ends in blanks")
  func table() {
    #expect(
      columns(["A", "LONG", "C"], [["xyz", "1", ""], ["", "22", "z"]]) == "A    LONG  C\nxyz  1\n     22    z\n")
  }
}

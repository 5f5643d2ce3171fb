import KernelIPVS
import LVS
import Testing

@Suite("What the kernel tells in /proc")
struct ProcTests {
  @Test("The total is read from ip_vs_stats")
  func total() {
    let text = """
         Total Incoming Outgoing         Incoming         Outgoing
         Conns  Packets  Packets            Bytes            Bytes
            1A       2B        0             3C4D                0

       Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
             1        2        0               3C                0

      """
    let traffic = Traffic(
      statistics: Statistics(connections: 0x1a, packets: 0x2b, bytes: 0x3c4d),
      rates: Rates(connections: 1, packets: 2, bytes: 0x3c))
    #expect(ProcTotal(text)?.traffic == traffic)
    #expect(ProcTotal(String(text.prefix(text.count - 60))) == nil)
    #expect(ProcTotal("") == nil)
  }
}

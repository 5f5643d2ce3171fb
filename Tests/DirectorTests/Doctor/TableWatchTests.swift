import LVS
import Testing

@testable import Director

@Suite("Tables that fill")
struct TableWatchTests {
  private func table(_ entries: UInt64, evicted: UInt64 = 0, refused: UInt64 = 0) -> TableStatus {
    TableStatus(.connections, entries: entries, capacity: 1_000, evicted: ["half_open": evicted], refused: refused)
  }

  @Test("are told from seven eighths on, until they are three quarters full")
  func fill() {
    var watch = TableWatch()
    #expect(watch.look([table(874)]).isEmpty)
    #expect(watch.look([table(875)]) == [table(875)])
    for _ in 0..<20 { #expect(watch.look([table(800)]).count == 1) }
    for _ in 0..<10 { #expect(watch.look([table(700)]).count == 1) }
    #expect(watch.look([table(700)]).isEmpty)
  }

  @Test("are told when something was ended or refused, until ten seconds later")
  func losses() {
    var watch = TableWatch()
    #expect(watch.look([table(10)]).isEmpty)
    #expect(watch.look([table(10, evicted: 1)]).count == 1)
    for _ in 0..<5 { #expect(watch.look([table(10, evicted: 1)]).count == 1) }
    for _ in 0..<11 { _ = watch.look([table(10, evicted: 1, refused: 3)]) }
    #expect(watch.look([table(10, evicted: 1, refused: 3)]).isEmpty)
  }

  @Test("are a finding with figures and a way out, beside those of the doctor", arguments: TableStatus.Name.allCases)
  func finding(_ name: TableStatus.Name) throws {
    let found = Finding(TableStatus(name, entries: 5, capacity: 6, evicted: ["closing": 7], refused: 8))
    #expect(found.kind == .tableFull && found.subject == name.rawValue)
    #expect(found.seen.contains("5 of 6, 7 ended early for others, 8 refused"))
    #expect(!found.why.isEmpty && !found.fix.isEmpty)
    let findings = Findings()
    let other = Finding(.noAddress, subject: "eth0", seen: "s", why: "w", fix: "f")
    #expect(findings.replace([found], ofTables: true).appeared == [found])
    #expect(findings.replace([other]).cured.isEmpty)
    #expect(findings.present == [other, found])
    #expect(findings.replace([], ofTables: true).cured == [found])
    #expect(findings.present == [other])
  }
}

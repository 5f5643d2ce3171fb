import Foundation
import LVS
import Testing

@testable import Health

@Suite("Commands")
struct CommandTests {
  private func outcome(_ script: String, hasty isHasty: Bool = false) async throws -> Outcome {
    let kind = HealthCheck.Kind.exec(["/bin/sh", "-c", script])
    return try await firstOutcome(isHasty ? hasty(kind) : patient(kind), port: 80)
  }

  @Test("The status decides, the first line of the output is told")
  func status() async throws {
    #expect(try await outcome("exit 0") == .good("status 0"))
    #expect(try await outcome("echo fine; echo more") == .good("status 0: fine"))
    #expect(try await outcome("echo disk full >&2; exit 3") == .bad("status 3: disk full"))
    #expect(try await outcome("kill -SEGV $$") == .bad("ended by signal 11"))
    #expect(try await outcome(#"printf 'a\033[2Jb'; exit 1"#) == .bad("status 1: a?[2Jb"))
  }

  @Test("It knows what is asked about, and nothing else of this process's surroundings")
  func environment() async throws {
    let script =
      #"[ "$LBD_SERVICE $LBD_VIP $LBD_SERVER $LBD_PORT" = "tcp:127.0.0.1:1 127.0.0.1 127.0.0.1 80" ] && [ -z "$HOME" ]"#
    #expect(try await outcome(script) == .good("status 0"))
    #expect(try await outcome(#"set -- /proc/self/fd/*; [ $# -le 4 ] && ! read line"#) == .good("status 0"))
    #expect(
      try await outcome("[ $(ulimit -v) = 1048576 ] && [ $(ulimit -c) = 0 ] && [ $(ulimit -n) = 256 ]")
        == .good("status 0"))
  }

  @Test("A program that is none says nothing about the server")
  func missing() async throws {
    let outcome = try await firstOutcome(patient(.exec(["/nowhere/program"])), port: 80)
    #expect(outcome == .unclear("/nowhere/program: No such file or directory"))
  }

  @Test("One that hangs is ended with all that it started")
  func hanging() async throws {
    let mark = "4\(UInt32.random(in: 1_000_000...9_999_999))"
    #expect(try await outcome("sleep \(mark) & sleep \(mark)", hasty: true) == .bad("no answer within 300 ms"))
    try await eventually { try processes(with: mark).isEmpty ? true : nil }
  }

  @Test("What one that ends leaves behind is ended too, even where it holds the output open")
  func leftover() async throws {
    let mark = "4\(UInt32.random(in: 1_000_000...9_999_999))"
    #expect(try await outcome("sleep \(mark) & exit 0") == .good("status 0"))
    try await eventually { try processes(with: mark).isEmpty ? true : nil }
  }

  @Test("One that stops answering signals, or forks without end, is ended")
  func stubborn() async throws {
    let mark = "4\(UInt32.random(in: 1_000_000...9_999_999))"
    #expect(
      try await outcome("trap '' TERM INT HUP; exec sleep \(mark)", hasty: true) == .bad("no answer within 300 ms"))
    #expect(
      try await outcome("f() { sleep \(mark) & sleep 0.01; f; }; f", hasty: true) == .bad("no answer within 300 ms"))
    try await eventually { try processes(with: mark).isEmpty ? true : nil }
  }

  @Test("Output beyond the bound ends it; memory beyond the bound is not had")
  func greedy() async throws {
    #expect(try await outcome("yes") == .bad("wrote more than 65536 bytes"))
    #expect(try await outcome("exec >&- 2>&-; sleep 0.2; exit 4") == .bad("status 4"))
    #expect(try await outcome("head -c 2000000000 /dev/zero | tail >/dev/null").isGood == false)
  }

  /// The command lines of this machine's processes that hold a word.
  private func processes(with word: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { name in
      // A process may be gone between the two calls.
      guard Int(name) != nil, let data = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else {
        return nil
      }
      let line = String(decoding: data, as: UTF8.self)
      return line.contains(word) ? line : nil
    }
  }
}

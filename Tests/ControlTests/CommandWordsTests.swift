import Testing

@testable import lbctl

@Suite("The words of a command line")
struct CommandWordsTests {
  @Test(
    "Every -p has its number, and options before the command stand behind its name",
    arguments: [
      ("list", "list"),
      ("--json list", "list --json"),
      ("--socket /run/x.sock --json list -t 192.0.2.1:80", "list --socket /run/x.sock --json -t 192.0.2.1:80"),
      ("--socket=/run/x.sock list", "list --socket=/run/x.sock"),
      ("--socket", "--socket"),
      ("--timeout 5 --json list", "list --timeout 5 --json"),
      ("--timeout=5 list", "list --timeout=5"),
      ("add-service -t 192.0.2.1:80 -p", "add-service -t 192.0.2.1:80 -p 360"),
      ("add-service -p -t 192.0.2.1:80", "add-service -p 360 -t 192.0.2.1:80"),
      ("add-service -p 50 -t 192.0.2.1:80", "add-service -p 50 -t 192.0.2.1:80"),
      ("add-service -t 192.0.2.1:80 --persistent", "add-service -t 192.0.2.1:80 --persistent 360"),
      ("edit-service --persistent 300 -s rr", "edit-service --persistent 300 -s rr"),
      ("--json add-service -p", "add-service --json -p 360"),
      ("list -p", "list -p"),
      ("set conn_reuse_mode -1", "set conn_reuse_mode -- -1"),
      ("--json timeouts 1 -2 3", "timeouts --json 1 -- -2 3"),
      ("--json mark list", "mark list --json"),
      ("--json mark", "mark --json"),
      ("--socket /run/x.sock add-rs -w", "add-rs --socket /run/x.sock -w"),
      ("add-rs -w -1", "add-rs -w -1"),
      ("with-ipvs ipvsadm --socket", "with-ipvs -- ipvsadm --socket"),
      ("--socket /s with-ipvs --kernel ipvsadm -L", "with-ipvs --socket /s --kernel -- ipvsadm -L"),
      ("with-ipvs --help", "with-ipvs --help"),
      ("with-ipvs -- --odd", "with-ipvs -- --odd"),
      ("", ""),
    ])
  func prepared(_ line: String, _ prepared: String) {
    #expect(CommandWords(line.split(separator: " ").map(String.init)).prepared.joined(separator: " ") == prepared)
  }

  @Test(
    "ipvsadm's words get those that stood before it",
    arguments: [
      ("ipvsadm -Ln", "-Ln"), ("--socket /s ipvsadm -Ln", "--socket /s -Ln"),
      ("--kernel ipvsadm", "--plane kernel"), ("list ipvsadm", nil), ("help ipvsadm", "--help"),
    ])
  func ipvsadm(_ line: String, _ words: String?) {
    #expect(CommandWords(line.split(separator: " ").map(String.init)).ipvsadm?.joined(separator: " ") == words)
  }

  @Test(
    "An option that stands there twice is refused",
    arguments: [
      ("add-rs -t 192.0.2.1:80 -t 192.0.2.1:81 -r 10.0.0.1", "-t stands there twice"),
      ("--socket=/a list --socket=/b", "--socket stands there twice"), ("timeouts -1 -1 1", nil),
      ("capture -w - -- -w", nil), ("list --stats --json", nil),
      ("--socket /s with-ipvs ipvsadm --socket -t a -t b", nil),
      ("--socket /s with-ipvs --socket /t ipvsadm", "--socket stands there twice"),
    ])
  func repetition(_ line: String, _ refusal: String?) {
    let words = CommandWords(line.split(separator: " ").map(String.init))
    do {
      try words.checkRepetition()
      #expect(refusal == nil)
    } catch {
      #expect("\(error)".contains(refusal ?? "nothing"))
    }
  }

  @Test(
    "The help that is pointed to is the command's",
    arguments: [
      ("--json add-rs -w", "lbctl add-rs --help"), ("drops", "lbctl drops --help"), ("nothing", "lbctl --help"),
    ])
  func help(_ line: String, _ help: String) {
    #expect(CommandWords(line.split(separator: " ").map(String.init)).helpCommand == help)
  }
}

import ArgumentParser
import Control
import LVS

struct Mark: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mark", abstract: "Marks packets, for services by firewall mark (-f MARK).",
    discussion: """
      A rule stands for an iptables rule with a MARK target; the first that matches a packet counts. The addresses of a
      rule whose mark has a service are VIPs of the director.

      Examples:
        lbctl mark add --dst 192.0.2.100 --proto tcp --dport 8000-8100 --set 7
        lbctl add-service -f 7 -s rr -p 300
        lbctl mark list
      """,
    subcommands: [Add.self, Delete.self, Show.self, Clear.self], defaultSubcommand: Show.self)

  struct Add: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "add", abstract: "Adds a rule behind the others.")

    @OptionGroup var rule: RuleOptions
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
      let rules = try await daemon.lbd.call(API.marks)
      guard !rules.contains(rule.rule) else {
        throw PlaneError.invalid("there is such a rule already (mark list shows it)")
      }
      _ = try await daemon.lbd.call(API.setMarks, rules + [rule.rule])
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "del", abstract: "Removes the rule that says just this.")

    @OptionGroup var rule: RuleOptions
    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
      var rules = try await daemon.lbd.call(API.marks)
      guard let place = rules.firstIndex(of: rule.rule) else {
        throw PlaneError.invalid("there is no such rule (mark list shows what there is)")
      }
      rules.remove(at: place)
      _ = try await daemon.lbd.call(API.setMarks, rules)
    }
  }

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Shows the rules in order.")

    @OptionGroup var options: ListingOptions

    func run() async throws {
      try options.show(try await options.lbd.call(API.marks)) { rules in
        columns(
          ["DESTINATION", "SOURCE", "PROTO", "PORTS", "MARK"],
          rules.map {
            [
              $0.destination.description, $0.source?.description ?? "any", $0.transport?.name ?? "any",
              $0.ports?.description ?? "any", String($0.mark),
            ]
          })
      }
    }
  }

  struct Clear: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "flush", abstract: "Removes all rules.")

    @OptionGroup var daemon: DaemonOptions

    func run() async throws { _ = try await daemon.lbd.call(API.setMarks, []) }
  }
}

/// What a rule looks at, and the mark that it sets.
struct RuleOptions: ParsableArguments {
  @Option(
    name: .customLong("dst"), help: ArgumentHelp("The destination.", valueName: "cidr"), completion: .vips,
    transform: text)
  var destination: Prefix

  @Option(name: .customLong("src"), help: ArgumentHelp("The source.", valueName: "cidr"), transform: text)
  var source: Prefix?

  @Option(name: .customLong("proto"), help: ArgumentHelp("tcp, udp or sctp.", valueName: "protocol"), transform: text)
  var transport: TransportProtocol?

  @Option(
    name: .customLong("dport"), help: ArgumentHelp("The destination's ports.", valueName: "first-last"), transform: text
  )
  var ports: PortRange?

  @Option(name: .customLong("set"), help: ArgumentHelp("The mark, from 1 on.", valueName: "mark"))
  var mark: UInt32

  var rule: MarkRule {
    MarkRule(destination: destination, source: source, transport: transport, ports: ports, mark: mark)
  }

  func validate() throws {
    do { try rule.validate() } catch { throw ValidationError(error.description) }
  }
}

/// Reads an option's value of any kind that has a text form.
@Sendable func text<Value: TextCodable>(_ text: String) throws -> Value {
  guard let value = Value(text) else { throw ValidationError("'\(text)' is not \(Value.kind)") }
  return value
}

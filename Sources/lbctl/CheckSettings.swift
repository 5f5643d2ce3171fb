import ArgumentParser
import LVS

extension HealthCheck.Kind.Name: ExpressibleByArgument {}
extension HealthCheck.Via: ExpressibleByArgument {}
extension HealthCheck.Consequence: ExpressibleByArgument {}
extension HealthCheck.DNSQuestion.RecordType: ExpressibleByArgument {}

/// What a check is to be like. What is not named is as usual.
struct CheckSettings: ParsableArguments {
  @Option(help: "What is asked.")
  var type: HealthCheck.Kind.Name

  @Option(help: ArgumentHelp("http, https: the path that is asked for (default: /).", valueName: "path"))
  var path: String?

  @Option(
    help: ArgumentHelp("http, https: the Host header. dns: the name that is asked for.", valueName: "host"))
  var host: String?

  @Option(help: ArgumentHelp("http, https: the request's method (default: GET).", valueName: "method"))
  var method: String?

  @Option(
    help: ArgumentHelp("http, https: a header of the request, 'Name: value'.", valueName: "header"),
    transform: { try text($0, as: HTTPHeader.self) })
  var header: HTTPHeader?

  @Option(
    help: ArgumentHelp("http, https: what a good answer is (default: 200-399).", valueName: "200-299,301"),
    transform: { try text($0, as: StatusSet.self) })
  var status: StatusSet?

  @Option(
    help: ArgumentHelp(
      "http, https: a regular expression (PCRE) that must match in the first 64 KiB of the body.", valueName: "regex"))
  var body: String?

  @Option(help: ArgumentHelp("https: the name to ask for (default: --host).", valueName: "name"))
  var sni: String?

  @Flag(help: "https: take any certificate.")
  var noVerify = false

  @Option(
    help: ArgumentHelp("https: a PEM file with the authorities to trust, instead of the system's.", valueName: "file"),
    completion: .file())
  var ca: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(#"tcp, udp: what is sent; \r, \n, \t, \\ and \xHH are escapes."#, valueName: "text"),
    transform: { try text($0, as: Payload.self) })
  var send: Payload?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "tcp, udp: what must stand in the answer. dns: an address that must be among the answers.", valueName: "text"),
    transform: { try text($0, as: Payload.self) })
  var expect: Payload?

  @Option(help: "dns: the type of record that is asked for (default: A).")
  var query: HealthCheck.DNSQuestion.RecordType?

  @Option(help: ArgumentHelp("The port that is asked (default: the service's).", valueName: "port"))
  var port: UInt16?

  @Option(help: "Whether the VIP or the server's own address is asked (default: vip for direct routing).")
  var via: HealthCheck.Via?

  @OptionGroup var rhythm: CheckRhythm

  @Argument(
    parsing: .postTerminator,
    help: ArgumentHelp("exec: the command that is run, after a --; 0 is a good status.", valueName: "argv"))
  var command: [String] = []

  /// - Throws: `ValidationError` where they do not go together.
  var check: HealthCheck {
    get throws {
      do throws(CheckFieldError) { return try HealthCheck(fields) } catch {
        throw ValidationError(error.problem)
      }
    }
  }

  private var fields: CheckFields {
    var fields = CheckFields(type)
    (fields.path, fields.host, fields.method, fields.status) = (path, host, method, status)
    fields.headers = header.map { [$0] }
    (fields.body, fields.sni, fields.ca) = (body, sni, ca)
    fields.verify = noVerify ? false : nil
    (fields.send, fields.expect, fields.query) = (send, expect, query)
    (fields.port, fields.via) = (port, via)
    fields.command = command.isEmpty ? nil : command
    rhythm.put(into: &fields)
    return fields
  }
}

/// How often is asked, and what follows.
struct CheckRhythm: ParsableArguments {
  @Option(
    help: ArgumentHelp("From one attempt to the next (default: 500ms).", valueName: "500ms"),
    transform: { try text($0, as: Period.self) })
  var interval: Period?

  @Option(
    help: ArgumentHelp("The same while it is not certain what the server is.", valueName: "100ms"),
    transform: { try text($0, as: Period.self) })
  var fastInterval: Period?

  @Option(
    help: ArgumentHelp("How long an attempt may take in all (default: 1s).", valueName: "1s"),
    transform: { try text($0, as: Period.self) })
  var timeout: Period?

  /// What `CommandWords` makes of the same: to the parser --timeout is everybody's, and in seconds.
  @Option(name: .customLong(CommandWords.attemptTimeout), help: .hidden, transform: { try text($0, as: Period.self) })
  var attemptTimeout: Period?

  @Option(help: ArgumentHelp("By how many percent an interval may be shorter (default: 10).", valueName: "0-50"))
  var jitter: UInt8?

  @Option(help: ArgumentHelp("So many good answers in a row bring a server back (default: 2).", valueName: "times"))
  var rise: UInt16?

  @Option(help: ArgumentHelp("So many bad ones in a row take it down (default: 2).", valueName: "times"))
  var fall: UInt16?

  @Option(
    help: ArgumentHelp(
      "A server that goes down so often within a short while stays down until it has calmed; 0: never (default: 5).",
      valueName: "times"))
  var flapLimit: UInt16?

  @Option(help: "Whether a server that is down weighs 0, or is taken out (default: quiesce).")
  var onFailure: HealthCheck.Consequence?

  func put(into fields: inout CheckFields) {
    (fields.interval, fields.fastInterval, fields.timeout, fields.jitter) = (
      interval, fastInterval, attemptTimeout ?? timeout, jitter
    )
    (fields.rise, fields.fall, fields.flapLimit, fields.onFailure) = (rise, fall, flapLimit, onFailure)
  }
}

import LVS

@testable import Health

/// What names servers: answers of the DNS, behind their lengths (two bytes in network order), the host's list of
/// resolvers, or a file of servers. The first byte chooses.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  guard let choice = input.first else { return 0 }
  let rest = Array(input.dropFirst())
  switch choice % 4 {
  case 0: precondition(ResolverList.parse(rest).count <= 3)
  case 1: _ = ServerFile.parse(rest)
  case 2: answer(DNSLookup("a.lan", type: .srv), rest)
  default: answer(DNSLookup("a.lan"), rest)
  }
  return 0
}

/// A resolver that answers each question with what the input has: the response's flags and number of answers, then these.
private func answer(_ lookup: DNSLookup, _ input: [UInt8]) {
  var look = NameLookup(lookup, [.v4, .v6])
  var at = 0
  var asked = 0
  while let question = look.question, input.count - at > 2 {
    let length = min(Int(input[at]) << 8 | Int(input[at + 1]), input.count - at - 2)
    let answer = input[at + 2..<at + 2 + length]
    at += 2 + length
    let query = DNSMessage.query(question, id: 1)
    let head =
      [0, 1] as [UInt8] + (answer.prefix(2) + [0, 0]).prefix(2) + [0, 1]
      + (answer.dropFirst(2).prefix(2) + [0, 0]).prefix(2)
    let message = head + [0, 0, 0, 0] + query[DNSMessage.headerLength...] + answer.dropFirst(4)
    // A stranger's: the question still stands.
    guard let response = DNSMessage(message, to: question, id: 1) else { continue }
    asked += 1
    precondition(asked <= 2 * NameLookup.hostLimit + 1, "it asks for ever")
    _ = response.responseWords
    guard look.take(response) else { return }
  }
  if case .found(let servers) = look.outcome { precondition(servers.count <= NameLookup.serverLimit) }
  precondition(lookup.ttls.contains(look.period))
}

import LVS

@testable import KernelIPVS

/// A kernel that answers whatever the input has: datagrams behind their lengths (two bytes in network order). The
/// first byte chooses the question.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  guard let question = input.first else { return 0 }
  var at = 1
  let port = NetlinkPort(
    send: { _ throws(ExchangeFailure) in },
    receive: { () throws(ExchangeFailure) in
      guard input.count - at > 2 else { throw .socket("no answer") }
      let length = min(Int(input[at]) << 8 | Int(input[at + 1]), input.count - at - 2)
      defer { at += 2 + length }
      return Array(input[at + 2..<at + 2 + length])
    },
    family: { _ in 28 })
  guard let socket = try? IPVSSocket(port, loadModule: {}) else { return 0 }
  let table = IPVSTable(socket)
  switch question % 3 {
  case 0: _ = try? table.services()
  case 1: _ = try? table.timeouts()
  default: _ = try? table.service(.fwmark(1, .v4))
  }
  return 0
}

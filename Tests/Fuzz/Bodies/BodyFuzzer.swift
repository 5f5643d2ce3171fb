import Control
import Foundation
import LVS

/// What an operator's file or a request to the API may hold: read as YAML and as changes, and what was read once is
/// written and read again.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  if let configuration = try? Configuration(yaml: String(decoding: input, as: UTF8.self)) {
    guard let yaml = try? configuration.yaml(), (try? Configuration(yaml: yaml)) == configuration else {
      fatalError("what was written is not what was read")
    }
  }
  if let changes = try? JSONDecoder().decode([Change].self, from: Data(input)) {
    var state = DesiredState(capabilities)
    for change in changes { try? state.apply(change) }
    guard (try? DesiredState(state.configuration, capabilities)) == state else {
      fatalError("what is wanted cannot be said in a file")
    }
  }
  return 0
}

private let capabilities = Capabilities(
  .userspace, methods: [.route, .tunnel, .masquerade], features: Set(Capabilities.Feature.allCases),
  settings: [
    SettingRule("mh_table_size", .choice([251, 509]), standard: "251"), SettingRule("any", .any, standard: ""),
  ])

import LVS
import TestSupport

extension FlowRecord {
  /// Some record that a kernel could send.
  static func random(_ random: inout Seeded) -> FlowRecord {
    let family = IPAddress.Family.allCases.randomElement(using: &random)!
    func endpoint(_ random: inout Seeded) -> Endpoint {
      let address =
        family == .v4
        ? IPAddress(v4: .random(in: 0...(.max), using: &random)) : IPAddress(v6: random.next(), random.next())
      return Endpoint(address, .random(in: 0...(.max), using: &random))
    }
    func shift(_ random: inout Seeded) -> SequenceShift {
      SequenceShift(
        initial: .random(in: 0...(.max), using: &random), delta: .random(in: 0...(.max), using: &random),
        previousDelta: .random(in: 0...(.max), using: &random))
    }
    let isTemplate = Bool.random(using: &random)
    let hasShifts = Bool.random(using: &random)
    let transport: UInt8 = [6, 17, 132].randomElement(using: &random)!
    var flags: Flags = [.noOutput]
    if isTemplate { flags.insert(.template) }
    if Bool.random(using: &random) { flags.insert(.inactive) }
    if hasShifts { flags.formUnion([.inSequence, .outSequence]) }
    let engine =
      Bool.random(using: &random)
      ? Engine(name: "sip", data: (0..<Int.random(in: 1...255, using: &random)).map { _ in UInt8(random.next() & 255) })
      : nil
    return FlowRecord(
      transport: isTemplate && Bool.random(using: &random) ? 0 : transport, client: endpoint(&random),
      virtual: endpoint(&random), server: endpoint(&random), mark: .random(in: 0...(.max), using: &random),
      method: [.masquerade, .local, .tunnel, .route, .bypass].randomElement(using: &random)!, flags: flags,
      state: transport == 17 && !isTemplate ? 0 : .random(in: 0...1, using: &random),
      timeLeft: .random(in: 0...(.max), using: &random), clientShift: hasShifts ? shift(&random) : nil,
      serverShift: hasShifts ? shift(&random) : nil, engine: engine)
  }
}

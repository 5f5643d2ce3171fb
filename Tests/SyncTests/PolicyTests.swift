import LVS
import Testing

@testable import Sync

@Suite("When a master tells of a flow")
struct PolicyTests {
  private func told(_ policy: SyncPolicy, _ flow: SyncPolicy.Flow, through last: UInt32) -> [UInt32] {
    var end: UInt32 = 0
    return (1...last).filter { policy.tells(flow, packets: $0, told: &end, now: $0) }
  }

  /// Whether a flow is told that never was before.
  private func tells(_ policy: SyncPolicy, _ flow: SyncPolicy.Flow, packets: UInt32) -> Bool {
    var end: UInt32 = 0
    return policy.tells(flow, packets: packets, told: &end, now: 0)
  }

  private let established = SyncPolicy.Flow(kind: .stateful, isEstablished: true, timeout: 90_000)

  @Test("By default the 3rd packet, and every 50th after it")
  func defaults() {
    #expect(told(SyncPolicy(), established, through: 160) == [3, 53, 103, 153])
  }

  @Test("Without a period only the packet at the threshold")
  func noPeriod() {
    var policy = SyncPolicy()
    policy.period = 0
    #expect(told(policy, established, through: 160) == [3])
  }

  @Test("A state that peers are told of is told at once, but for ESTABLISHED")
  func changes() {
    var flow = SyncPolicy.Flow(kind: .stateful, isChanged: true, timeout: 12_000)
    #expect(tells(SyncPolicy(), flow, packets: 5))
    flow.isEstablished = true
    #expect(!tells(SyncPolicy(), flow, packets: 5))
    flow.isToldState = false
    #expect(!tells(SyncPolicy(), flow, packets: 3))
  }

  @Test("A template is told whenever one of its connections is")
  func templates() {
    #expect(told(SyncPolicy(), SyncPolicy.Flow(kind: .template, timeout: 36_000), through: 5) == [1, 2, 3, 4, 5])
  }

  @Test("Connections that a template controls are left out where only templates are wanted")
  func controlled() {
    var policy = SyncPolicy()
    policy.templatesOnly = true
    var flow = established
    flow.isControlled = true
    #expect(told(policy, flow, through: 200).isEmpty)
    #expect(told(policy, established, through: 10) == [3])
  }

  @Test("With a refresh period a flow is told when its end has moved by so much, and its repetitions before")
  func refresh() {
    var policy = SyncPolicy()
    (policy.period, policy.refreshPeriod) = (0, 6_000)
    func times(_ policy: SyncPolicy) -> [UInt32] {
      var end: UInt32 = 0
      return stride(from: UInt32(4), through: 20_000, by: 4).filter {
        policy.tells(established, packets: $0, told: &end, now: $0)
      }
    }
    #expect(times(policy) == [4, 6_004, 12_004, 18_004])
    policy.retries = 2
    #expect(times(policy).prefix(5) == [4, 756, 1_508, 7_512, 8_264])
  }

  @Test("A complete master tells of every flow's first packet and of each change")
  func complete() {
    var policy = SyncPolicy()
    policy.isComplete = true
    #expect(told(policy, established, through: 53) == [1, 3, 53])
    #expect(told(policy, SyncPolicy.Flow(kind: .stateless, timeout: 30_000), through: 53) == [1, 3, 53])
    #expect(tells(policy, SyncPolicy.Flow(kind: .stateless, timeout: 30_000), packets: 7), "asked about late")
    let half = SyncPolicy.Flow(kind: .stateful, isToldState: false, isChanged: true, timeout: 6_000)
    #expect(tells(policy, half, packets: 2))
  }
}

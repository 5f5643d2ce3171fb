import LVS
import Testing

@testable import Control

@Suite("What two lbds say to each other when one takes over from the other")
struct HandoverMessageTests {
  @Test("a request is understood as it was meant", arguments: [nil, 1, 4094] as [UInt16?])
  func requests(vlan: UInt16?) throws {
    let request = HandoverRequest(interface: "eth0", vlan: vlan)
    #expect(HandoverRequest(request.text) == request)
    #expect(request.refusal(of: "eth0", vlan) == nil)
  }

  @Test(
    "what is for another place, or of another version, is refused with a reason",
    arguments: [
      ("lbd-handover 1\ninterface: eth1\nvlan: 0", "it has interface eth0.7, not eth1"),
      ("lbd-handover 1\ninterface: eth0\nvlan: 0", "it has interface eth0.7, not eth0"),
      (
        "lbd-handover 2\nwhatever: version 2 says",
        "it hands over by version 1 of the protocol, not by 2: stop it, then start this one"
      ),
    ])
  func refusals(text: String, reason: String) throws {
    #expect(try #require(HandoverRequest(text)).refusal(of: "eth0", 7) == reason)
  }

  @Test(
    "what is no request is none",
    arguments: [
      "", "\n", "lbd-handover", "lbd-handover one", "lbd-handover 1", "lbd-handover 1\ninterface: eth0",
      "lbd-handover 1\ninterface: eth0\nvlan: 65536", "lbd-handover 1\nvlan: 0\ninterface: eth0",
      "lbd-handover 1\ninterface: eth0\nvlan: 0\n", "GET / HTTP/1.1\r\n\r\n",
    ])
  func nonsense(text: String) {
    #expect(HandoverRequest(text) == nil)
  }

  @Test(
    "an answer is understood as it was meant",
    arguments: [
      .granted, .refused("it has interface eth0, not eth1"), .descriptors(["ring-0-of-2-4096x2048", "xdp-native"]),
      .over(nil), .over("its connections are lost"),
    ] as [HandoverAnswer])
  func answers(answer: HandoverAnswer) {
    #expect(HandoverAnswer(answer.text) == answer)
  }

  @Test("what is no answer is none", arguments: ["", "grant", "refused", "over:", "descriptors"])
  func otherAnswers(text: String) {
    #expect(HandoverAnswer(text) == nil)
  }
}

import LVS
import Testing

@testable import Director

@Suite("Schedulers choose the servers that a real kernel chose")
struct GoldenSequenceTests {
  /// One list of servers and the picks that followed; the two entries that tell of a change have no scheduler.
  struct Sequence: Decodable {
    var sched: String?
    var weights: [Int32]?
    var picks: [UInt32?]?
    var initial: [UInt32?]?
    var afterRemoval: [UInt32?]?
    var afterAddition: [UInt32?]?

    enum CodingKeys: String, CodingKey {
      case sched, picks
      case weights = "weights_rs1..n"
      case initial = "initial4"
      case afterRemoval = "after_del_rs2"
      case afterAddition = "after_add_rs4"
    }
  }

  @Test("Connections that stay open are spread as recorded", arguments: [("sequences", 25), ("lblc", 5)])
  func recordedPicks(file: String, count: Int) throws {
    let sequences = try golden(file, as: [String: Sequence].self).filter { $0.value.sched != nil }
    #expect(sequences.count == count)
    for (name, sequence) in sequences {
      let scheduler = SchedulerName(rawValue: try #require(sequence.sched))
      let service = try ScheduledService(scheduler, weights: try #require(sequence.weights))
      let picks = try #require(sequence.picks)
      #expect(service.open(times: picks.count) == picks, "\(name)")
    }
  }

  @Test("A service edited from rr to wrr begins at the top weight, as one built up under wrr does not")
  func wrrByEdit() throws {
    let recorded = try #require(try golden("sequences", as: [String: Sequence].self)["wrr_123_by_edit_from_rr"]?.picks)
    let service = try ScheduledService(.rr, weights: [1, 2, 3])
    try service.rebind(.wrr)
    #expect(service.open(times: recorded.count) == recorded)
  }

  @Test("rr goes on from the predecessor of a deleted server, and to the head of the list for a new one")
  func rrUnderChange() throws {
    let recorded = try #require(try golden("sequences", as: [String: Sequence].self)["rr_dyn"])
    let service = try ScheduledService(.rr, weights: [1, 1, 1])
    #expect(service.open(times: 4) == recorded.initial)
    service.remove(at: try #require(service.position(of: 2)))
    #expect(service.open(times: 6) == recorded.afterRemoval)
    service.add(.realServer(4, weight: 1))
    #expect(service.open(times: 9) == recorded.afterAddition)
  }
}

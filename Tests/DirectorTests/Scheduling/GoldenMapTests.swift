import LVS
import Testing

@testable import Director

@Suite("Hashing schedulers map clients as a real kernel did")
struct GoldenMapTests {
  struct Recording: Decodable {
    var sched: String?
    var weights: [Int32]?
    /// Flags as ipvsadm's words: `-b sh-port`.
    var extra: String?
    /// Server number and its new weight.
    var edit: [[Int32]]?
    /// Client and port, or destination for `dh`, to the server's number.
    var map: [String: UInt32?]
  }

  @Test("IPv4 clients, with weights, flags and quiesced servers", arguments: ["sh", "mh"])
  func ipv4(prefix: String) throws {
    let recordings = try golden("hash-maps", as: [String: Recording].self).filter { $0.value.sched == prefix }
    #expect(recordings.count == (prefix == "sh" ? 5 : 7))
    for (name, recording) in recordings {
      let service = try service(prefix, recording)
      for (client, server) in recording.map {
        let colon = try #require(client.lastIndex(of: ":"))
        let connection = try connection(client[..<colon], client[client.index(after: colon)...])
        #expect(service.pick(connection).map { service.order[$0] } == server, "\(name) \(client)")
      }
    }
  }

  @Test("IPv6 clients", arguments: ["sh6", "shport6", "mh6"])
  func ipv6(name: String) throws {
    var recording = try #require(try golden("hash-maps-v6", as: [String: Recording].self)[name])
    recording.extra = name == "shport6" ? "-b sh-port" : nil
    let service = try service(String(name.prefix(2)), recording, folded: Self.folded6)
    #expect(recording.map.count == 59)
    for (client, server) in recording.map {
      let parts = client.split(separator: "|")
      let connection = try connection(parts[0], parts[1])
      #expect(service.pick(connection).map { service.order[$0] } == server, "\(name) \(client)")
    }
  }

  @Test("Destinations of dh")
  func destinations() throws {
    let map = try #require(try golden("hash-maps", as: [String: Recording].self)["dh_111"]?.map)
    let service = try ScheduledService(.dh, weights: [1, 1, 1])
    #expect(map.count == 60)
    for (destination, server) in map {
      var connection = NewConnection.any
      connection.destination = try #require(IPAddress(destination))
      #expect(service.pick(connection).map { service.order[$0] } == server, "\(destination)")
    }
  }

  /// RSn of the IPv6 recordings: 2001:db8:1::10n.
  private static let folded6: [UInt32] = (1...3).map { IPAddress(v6: 0x2001_0db8_0001_0000, 0x100 + $0).folded }

  private func service(_ name: String, _ recording: Recording, folded: [UInt32]? = nil) throws -> ScheduledService {
    let scheduler = SchedulerName(rawValue: name)
    let words = (recording.extra ?? "").split(separator: " ").last
    let flags = try words.map { try SchedulerFlags.parse(String($0), scheduler: scheduler).get() } ?? []
    let service = try ScheduledService(scheduler, flags: flags)
    for (index, weight) in try #require(recording.weights).enumerated() {
      var server = ServerLoad.realServer(index + 1, weight: weight)
      if let folded { server.address = folded[index] }
      service.add(server)
    }
    for edit in recording.edit ?? [] {
      service.edit(at: try #require(service.position(of: UInt32(edit[0]))), weight: edit[1])
    }
    return service
  }

  private func connection(_ client: Substring, _ port: Substring) throws -> NewConnection {
    var connection = NewConnection.any
    connection.client = try #require(IPAddress(client))
    connection.clientPort = try #require(UInt16(port))
    return connection
  }
}

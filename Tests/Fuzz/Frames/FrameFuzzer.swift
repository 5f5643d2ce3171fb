import Director
import LVS

/// Frames and their times, through the whole director: the pipe, its tables, ARP and neighbor discovery.
///
/// The input is a sequence of frames, each behind its length (two bytes) and the hundredths of a second since the one
/// before (two bytes), in network order; the last one may be cut off.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  guard let director = try? OfflineDirector(Configuration(services: services)) else {
    fatalError("the director does not start")
  }
  var (at, time) = (0, UInt64(1_000_000))
  while input.count - at > 4 {
    let length = min(Int(input[at]) << 8 | Int(input[at + 1]), input.count - at - 4)
    time += (UInt64(input[at + 2]) << 8 | UInt64(input[at + 3])) * 10_000
    let frame = Array(input[at + 4..<at + 4 + length])
    _ = director.receive(frame, length: frame.count, at: time)
    at += 4 + length
  }
  return 0
}

/// Services of every kind, so that all ways through the director can be found.
private let services: [ServiceDefinition] = {
  let v4 = ["10.77.0.21", "10.77.0.22"]
  let v6 = ["2001:db8::21", "2001:db8::22"]
  func service(
    _ key: String, _ scheduler: SchedulerName = .rr, persistent: Bool = false, engine: String? = nil,
    onePacket: Bool = false
  ) -> ServiceDefinition {
    let key = ServiceKey(key)!
    var service = VirtualService(key, scheduler: scheduler, persistenceEngine: engine, onePacket: onePacket)
    if persistent { service.persistence = Persistence(timeout: 30, netmask: .host(key.family)) }
    let servers = (key.family == .v4 ? v4 : v6).enumerated().map { index, address in
      RealServer(
        Endpoint(IPAddress(address)!, key.port), mac: index == 0 ? MACAddress("02:00:00:00:03:01") : nil)
    }
    return ServiceDefinition(service, servers: servers)
  }
  return [
    service("tcp:10.77.0.100:80", .wlc), service("udp:10.77.0.100:53", .mh),
    service("udp:10.77.0.100:5060", persistent: true, engine: "sip"), service("tcp:10.77.0.100:21", persistent: true),
    service("sctp:10.77.0.100:9", .sh), service("tcp:10.77.0.101:0", persistent: true),
    service("udp:10.77.0.101:99", onePacket: true), service("tcp:[2001:db8::100]:80"),
    service("udp:[2001:db8::100]:53", .wrr), service("tcp:[2001:db8::101]:0", persistent: true),
  ]
}()

import LVS

/// All that a diagnosis is made of, as it was seen at one moment. It is data: tests write it down.
struct Observation: Sendable {
  /// A real server's address on the LAN.
  struct Server: Sendable {
    var address: IPAddress
    var mac: MACAddress?
    var isFailed = false
    /// Another station that answers for the same address.
    var rival: MACAddress?
  }

  /// Settings of the director's host.
  struct Host: Sendable {
    /// All its addresses with their interfaces.
    var addresses: [IPAddress: String] = [:]
    var forwards: Set<IPAddress.Family> = []
    /// The host's stack does not see the VIPs' frames.
    var isGuarded = true
    /// The effective `rp_filter` of the interface: the greater one of `all` and its own.
    var reversePathFilter = 0
    /// Large receive offload is on.
    var mergesFrames = false
    /// The XDP program takes tagged frames for untagged ones.
    var hidesTags = false
  }

  var interface: Interface
  var isThere = true
  /// Why the workers are not connected to it.
  var disconnection: String?
  var sender: IPAddress?
  var vips: [VIPStatus] = []
  /// What hosts say of the VIPs that may not have them.
  var claims: [VIPClaim] = []
  /// Stations of other directors, which may.
  var peers: Set<MACAddress> = []
  var servers: [Server] = []
  var host = Host()
  var probes: [ProbeResult] = []
  /// Unicast frames that arrived within a second although they are another station's.
  var foreign: [MACAddress: Int] = [:]
  var services: [ServiceStatus] = []
  /// Clients that one server leaves without an answer.
  var waiting: [HalfOpenCount.Wait] = []
  /// Different clients that a service's connections have.
  var clients: [ServiceKey: Int] = [:]

  /// All that is wrong, the VIPs' troubles first.
  var findings: [Finding] {
    // What was probed meanwhile would only mislead.
    if let disconnected { return [disconnected] }
    return vipFindings + serverFindings + probeFindings + unansweringFindings + hostFindings + spreadFindings
  }

  /// `real server 10.0.0.3 (02:…)` where the station is one, else the station alone.
  func name(_ station: MACAddress) -> String {
    server(at: station).map { "real server \($0) (\(station))" } ?? station.description
  }

  func server(at station: MACAddress) -> IPAddress? {
    servers.filter { $0.mac == station }.map(\.address).min()
  }
}

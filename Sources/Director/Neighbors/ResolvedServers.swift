import LVS
import Synchronization

/// Which real servers are at which address, so that what is learned of the address reaches all of them that follow it.
///
/// The control side says who follows, the neighbor thread what it learned; nobody else stores a follower's station.
final class ResolvedServers: Sendable {
  private struct State {
    var followers: [IPAddress: [ServerNumber]] = [:]
    var known: [IPAddress: MACAddress] = [:]
    /// Addresses that did not answer when they were last asked for.
    var silent: Set<IPAddress> = []
  }

  private let servers: ServerTable
  private let state = Mutex(State())
  /// Rings where an address fails, or answers again.
  let changes: AsyncStream<Void>
  private let changed: AsyncStream<Void>.Continuation

  init(_ servers: ServerTable) {
    self.servers = servers
    (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// The servers' addresses that did not answer when they were last asked for.
  var failed: Set<IPAddress> { state.withLock(\.silent) }

  /// Takes over who follows which address; those at a known address are reachable at once.
  ///
  /// - Returns: the addresses at which there are no servers any more.
  func replace(_ hops: [IPAddress: NextHop]) -> [IPAddress] {
    state.withLock { state in
      let gone = state.followers.keys.filter { hops[$0] == nil }
      state.followers = hops.mapValues(\.followers)
      state.known = state.known.filter { hops[$0.key] != nil }
      state.silent.formIntersection(hops.keys)
      for (address, mac) in state.known { set(address, mac, state) }
      return gone
    }
  }

  /// The server whose station this is; addresses are known of other directors too.
  func address(at mac: MACAddress) -> IPAddress? {
    state.withLock { state in state.known.filter { $0.value == mac && state.followers[$0.key] != nil }.keys.min() }
  }

  /// Where an address's frames go.
  func reach(of address: IPAddress) -> Reach {
    state.withLock { state in
      state.known[address].map(Reach.station) ?? (state.silent.contains(address) ? .silent : .sought)
    }
  }

  /// How many packets have gone to an address, as workers count them.
  func packets(to address: IPAddress, _ workers: [Counters]) -> UInt64 {
    let servers = state.withLock { $0.followers[address] ?? [] }
    return servers.reduce(0) { sum, server in workers.reduce(sum) { $0 &+ $1.server(server).packets } }
  }

  func found(_ address: IPAddress, at mac: MACAddress) {
    state.withLock { state in
      state.known[address] = mac
      let isBack = state.silent.remove(address) != nil
      set(address, mac, state)
      if isBack { changed.yield() }
    }
  }

  func lost(_ address: IPAddress) {
    state.withLock { state in
      state.known[address] = nil
      state.silent.insert(address)
      set(address, .zero, state)
      changed.yield()
    }
  }

  private func set(_ address: IPAddress, _ mac: MACAddress, _ state: State) {
    for server in state.followers[address] ?? [] { servers.setStation(server, mac) }
  }
}

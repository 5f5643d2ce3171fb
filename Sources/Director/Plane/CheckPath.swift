import LVS

/// What health checks need to know of the way to real servers.
extension UserspacePlane {
  /// The director's own address that asks a server: the operator's choice, else the one of the server's network, else
  /// the first. nil where there is none of the family.
  public func checkSource(for server: IPAddress) -> IPAddress? {
    if let chosen = options.address, chosen.family == server.family { return chosen }
    let own = link.interface.addresses.filter { $0.address.family == server.family && !vips.all.contains($0.address) }
    let linkLocal = Prefix("fe80::/10")
    return own.first { $0.network.contains(server) }?.address
      ?? own.first { linkLocal?.contains($0.address) != true }?.address
  }

  /// Where a server's frames go. One that is not known is asked for at once.
  public func reach(of server: IPAddress) -> Reach {
    let reach = resolved.reach(of: server)
    if case .station = reach { return reach }
    vips.worker.want(server)
    return reach
  }
}

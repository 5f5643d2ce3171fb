import LVS

/// The director's ARP for VIPs that the host's own stack serves: asks for another owner before one is taken, announces
/// it, and tells of others who claim it. It forwards nothing.
public final class VIPAnnouncer: Sendable {
  private let worker: NeighborhoodWorker
  private let claims = VIPClaims()

  public init(_ options: UserspacePlane.Options, events: @escaping @Sendable (DirectorEvent) -> Void) throws(PlaneError)
  {
    let interface = try Interface.read(options.interface)
    let neighborhood = Neighborhood(
      mac: interface.mac, addresses: interface.addresses, fixedSender: options.address, timing: options.timing)
    do throws(SystemError) {
      worker = try NeighborhoodWorker(
        neighborhood, interface: interface.index, vlan: options.vlan, counters: try Counters(),
        happened: { [claims] happening in
          switch happening {
          case .vip(.free(let vip)): claims.settle(vip, otherOwner: nil)
          case .vip(.taken(let vip)): events(.vipTaken(vip))
          case .vip(.contested(let vip, let mac)):
            claims.settle(vip, otherOwner: mac)
            events(.vipContested(vip, by: mac, server: nil))
          case .vip(.yielded(let vip, let mac)): events(.vipYielded(vip, to: mac))
          case .vip(.released(let vip)): events(.vipReleased(vip))
          case .neighbor: break
          }
        })
    } catch {
      throw .unavailable("\(error): lbd needs CAP_NET_RAW and CAP_NET_ADMIN (run it as root)")
    }
  }

  /// The host that answers for the address, after asking a few times; nil where it is free.
  public func otherOwner(of vip: IPAddress) async -> MACAddress? {
    let owner = await claims.outcome(of: vip) { worker.probe(vip) }
    if owner != nil { worker.remove(vip) }
    return owner
  }

  /// Announces the address, now and from time to time.
  public func take(_ vip: IPAddress) { worker.take(vip) }
  public func release(_ vip: IPAddress) { worker.remove(vip) }
  public func listing() async -> [VIPStatus] { await worker.inspect { neighborhood, _ in neighborhood.vips.listing } }
  public func stop() { worker.stop() }

  /// The interfaces, or labels of interfaces, that have each of the host's addresses.
  public static func hostAddresses() throws(PlaneError) -> [IPAddress: String] {
    try available { () throws(SystemError) in try InterfaceAddresses.interfaces() }
  }

  /// The interface whose network the address is in.
  public static func interface(towards address: IPAddress) throws(PlaneError) -> String? {
    let all = try available { () throws(SystemError) in try InterfaceAddresses.all() }
    return all.first { $0.address.network.contains(address) && $0.address.network.length < address.family.bits }?
      .interface
  }
}

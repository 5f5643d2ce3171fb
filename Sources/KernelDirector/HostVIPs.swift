import Director
import KernelIPVS
import LVS
import Serial

/// The VIPs that the kernel serves: on the host's interface, where its stack answers for them, and announced.
@Waiting final class HostVIPs {
  private let ownership: VIPOwnership
  private let addresses: HostAddresses
  private let events: @Sendable (DirectorEvent) -> Void
  /// Those that are announced, and those of them whose addresses are lbd's to take away.
  private var announced: Set<IPAddress> = []
  private var placed: Set<IPAddress> = []

  init(_ options: DirectorOptions, events: @escaping @Sendable (DirectorEvent) -> Void) throws(PlaneError) {
    addresses = try HostAddresses(interface: options.interface)
    ownership = try VIPOwnership(options, report: events)
    self.events = events
  }

  /// Those that other hosts answer for, with their stations. What the host has already is nobody else's.
  func owners(of vips: Set<IPAddress>) async throws(PlaneError) -> [IPAddress: MACAddress] {
    let host = try OwnAddresses()
    return await ownership.owners(of: vips.filter { host.interface(of: $0) == nil }.subtracting(announced))
  }

  func listing() async -> [VIPStatus] { await ownership.listing() }

  /// Sets and announces these VIPs, and gives up all others.
  ///
  /// - Throws: where one cannot be set; those that were there before are there still, and no others.
  func place(_ wanted: Set<IPAddress>) throws(PlaneError) {
    var new: [IPAddress] = []
    do throws(PlaneError) {
      for vip in wanted.subtracting(announced) {
        try set(vip)
        new.append(vip)
      }
    } catch {
      // As far as it goes: the error that it is for is the one to be told.
      for vip in new where placed.remove(vip) != nil { try? addresses.remove(vip) }
      throw error
    }
    for vip in new { ownership.take(vip) }
    for vip in announced.subtracting(wanted) { leave(vip) }
    announced = wanted
  }

  /// The label tells an address that an earlier run left.
  private func set(_ vip: IPAddress) throws(PlaneError) {
    let present = try OwnAddresses().interface(of: vip)
    if present == nil { try addresses.add(vip) }
    if present == nil || present == addresses.label { placed.insert(vip) }
  }

  private func leave(_ vip: IPAddress) {
    ownership.leave(vip)
    guard placed.remove(vip) != nil else { return }
    do throws(PlaneError) {
      try addresses.remove(vip)
    } catch {
      events(.warning("\(vip) stays on the interface: \(error)"))
    }
  }

  /// Sets those again that others took away.
  func putRight() {
    do throws(PlaneError) {
      let host = try OwnAddresses()
      for vip in placed where host.interface(of: vip) == nil {
        events(.warning("\(vip) was taken off the interface by another program: lbd puts it back"))
        try addresses.add(vip)
      }
    } catch {
      events(.warning("the VIPs' addresses cannot be put right: \(error)"))
    }
  }

  func stop() { ownership.stop() }
}

import LVS
import Synchronization

/// Which VIPs are being probed for and who waits for the outcome; which are to be waited for.
final class VIPClaims: Sendable {
  private let waiting = Mutex<[IPAddress: CheckedContinuation<MACAddress?, Never>]>([:])
  private let contested = Mutex<[IPAddress: MACAddress]>([:])

  /// Calls `probe` and waits for what comes of it: nil where the VIP is free, else its other owner.
  func outcome(of vip: IPAddress, _ probe: () -> Void) async -> MACAddress? {
    await withCheckedContinuation { continuation in
      waiting.withLock { $0[vip] = continuation }
      probe()
    }
  }

  /// Ends the waiting for a VIP; whether somebody waited.
  @discardableResult
  func settle(_ vip: IPAddress, otherOwner: MACAddress?) -> Bool {
    let continuation = waiting.withLock { $0.removeValue(forKey: vip) }
    continuation?.resume(returning: otherOwner)
    return continuation != nil
  }

  /// Remembers that a VIP that is about to be configured is somebody else's.
  func leave(_ vip: IPAddress, to mac: MACAddress) { contested.withLock { $0[vip] = mac } }

  /// Whose the VIP is, once.
  func takeOwner(of vip: IPAddress) -> MACAddress? { contested.withLock { $0.removeValue(forKey: vip) } }
}

/// How VIPs are had, given up and got back.
extension UserspacePlane {
  /// Finds out which new VIPs cannot be had, all at the same time, and why.
  ///
  /// - Parameter waits: another owner of a VIP is no reason against it: the VIP will be taken later.
  func probe(for changes: [Change], waits: Bool) async -> [IPAddress: PlaneError?] {
    let rules = services.withLock { $0.rules }
    var wanted: [IPAddress: Bool] = [:]
    for case .addService(let service, let force) in changes {
      for vip in service.key.addresses(by: rules) { wanted[vip] = wanted[vip] ?? false || force }
    }
    return await probe(wanted, waits: waits)
  }

  /// Finds out which of these addresses, each with whether to take it by force, cannot be had, and why: for each that
  /// is not a VIP yet nil or the reason.
  func probe(_ all: [IPAddress: Bool], waits: Bool) async -> [IPAddress: PlaneError?] {
    let owned = services.withLock { $0.vips }
    let wanted = all.filter { !owned.contains($0.key) }
    var refusals = wanted.mapValues { _ in PlaneError?.none }
    let host: [IPAddress: String]
    do throws(PlaneError) { host = try VIPAnnouncer.hostAddresses() } catch { return wanted.mapValues { _ in error } }
    // By force a VIP is taken over from the host itself: the guard keeps its frames from the host's own stack.
    for vip in wanted.keys where wanted[vip] != true {
      if let interface = host[vip] { refusals.updateValue(.vipOnHost(vip, interface), forKey: vip) }
    }
    let probed = wanted.filter { !$0.value && host[$0.key] == nil }.keys
    return await withTaskGroup(of: (IPAddress, MACAddress?).self) { group in
      for vip in probed {
        group.addTask { [claims, neighborhood] in
          (vip, await claims.outcome(of: vip) { neighborhood.probe(vip) })
        }
      }
      for await case (let vip, let owner?) in group {
        if waits { claims.leave(vip, to: owner) } else { refusals.updateValue(.vipContested(vip, owner), forKey: vip) }
        neighborhood.remove(vip)
      }
      return refusals
    }
  }

  /// Takes a VIP that a service has come to need, or waits for it.
  func claim(_ vip: IPAddress) {
    if let owner = claims.takeOwner(of: vip) { return neighborhood.wait(for: vip, heldBy: owner) }
    neighborhood.take(vip)
    digest.report(.vipTaken(vip), now: Clock.milliseconds)
  }

  /// Takes VIPs at once, whoever has them, and announces them.
  public func takeOver(_ vips: [IPAddress]) async throws(PlaneError) {
    for vip in try configured(vips) {
      neighborhood.take(vip)
      digest.report(.vipTaken(vip), now: Clock.milliseconds)
    }
  }

  /// Gives VIPs up until they are taken over again; what arrives for them is still forwarded.
  public func release(_ vips: [IPAddress]) async throws(PlaneError) {
    for vip in try configured(vips) {
      neighborhood.release(vip)
      digest.report(.vipReleased(vip), now: Clock.milliseconds)
    }
  }

  /// The VIPs that are meant, all of them where none is named.
  private func configured(_ vips: [IPAddress]) throws(PlaneError) -> [IPAddress] {
    let known = owned.withLock { $0 }
    for vip in vips where !known.contains(vip) {
      throw .invalid("no service has the VIP \(vip) (lbctl vips shows what there is)")
    }
    return vips.isEmpty ? known.sorted() : vips
  }
}

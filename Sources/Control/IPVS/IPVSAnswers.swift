import Glibc
import IPVSMessages
import LVS

/// The kernel's part in a conversation about IPVS: requests in bytes are answered as a kernel answers them, by what the
/// core has and does.
///
/// The bytes are anybody's who may open the socket: every length is checked, and whatever makes no sense is refused.
struct IPVSAnswers: Sendable {
  /// What a kernel says of itself; the size is that which ipvsadm's face shows for lbd.
  static let info = KernelInfo(version: 0x010201, connectionTableSize: 4_096)

  let core: ControlCore

  /// The whole answer to one message: what was asked for, and its end.
  ///
  /// - Parameter message: a message with its header, whose length is right.
  func answer(_ message: [UInt8]) async -> [UInt8] {
    guard let header = NetlinkHeader(message[...]) else { return [] }
    var answer = IPVSAnswer(to: message, header)
    guard header.flags & NetlinkFlags.request != 0, header.type >= NetlinkType.control else {
      answer.acknowledge()
      return answer.bytes
    }
    do {
      try await carryOut(message, header, &answer)
    } catch {
      answer.refuse(IPVSRefusal(error))
    }
    return answer.bytes
  }

  private func carryOut(_ message: [UInt8], _ header: NetlinkHeader, _ answer: inout IPVSAnswer) async throws {
    guard message.count >= NetlinkHeader.genericSize else { throw IPVSRefusal.invalid }
    let command = message[NetlinkHeader.size]
    let content = message[NetlinkHeader.genericSize...]
    switch header.type {
    case NetlinkType.control: try describeFamily(command, content, &answer)
    case IPVSFamily.number:
      guard let command = Command(rawValue: command) else { throw IPVSRefusal.notSupported }
      let isDump = header.flags & NetlinkFlags.dump == NetlinkFlags.dump
      guard isDump ? command.isDump : command.isSingle else { throw IPVSRefusal.notSupported }
      let message = try IPVSMessage(bytes: content)
      if isDump {
        try await dump(command, message, &answer)
      } else {
        try await single(command, message, &answer)
      }
    default: throw IPVSRefusal(errno: ENOENT)
    }
  }

  /// The lookup of the family by its name or number.
  private func describeFamily(_ command: UInt8, _ content: ArraySlice<UInt8>, _ answer: inout IPVSAnswer) throws {
    guard command == FamilyMessage.getFamily else { throw IPVSRefusal.notSupported }
    let wanted = try FamilyMessage(bytes: content)
    guard wanted.name != nil || wanted.number != nil else { throw IPVSRefusal.invalid }
    guard wanted.name ?? IPVSFamily.name == IPVSFamily.name, wanted.number ?? IPVSFamily.number == IPVSFamily.number
    else { throw IPVSRefusal(errno: ENOENT) }
    answer.add(FamilyMessage.newFamily, version: FamilyMessage.controlVersion, FamilyMessage.ipvs)
    answer.acknowledge()
  }

  // MARK: Dumps

  private func dump(_ command: Command, _ message: IPVSMessage, _ answer: inout IPVSAnswer) async throws {
    switch command {
    case .getService:
      for status in try await core.services() {
        answer.add(.newService, IPVSMessage(service: ServiceMessage(status)))
      }
    case .getDestination:
      for server in try await servers(of: message) {
        answer.add(.newDestination, IPVSMessage(destination: DestinationMessage(server)))
      }
    case .getDaemon:
      for daemon in await core.facilities.sync?.status().daemons ?? [] {
        answer.add(.newDaemon, IPVSMessage(daemon: DaemonMessage(daemon)))
      }
    default: break
    }
    answer.end()
  }

  /// None where there is no such service: a dump has no error for that.
  private func servers(of message: IPVSMessage) async throws -> [ServerStatus] {
    do {
      return try await status(message).servers
    } catch is IPVSRefusal {
      return []
    }
  }

  /// The service that is meant, as it runs.
  private func status(_ message: IPVSMessage) async throws -> ServiceStatus {
    let key = try await IPVSTarget(message, isFull: false, of: core).key
    do {
      guard let status = try await core.services(key).first else { throw IPVSRefusal.noSuchService }
      return status
    } catch let error as PlaneError {
      throw IPVSRefusal(error)
    }
  }

  // MARK: One thing

  private func single(_ command: Command, _ message: IPVSMessage, _ answer: inout IPVSAnswer) async throws {
    switch command {
    case .getInfo: answer.add(.setInfo, InfoMessage(Self.info))
    case .getTimeouts:
      answer.add(.setTimeouts, IPVSMessage(timeouts: try await core.plane.timeouts()))
    case .setTimeouts: try await setTimeouts(message)
    case .flush: try await core.flush()
    case .zero where message.service == nil: try await core.plane.zero(nil)
    case .newDaemon:
      let daemon = try daemon(message)
      try await core.part(\.sync, .sync).start(daemon)
    case .deleteDaemon:
      guard let role = message.daemon?.state.flatMap(SyncDaemon.Role.init) else { throw IPVSRefusal.invalid }
      guard let sync = core.facilities.sync else { throw IPVSRefusal(errno: ESRCH) }
      try await sync.stop(role)
    case .getService:
      answer.add(.newService, IPVSMessage(service: ServiceMessage(try await status(message))))
    default: try await change(command, message)
    }
    answer.acknowledge()
  }

  private func daemon(_ message: IPVSMessage) throws -> SyncDaemon {
    guard let daemon = message.daemon else { throw IPVSRefusal.invalid }
    do { return try daemon.daemon() } catch { throw IPVSRefusal.invalid }
  }

  private func setTimeouts(_ message: IPVSMessage) async throws {
    let timeouts = Timeouts(
      tcp: message.timeoutTCP ?? 0, tcpFin: message.timeoutTCPFin ?? 0, udp: message.timeoutUDP ?? 0)
    do throws(PlaneError) {
      try await core.apply([.setTimeouts(timeouts)])
    } catch {
      if case .outOfRange = error { throw IPVSRefusal.invalid }
      throw error
    }
  }

  private func change(_ command: Command, _ message: IPVSMessage) async throws {
    let isFull = [.newService, .setService].contains(command)
    let target = try await IPVSTarget(message, isFull: isFull, of: core)
    let (key, isPresent) = (target.key, target.present != nil)
    guard isPresent || command == .newService else { throw IPVSRefusal.noSuchService }
    switch command {
    case .newService where isPresent: throw IPVSRefusal(errno: EEXIST)
    case .newService, .setService:
      guard let settings = message.service else { throw IPVSRefusal.invalid }
      let service = try target.service(settings)
      try await core.apply([isPresent ? .updateService(service) : .addService(service, force: false)])
    case .deleteService: try await core.apply([.removeService(key)])
    case .newDestination: try await core.apply([.addServer(try target.server(message.destination), to: key)])
    case .setDestination: try await core.apply([.updateServer(try target.server(message.destination), of: key)])
    case .deleteDestination:
      try await core.apply([.removeServer(try target.presentEndpoint(message.destination), from: key)])
    case .zero: try await core.plane.zero(key)
    default: throw IPVSRefusal.notSupported
    }
  }
}

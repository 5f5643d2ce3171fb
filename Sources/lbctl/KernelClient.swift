import Control
import KernelIPVS
import LVS

/// The kernel's own table, without a daemon in between: what is wanted is what is there.
struct KernelClient: DirectorClient {
  private let table: KernelTable
  private let operations: LocalOperations

  /// - Throws: `KernelRefusal` where the kernel has no IPVS.
  init() async throws {
    let table: KernelTable
    do throws(KernelError) { table = try await KernelTable() } catch { throw KernelRefusal(error) }
    let core = ControlCore(mirroring: table) { () throws(PlaneError) in try await table.found() }
    (self.table, operations) = (table, Self.inItsOwnWords(LocalOperations(of: core), table))
  }

  /// What takes one request of the kernel is refused as the kernel refuses it, which ipvsadm has words for.
  private static func inItsOwnWords(_ operations: LocalOperations, _ table: KernelTable) -> LocalOperations {
    var operations = operations
    operations.answer(API.services) { choice in
      guard let key = choice.service else {
        return try await table.ask { table throws(KernelError) in try table.services() }
      }
      return [
        try await table.ask(about: .removeService(key)) { table throws(KernelError) in try table.service(key) }
      ]
    }
    operations.answer(API.zero) { choice in
      try await table.ask(about: choice.service.map { .removeService($0) }) { table throws(KernelError) in
        try table.zero(choice.service)
      }
      return Nothing()
    }
    operations.answer(API.flush) { _ in
      try await table.ask { table throws(KernelError) in try table.flush() }
      return Nothing()
    }
    operations.answer(API.timeouts) { _ in try await table.ask { table throws(KernelError) in try table.timeouts() } }
    operations.answer(API.setTimeouts) { timeouts in
      try await table.ask { table throws(KernelError) in
        try table.set(timeouts)
        return try table.timeouts()
      }
    }
    return operations
  }

  func call<Request, Answer>(_ operation: Operation<Request, Answer>, _ request: Request) async throws -> Answer {
    try await operations.call(operation, request)
  }

  /// As they are: the kernel alone checks them.
  func attempt(_ changes: [Change]) async throws -> [(any Error)?] {
    let refusals = try await table.ask { $0.carryOut(changes) }
    return zip(refusals, changes).map { refusal, change in refusal.map { KernelRefusal($0, about: change) } }
  }

  func connections(
    _ filter: ConnectionFilter, _ receive: ([ConnectionStatus]) async throws -> Void
  ) async throws {
    var rows = try ProcConnections()
    while let slice = rows.next() {
      let matching = slice.map(\.status).filter(filter.matches)
      if !matching.isEmpty { try await receive(matching) }
    }
  }

  /// Asks what only the kernel can be asked.
  func ask<Value: Sendable>(
    _ question: @Sendable (IPVSTable) throws(KernelError) -> Value
  ) async throws(KernelRefusal) -> Value {
    try await table.ask(question)
  }
}

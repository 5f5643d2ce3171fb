import LVS

/// What answers each operation.
extension ControlCore {
  nonisolated func answer(_ table: inout some OperationTable) {
    answerServices(&table)
    answerWishes(&table)
    answerSettings(&table)
    answerHealth(&table)
    table.answer(API.discoveries) { _ in try await self.discoveryStatus() }
    answerPlane(&table)
  }

  private nonisolated func answerServices(_ table: inout some OperationTable) {
    table.answer(API.services) { try await self.services($0.service) }
    table.answer(API.total) { _ in try await self.plane.total() }
    table.answer(API.zero) {
      try await self.plane.zero($0.service)
      return Nothing()
    }
    table.answer(API.flush) { _ in
      try await self.flush()
      return Nothing()
    }
  }

  private nonisolated func answerWishes(_ table: inout some OperationTable) {
    table.answer(API.changes) { changes in
      try await self.apply(changes)
      return Applied(changes: changes.count)
    }
    table.answer(API.attempts) { await self.attempt($0).map { $0.map { ErrorReply($0) } } }
    table.answer(API.configuration) { _ in try await self.configuration() }
    table.answer(API.planned) { try await self.planned($0) }
    table.answer(API.drift) { try await self.drift($0) }
    table.answer(API.apply) { Applied(changes: try await self.apply($0).count) }
  }

  private nonisolated func answerSettings(_ table: inout some OperationTable) {
    table.answer(API.marks) { _ in
      try self.capabilities.require(.marks)
      return try await self.configuration().marks
    }
    table.answer(API.setMarks) { rules in
      try await self.apply([.setMarks(rules)])
      return try await self.configuration().marks
    }
    table.answer(API.timeouts) { _ in try await self.plane.timeouts() }
    table.answer(API.setTimeouts) { timeouts in
      try await self.apply([.setTimeouts(timeouts)])
      return try await self.plane.timeouts()
    }
    table.answer(API.settings) { _ in try await self.settings().mapValues(SettingValue.init) }
    table.answer(API.set) { setting in
      try await self.apply([.set(setting.name, to: setting.value.text)])
      return try await self.settings().mapValues(SettingValue.init)
    }
  }

  private nonisolated func answerPlane(_ table: inout some OperationTable) {
    table.answer(API.capabilities) { _ in self.capabilities }
    table.answer(API.vips) { _ in try await self.part(\.vips, .vips)() }
    table.answer(API.takeOver) { named in
      try await self.part(\.takeover, .takeover).takeOver(named.vips)
      return try await self.part(\.vips, .vips)()
    }
    table.answer(API.release) { named in
      try await self.part(\.takeover, .takeover).release(named.vips)
      return try await self.part(\.vips, .vips)()
    }
    table.answer(API.neighbors) { _ in try await self.part(\.neighbors, .neighbors)() }
    table.answer(API.workers) { _ in try await self.part(\.workers, .workers)() }
    table.answer(API.tables) { _ in try await self.part(\.tables, .workers)() }
    table.answer(API.verdicts) { _ in try await self.part(\.verdicts, .verdicts)() }
    table.answer(API.findings) { _ in try await self.findings() }
    table.answer(API.examine) { _ in try await self.examine() }
    answerSync(&table)
  }

  private nonisolated func answerSync(_ table: inout some OperationTable) {
    table.answer(API.sync) { _ in try await self.part(\.sync, .sync).status() }
    table.answer(API.startSync) {
      try await self.part(\.sync, .sync).start($0)
      return try await self.part(\.sync, .sync).status()
    }
    table.answer(API.moving) { move in
      try await self.part(\.sync, .sync).move(move.vips, seconds: min(move.seconds, VIPMove.longest))
      return Nothing()
    }
    table.answer(API.enterConnections) { try await self.part(\.sync, .sync).enter($0) }
    table.answer(API.stopSync) {
      try await self.part(\.sync, .sync).stop($0.role)
      return try await self.part(\.sync, .sync).status()
    }
  }
}

import LVS

/// Hands records to the workers that own their clients.
struct SyncDelivery: Sendable {
  private let mailboxes: [WorkerMailbox]
  let figures: SyncFigures

  init(_ workers: WorkerPool, _ figures: SyncFigures) { (mailboxes, self.figures) = (workers.mailboxes, figures) }

  /// - Returns: those that found no room to wait.
  func deliver(_ records: [FlowRecord], isSnapshot: Bool) -> [FlowRecord] {
    let ownership = Ownership(worker: 0, workers: UInt32(mailboxes.count))
    // Templates are everybody's.
    let owned = Dictionary(grouping: records) { ownership.owner(of: $0.client.address) }
    return owned.flatMap { owner, records in
      let flows = records.map { SyncedFlow(flow: $0, isSnapshot: isSnapshot) }
      return mailboxes[Int(owner)].take(SyncedFlows(records: flows[...], figures: figures)) ? [] : records
    }
  }
}

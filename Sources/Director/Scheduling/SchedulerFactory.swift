import LVS

/// A scheduler that is not yet bound to a list; nil for an unknown name.
///
/// - `flags`: what `-b` set; only `sh` and `mh` have any.
/// - `mhTableSize`: one of `MaglevHashing.tableSizes`.
/// - `cacheExpiration`: the sysctls `lblc_expiration` and `lblcr_expiration`, in hundredths of a second.
/// - `seed`: where the random numbers of `twos` begin.
func makeScheduler(
  _ name: SchedulerName, flags: SchedulerFlags, mhTableSize: Int = 4093, cacheExpiration: UInt32 = 86_400 * 100,
  seed: UInt64
) -> (any Scheduler)? {
  switch name {
  case .rr: RoundRobin()
  case .wrr: WeightedRoundRobin()
  case .lc: LeastCost(.leastConnection)
  case .wlc: LeastCost(.weightedLeastConnection)
  case .lblc: LocalityBasedLeastConnection(expiration: cacheExpiration)
  case .lblcr: ReplicatedLocalityBasedLeastConnection(expiration: cacheExpiration)
  case .dh: DestinationHashing()
  case .sh: SourceHashing(flags: flags)
  case .mh: MaglevHashing(flags: flags, tableSize: mhTableSize)
  case .sed: LeastCost(.shortestExpectedDelay)
  case .nq: LeastCost(.neverQueue)
  case .fo: LeastCost(.weightedFailover)
  case .ovf: LeastCost(.weightedOverflow)
  case .twos: PowerOfTwoChoices(seed: seed)
  case .none: NoScheduler()
  default: nil
  }
}

import LVS
func makeScheduler(_ name: SchedulerName, flags: SchedulerFlags, mhTableSize: Int = 4093, seed: UInt64) -> (any Scheduler)? { nil }

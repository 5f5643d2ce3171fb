/// What a service keeps of one of its servers, in whole cache lines. It is touched under that service's lock only.
struct ServerState {
  var active: UInt32 = 0
  var inactive: UInt32 = 0
  /// The place in the service's list; -1 in the trash.
  var position: Int32 = 0
  /// The operator's thresholds; 0 where there is none.
  var upper: UInt32 = 0
  var lower: UInt32 = 0
  var isOverloaded = false
  /// When it went into the trash without connections.
  var idleSince: UInt32 = 0
  var meter = TrafficMeter()
  private let padding = InlineArray<7, UInt64>(repeating: 0)

  var connections: UInt32 { active &+ inactive }

  /// Marks the server as overloaded when its connections reach the upper threshold, until they are below the lower one,
  /// three quarters of the upper where there is none (`ip_vs_dest_update_overload`, Linux 6.12.117). To be called when
  /// its connections or its thresholds have changed.
  mutating func updateOverload() {
    if upper != 0, connections >= upper {
      isOverloaded = true
    } else if upper == 0 || connections < (lower != 0 ? lower : upper - upper / 4) {
      isOverloaded = false
    }
  }
}

import LVS

/// Frames that wait until their server's Ethernet address is known: few, for each server fewer, and not for long.
///
/// Bounded by their bytes too, since a super-frame has 64 KiB.
struct HoldQueue {
  static let capacity = 512
  static let capacityPerServer = 64
  static let maximumBytes = 4 << 20
  /// Milliseconds that a frame waits at most.
  static let patience: UInt64 = 3_000

  private struct Held {
    var frame: KeptFrame
    var server: ServerNumber
    var until: UInt64
  }

  private var held: [Held] = []
  private var bytes = 0

  var isEmpty: Bool { held.isEmpty }
  var count: Int { held.count }

  /// Keeps a frame; whether there was room.
  mutating func hold(_ frame: KeptFrame, for server: ServerNumber, now: UInt64) -> Bool {
    guard held.count < Self.capacity, bytes + frame.bytes.count <= Self.maximumBytes,
      held.lazy.filter({ $0.server == server }).count < Self.capacityPerServer
    else {
      return false
    }
    bytes += frame.bytes.count
    held.append(Held(frame: frame, server: server, until: now + Self.patience))
    return true
  }

  /// Takes out the frames whose servers were found, addressed to them, in the order they came; how many were given up.
  mutating func release(_ now: UInt64, _ servers: ServerTable) -> (frames: [KeptFrame], given: Int) {
    var (frames, given, kept) = ([KeptFrame](), 0, [Held]())
    for var entry in held {
      let egress = servers[entry.server].egress
      if egress.isResolved {
        entry.frame.lend { ($0.set(Ethernet.destination, egress.nextHop), length: $0.count) }
        frames.append(entry.frame)
      } else if entry.until <= now {
        given += 1
      } else {
        kept.append(entry)
      }
    }
    held = kept
    bytes = kept.reduce(0) { $0 + $1.frame.bytes.count }
    return (frames, given)
  }
}

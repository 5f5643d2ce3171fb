import CBPF
import Glibc
import LVS
import Synchronization

/// What the XDP program is told beside the VIPs (`struct settings`), always whole.
final class XDPSettings: Sendable {
  private struct Values {
    var stations = (MACAddress.zero, MACAddress.zero)
    var source = MACAddress.zero
    var vlan: UInt16 = 0
    var mtu: UInt16 = 0
    var generation: UInt32 = 0
    var lease: UInt64 = 0
  }

  private let table: Int32
  private let mask: UInt32
  private let seed: UInt64
  private let values = Mutex(Values())

  /// - Parameters:
  ///   - table: the descriptor of the map.
  ///   - buckets: of flows, a power of two.
  init(_ table: Int32, buckets: Int, seed: UInt64) {
    // A descriptor of its own, since the table of flows may outlive the program.
    (self.table, mask, self.seed) = (fcntl(table, F_DUPFD_CLOEXEC, 0), UInt32(buckets - 1), seed)
  }

  deinit {
    close(table)
  }

  /// Says which frames are ours, those to the interface's station and the VIPs', and how they go out.
  func set(station: MACAddress, link: Link, vlan: UInt16?) throws(SystemError) {
    try values.withLock { values throws(SystemError) in
      values.stations = (station, link.mac)
      values.source = link.mac
      values.vlan = vlan ?? 0
      values.mtu = UInt16(clamping: link.mtu)
      try write(values)
    }
  }

  /// Says until when, in nanoseconds, the program may go on if nothing more is heard.
  func extend(to lease: UInt64) {
    values.withLock { values in
      values.lease = lease
      // As below.
      try? write(values)
    }
  }

  /// Says which flows are current; 0: none are.
  func publish(generation: UInt32) {
    values.withLock { values in
      values.generation = generation
      // The one element of an array is there from the start: writing it cannot fail.
      try? write(values)
    }
  }

  private func write(_ values: Values) throws(SystemError) {
    func bytes(_ mac: MACAddress) -> [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: mac.value >> (40 - 8 * $0)) } }
    var record = bytes(values.stations.0) + bytes(values.stations.1) + bytes(values.source)
    record += native(values.vlan) + native(values.mtu) + native(UInt16(0))
    record += native(values.generation) + native(mask) + native(seed)
    record += native(values.lease)
    guard unsafe bpf_map_update_elem(table, native(UInt32(0)), record, 0) == 0 else {
      throw SystemError("settings of the XDP program")
    }
  }
}

/// As it lies in this machine's memory.
func native(_ number: some FixedWidthInteger) -> [UInt8] {
  unsafe withUnsafeBytes(of: number) { unsafe Array($0) }
}

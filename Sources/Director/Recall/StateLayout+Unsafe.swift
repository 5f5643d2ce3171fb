import LVS

/// How the workers' files lie in a directory.
extension StateDirectory {
  /// Readies the files for so many workers and connections: those of an earlier process that are laid out otherwise are
  /// written anew. What is there is in force at one moment, with the manifest.
  func layOut(workers: Int, connections: Int) throws(SystemError) -> StateManifest {
    guard let found else {
      let manifest = manifest(workers: workers, seed: UInt64.random(in: .min ... .max))
      try begin(manifest)
      return manifest
    }
    if found.workers == workers, size(of: found.connections(0)) <= ConnectionTable.size(for: connections) {
      return found
    }
    var next = found
    (next.generation, next.workers) = (found.generation + 1, workers)
    for worker in 0..<workers { for name in next.files(worker) { remove(name) } }
    try distribute(found, next, connections)
    try addUp(found, next)
    try begin(next)
    for worker in 0..<found.workers { for name in found.files(worker) { remove(name) } }
    return next
  }

  /// Gives each record to the worker that owns its client.
  private func distribute(_ old: StateManifest, _ next: StateManifest, _ connections: Int) throws(SystemError) {
    let vips = try KeptRows<SavedVIP>(self, "vips", count: 1 << 16)
    let families = Dictionary(
      vips.written.compactMap { row in vips[row].address(row).map { (UInt16(row), $0.family) } },
      uniquingKeysWith: { first, _ in first })
    var writers: [RecordWriter] = []
    for worker in 0..<next.workers {
      writers.append(
        try RecordWriter(map(next.connections(worker), size: ConnectionTable.size(for: connections), call: "mmap")))
    }
    let ownership = Ownership(worker: 0, workers: UInt32(next.workers))
    let stride = MemoryLayout<Connection>.stride
    for worker in 0..<old.workers {
      let size = size(of: old.connections(worker))
      guard size > 0 else { continue }
      let memory = try map(old.connections(worker), size: size, call: "mmap")
      for part in memory.written {
        for place in (part.lowerBound + stride - 1) / stride..<part.upperBound / stride {
          let record = unsafe memory.base + place * stride
          guard unsafe record.load(fromByteOffset: Connection.lanePlace, as: UInt8.self) < Lane.count else { continue }
          let connection = unsafe record.load(as: Connection.self)
          guard connection.flags.contains(.whole), let family = families[connection.vip] else { continue }
          writers[Int(ownership.owner(of: connection.client(family)))].write(connection)
        }
      }
    }
  }

  /// What all earlier workers counted the first of the new ones has counted.
  private func addUp(_ old: StateManifest, _ next: StateManifest) throws(SystemError) {
    let sum = try map(next.traffic(0), size: Counters.trafficBytes, call: "mmap")
    for worker in 0..<old.workers {
      let memory = try map(old.traffic(worker), size: Counters.trafficBytes, call: "mmap")
      for part in memory.written {
        sum.secure(part)
        for place in stride(from: part.lowerBound, to: part.upperBound, by: MemoryLayout<UInt64>.size) {
          let counted = unsafe memory.base.load(fromByteOffset: place, as: UInt64.self)
          let before = unsafe sum.base.load(fromByteOffset: place, as: UInt64.self)
          unsafe sum.base.storeBytes(of: before &+ counted, toByteOffset: place, as: UInt64.self)
        }
      }
    }
  }
}

/// Writes records one behind the other, as a table has them that was never fuller.
private final class RecordWriter {
  private let memory: Mapping
  private var next: UInt32 = 1

  init(_ memory: consuming Mapping) { self.memory = memory }

  /// What there is no room for is left out.
  func write(_ connection: Connection) {
    let stride = MemoryLayout<Connection>.stride
    let place = Int(next) * stride
    guard place + stride <= memory.size else { return }
    if Places.mayBeginSegment(next) {
      let numbers = Places.segment(of: next)
      memory.secure(numbers.lowerBound * stride..<min(numbers.upperBound * stride, memory.size))
    }
    unsafe memory.base.storeBytes(of: connection, toByteOffset: place, as: Connection.self)
    next += 1
  }
}

extension StateManifest {
  /// The file of a worker's connections.
  func connections(_ worker: Int) -> String { "connections.\(generation).\(worker)" }
  /// The file of what a worker counts of services and servers.
  func traffic(_ worker: Int) -> String { "traffic.\(generation).\(worker)" }
  func files(_ worker: Int) -> [String] { [connections(worker), traffic(worker)] }
}

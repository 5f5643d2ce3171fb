import Foundation
import LVS

@testable import Director

/// A directory in memory for state, gone with the test.
final class TestState {
  let parent: String
  private(set) var told: [String] = []

  init() throws {
    parent = "/dev/shm/lbd-test-\(getpid())-\(UInt64.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: false)
  }

  deinit {
    // What is left there is memory of the machine, and nothing depends on it.
    try? FileManager.default.removeItem(atPath: parent)
  }

  /// As a process finds it that starts.
  func open(interface: String = "eth9", vlan: UInt16? = nil) throws -> StateDirectory {
    var lines: [String] = []
    let directory = try StateDirectory(in: parent, interface: interface, vlan: vlan) { lines.append($0) }
    told += lines
    return directory
  }

  /// The files of the one place that there is, with their sizes.
  var files: [String: Int] {
    get throws {
      let place = try place
      let names = try FileManager.default.contentsOfDirectory(atPath: place)
      return Dictionary(
        uniqueKeysWithValues: try names.map { name in
          let size = try FileManager.default.attributesOfItem(atPath: "\(place)/\(name)")[.size] as? Int
          return (name, size ?? 0)
        })
    }
  }

  var place: String {
    get throws {
      let names = try FileManager.default.contentsOfDirectory(atPath: parent).filter { !$0.hasSuffix(".refused") }
      guard let name = names.first, names.count == 1 else { throw CocoaError(.fileNoSuchFile) }
      return "\(parent)/\(name)"
    }
  }

  /// A copy, as the files are now.
  func copy() throws -> TestState {
    let copy = try TestState()
    let (from, name) = (try place, URL(fileURLWithPath: try place).lastPathComponent)
    try FileManager.default.createDirectory(
      atPath: "\(copy.parent)/\(name)", withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    for (file, size) in try files {
      let old = try Mapping(KeptFile("\(from)/\(file)", size: size, Shortage()), size: max(size, 1), call: "mmap")
      let new = try KeptFile("\(copy.parent)/\(name)/\(file)", size: size, Shortage())
      for part in old.written {
        let bytes = unsafe UnsafeRawPointer(old.base) + part.lowerBound
        guard unsafe pwrite(new.descriptor, bytes, part.count, off_t(part.lowerBound)) == part.count else {
          throw CocoaError(.fileWriteUnknown)
        }
      }
    }
    return copy
  }

  /// The parts of a file that were written.
  func written(_ file: String) throws -> [Range<Int>] {
    let size = try files[file] ?? 0
    guard size > 0 else { return [] }
    return try Mapping(KeptFile("\(place)/\(file)", size: size, Shortage()), size: size, call: "mmap").written
  }

  /// Damages a byte.
  func damage(_ file: String, at offset: Int, by bits: UInt8) throws {
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: "\(try place)/\(file)"))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(offset))
    let byte = try handle.read(upToCount: 1)?.first ?? 0
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: [byte ^ bits])
  }
}

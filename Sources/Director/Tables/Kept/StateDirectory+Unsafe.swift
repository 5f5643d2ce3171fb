import CLinux
import Glibc
import LVS

/// What of a director outlives its process: files of a directory in memory, which its tables are mapped from.
///
/// Each place (an interface, or a VLAN on it, of a network namespace) has a directory of its own below the one that is
/// asked for. The lock of the interface sees to it that one process has it at a time.
public final class StateDirectory: Sendable {
  /// Of files in memory (`statfs.f_type`): tmpfs and ramfs. Elsewhere a frame's count might wait for a disk.
  private static let inMemory: Set<UInt64> = [0x0102_1994, 0x8584_58f6]
  private static let manifestName = "manifest"
  private static let configurationName = "configuration"

  let path: String
  private let place: StateManifest.Place
  /// The state that was found there; nil where there is none, or none that may be believed.
  let found: StateManifest?
  let shortage = Shortage()

  /// Opens the place's directory, or makes it. State that is another's, or damaged, is set aside.
  ///
  /// - Parameter told: why state that was there is not believed, in one line.
  /// - Throws: where state cannot be kept there.
  public init(
    in parent: String, interface: String, vlan: UInt16?, told: (String) -> Void
  ) throws(PlaneError) {
    place = StateManifest.Place(
      boot: SystemFile.text("/proc/sys/kernel/random/boot_id") ?? "", machine: SystemFile.text("/etc/machine-id") ?? "",
      interface: interface, vlan: vlan ?? 0)
    let name = interface + (vlan.map { ".\($0)" } ?? "")
    path = "\(parent)/\(name)@\(NetworkNamespace.current)"
    for directory in [parent, path] { try Self.make(directory) }
    try Self.check(path)
    do throws(StateManifest.Refusal) {
      found = try Self.found(in: path, place)
    } catch {
      found = nil
      told(try Self.setAside(path, error.reason))
    }
    if found == nil { try available { () throws(SystemError) in try Self.removeFiles(of: path) } }
  }

  private static func found(
    in path: String, _ place: StateManifest.Place
  ) throws(StateManifest.Refusal) -> StateManifest? {
    guard let sealed = read("\(path)/\(manifestName)") else { return nil }
    let manifest = try StateManifest(sealed, at: place)
    if let sealed = read("\(path)/\(configurationName)"), SealedText.open(sealed) == nil { throw .damaged }
    return manifest
  }

  private static func make(_ directory: String) throws(PlaneError) {
    guard unsafe mkdir(directory, 0o700) != 0, errno != EEXIST else { return }
    throw refused(directory, SystemError("mkdir").description)
  }

  /// Nobody else may write what is believed, and writing must not wait.
  private static func check(_ directory: String) throws(PlaneError) {
    var facts = stat()
    guard unsafe lstat(directory, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR else {
      throw refused(directory, "it is not a directory")
    }
    guard facts.st_uid == geteuid(), facts.st_mode & 0o022 == 0 else {
      throw refused(directory, "others than user \(geteuid()) may write there")
    }
    guard inMemory.contains(unsafe cl_file_system(directory)) else {
      throw refused(directory, "it is not in memory (tmpfs)")
    }
    guard unsafe access(directory, W_OK | X_OK) == 0 else {
      throw refused(directory, SystemError("access").description)
    }
  }

  private static func refused(_ directory: String, _ why: String) -> PlaneError {
    .unavailable(
      "no state is kept in \(directory): \(why) (--state names another directory, --state none does without)")
  }

  /// Whether state was found that may be believed.
  public var isFound: Bool { found != nil }

  // MARK: Files

  /// The state is laid out like this from now on.
  func begin(_ manifest: StateManifest) throws(SystemError) {
    try write(Self.manifestName, SealedText.seal(Array(manifest.text.utf8)))
  }

  /// A new manifest for this place.
  func manifest(workers: Int, seed: UInt64) -> StateManifest {
    StateManifest(place: place, seed: seed, workers: workers)
  }

  /// The configuration that was in force, as it was given to `keep`; nil where there is none.
  public func configuration() -> [UInt8]? {
    found == nil ? nil : Self.read("\(path)/\(Self.configurationName)").flatMap { SealedText.open($0) }
  }

  /// Has this be the configuration that is found.
  ///
  /// - Throws: where there is no room for it; the one before is kept then.
  public func keep(_ configuration: [UInt8]) throws(PlaneError) {
    try available { () throws(SystemError) in
      try write(Self.configurationName, SealedText.seal(configuration))
    }
  }

  /// A file's memory, of so many bytes.
  func map(_ name: String, size: Int, call: String) throws(SystemError) -> Mapping {
    try Mapping(KeptFile("\(path)/\(name)", size: size, shortage), size: size, call: call)
  }

  /// How many bytes a file has; 0 where there is none.
  func size(of name: String) -> Int {
    var facts = stat()
    return unsafe stat("\(path)/\(name)", &facts) == 0 ? Int(facts.st_size) : 0
  }

  func remove(_ name: String) { unsafe unlink("\(path)/\(name)") }

  /// Replaces a file, at one moment or not at all.
  private func write(_ name: String, _ bytes: [UInt8]) throws(SystemError) {
    let new = "\(path)/\(name).new"
    let descriptor = unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw SystemError(new) }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      guard count > 0 else { throw SystemError(new) }
      written += count
    }
    guard unsafe rename(new, "\(path)/\(name)") == 0 else { throw SystemError(new) }
  }

  private static func read(_ path: String) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: max(Int(lseek(descriptor, 0, SEEK_END)), 0))
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
    return count == bytes.count ? bytes : nil
  }

  // MARK: Ends

  /// Puts the state out of the way, before anything is mapped of it; says so in a line. Another `StateDirectory` finds
  /// none.
  public func setAside(_ reason: String) throws(PlaneError) -> String { try Self.setAside(path, reason) }

  /// In the place of what was set aside before.
  private static func setAside(_ path: String, _ reason: String) throws(PlaneError) -> String {
    let aside = "\(path).refused"
    try available { () throws(SystemError) in
      try removeFiles(of: aside)
      unsafe rmdir(aside)
      guard unsafe rename(path, aside) == 0 else { throw SystemError("rename \(path)") }
    }
    try make(path)
    return "the state in \(path) is not used, since \(reason); it lies in \(aside) now"
  }

  private static func removeFiles(of directory: String) throws(SystemError) {
    for name in try SystemFile.entries(directory) { unsafe unlink("\(directory)/\(name)") }
  }
}

import Foundation
import LVS
import ServiceLifecycle
import Testing

@testable import Control

/// Debian's own ipvsadm, in which `libipvs-lbd.so` is loaded, before a server of the family `IPVS`.
@Suite("Debian's ipvsadm, led to lbd")
struct LedProgramTests {
  private static let ipvsadm = "/usr/sbin/ipvsadm"
  private static var isThere: Bool {
    FileManager.default.isExecutableFile(atPath: ipvsadm) && FileManager.default.fileExists(atPath: library.path)
  }
  private static var library: URL {
    Bundle.module.bundleURL.deletingLastPathComponent().appending(path: "libipvs-lbd.so")
  }

  /// What it prints, with the listings' sample to be listed.
  private func output(_ words: String) async throws -> String {
    let directory = FileManager.default.temporaryDirectory.appending(path: "led-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let control = ControlSocket(directory.appending(path: "lbd.sock").path)
    #expect(control.ipvs.path == directory.appending(path: "lbd.ipvs.sock").path)
    let server = try await IPVSServer(
      beside: control, core: ListedPlane(sampleServices).core(), logger: Served.silent)
    let group = ServiceGroup(services: [server], logger: Served.silent)
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask { try await group.run() }
      let text = try await run(words, socket: control.ipvs.path)
      await group.triggerGracefulShutdown()
      try await tasks.waitForAll()
      return text
    }
  }

  private func run(_ words: String, socket: String) async throws -> String {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(filePath: Self.ipvsadm)
    process.arguments = words.split(separator: " ").map(String.init)
    process.environment = ["LD_PRELOAD": Self.library.path, "LBD_IPVS_SOCKET": socket, "LC_ALL": "C.UTF-8"]
    (process.standardOutput, process.standardError) = (pipe, pipe)
    try await withCheckedThrowingContinuation { (ended: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in ended.resume() }
      do { try process.run() } catch { ended.resume(throwing: error) }
    }
    return String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  }

  @Test(
    "It lists what it listed of a kernel, byte for byte",
    .enabled(if: isThere, "\(ipvsadm) is not installed (scripts/packages), or libipvs-lbd.so not built (sanitizers)"),
    arguments: [
      ("-Ln", "Ln"), ("-Ln --stats", "Ln-stats"), ("-Ln --rate", "Ln-rate"), ("-Ln --thresholds", "Ln-thresholds"),
      ("-Ln --persistent-conn", "Ln-persistent-conn"), ("-Ln --tun-info", "Ln-tun-info"), ("-Sn", "Sn"),
    ])
  func listings(_ words: String, _ recorded: String) async throws {
    #expect(try await output(words) == golden(recorded))
  }
}

import ArgumentParser
import Control
import Foundation
import LVS

/// What a shell offers when the tab key is pressed: asked of whoever the words typed so far would speak to. Where nobody
/// answers in time, nothing is offered and nothing is said, since a half-typed line is no place for errors.
extension CompletionKind {
  private static let patience = Duration.seconds(1)

  /// The interfaces of this host.
  static let interfaces = CompletionKind.shellCommand("ls /sys/class/net")

  /// The programs that a shell would find.
  static let programs = CompletionKind.custom { _, _, _ in
    let folders = environment("PATH")?.split(separator: ":") ?? []
    // A folder that cannot be read has nothing to offer.
    let found = folders.flatMap { (try? FileManager.default.contentsOfDirectory(atPath: String($0))) ?? [] }
    return Set(found).sorted().map(literal)
  }

  static func services(_ transport: TransportProtocol) -> CompletionKind {
    .asked { typed in
      try await typed.daemon.director.services(nil).compactMap { status in
        guard case .endpoint(transport, let endpoint) = status.service.key else { return nil }
        return endpoint.description
      }
    }
  }

  static let marks = CompletionKind.asked { typed in
    try await typed.daemon.director.services(nil).compactMap { status in
      guard case .fwmark(let mark, _) = status.service.key else { return nil }
      return String(mark)
    }
  }

  /// The real servers of the service that is typed already, else of all services.
  static let servers = CompletionKind.asked { typed in
    try await typed.daemon.director.services(typed.service).flatMap { $0.servers.map(\.server.endpoint.description) }
  }

  static let serverAddresses = CompletionKind.asked { typed in
    try await typed.daemon.director.services(typed.service).flatMap {
      $0.servers.map(\.server.endpoint.address.description)
    }
  }

  static let vips = CompletionKind.asked { typed in
    try await typed.daemon.director.services(nil).compactMap(\.service.key.address?.description)
  }

  static let settings = CompletionKind.asked { typed in
    try await typed.daemon.director.call(API.settings).keys.sorted()
  }

  private static func asked(
    _ ask: @escaping @Sendable (TypedWords) async throws -> [String]
  ) -> CompletionKind {
    .custom { words, _, _ in
      let (answers, answer) = AsyncStream.makeStream(of: [String].self)
      Task {
        // Whatever went wrong, there is nothing to offer.
        answer.yield((try? await ask(TypedWords(words))) ?? [])
      }
      Task {
        // Nobody cancels it.
        try? await Task.sleep(for: patience)
        answer.finish()
      }
      let offered = await answers.first { _ in true } ?? []
      var seen: Set<String> = []
      return offered.filter { seen.insert($0).inserted }.map(literal)
    }
  }
}

/// What stands for the text in the answer to the shell that asks: to zsh a description follows a colon.
private func literal(_ text: String) -> String {
  guard CompletionShell.requesting == .zsh else { return text }
  return text.split(separator: ":", omittingEmptySubsequences: false).joined(separator: "\\:")
}

/// A command line that is still being typed: whatever of it can be understood.
struct TypedWords {
  /// Without the quotes and backslashes that shells hand over as they were typed.
  private let words: [String]

  init(_ words: [String]) {
    self.words = words.map { $0.filter { !"\\'\"".contains($0) } }
  }

  /// Which lbd, or the kernel.
  var daemon: DaemonOptions {
    get throws {
      let socket = value(of: "--socket").map { ["--socket", $0] } ?? []
      return try DaemonOptions.parse(socket + words.filter { $0 == "--kernel" })
    }
  }

  /// The service that is named; nil where none is, or not yet in full.
  var service: ServiceKey? {
    let names: [(TransportProtocol, [String])] = [
      (.tcp, ["-t", "--tcp-service"]), (.udp, ["-u", "--udp-service"]), (.sctp, ["--sctp-service"]),
    ]
    for (transport, options) in names {
      guard let text = value(of: options), let endpoint = try? addressAndPort(text) else { continue }
      return .endpoint(transport, endpoint)
    }
    let mark = value(of: "-f", "--fwmark-service").flatMap { UInt32($0) }
    return mark.map { .fwmark($0, words.contains { ["-6", "--ipv6"].contains($0) } ? .v6 : .v4) }
  }

  private func value(of options: String...) -> String? { value(of: options) }

  /// `--option VALUE` or `--option=VALUE`.
  private func value(of options: [String]) -> String? {
    for (word, next) in zip(words, words.dropFirst()) where options.contains(word) { return next }
    let joined = words.first { word in options.contains { word.hasPrefix("\($0)=") } }
    return joined.map { String($0.drop { $0 != "=" }.dropFirst()) }
  }
}

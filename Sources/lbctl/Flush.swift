import ArgumentParser
import Control

struct Flush: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "flush", abstract: "Removes all services; lbd then owns no VIP.")

  @OptionGroup var daemon: DaemonOptions

  func run() async throws {
    _ = try await daemon.director.call(API.flush)
  }
}

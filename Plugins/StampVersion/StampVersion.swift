import Foundation
import PackagePlugin

/// Writes `Stamp.swift`, which says what is being built: the version that CHANGELOG.md begins with, and the commit that
/// git names. Before each build, since no file of the package changes when only the commit does.
@main
struct StampVersion: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let package = context.package.directoryURL
    return [
      .prebuildCommand(
        displayName: "Stamping the version", executable: URL(filePath: "/bin/sh"),
        arguments: [
          package.appending(path: "Plugins/StampVersion/stamp").path, package.path, context.pluginWorkDirectoryURL.path,
        ], outputFilesDirectory: context.pluginWorkDirectoryURL)
    ]
  }
}

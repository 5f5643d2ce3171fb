import Foundation
import PackagePlugin

/// Compiles a target's `*.bpf.c` files for the kernel's virtual machine, with the Swift toolchain's own clang, and gives
/// each to the target as a constant: `redirect.bpf.c` becomes `redirectProgram`, the bytes of an ELF object in hex.
@main
struct CompileBPF: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let compiler = try context.tool(named: "clang").url
    let embed = try context.tool(named: "EmbedBPF").url
    let headers = files(".bpf.h", in: target.directoryURL)
    return files(".bpf.c", in: target.directoryURL).map { source in
      let name = source.lastPathComponent.replacing(".bpf.c", with: "")
      let output = context.pluginWorkDirectoryURL.appending(path: "\(name)Program.swift")
      return .buildCommand(
        displayName: "Compiling \(source.lastPathComponent) for BPF", executable: embed,
        arguments: [compiler.path, source.path, output.path, "\(name)Program"], inputFiles: [source] + headers,
        outputFiles: [output])
    }
  }

  private func files(_ suffix: String, in directory: URL) -> [URL] {
    let files = FileManager.default.enumerator(at: directory, includingPropertiesForKeys: nil)
    return (files?.compactMap { $0 as? URL } ?? []).filter { $0.path.hasSuffix(suffix) }
  }
}

import Foundation
import Streams

/// `EmbedBPF CLANG SOURCE OUTPUT NAME`: compiles SOURCE for BPF and writes OUTPUT, Swift code with the object as NAME.
@main
enum EmbedBPF {
  static func main() throws {
    Output.prepare()
    let words = CommandLine.arguments
    guard words.count == 5 else { fail("EmbedBPF CLANG SOURCE OUTPUT NAME") }
    let object = URL(fileURLWithPath: words[3]).deletingPathExtension().appendingPathExtension("o")
    try compile(words[1], words[2], to: object.path)
    let bytes = try Data(contentsOf: object).map { byte in
      let digits = String(byte, radix: 16)
      return byte < 16 ? "0" + digits : digits
    }
    let code =
      "/// `\(URL(fileURLWithPath: words[2]).lastPathComponent)`, compiled.\nlet \(words[4]) = \"\(bytes.joined())\"\n"
    try code.write(toFile: words[3], atomically: true, encoding: .utf8)
  }

  private static func compile(_ compiler: String, _ source: String, to object: String) throws {
    let clang = Process()
    clang.executableURL = URL(fileURLWithPath: compiler)
    // Debian keeps the headers that depend on the architecture (asm/types.h) apart.
    let headers = ["x86_64", "aarch64"].flatMap { ["-idirafter", "/usr/include/\($0)-linux-gnu"] }
    clang.arguments = ["-target", "bpf", "-O2", "-g", "-Wall", "-Werror"] + headers + ["-c", source, "-o", object]
    try clang.run()
    clang.waitUntilExit()
    guard clang.terminationStatus == 0 else { fail("\(source) does not compile for BPF") }
  }

  private static func fail(_ why: String) -> Never {
    Output.error.say("EmbedBPF: \(why)\n")
    exit(1)
  }
}

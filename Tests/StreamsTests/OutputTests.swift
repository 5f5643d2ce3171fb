import Foundation
import Streams
import Testing

@Suite("An output")
struct OutputTests {
  @Test("Everything is written, more than a pipe holds as well")
  func whole() async throws {
    let pipe = Pipe()
    let text = String(repeating: "0123456789abcde\n", count: 1 << 15)
    let reading = Task.detached { [pipe = pipe.output] in
      try pipe.write(text.utf8)
    }
    #expect(try pipe.read(text.utf8.count) == text)
    try await reading.value
  }

  @Test("What cannot be written is an error that names the output", arguments: [true, false])
  func failures(isFull: Bool) throws {
    let pipe = Pipe()
    try pipe.closeReader()
    let output = isFull ? try Output(file: "/dev/full") : pipe.output
    let failure = #expect(throws: OutputFailure.self) { try output.write("text".utf8) }
    #expect(
      failure?.description
        == (isFull ? "/dev/full cannot be written: No space left on device" : "the pipe cannot be written: Broken pipe")
    )
    #expect(failure?.isReaderGone == !isFull)
    output.say("nobody hears it, and nothing happens")
  }

  @Test("A descriptor that is not open is an error")
  func closed() {
    let output = Output(number: 1_000_000, name: "nothing")
    #expect(throws: OutputFailure.self) { try output.write("text".utf8) }
  }

  @Test("A file is written from its beginning, through a link too, and a new one is its owner's only")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (file, link) = (folder.appending(path: "file"), folder.appending(path: "link"))
    try Output(file: file.path).write("a long line".utf8)
    let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
    try Output(file: link.path).write("short".utf8)
    #expect(try String(contentsOf: file, encoding: .utf8) == "short")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link.path) == file.path)
    #expect(throws: OutputFailure.self) { try Output(file: folder.path) }
  }
}

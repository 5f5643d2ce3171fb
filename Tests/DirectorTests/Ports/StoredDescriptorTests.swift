import Glibc
import Synchronization
import Testing

@testable import Director

@Suite("Descriptors that outlive the process")
struct StoredDescriptorTests {
  /// Remembers what it was told to keep.
  private final class Shelf: Sendable {
    let names = Mutex<[String]>([])
    let told = Mutex<[String]>([])

    var keeper: StoredDescriptors.Keeper {
      StoredDescriptors.Keeper(
        store: { name, _ in self.names.withLock { $0.append(name) } },
        forget: { name in self.names.withLock { $0.removeAll { $0 == name } } })
    }

    func tell(_ line: String) { told.withLock { $0.append(line) } }
  }

  /// A descriptor, of which its other end tells whether it is open.
  private final class Watched {
    let number: Int32
    private let other: Int32

    init() {
      var pair: [Int32] = [-1, -1]
      _ = unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair)
      (number, other) = (pair[0], pair[1])
    }

    deinit { close(other) }

    var isOpen: Bool {
      var entry = pollfd(fd: other, events: Int16(POLLIN), revents: 0)
      return unsafe poll(&entry, 1, 0) == 0
    }
  }

  @Test("all of them are taken over, once, where all are there and fit")
  func takenOver() {
    let one = Watched()
    let two = Watched()
    let shelf = Shelf()
    let stored = StoredDescriptors(["one": one.number, "two": two.number], keeper: shelf.keeper)
    #expect(stored.take(["two", "one"], unless: { _ in nil }, told: shelf.tell) == [two.number, one.number])
    #expect(stored.take(["two", "one"], unless: { _ in nil }, told: shelf.tell) == nil)
    #expect(shelf.told.withLock { $0 } == [] && one.isOpen && two.isOpen)
    for descriptor in [one.number, two.number] { close(descriptor) }
  }

  @Test("where one is missing or does not fit, all are closed and forgotten, with one line", arguments: [true, false])
  func refused(isMissing: Bool) {
    let one = Watched()
    let two = Watched()
    let shelf = Shelf()
    let stored = StoredDescriptors(
      isMissing ? ["one": one.number] : ["one": one.number, "two": two.number], keeper: shelf.keeper)
    shelf.names.withLock { $0 = ["one", "two"] }
    let number = two.number
    #expect(stored.take(["one", "two"], unless: { $0 == number ? "it is bad" : nil }, told: shelf.tell) == nil)
    #expect(shelf.told.withLock { $0 }.count == 1)
    #expect(shelf.told.withLock { $0[0] }.hasSuffix(isMissing ? "two is missing" : "two: it is bad"))
    #expect(!one.isOpen && two.isOpen == isMissing)
    #expect(shelf.names.withLock { $0 } == (isMissing ? ["two"] : []))
    if isMissing { close(two.number) }
  }

  @Test("what nobody takes over is closed with one line; where there is nothing, nothing is said")
  func discarded() {
    let one = Watched()
    let shelf = Shelf()
    let stored = StoredDescriptors(["one": one.number], keeper: shelf.keeper)
    for _ in 0..<2 { stored.discard(because: "it is of no use", told: shelf.tell) }
    #expect(shelf.told.withLock { $0 } == ["what an earlier lbd left open is not used: it is of no use"])
    #expect(!one.isOpen)
  }

  @Test("what is kept is open when its owner has closed it, until another takes the place of what had its name")
  func kept() {
    let shelf = Shelf()
    let stored = StoredDescriptors([:], keeper: shelf.keeper)
    #expect(!stored.lasts)
    let one = Watched()
    let two = Watched()
    stored.keep("one", one.number)
    close(one.number)
    #expect(one.isOpen && stored.lasts && stored.kept.count == 1)
    stored.keep("one", two.number)
    close(two.number)
    #expect(!one.isOpen && two.isOpen && shelf.names.withLock { $0 } == ["one"])
  }
}

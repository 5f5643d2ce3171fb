import Testing

@testable import Director

@Suite("The tap")
struct TapTests {
  private static func frame(_ number: Int, length: Int) -> TappedFrame {
    TappedFrame(time: UInt64(number), bytes: [UInt8](repeating: 0, count: length), verdict: "pass")
  }

  @Test(
    "A reader that fetches nothing costs bounded memory, and learns how many frames it missed", arguments: [60, 65_000])
  func bounded(length: Int) throws {
    let tap = Tap()
    let heap = try tap.open()
    let count = 2 * TapHeap.capacity / length
    for number in 0..<count { tap.append(Self.frame(number, length: length)) }
    let kept = heap.take()
    #expect(kept.map(\.time) == (0..<UInt64(kept.count)).map { $0 })
    #expect(kept.count * length <= TapHeap.capacity && kept.allSatisfy { $0.lost == 0 })
    tap.append(Self.frame(count, length: length))
    #expect(heap.take().map(\.lost) == [count - kept.count])
    #expect(heap.lost == count - kept.count)
  }

  @Test("Each of those who capture gets all frames, up to eight of them")
  func several() throws {
    let tap = Tap()
    let heaps = try (0..<8).map { _ in try tap.open() }
    #expect(throws: (any Error).self) { try tap.open() }
    tap.append(Self.frame(1, length: 60))
    #expect(heaps.allSatisfy { $0.take().count == 1 })
    tap.close(heaps[0])
    let isOpen = tap.isOpen.load(ordering: .relaxed)
    #expect(isOpen)
    _ = try tap.open()
    for heap in heaps { tap.close(heap) }
    tap.append(Self.frame(2, length: 60))
    #expect(heaps.allSatisfy { $0.take().isEmpty })
  }
}

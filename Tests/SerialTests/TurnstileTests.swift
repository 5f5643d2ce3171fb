import Serial
import Synchronization
import Testing

/// A number that many count.
private final class Count: Sendable {
  private let value = Atomic(0)

  var now: Int { value.load(ordering: .acquiring) }

  @discardableResult
  func add(_ number: Int) -> Int { value.add(number, ordering: .acquiringAndReleasing).newValue }
}

@Suite("Turns", .timeLimit(.minutes(1)))
struct TurnstileTests {
  @Test("are taken one at a time, and given back by who throws")
  func oneAtATime() async {
    struct Refusal: Error {}
    let (turns, inside, done) = (Turnstile(), Count(), Count())
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<200 {
        group.addTask {
          try? await turns.withTurn {
            #expect(inside.add(1) == 1)
            await Task.yield()
            inside.add(-1)
            done.add(1)
            if number % 3 == 0 { throw Refusal() }
          }
        }
      }
    }
    #expect(done.now == 200)
  }
}

@Suite("What waits for the kernel", .timeLimit(.minutes(1)))
struct WaitingTests {
  @Test("holds up no task, however much of it there is")
  func beside() async {
    let isOver = Count()
    await withTaskGroup(of: Void.self) { group in
      // As many as would leave no thread to tasks, were they on theirs.
      for _ in 0..<64 { group.addTask { await Self.block(until: isOver) } }
      group.addTask {
        for _ in 0..<1_000 { await Task.yield() }
        isOver.add(1)
      }
    }
  }

  @Waiting private static func block(until isOver: Count) {
    while isOver.now == 0 {}
  }
}

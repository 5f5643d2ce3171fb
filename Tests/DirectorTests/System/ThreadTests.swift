import Foundation
import Glibc
import Synchronization
import Testing

@testable import Director
@testable import class Director.Thread

@Suite("Threads")
struct ThreadTests {
  /// Where the kernel tells of the calling thread, for as long as there is one.
  private static var task: String {
    "/proc/" + (try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self"))
  }

  /// Has a thread live, and gives its identity, which the C library has in its stack, once it has ended.
  private static func live(_ use: (Thread) -> Void) throws -> pthread_t {
    let said = Mutex<(task: String, identity: pthread_t)?>(nil)
    use(try Thread(name: "brief") { said.withLock { $0 = (task, pthread_self()) } })
    while true {
      if let (task, identity) = said.withLock({ $0 }), !FileManager.default.fileExists(atPath: task) { return identity }
      usleep(100)
    }
  }

  /// Others that run beside may take one that was given back; never all of them.
  @Test("give their stacks back when they have ended, whether anybody joined them or not", arguments: [true, false])
  func stacks(areJoined: Bool) throws {
    var identities: Set<pthread_t> = []
    for _ in 0..<200 {
      identities.insert(try Self.live { thread in if areJoined { thread.join() } })
    }
    #expect(identities.count < 200)
  }

  @Test("give their stacks back too when their owner lets go of them later")
  func later() throws {
    var identities: Set<pthread_t> = []
    for _ in 0..<200 {
      var kept: Thread?
      identities.insert(try Self.live { kept = $0 })
      withExtendedLifetime(kept) {}
      kept = nil
    }
    #expect(identities.count < 200)
  }
}

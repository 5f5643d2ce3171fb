import Foundation
import LVS
import Testing

@testable import Control

@Suite("The lock of an interface")
struct InterfaceLockTests {
  private static func lock(_ interface: String, vlan: UInt16? = nil) throws(PlaneError) -> InterfaceLock {
    try InterfaceLock(interface: interface, vlan: vlan, socket: ControlSocket("/run/one.sock"))
  }

  @Test("One has it; the next is told who, and gets it afterwards; a VLAN is another place")
  func one() throws {
    let name = "t\(UInt32.random(in: 0...999_999))"
    var first: InterfaceLock? = try Self.lock(name)
    let refusal = #expect(throws: PlaneError.self) { try Self.lock(name) }
    #expect(
      refusal?.description
        == "another lbd (pid \(getpid()), socket /run/one.sock) has interface \(name): stop it, or give this one another "
        + "--interface")
    _ = try Self.lock(name, vlan: 5)
    #expect(first != nil)
    first = nil
    // The descriptor is closed by a queue of its own.
    let end = Date.now.addingTimeInterval(10)
    var again: InterfaceLock?
    while again == nil, Date.now < end {
      usleep(1_000)
      again = try? Self.lock(name)
    }
    #expect(again != nil)
  }
}

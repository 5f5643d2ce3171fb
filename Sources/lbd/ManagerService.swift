import LVS
import ServiceLifecycle

/// Tells the service manager that the daemon is alive, and when it begins to end.
///
/// Alive it is when the threads that forward and that speak ARP turn: one that hangs lets the manager's watchdog bite.
struct ManagerService: Service {
  let manager: ServiceManager
  let plane: any ForwardingPlane

  func run() async throws {
    let watch = Task {
      guard let interval = manager.watchdog else { return }
      while !Task.isCancelled {
        await plane.turn()
        manager.alive()
        // That it is canceled meanwhile is seen above.
        try? await Task.sleep(for: interval / 3)
      }
    }
    // It throws where it is canceled, which is an end too.
    try? await gracefulShutdown()
    watch.cancel()
    manager.stopping()
  }
}

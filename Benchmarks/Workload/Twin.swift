import Baselines
import Director

/// The C twin.
@safe public final class Twin {
  private let twin: OpaquePointer

  public init(connections: Int, servers: Int) {
    guard let twin = unsafe baseline_create(UInt32(connections), UInt32(servers), 1) else {
      preconditionFailure("no memory for the baseline")
    }
    unsafe self.twin = twin
  }

  deinit {
    unsafe baseline_free(twin)
  }

  public func open(_ flow: UInt32) {
    unsafe baseline_open(twin, flow)
  }

  public func process(_ frames: FrameBlock) -> Int {
    unsafe baseline_process(twin, frames.base.assumingMemoryBound(to: UInt8.self), frames.stride, frames.count, 1)
  }

  public func lookup(_ flows: [UInt32]) -> Int {
    unsafe flows.withUnsafeBufferPointer { flows in
      guard let base = flows.baseAddress else { return 0 }
      return unsafe baseline_lookup(twin, base, flows.count)
    }
  }
}

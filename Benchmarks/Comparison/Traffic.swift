import Baselines
import Director

/// A batch's worth of frames in memory, written anew before each use: the director rewrites what it forwards.
@safe final class Traffic {
  static let batch = 1_024
  private static let stride = 128
  private let memory: UnsafeMutableRawPointer

  init() {
    unsafe memory = .allocate(byteCount: Self.batch * Self.stride, alignment: 64)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// Nanoseconds for a frame: all frames of `order` go through `process`, a batch at a time; writing them is not timed.
  ///
  /// - Parameters:
  ///   - flags: of TCP.
  ///   - process: takes a batch and returns how many of its frames are to be transmitted.
  func run(_ order: [UInt32], flags: UInt8, _ process: (FrameBlock) -> Int) -> Double {
    var (spent, sent, done) = (0.0, 0, 0)
    while done < order.count {
      let batch = batch(order, from: done, flags)
      let start = processorTime
      sent += process(batch)
      spent += processorTime - start
      done += batch.count
    }
    precondition(sent == order.count, "\(order.count - sent) frames were not forwarded")
    return spent / Double(order.count)
  }

  private func batch(_ order: [UInt32], from first: Int, _ flags: UInt8) -> FrameBlock {
    let count = min(Self.batch, order.count - first)
    unsafe order.withUnsafeBufferPointer { flows in
      guard let flows = flows.baseAddress else { return }
      unsafe baseline_fill(memory.assumingMemoryBound(to: UInt8.self), Self.stride, count, flows + first, flags)
    }
    return unsafe FrameBlock(memory, stride: Self.stride, length: Int(BASELINE_FRAME_LENGTH), count: count)
  }
}

/// The C twin.
@safe final class Twin {
  private let twin: OpaquePointer

  init(connections: Int, servers: Int) {
    guard let twin = unsafe baseline_create(UInt32(connections), UInt32(servers), 1) else {
      preconditionFailure("no memory for the baseline")
    }
    unsafe self.twin = twin
  }

  deinit {
    unsafe baseline_free(twin)
  }

  func open(_ flow: UInt32) {
    unsafe baseline_open(twin, flow)
  }

  func process(_ frames: FrameBlock) -> Int {
    unsafe baseline_process(twin, frames.base.assumingMemoryBound(to: UInt8.self), frames.stride, frames.count, 1)
  }

  func lookup(_ flows: [UInt32]) -> Int {
    unsafe flows.withUnsafeBufferPointer { flows in
      guard let base = flows.baseAddress else { return 0 }
      return unsafe baseline_lookup(twin, base, flows.count)
    }
  }
}

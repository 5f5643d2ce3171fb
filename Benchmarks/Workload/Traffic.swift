import Baselines
import Director
import Glibc
import LVS

/// A batch's worth of frames in memory, written anew before each use: the director rewrites what it forwards.
@safe public final class Traffic {
  public static let batch = 1_024
  public static let vip = Endpoint(IPAddress(v4: BASELINE_VIP), UInt16(BASELINE_VIP_PORT))
  /// Flags of TCP.
  public static let syn: UInt8 = 0x02
  public static let ack: UInt8 = 0x10
  private static let stride = 128
  private let memory: UnsafeMutableRawPointer

  public init() {
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
  public func run(_ order: [UInt32], flags: UInt8, _ process: (FrameBlock) -> Int) -> Double {
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

  /// The same in a worker's batches: the nanoseconds of the longest.
  public func longestBatch(_ order: [UInt32], flags: UInt8, _ process: (FrameBlock) -> Int) -> Double {
    var (longest, done) = (0.0, 0)
    while done < order.count {
      let batch = batch(order, from: done, flags, limit: 64)
      let start = processorTime
      precondition(process(batch) == batch.count, "frames were not forwarded")
      longest = max(longest, processorTime - start)
      done += batch.count
    }
    return longest
  }

  private func batch(_ order: [UInt32], from first: Int, _ flags: UInt8, limit: Int = batch) -> FrameBlock {
    let count = min(limit, order.count - first)
    unsafe order.withUnsafeBufferPointer { flows in
      guard let flows = flows.baseAddress else { return }
      unsafe baseline_fill(memory.assumingMemoryBound(to: UInt8.self), Self.stride, count, flows + first, flags)
    }
    return unsafe FrameBlock(memory, stride: Self.stride, length: Int(BASELINE_FRAME_LENGTH), count: count)
  }
}

/// Nanoseconds of processor time that this thread has used: what others do on the same processor does not count.
public var processorTime: Double {
  var time = timespec()
  unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
}

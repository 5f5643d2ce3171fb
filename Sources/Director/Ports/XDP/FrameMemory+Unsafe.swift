import CLinux

/// The memory that a worker's AF_XDP sockets have their frames in (UMEM), in chunks of one size, and the chunks that
/// nobody uses. A chunk is known by its offset; whoever takes one out owns it until it is given back.
@safe struct FrameMemory: ~Copyable {
  /// Bytes before each received frame that the kernel keeps for programs (`XDP_PACKET_HEADROOM`).
  static let headroom = 256
  /// Chunks are at most a page.
  static let largestChunk = 4096

  private let mapping: Mapping
  let chunkSize: Int
  private let chunks: Buffer<UInt64>
  private(set) var free: Int

  /// - Parameter frame: the longest frame that it is to hold; at most `largestChunk - headroom`.
  init(chunks count: Int, frame: Int) throws(SystemError) {
    chunkSize = frame + Self.headroom <= Self.largestChunk / 2 ? Self.largestChunk / 2 : Self.largestChunk
    mapping = try Mapping(size: count * chunkSize)
    chunks = Buffer(repeating: 0, count: count)
    for index in 0..<count { chunks[index] = UInt64(index * chunkSize) }
    free = count
  }

  @inline(__always)
  mutating func take() -> UInt64? {
    guard free > 0 else { return nil }
    free &-= 1
    return chunks[free]
  }

  /// - Parameter address: anywhere in the chunk.
  @inline(__always)
  mutating func give(_ address: UInt64) {
    chunks[free] = address & ~UInt64(chunkSize &- 1)
    free &+= 1
  }

  /// How the kernel is told of it.
  var registration: xdp_umem_reg {
    var registration = xdp_umem_reg()
    registration.addr = UInt64(UInt(bitPattern: unsafe mapping.base))
    registration.len = UInt64(mapping.size)
    registration.chunk_size = UInt32(chunkSize)
    return registration
  }

  /// The bytes from an address on, which may grow to the end of the chunk.
  @inline(__always)
  func bytes(at address: UInt64, count: Int) -> Bytes {
    precondition(address < UInt64(mapping.size))
    let room = chunkSize &- Int(address) & (chunkSize &- 1)
    return unsafe Bytes(mapping.base + Int(address), count: min(count, room), capacity: room)
  }

  /// Where bytes that are in it begin.
  @inline(__always)
  func address(of bytes: Bytes) -> UInt64 { unsafe UInt64(bytes.distance(from: mapping.base)) }
}

import Director
import LVS

extension UserspacePlane: DirectorInspection {
  /// The frames that workers handle from now on, with their verdicts, as a pcapng file that ends with the stream.
  public func capture(filter: String?) async throws(PlaneError) -> AsyncStream<[UInt8]> {
    let filter = try filter.map { expression throws(PlaneError) in try CaptureFilter(expression) }
    let frames = tapped()
    // Whole blocks are left out where the reader is slow; the header is the first and stays.
    return AsyncStream(bufferingPolicy: .bufferingOldest(64)) { continuation in
      continuation.yield(CommentedCapture.header)
      let task = Task {
        for await batch in frames {
          let wanted = batch.filter { filter?.matches($0.octets) ?? true }
          if !wanted.isEmpty { continuation.yield(wanted.flatMap(CommentedCapture.frame)) }
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}

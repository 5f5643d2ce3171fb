import Director
import LVS

/// Runs a capture file through the director's pipe and writes what it would have sent.
///
/// Time is the capture's. The VIPs are owned from the start; servers are found by the `mac` of their configuration or
/// by the ARP answers in the capture. The same input gives the same output, octet for octet.
///
/// - Returns: how many frames got each verdict.
public func replay(
  _ input: String, to output: String, _ configuration: Configuration, vlan: UInt16? = nil
) throws(PlaneError) -> VerdictCounts {
  let reader = try CaptureReader(input)
  let director = try OfflineDirector(configuration, vlan: vlan)
  let writer = try CaptureWriter(output)
  while let frame = try reader.next() {
    for sent in director.receive(frame.octets, length: frame.length, at: frame.microseconds) {
      writer.write(sent, microseconds: frame.microseconds)
    }
  }
  return director.verdicts
}

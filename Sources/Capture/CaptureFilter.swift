import CPcap
import LVS

/// A filter expression as tcpdump takes it, compiled for Ethernet frames.
@safe final class CaptureFilter: @unchecked Sendable {
  private var program = unsafe bpf_program()

  init(_ expression: String) throws(PlaneError) {
    guard let handle = unsafe pcap_open_dead(DLT_EN10MB, 262_144) else { throw .unavailable("no memory for a filter") }
    defer { unsafe pcap_close(handle) }
    guard unsafe pcap_compile(handle, &program, expression, 1, PCAP_NETMASK_UNKNOWN) == 0 else {
      throw .invalid("'\(expression)' is not a capture filter: \(unsafe String(cString: pcap_geterr(handle)))")
    }
  }

  deinit {
    unsafe pcap_freecode(&program)
  }

  func matches(_ bytes: [UInt8]) -> Bool {
    var header = pcap_pkthdr()
    (header.caplen, header.len) = (UInt32(bytes.count), UInt32(bytes.count))
    return unsafe pcap_offline_filter(&program, &header, bytes) != 0
  }
}

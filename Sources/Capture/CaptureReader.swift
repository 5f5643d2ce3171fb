import CPcap
import LVS

/// A frame of a capture file.
struct CapturedFrame {
  /// Since the epoch.
  var microseconds: UInt64
  var bytes: [UInt8]
  /// What was on the wire, of which `bytes` may be only a part.
  var length: Int
}

/// Reads a capture file of Ethernet frames, of any format that libpcap knows.
@safe final class CaptureReader {
  private let handle: OpaquePointer

  init(_ path: String) throws(PlaneError) {
    var message = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
    guard let handle = unsafe pcap_open_offline(path, &message) else {
      let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw .unavailable("cannot read the capture: \(String(decoding: text, as: UTF8.self))")
    }
    guard unsafe pcap_datalink(handle) == DLT_EN10MB else {
      unsafe pcap_close(handle)
      throw .notSupported("\(path) is not a capture of Ethernet frames")
    }
    unsafe self.handle = handle
  }

  deinit {
    unsafe pcap_close(handle)
  }

  /// The next frame; nil at the end.
  func next() throws(PlaneError) -> CapturedFrame? {
    var header: UnsafeMutablePointer<pcap_pkthdr>?
    var data: UnsafePointer<UInt8>?
    switch unsafe pcap_next_ex(handle, &header, &data) {
    case 1:
      guard let header = unsafe header?.pointee, let data = unsafe data else { return nil }
      let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: Int(header.caplen)))
      let time = UInt64(header.ts.tv_sec) * 1_000_000 + UInt64(header.ts.tv_usec)
      return CapturedFrame(microseconds: time, bytes: bytes, length: Int(header.len))
    case PCAP_ERROR_BREAK:
      return nil
    default:
      throw .unavailable("the capture is damaged: \(unsafe String(cString: pcap_geterr(handle)))")
    }
  }
}

/// Writes a capture file of Ethernet frames in libpcap's own format.
@safe final class CaptureWriter {
  private let handle: OpaquePointer
  private let file: OpaquePointer

  init(_ path: String) throws(PlaneError) {
    guard let handle = unsafe pcap_open_dead(DLT_EN10MB, 262_144) else { throw .unavailable("no memory for a capture") }
    guard let file = unsafe pcap_dump_open(handle, path) else {
      let message = unsafe String(cString: pcap_geterr(handle))
      unsafe pcap_close(handle)
      throw .unavailable("cannot write the capture: \(message)")
    }
    unsafe (self.handle, self.file) = (handle, file)
  }

  deinit {
    unsafe pcap_dump_close(file)
    unsafe pcap_close(handle)
  }

  func write(_ bytes: [UInt8], microseconds: UInt64) {
    var header = pcap_pkthdr()
    header.ts.tv_sec = Int(microseconds / 1_000_000)
    header.ts.tv_usec = Int(microseconds % 1_000_000)
    (header.caplen, header.len) = (UInt32(bytes.count), UInt32(bytes.count))
    unsafe pcap_dump(UnsafeMutablePointer<UInt8>(file), &header, bytes)
  }
}

import Director
import Glibc
import LVS

/// A capture file to be run through the director's pipe, and what the director is there.
///
/// Time is the capture's. The VIPs are owned from the start; servers are found by the `mac` of their configuration or
/// by the ARP answers to the director in the capture. The same input gives the same output, byte for byte.
public struct Replay {
  public var configuration: Configuration
  /// The director's stations, that of the VIPs first; with none, the capture's own is looked for.
  public var stations: [MACAddress]
  /// The VLAN whose frames are meant; nil for untagged ones.
  public var vlan: UInt16?

  public init(_ configuration: Configuration, stations: [MACAddress] = [], vlan: UInt16? = nil) {
    (self.configuration, self.stations, self.vlan) = (configuration, stations, vlan)
  }

  /// Writes what the director would have sent.
  ///
  /// - Returns: what it played and how many frames got each verdict, in lines.
  public func run(_ input: String, to output: String) throws(PlaneError) -> String {
    let (stations, words) = try played(input)
    let reader = try CaptureReader(input)
    let director = try OfflineDirector(configuration, stations: stations, vlan: vlan)
    let writer = try CaptureWriter(output)
    while let frame = try reader.next() {
      for sent in director.receive(frame.bytes, length: frame.length, at: frame.microseconds) {
        writer.write(sent, microseconds: frame.microseconds)
      }
    }
    return "\(words)\n\(director.verdicts.summary)"
  }

  /// The stations, and what to say of them.
  private func played(_ input: String) throws(PlaneError) -> (stations: [MACAddress], words: String) {
    guard stations.isEmpty else {
      return (stations, "as \(stations.map(\.description).joined(separator: " and "))")
    }
    guard Self.isFile(input) else {
      throw .unavailable("\(input) cannot be read twice, to find the director's station first: name it with --mac")
    }
    let reader = try CaptureReader(input)
    var search = StationSearch(services: configuration.services, marks: configuration.marks, vlan: vlan)
    while let frame = try reader.next() { search.look(at: frame.bytes) }
    switch search.found {
    case (let station, .speaksForVIPs)?: return ([station], "as \(station), which says that the VIPs are there")
    case (let station, .receivesForVIPs)?: return ([station], "as \(station), which most frames for the VIPs go to")
    case nil: throw .unavailable("no frame in \(input) is for a VIP: name the director's station with --mac")
    }
  }

  private static func isFile(_ path: String) -> Bool {
    var facts = stat()
    // What is not there is the reader's to tell.
    return unsafe stat(path, &facts) != 0 || facts.st_mode & S_IFMT == S_IFREG
  }
}

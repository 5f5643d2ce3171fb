import LVS

extension Director {
  /// A verdict in words, for whoever captures; `frame` is the frame after it.
  func words(_ verdict: Verdict, _ frame: Bytes) -> String {
    switch verdict {
    case .transmit: "transmit to \(frame.mac(Ethernet.destination))"
    case .answer(let length): "answer with \(length) bytes"
    case .pass: "pass to the host"
    case .cut(let server): "cut into fragments for \(shared.servers[server].endpoint.address)"
    case .park: "wait for the first fragment"
    case .handOver(let worker): "hand over to worker \(worker)"
    case .hold(let server): "hold for \(shared.servers[server].endpoint.address)"
    case .drop(let reason): "drop \(reason.name)"
    }
  }
}

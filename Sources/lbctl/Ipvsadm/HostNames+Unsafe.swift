import Glibc
import LVS

/// The system's names of hosts and services, both ways.
enum HostNames {
  /// An IPv4 address by number, in any of `inet_aton`'s ways to write it, or by name.
  static func address(_ text: String) -> IPAddress? {
    var number = in_addr()
    if unsafe inet_aton(text, &number) != 0 { return IPAddress(v4: UInt32(bigEndian: number.s_addr)) }
    guard let host = unsafe gethostbyname(text), unsafe host.pointee.h_addrtype == AF_INET,
      let first = unsafe host.pointee.h_addr_list[0]
    else { return nil }
    let value = unsafe UnsafeRawPointer(first).loadUnaligned(as: UInt32.self)
    return IPAddress(v4: UInt32(bigEndian: value))
  }

  static func port(_ name: String, _ transport: TransportProtocol?) -> UInt16? {
    guard let transport, let entry = unsafe getservbyname(name, transport.name) else { return nil }
    return UInt16(bigEndian: UInt16(truncatingIfNeeded: unsafe entry.pointee.s_port))
  }

  /// `host:service`, each by name where it has one.
  static func text(_ endpoint: Endpoint, _ transport: TransportProtocol?) -> String {
    let host = name(of: endpoint.address) ?? endpoint.address.description
    let service = name(of: endpoint.port, transport) ?? String(endpoint.port)
    return endpoint.address.family == .v6 ? "[\(host)]:\(service)" : "\(host):\(service)"
  }

  private static func name(of address: IPAddress) -> String? {
    let bytes = address.bytes
    let family = address.family == .v4 ? AF_INET : AF_INET6
    guard let host = unsafe gethostbyaddr(bytes, socklen_t(bytes.count), family) else { return nil }
    return unsafe String(cString: host.pointee.h_name)
  }

  private static func name(of port: UInt16, _ transport: TransportProtocol?) -> String? {
    guard let transport, let entry = unsafe getservbyport(Int32(port.bigEndian), transport.name) else { return nil }
    return unsafe String(cString: entry.pointee.s_name)
  }
}

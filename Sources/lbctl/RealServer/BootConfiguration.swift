import ArgumentParser
import Foundation

/// The file that prepares a real server at each boot.
struct BootConfiguration {
  enum System: String, ExpressibleByArgument, CaseIterable {
    case systemd, netplan, ifupdown

    /// What this host seems to configure its network with.
    static var present: System {
      if FileManager.default.fileExists(atPath: "/etc/netplan") { return .netplan }
      return FileManager.default.fileExists(atPath: "/etc/network/interfaces") ? .ifupdown : .systemd
    }
  }

  let text: String

  init(_ system: System, _ host: RealServerHost) {
    let steps = host.bootSteps
    let (sysctl, vip) = (Self.sysctl(steps), "\(host.vip)/\(host.vip.family.bits)")
    text =
      switch system {
      case .systemd: Self.unit(steps, host)
      case .netplan:
        sysctl
          + """
          # /etc/netplan/90-lvs-real-server.yaml
          network:
            version: 2
            ethernets:
              lo:
                addresses: ["\(vip)"]

          """
      case .ifupdown:
        sysctl
          + """
          # /etc/network/interfaces.d/lvs-real-server
          iface lo \(host.vip.family == .v4 ? "inet" : "inet6") static
            address \(vip)

          """
      }
  }

  /// Settings are there before addresses: systemd applies sysctl.d early.
  private static func sysctl(_ steps: [RealServerStep]) -> String {
    let lines = steps.compactMap { step in
      if case .set(let key, let value) = step { return "\(key) = \(value)\n" }
      return nil
    }
    return lines.isEmpty ? "" : "# /etc/sysctl.d/90-lvs-real-server.conf\n\(lines.joined())\n"
  }

  private static func unit(_ steps: [RealServerStep], _ host: RealServerHost) -> String {
    let device = host.interface.replacing("-", with: "\\x2d")
    return """
      # /etc/systemd/system/lvs-real-server.service
      [Unit]
      Description=Direct routing: \(host.vip) on lo, silent in ARP
      After=sys-subsystem-net-devices-\(device).device
      Before=network-online.target

      [Service]
      Type=oneshot
      RemainAfterExit=yes
      \(steps.map { "ExecStart=\($0.command)" }.joined(separator: "\n"))
      ExecStop=\(RealServerStep.remove(host.vip).command)

      [Install]
      WantedBy=multi-user.target

      """
  }
}

extension RealServerHost {
  /// All that a host needs after a boot, whatever it has now.
  var bootSteps: [RealServerStep] { setup.filter { if case .set = $0 { true } else { false } } + [.add(vip)] }
}

/// How AF_XDP is used.
public enum XDPMode: String, Sendable, CaseIterable {
  /// In the driver, without copying where it can.
  case native
  /// In the driver, copying.
  case copy
  /// In the network stack: for drivers that cannot, and dropping super-frames.
  case generic
}

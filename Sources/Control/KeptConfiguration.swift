import LVS

/// The configuration as it lies beside the tables that outlive the process: for the same version to read, in one line.
extension Configuration {
  public func kept() throws -> [UInt8] { Array(try JSON.encode(self)) }

  /// - Throws: where it is none.
  public init(kept: [UInt8]) throws {
    self = try JSON.decode(from: .init(kept))
    try validate()
  }
}

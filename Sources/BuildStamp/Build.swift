/// Which build of the programs this is.
public enum Build {
  /// The version that CHANGELOG.md began with when this was built, such as `0.9.0`.
  public static let version = Stamp.version

  /// The commit that it was built from, `-dirty` behind it where files had been changed; empty where git did not say.
  public static let commit = Stamp.commit

  /// What `--version` prints.
  ///
  /// - Parameter dataPlanes: the ones that this program was built with.
  public static func text(of program: String, dataPlanes: [String]) -> String {
    let origin = commit.isEmpty ? "" : ", commit \(commit)"
    return "\(program) \(version)\(origin)\ndata planes: \(dataPlanes.joined(separator: " "))"
  }
}

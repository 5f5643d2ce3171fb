import Streams

/// The two scripts that come with ipvsadm.
enum IpvsadmScripts {
  /// `ipvsadm-save [-n]`
  static func save(_ words: [String]) -> Int32 {
    let choice = PlaneChoice(words)
    guard choice.words.allSatisfy({ $0 == "-n" || !$0.hasPrefix("-") }) else {
      let help = """
        ipvsadm-save: Script to save the IPVS table to stdout.
           With the -n option, prints out the table in numeric format.

        """
      Output.error.say(help)
      return 1
    }
    return IpvsadmProgram.run(planeWords(words) + ["-S"] + choice.words.filter { $0 == "-n" }.prefix(1))
  }

  /// `ipvsadm-restore`: clears the table, then restores it from standard input, without the lines that begin with `#`.
  static func restore(_ words: [String]) -> Int32 {
    _ = IpvsadmProgram.run(planeWords(words) + ["-C"])
    return IpvsadmProgram.run(planeWords(words) + ["-R"], skipsComments: true)
  }

  private static func planeWords(_ words: [String]) -> [String] {
    Array(words.dropLast(PlaneChoice(words).words.count))
  }
}

/// Reads a command line as popt does: clusters of short options, values joined (`-t10.0.0.1:80`, `--weight=3`) or as
/// the next word, options and arguments in any order, `--` before words that are arguments whatever they look like.
struct WordReader {
  /// Why the line cannot be read, in popt's words.
  struct Mistake: Error, Equatable {
    let word: String
    let problem: String
  }

  private let words: [String]
  private var place = 0
  /// What is left of a cluster.
  private var cluster: Substring = ""
  private var onlyArguments = false
  /// The word that the last option stood in.
  private(set) var lastWord = ""
  /// The words that are no options, in their order.
  private(set) var arguments: [String] = []

  init(_ words: [String]) {
    self.words = words
  }

  /// The next option with its value; nil where there are no more.
  mutating func next() throws(Mistake) -> (word: IpvsadmWord, value: String?)? {
    while true {
      if let letter = cluster.popFirst() { return try short(letter) }
      guard place < words.count else { return nil }
      let word = words[place]
      (place, lastWord) = (place + 1, word)
      if onlyArguments || !word.hasPrefix("-") || word == "-" {
        arguments.append(word)
      } else if word == "--" {
        onlyArguments = true
      } else if word.hasPrefix("--") {
        return try long(word)
      } else {
        cluster = word.dropFirst()
      }
    }
  }

  private mutating func long(_ word: String) throws(Mistake) -> (word: IpvsadmWord, value: String?) {
    let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let spelling = IpvsadmSpelling.all.first(where: { $0.long == parts[0] }) else {
      throw Mistake(word: word, problem: "unknown option")
    }
    let joined = parts.count > 1 ? String(parts[1]) : nil
    if spelling.value == .none, joined != nil {
      throw Mistake(word: word, problem: "option does not take an argument")
    }
    return (spelling.word, try value(spelling.value, joined: joined, of: word))
  }

  private mutating func short(_ letter: Character) throws(Mistake) -> (word: IpvsadmWord, value: String?) {
    guard let spelling = IpvsadmSpelling.all.first(where: { $0.short == letter }) else {
      cluster = ""
      throw Mistake(word: lastWord, problem: "unknown option")
    }
    if spelling.value == .none {
      guard cluster.first != "=" else {
        cluster = ""
        throw Mistake(word: lastWord, problem: "option does not take an argument")
      }
      return (spelling.word, nil)
    }
    var joined: String?
    if !cluster.isEmpty {
      joined = String(cluster.first == "=" ? cluster.dropFirst() : cluster)
      cluster = ""
    }
    return (spelling.word, try value(spelling.value, joined: joined, of: lastWord))
  }

  private mutating func value(
    _ kind: IpvsadmSpelling.Value, joined: String?, of word: String
  ) throws(Mistake) -> String? {
    if kind == .none { return nil }
    if let joined { return joined }
    let following = place < words.count ? words[place] : nil
    if kind == .optional, following?.hasPrefix("-") ?? true { return nil }
    guard let following else { throw Mistake(word: word, problem: "missing argument") }
    place += 1
    return following
  }
}

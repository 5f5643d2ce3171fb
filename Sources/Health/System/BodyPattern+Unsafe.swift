import CPCRE

/// A regular expression of an operator's that is matched against what a server says, which may be meant to make that
/// take for ever: PCRE2 gives up after so many steps and so much memory.
@safe final class BodyPattern: @unchecked Sendable {
  enum Verdict: Hashable {
    case match, noMatch
    /// It would have taken too long.
    case tooHard
  }

  struct Mistake: Error, Hashable, CustomStringConvertible {
    let description: String
  }

  /// Some milliseconds' worth.
  private static let stepLimit: UInt32 = 200_000
  private static let kibibyteLimit: UInt32 = 4096

  // Neither changes once made; PCRE2 lets any number of threads match by one code.
  private let code: OpaquePointer
  private let context: OpaquePointer

  init(_ text: String) throws(Mistake) {
    var (problem, place) = (Int32(0), 0)
    let bytes = Array(text.utf8)
    let compiled = unsafe bytes.withUnsafeBufferPointer {
      unsafe pcre2_compile_8($0.baseAddress, $0.count, UInt32(PCRE2_NEVER_BACKSLASH_C), &problem, &place, nil)
    }
    guard let compiled = unsafe compiled, let context = unsafe pcre2_match_context_create_8(nil) else {
      throw Mistake(description: "'\(text)' is not a regular expression: \(Self.message(problem)) at byte \(place)")
    }
    unsafe (code, self.context) = (compiled, context)
    unsafe pcre2_set_match_limit_8(context, Self.stepLimit)
    unsafe pcre2_set_heap_limit_8(context, Self.kibibyteLimit)
  }

  deinit {
    unsafe pcre2_match_context_free_8(context)
    unsafe pcre2_code_free_8(code)
  }

  func match(_ body: [UInt8]) -> Verdict {
    guard let data = unsafe pcre2_match_data_create_8(1, nil) else { return .tooHard }
    defer { unsafe pcre2_match_data_free_8(data) }
    let result = unsafe body.withUnsafeBufferPointer { buffer in
      // An empty array has no address, and PCRE2 wants one.
      var nothing: UInt8 = 0
      return unsafe withUnsafePointer(to: &nothing) { none in
        unsafe pcre2_match_8(code, buffer.baseAddress ?? none, buffer.count, 0, 0, data, context)
      }
    }
    if result >= 0 { return .match }
    return result == PCRE2_ERROR_NOMATCH ? .noMatch : .tooHard
  }

  private static func message(_ code: Int32) -> String {
    var text = [UInt8](repeating: 0, count: 256)
    _ = unsafe text.withUnsafeMutableBufferPointer { unsafe pcre2_get_error_message_8(code, $0.baseAddress, $0.count) }
    return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }
}

import TestSupport
import Testing

@testable import Health
@testable import LVS

/// A history is lived through by the state machine and by a model that looks at all of it anew each time.
@Suite("What results make of a server")
struct CheckStateTests {
  static let calm = CheckState.Rules(rise: 2, fall: 3, damping: .init(limit: 0, halfLife: 1000))

  private func state(after results: [Bool], by rules: CheckState.Rules = calm) -> CheckState {
    var state = CheckState(at: 0)
    for (index, isGood) in results.enumerated() { _ = state.record(isGood, at: Moment(index + 1) * 100, by: rules) }
    return state
  }

  @Test(
    "Health follows from how many in a row say so",
    arguments: [
      ([], .unknown), ([true], .up), ([false, false], .unknown), ([false, false, false], .down),
      ([false, false, true], .up), ([true, false, false], .up), ([true, false, false, false], .down),
      ([true, false, false, true, false, false], .up), ([false, false, false, true], .down),
      ([false, false, false, true, true], .up), ([false, false, false, true, false, true], .down),
    ] as [([Bool], Health)])
  func table(results: [Bool], health: Health) {
    #expect(state(after: results).health == health)
  }

  @Test("It is uncertain while the next result could change it")
  func uncertainty() {
    #expect(state(after: []).isUncertain(by: Self.calm))
    #expect(!state(after: [true]).isUncertain(by: Self.calm))
    #expect(state(after: [true, false]).isUncertain(by: Self.calm))
    #expect(!state(after: [false, false, false]).isUncertain(by: Self.calm))
    #expect(state(after: [false, false, false, true]).isUncertain(by: Self.calm))
  }

  @Test("A change is told once, and its time is kept")
  func changes() {
    var state = CheckState(at: 5)
    let changes = [true, true, false, false, false, false, true, true].enumerated().map { index, isGood in
      state.record(isGood, at: Moment(10 * (index + 1)), by: Self.calm)
    }
    #expect(changes == [true, false, false, false, true, false, false, true])
    #expect(state.since == 80)
  }

  @Test("Random histories: as a model that reads the whole history says", arguments: 0..<200)
  func model(seed: UInt64) {
    var random = Seeded(state: seed)
    let damping = FlapDamping.Rules(
      limit: UInt16.random(in: 0...4, using: &random), halfLife: .random(in: 1...5000, using: &random))
    let rules = CheckState.Rules(
      rise: .random(in: 1...4, using: &random), fall: .random(in: 1...4, using: &random), damping: damping)
    let goodness = Double.random(in: 0.1...0.9, using: &random)
    var (state, history, now) = (CheckState(at: 0), [(isGood: Bool, at: Moment)](), Moment(0))
    var health = Health.unknown
    for _ in 0..<300 {
      now += .random(in: 0...1000, using: &random)
      history.append((Double.random(in: 0...1, using: &random) < goodness, now))
      let changed = state.record(history[history.count - 1].isGood, at: now, by: rules)
      let expected = Model(rules: rules).health(after: history)
      #expect(state.health == expected)
      #expect(changed == (health != expected))
      health = expected
    }
  }

  /// The definition: states are found by going through the history with counts of what came last, and a penalty that is
  /// summed from all falls each time.
  private struct Model {
    let rules: CheckState.Rules

    func health(after history: [(isGood: Bool, at: Moment)]) -> Health {
      var (health, falls, isHeld, start) = (Health.unknown, [Moment](), false, 0)
      for index in history.indices {
        let now = history[index].at
        let recent = history[start...index].reversed().prefix { $0.isGood == history[index].isGood }.count
        if history[index].isGood {
          if health == .unknown {
            (health, start) = (.up, index + 1)
          } else if health == .down, recent >= Int(rules.rise) {
            if isHeld, penalty(falls, at: now) < Double(rules.damping.limit) / 2 { isHeld = false }
            if !isHeld { (health, start) = (.up, index + 1) }
          }
        } else if health != .down, recent >= Int(rules.fall) {
          falls.append(now)
          if rules.damping.limit > 0, penalty(falls, at: now) >= Double(rules.damping.limit) { isHeld = true }
          (health, start) = (.down, index + 1)
        }
      }
      return health
    }

    private func penalty(_ falls: [Moment], at now: Moment) -> Double {
      var (penalty, before) = (0.0, falls.first ?? now)
      func decayed(to moment: Moment) -> Double {
        penalty * pow2(-Double(moment - before) / Double(rules.damping.halfLife))
      }
      for fall in falls {
        penalty = min(decayed(to: fall) + 1, 2 * Double(rules.damping.limit))
        before = fall
      }
      return decayed(to: now)
    }
  }
}

@Suite("Damping of servers that flap")
struct FlapDampingTests {
  private static let rules = CheckState.Rules(rise: 1, fall: 1, damping: .init(limit: 5, halfLife: 10_000))

  /// A server that falls and rises once in each period; how many of its rises are let through.
  private func rises(of count: Int, each period: Moment) -> Int {
    var state = CheckState(at: 0)
    return (0..<count).count { index in
      _ = state.record(false, at: Moment(index) * period, by: Self.rules)
      return state.record(true, at: Moment(index) * period + period / 2, by: Self.rules)
    }
  }

  @Test("Falls that are far apart hold nothing down")
  func rare() { #expect(rises(of: 100, each: 10_000) == 100) }

  @Test("Falls in quick succession do, after the fifth")
  func frequent() { #expect(rises(of: 20, each: 100) == 5) }

  @Test("A server that has calmed is up again within two half-lives")
  func release() {
    var state = CheckState(at: 0)
    for index in 0..<1000 { _ = state.record(index % 2 == 1, at: Moment(index), by: Self.rules) }
    #expect(state.health == .down)
    #expect(state.isDamped(by: Self.rules))
    var now: Moment = 1000
    while !state.record(true, at: now, by: Self.rules) {
      #expect(state.isDamped(by: Self.rules))
      now += 100
    }
    #expect(now <= 21_100)
    #expect(now >= 9000)
  }
}

@Suite("Slow start")
struct SlowStartTests {
  @Test("The share grows in twenty steps from a twentieth to the whole")
  func steps() {
    let start = SlowStart(at: 1000, over: .seconds(30))
    var (now, shares) = (Moment(1000), [start.percent(at: 1000)])
    while let next = start.nextStep(after: now) {
      #expect(next > now)
      #expect(start.percent(at: next - 1) == shares.last)
      now = next
      shares.append(start.percent(at: now))
    }
    #expect(shares == Array(stride(from: 5, through: 100, by: 5)))
    #expect(now == 1000 + 28_500)
  }

  @Test(
    "However short or long it is, it never goes back and ends whole", arguments: [1, 7, 999, 4_294_967_295] as [UInt32])
  func extremes(milliseconds: UInt32) {
    let start = SlowStart(at: 50, over: .milliseconds(milliseconds))
    let shares = (0...40).map { start.percent(at: 50 + Moment(milliseconds) * $0 / 20) }
    #expect(zip(shares, shares.dropFirst()).allSatisfy(<=))
    #expect(shares.last == 100)
    #expect(start.percent(at: 0) == shares.first)
    #expect(start.percent(at: .max) == 100)
    #expect(start.nextStep(after: .max) == nil)
  }
}

@Suite("A service as a whole")
struct FarmStateTests {
  @Test(
    "Panic below the share, empty without a healthy one",
    arguments: [
      ([], 50, .empty), ([.up], 50, .normal), ([.down], 50, .panic), ([.down], 0, .empty), ([.unknown], 0, .normal),
      ([.up, .down], 50, .normal), ([.up, .down, .down], 50, .panic), ([.up, .down, .down], 33, .normal),
      ([.up, .down, .down], 34, .panic), ([.unknown, .down, .down], 33, .normal), ([.down, .down], 100, .panic),
      ([.up, .up], 100, .normal),
    ] as [([Health], UInt8, FarmState)])
  func table(servers: [Health], panic: UInt8, state: FarmState) {
    #expect(FarmState(servers, panic: Percent(integerLiteral: panic)) == state)
  }
}

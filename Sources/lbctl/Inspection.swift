import ArgumentParser
import Control
import LVS

struct Neighbors: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "neighbors", abstract: "Shows the Ethernet addresses of the real servers.")

  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.lbd.call(API.neighbors)) { neighbors in
      columns(
        ["ADDRESS", "MAC", "STATE", "CONFIRMED"],
        neighbors.sorted { $0.address < $1.address }.map {
          [
            $0.address.description, $0.mac?.description ?? "-", $0.state.rawValue,
            $0.confirmed.map { "\($0) s ago" } ?? "-",
          ]
        })
    }
  }
}

struct VIPs: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vips", abstract: "Shows the VIPs and whether they are owned.")

  @OptionGroup var options: ListingOptions

  func run() async throws {
    try options.show(try await options.lbd.call(API.vips), table: Self.table)
  }

  static func table(_ vips: [VIPStatus]) -> String {
    columns(
      ["VIP", "STATE", "OTHER OWNER"],
      vips.sorted { $0.address < $1.address }.map {
        [$0.address.description, $0.state.rawValue, $0.otherOwner?.description ?? "-"]
      })
  }
}

struct Workers: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "workers", abstract: "Shows what each worker thread did since the start, and how full the tables are.",
    discussion: """
      CAPACITY is of the whole table, of all workers together. EVICTED were ended before their time so that new ones had
      room; REFUSED found none. With --json only the workers.
      """)

  @OptionGroup var options: ListingOptions

  func run() async throws {
    let workers = try await options.lbd.call(API.workers)
    if options.json { return try options.show(workers) { _ in "" } }
    let tables = try await options.lbd.call(API.tables)
    try options.show(workers) { Self.table($0) + "\n" + Self.table(tables) }
  }

  private static func table(_ workers: [WorkerStatus]) -> String {
    columns(
      [
        "WORKER", "CPU", "LOAD", "FRAMES", "A BATCH", "OFFLOADED", "RING", "RING DROPS", "SEND ERRORS", "HANDED OVER",
        "CONNECTIONS",
      ],
      workers.sorted { $0.id < $1.id }.map {
        [
          String($0.id), $0.processor.map(String.init) ?? "-", "\(Int($0.load * 100)) %", String($0.frames),
          $0.batches == 0 ? "-" : String($0.frames / $0.batches), String($0.offloaded),
          "\($0.ringFill) of \($0.ringSize)",
          String($0.ringDrops), String($0.transmitErrors), String($0.handedOver), String($0.connections),
        ]
      })
  }

  private static func table(_ tables: [TableStatus]) -> String {
    columns(
      ["TABLE", "ENTRIES", "CAPACITY", "EVICTED", "REFUSED"],
      tables.map {
        [
          $0.name.rawValue, String($0.entries), String($0.capacity), String($0.evicted.values.reduce(0, +)),
          String($0.refused),
        ]
      })
  }
}

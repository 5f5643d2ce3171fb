/// A number by which something is known in a table. Each kind is a type of its own, so that none is taken for another.
///
/// They stand in records that outlive the process, and mean nothing outside of this director.
protocol TableNumber: RawRepresentable, Hashable, BitwiseCopyable, Sendable, ExpressibleByIntegerLiteral
where RawValue == UInt32 {
  init(rawValue: UInt32)
}

extension TableNumber {
  @inline(__always)
  init(_ row: Int) { self.init(rawValue: UInt32(row)) }

  @inline(__always)
  init(integerLiteral value: UInt32) { self.init(rawValue: value) }
}

extension Int {
  @inline(__always)
  init(_ number: some TableNumber) { self = Int(number.rawValue) }
}

/// A virtual service, in the snapshot's list; it stays the same while anything refers to the service.
struct ServiceNumber: TableNumber { let rawValue: UInt32 }

/// A real server of one service, in the `ServerTable`.
struct ServerNumber: TableNumber { let rawValue: UInt32 }

/// A record in a `ConnectionTable`; 0 for none.
struct ConnectionNumber: TableNumber { let rawValue: UInt32 }

/// A template in the `PersistenceTable`; 0 for none.
struct TemplateNumber: TableNumber { let rawValue: UInt32 }

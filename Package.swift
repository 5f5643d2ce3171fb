// swift-tools-version: 6.2

import PackageDescription

/// Every target of ours: no unsafe expression without its mark, no warning left standing.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")

let package = Package(
  name: "lvs-director",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "lbd", targets: ["lbd"]),
    .executable(name: "lbctl", targets: ["lbctl"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    .package(url: "https://github.com/apple/swift-async-algorithms", from: "1.0.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
  ],
  targets: [
    .target(name: "LVS", swiftSettings: strict),
    .target(name: "Streams", swiftSettings: strict),
    .target(name: "Serial", swiftSettings: strict),
    .target(name: "CLinux"),
    .target(name: "CICUStub", cSettings: [.define("LVS_STATIC", .when(configuration: .release))]),
    .target(name: "BuildStamp", swiftSettings: strict, plugins: ["StampVersion"]),
    .plugin(name: "StampVersion", capability: .buildTool()),
    .target(
      name: "Director", dependencies: ["LVS", "Serial", "Sync", "CLinux", "CNFTables", "CBPF", "CNetlink"],
      exclude: ["Ports/XDP/redirect.bpf.c", "Ports/XDP/flows.bpf.h"],
      // Optimized in debug builds too: millions of frames go through it in the tests.
      swiftSettings: strict + [.unsafeFlags(["-O"], .when(configuration: .debug))],
      plugins: ["CompileBPF"]),
    .systemLibrary(name: "CBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev"])]),
    .plugin(name: "CompileBPF", capability: .buildTool(), dependencies: ["EmbedBPF"]),
    .executableTarget(name: "EmbedBPF", dependencies: ["Streams"], path: "Plugins/EmbedBPF", swiftSettings: strict),
    .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
    .systemLibrary(name: "CNFTables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
    .systemLibrary(
      name: "CNetlink", pkgConfig: "libnl-genl-3.0", providers: [.apt(["libnl-3-dev", "libnl-genl-3-dev"])]),
    .target(name: "IPVSMessages", dependencies: ["LVS"], swiftSettings: strict),
    .target(name: "KernelIPVS", dependencies: ["LVS", "Serial", "IPVSMessages", "CNetlink"], swiftSettings: strict),
    .target(
      name: "Sync", dependencies: ["LVS", .product(name: "Crypto", package: "swift-crypto")], swiftSettings: strict),
    .target(
      name: "KernelDirector", dependencies: ["LVS", "Serial", "KernelIPVS", "Director"], swiftSettings: strict),
    .target(name: "Capture", dependencies: ["LVS", "Director", "CPcap"], swiftSettings: strict),
    .systemLibrary(name: "CPCRE", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .target(name: "CHealth"),
    .target(
      name: "Health",
      dependencies: [
        "LVS", "Serial", "CHealth", "CNetlink", "CPCRE",
        .product(name: "HeapModule", package: "swift-collections"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: strict),
    .target(
      name: "Control",
      dependencies: [
        "LVS", "Serial", "CLinux", "IPVSMessages", logging,
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "AsyncAlgorithms", package: "swift-async-algorithms"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        "Yams",
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "lbd",
      dependencies: [
        "BuildStamp", "LVS", "Director", "KernelDirector", "Capture", "Control", "Health", "Streams", "CLinux",
        "CSeccomp", "CICUStub", argumentParser, logging,
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict + [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))],
      // It runs where there is no Swift. Nobody looks its names up, and its relocations, in glibc's short form, are read
      // at each start.
      linkerSettings: [
        .unsafeFlags(
          [
            "-static-stdlib", "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "-z", "-Xlinker",
            "pack-relative-relocs",
          ], .when(configuration: .release))
      ]),
    .executableTarget(
      name: "lbctl",
      dependencies: [
        "BuildStamp", "LVS", "Control", "Director", "IPVSMessages", "KernelIPVS", "Streams", "CICUStub",
        argumentParser,
      ],
      swiftSettings: strict + [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))],
      // It is started for each command, and as ipvsadm by scripts. Without Swift's shared libraries, and without their
      // hundred thousand relocations, that takes a third of the time.
      linkerSettings: [
        .unsafeFlags(
          ["-static-stdlib", "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xclang-linker", "-no-pie"],
          .when(configuration: .release))
      ]),
    .testTarget(name: "SerialTests", dependencies: ["Serial"], swiftSettings: strict),
    .testTarget(name: "LVSTests", dependencies: ["LVS"], swiftSettings: strict),
    .target(name: "TestSupport", path: "Tests/Support", swiftSettings: strict),
    .testTarget(
      name: "SyncTests", dependencies: ["Sync", "LVS", "TestSupport"], resources: [.copy("Golden")],
      swiftSettings: strict),
    .testTarget(name: "StreamsTests", dependencies: ["Streams"], swiftSettings: strict),
    .testTarget(
      name: "DirectorTests", dependencies: ["Director", "LVS", "Capture", "Sync"],
      resources: [.copy("Golden")], swiftSettings: strict),
    .testTarget(
      name: "KernelIPVSTests", dependencies: ["KernelIPVS", "IPVSMessages", "LVS", "TestSupport"],
      resources: [.copy("Golden")], swiftSettings: strict),
    .testTarget(
      name: "HealthTests", dependencies: ["Health", "LVS", "TestSupport"], resources: [.copy("Certificates")],
      swiftSettings: strict),
    .testTarget(
      name: "ControlTests",
      dependencies: [
        "Control", "LVS", "IPVSMessages", "lbctl", "TestSupport", .product(name: "NIOEmbedded", package: "swift-nio"),
      ],
      resources: [.copy("Golden")],
      swiftSettings: strict),
  ]
)

// What is loaded into other people's programs, so without Swift's runtime: the standard library that SwiftPM links it with
// is an empty one. It has no sanitizers' runtime either: `scripts/sanitize` sets LVS_SANITIZE.
if Context.environment["LVS_SANITIZE"] == nil {
  package.products.append(.library(name: "ipvs-lbd", type: .dynamic, targets: ["IPVSPreload"]))
  package.targets.append(
    .target(
      name: "IPVSPreload", exclude: ["NoRuntime"],
      linkerSettings: [
        .unsafeFlags([
          "-nostartfiles", "-static-stdlib",
          "-resource-dir", "\(Context.packageDirectory)/Sources/IPVSPreload/NoRuntime",
        ])
      ]))
}

// The benchmarks, which ordinary builds neither fetch nor build: `scripts/bench` sets LVS_BENCHMARKS.
if Context.environment["LVS_BENCHMARKS"] != nil {
  package.dependencies.append(.package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []))
  package.targets += [
    .target(name: "Baselines", path: "Benchmarks/Baselines"),
    .target(
      name: "Workload", dependencies: ["Baselines", "Director", "LVS"], path: "Benchmarks/Workload",
      swiftSettings: strict),
    .executableTarget(
      name: "comparison", dependencies: ["Workload", "Director", "LVS"], path: "Benchmarks/Tools/Comparison",
      swiftSettings: strict),
    .executableTarget(
      name: "DirectorBenchmarks",
      dependencies: ["Workload", "Director", "LVS", .product(name: "Benchmark", package: "benchmark")],
      path: "Benchmarks/DirectorBenchmarks", swiftSettings: strict,
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]),
    .target(name: "XDP", path: "Benchmarks/XDP"),
    .executableTarget(name: "forwarder", dependencies: ["Baselines", "XDP"], path: "Benchmarks/Tools/Forwarder"),
    .executableTarget(name: "generator", dependencies: ["XDP"], path: "Benchmarks/Tools/Generator"),
    .executableTarget(name: "roundtrip", path: "Benchmarks/Tools/RoundTrip"),
  ]
}

// The fuzzers: `scripts/fuzz` sets LVS_FUZZ. What they look for ways through is built with libFuzzer's counters.
if Context.environment["LVS_FUZZ"] != nil {
  let counted: SwiftSetting = .unsafeFlags(["-sanitize=fuzzer"])
  for target in package.targets
  where ["LVS", "Director", "Control", "Health", "IPVSMessages", "KernelIPVS", "Sync"].contains(target.name) {
    target.swiftSettings = (target.swiftSettings ?? []) + [counted]
  }
  package.targets.append(.target(name: "FuzzStart", path: "Tests/Fuzz/Start"))
  for (name, dependency) in [
    ("Frames", "Director"), ("Bodies", "Control"), ("Netlink", "KernelIPVS"), ("Sync", "Sync"), ("Names", "Health"),
  ] {
    package.targets.append(
      .executableTarget(
        name: "fuzz-\(name.lowercased())", dependencies: [.init(stringLiteral: dependency), "LVS", "FuzzStart"],
        path: "Tests/Fuzz/\(name)", exclude: ["Corpus"],
        swiftSettings: strict + [counted, .unsafeFlags(["-parse-as-library"])],
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]))
  }
}

import CLinux
import CSeccomp
import Glibc

/// A seccomp filter: which system calls the process and all of its threads to come may make.
struct SystemCallFilter {
  /// What becomes of a call that is not allowed.
  enum Action {
    /// It fails with EPERM, and the kernel's audit log tells of it.
    case refuse
    /// It ends the process: for tests, which are to find out what is missing.
    case kill
    /// It is carried out, and the kernel's audit log tells of it.
    case log
  }

  /// Families of sockets that lbd opens.
  private static let families = [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_XDP]

  let allowed: [String]
  let action: Action

  init(allowing allowed: [String], others action: Action) {
    (self.allowed, self.action) = (allowed, action)
  }

  /// Puts the filter in force, for good; an errno where that cannot be done.
  func load() -> Int32? {
    guard let context = unsafe seccomp_init(otherwise) else { return ENOMEM }
    defer { unsafe seccomp_release(context) }
    // Kernels that do not log are none the worse.
    _ = unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_LOG, 1)
    for name in allowed { if let code = unsafe add(cs_allow, name, to: context) { return code } }
    // Threads, but no processes. `clone3` hides its flags behind a pointer; without it the C library uses `clone`.
    let thread = scmp_arg_cmp(
      arg: 0, op: SCMP_CMP_MASKED_EQ, datum_a: cl_clone_thread, datum_b: cl_clone_thread)
    if let code = unsafe add(cs_allow, "clone", [thread], to: context) { return code }
    if let code = unsafe add(cs_fail(UInt16(ENOSYS)), "clone3", to: context) { return code }
    for family in Self.families {
      let isOurs = scmp_arg_cmp(arg: 0, op: SCMP_CMP_EQ, datum_a: UInt64(family), datum_b: 0)
      if let code = unsafe add(cs_allow, "socket", [isOurs], to: context) { return code }
    }
    let code = unsafe seccomp_load(context)
    return code == 0 ? nil : -code
  }

  private var otherwise: UInt32 {
    switch action {
    case .refuse: cs_fail(UInt16(EPERM))
    case .kill: cs_kill
    case .log: cs_log
    }
  }

  /// What this machine, or this libseccomp, does not know needs no rule.
  private func add(
    _ action: UInt32, _ name: String, _ conditions: [scmp_arg_cmp] = [], to context: scmp_filter_ctx
  ) -> Int32? {
    let number = unsafe seccomp_syscall_resolve_name(name)
    guard number >= 0 else { return nil }
    let code = unsafe seccomp_rule_add_array(context, action, number, UInt32(conditions.count), conditions)
    return code == 0 ? nil : -code
  }
}

// Preloaded into User-Mode Linux on machines whose register state is larger than the buffer it has for that (AMX: 11 KiB).
//
// UML reads the first part of the state, which is granted, and writes that part back, which is refused with EFAULT. Here
// the part is completed with what the process has anyway.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define NT_X86_XSTATE 0x202

long ptrace(enum __ptrace_request request, ...) {
  static long (*real)(enum __ptrace_request, long, void *, void *);
  static char whole[1 << 16];
  __builtin_va_list arguments;
  __builtin_va_start(arguments, request);
  long process = __builtin_va_arg(arguments, int);
  void *address = __builtin_va_arg(arguments, void *);
  void *data = __builtin_va_arg(arguments, void *);
  __builtin_va_end(arguments);
  if (!real) real = dlsym(RTLD_NEXT, "ptrace");
  if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE) {
    struct iovec *part = data, all = {whole, sizeof whole};
    if (real(PTRACE_GETREGSET, process, address, &all) == 0 && part->iov_len < all.iov_len) {
      memcpy(whole, part->iov_base, part->iov_len);
      return real(request, process, address, &all);
    }
  }
  return real(request, process, address, data);
}

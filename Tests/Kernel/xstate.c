/* Preloaded into linux.uml on processors with more state than it knows of (AMX): the host takes a thread's extended
 * state only whole (EFAULT otherwise), so what user-mode Linux leaves out is filled in from what the thread has. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef NT_X86_XSTATE
#define NT_X86_XSTATE 0x202
#endif

typedef long (*ptrace_call)(enum __ptrace_request, pid_t, void *, void *);

long ptrace(enum __ptrace_request request, ...) {
  static ptrace_call next;
  static char whole[1 << 16];
  if (next == NULL) next = (ptrace_call)dlsym(RTLD_NEXT, "ptrace");

  va_list arguments;
  va_start(arguments, request);
  pid_t process = va_arg(arguments, pid_t);
  void *address = va_arg(arguments, void *);
  void *data = va_arg(arguments, void *);
  va_end(arguments);

  if (request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE) return next(request, process, address, data);
  struct iovec *given = data;
  struct iovec full = {whole, sizeof whole};
  if (next(PTRACE_GETREGSET, process, address, &full) < 0 || given->iov_len >= full.iov_len)
    return next(request, process, address, data);
  memcpy(whole, given->iov_base, given->iov_len);
  return next(request, process, address, &full);
}

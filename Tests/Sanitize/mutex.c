// For programs under ThreadSanitizer, loaded before their libraries (LD_PRELOAD).
//
// Of Synchronization.Mutex it sees what is inlined, the way of a lock that is free. Those that wait for one do it in Swift's
// library, which is not instrumented: what they do next would be taken for a race. So this stands between and says
// that a lock was given and taken. Programs that are not under ThreadSanitizer are left as they are.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define swift __attribute__((swiftcall))
#define self __attribute__((swift_context)) void *lock
#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

swift void lock_slow(uint32_t owner, self) __asm__(LOCK_SLOW);
swift void unlock_slow(self) __asm__(UNLOCK_SLOW);

swift void lock_slow(uint32_t owner, self) {
  swift void (*theirs)(uint32_t, self) = (swift void (*)(uint32_t, self))dlsym(RTLD_NEXT, LOCK_SLOW);
  theirs(owner, lock);
  if (__tsan_acquire) __tsan_acquire(lock);
}

swift void unlock_slow(self) {
  swift void (*theirs)(self) = (swift void (*)(self))dlsym(RTLD_NEXT, UNLOCK_SLOW);
  if (__tsan_release) __tsan_release(lock);
  theirs(lock);
}

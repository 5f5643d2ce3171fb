#include <seccomp.h>

/// What seccomp.h has as macros.
static const uint32_t cs_allow = SCMP_ACT_ALLOW;
static const uint32_t cs_log = SCMP_ACT_LOG;
static const uint32_t cs_kill = SCMP_ACT_KILL_PROCESS;
static inline uint32_t cs_fail(uint16_t code) { return SCMP_ACT_ERRNO(code); }

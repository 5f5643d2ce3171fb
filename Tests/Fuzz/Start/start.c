#include <stddef.h>
#include <stdint.h>

#include "start.h"

int LLVMFuzzerRunDriver(int *count, char ***words, int (*try)(const uint8_t *, size_t));
int LLVMFuzzerTestOneInput(const uint8_t *start, size_t count);

int fuzz_start(int count, char **words) { return LLVMFuzzerRunDriver(&count, &words, LLVMFuzzerTestOneInput); }

#define BEGINS(program) int fuzz_##program##_main(int, char **) __attribute__((alias("fuzz_start")))

BEGINS(frames);
BEGINS(bodies);
BEGINS(netlink);
BEGINS(sync);
BEGINS(names);

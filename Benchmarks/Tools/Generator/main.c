// Sends UDP frames out of an interface from inside the kernel:
//
//     generator [--in-order] [--rate FRAMES-A-SECOND] [--seconds SECONDS] INTERFACE FLOWS LENGTH DESTINATION-MAC
//     generator --reflect INTERFACE
//     generator --sink INTERFACE
//
// An XDP program is test-run with live frames (BPF_PROG_TEST_RUN, BPF_F_TEST_XDP_LIVE_FRAMES): what it returns XDP_TX
// for leaves through the interface. Pages are recycled, so it writes anew what a forwarder changes. Flows are those of
// baselines.h, a power of two and at most 256 Mi, at random or one after the other. A rate is kept by dropping what comes
// before its time. At the end of its time, or when it is told to (SIGINT), it prints how many frames it sent
// and how many seconds that took.
//
// `--reflect` attaches a bare XDP_TX to an interface instead: the kernel's own limit to forwarding by this path. What
// a veth reflects arrives only where there is a program too, which `--sink` attaches: XDP_DROP.

#include "xdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, largest = 1514, smallest = 60, largest_set = 1 << 28 };

/// Nanoseconds that a sender that was held up may catch up on.
enum { backlog = 100000 };

/// What the program and this process share.
struct pace {
  /// Nanoseconds of the monotonic clock at which the next frame is due.
  uint64_t due;
  /// Nanoseconds between two frames; 0: as fast as it goes.
  uint64_t interval;
  uint64_t sent;
};

static volatile sig_atomic_t is_over;

static void end(int number) {
  (void)number;
  is_over = 1;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void mac_of(const char *interface, uint8_t *mac) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  if (descriptor < 0 || ioctl(descriptor, SIOCGIFHWADDR, &request) != 0) fail(interface);
  memcpy(mac, request.ifr_hwaddr.sa_data, 6);
  close(descriptor);
}

static uint32_t word(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

static uint16_t half(const uint8_t *at) {
  uint16_t value;
  memcpy(&value, at, 2);
  return value;
}

/// Writes the addresses, the TTL and the header checksum; `sum` is the header's without its source.
static int load_generator(const uint8_t *frame, uint32_t flows, int is_in_order, uint32_t sum, int pace) {
  const struct bpf_insn program[] = {
    LOAD(BPF_W, BPF_REG_7, BPF_REG_1, offsetof(struct xdp_md, data)),
    LOAD(BPF_W, BPF_REG_8, BPF_REG_1, offsetof(struct xdp_md, data_end)),
    MOVE(BPF_REG_2, BPF_REG_7),
    WITH(BPF_ADD, BPF_REG_2, smallest),
    IF_ABOVE(BPF_REG_2, BPF_REG_8, 50),
    // Is it time?
    MAP_VALUE(BPF_REG_9, pace),
    CALL(BPF_FUNC_ktime_get_ns),
    LOAD(BPF_DW, BPF_REG_1, BPF_REG_9, offsetof(struct pace, due)),
    IF_ABOVE(BPF_REG_1, BPF_REG_0, 45),
    SUBTRACT(BPF_REG_0, BPF_REG_1),
    SET(BPF_REG_2, backlog),
    IF_ABOVE(BPF_REG_2, BPF_REG_0, 2),
    ADD(BPF_REG_1, BPF_REG_0),
    SUBTRACT(BPF_REG_1, BPF_REG_2),
    LOAD(BPF_DW, BPF_REG_2, BPF_REG_9, offsetof(struct pace, interval)),
    ADD(BPF_REG_1, BPF_REG_2),
    STORE(BPF_DW, BPF_REG_9, offsetof(struct pace, due), BPF_REG_1),
    // Which flow?
    LOAD(BPF_DW, BPF_REG_6, BPF_REG_9, offsetof(struct pace, sent)),
    MOVE(BPF_REG_0, BPF_REG_6),
    WITH(BPF_ADD, BPF_REG_6, 1),
    STORE(BPF_DW, BPF_REG_9, offsetof(struct pace, sent), BPF_REG_6),
    is_in_order ? MOVE(BPF_REG_0, BPF_REG_0) : CALL(BPF_FUNC_get_prandom_u32),
    WITH(BPF_AND, BPF_REG_0, (int32_t)(flows - 1)),
    MOVE(BPF_REG_6, BPF_REG_0),
    WITH(BPF_RSH, BPF_REG_6, 22),
    WITH(BPF_ADD, BPF_REG_6, 1024),
    TO_NETWORK(BPF_REG_6, 16),
    WITH(BPF_AND, BPF_REG_0, 0x3fffff),
    WITH(BPF_OR, BPF_REG_0, 0x64400000),
    STORE_VALUE(BPF_W, BPF_REG_7, 0, word(frame)),
    STORE_VALUE(BPF_W, BPF_REG_7, 4, word(frame + 4)),
    STORE_VALUE(BPF_W, BPF_REG_7, 8, word(frame + 8)),
    STORE_VALUE(BPF_B, BPF_REG_7, 22, 64),
    MOVE(BPF_REG_1, BPF_REG_0),
    WITH(BPF_RSH, BPF_REG_1, 16),
    MOVE(BPF_REG_2, BPF_REG_0),
    WITH(BPF_AND, BPF_REG_2, 0xffff),
    ADD(BPF_REG_1, BPF_REG_2),
    WITH(BPF_ADD, BPF_REG_1, (int32_t)sum),
    MOVE(BPF_REG_2, BPF_REG_1),
    WITH(BPF_RSH, BPF_REG_2, 16),
    WITH(BPF_AND, BPF_REG_1, 0xffff),
    ADD(BPF_REG_1, BPF_REG_2),
    MOVE(BPF_REG_2, BPF_REG_1),
    WITH(BPF_RSH, BPF_REG_2, 16),
    ADD(BPF_REG_1, BPF_REG_2),
    WITH(BPF_XOR, BPF_REG_1, 0xffff),
    TO_NETWORK(BPF_REG_1, 16),
    STORE(BPF_H, BPF_REG_7, 24, BPF_REG_1),
    TO_NETWORK(BPF_REG_0, 32),
    STORE(BPF_W, BPF_REG_7, 26, BPF_REG_0),
    STORE(BPF_H, BPF_REG_7, 34, BPF_REG_6),
    SET(BPF_REG_0, XDP_TX),
    END,
    SET(BPF_REG_0, XDP_DROP),
    END};
  return xdp_load(program, sizeof program / sizeof *program);
}

static int stand(const char *interface, enum xdp_action action) {
  xdp_attach(interface, xdp_load((struct bpf_insn[]){SET(BPF_REG_0, action), END}, 2), 0);
  for (;;) pause();
}

/// IPv4 and UDP from port 1024 to the VIP's port 80, without a UDP checksum. The sum of the header without its source.
static uint32_t write_frame(uint8_t *frame, uint32_t length) {
  uint16_t total = (uint16_t)(length - 14), datagram = (uint16_t)(total - 20);
  const uint8_t rest[] = {8, 0, 0x45, 0, (uint8_t)(total >> 8), (uint8_t)total, 0, 1, 0x40, 0, 64, 17, 0, 0, 100, 64, 0, 0,
    0xc6, 0x33, 0x64, 1, 4, 0, 0, 80, (uint8_t)(datagram >> 8), (uint8_t)datagram};
  memcpy(frame + 12, rest, sizeof rest);
  uint32_t sum = 0;
  for (int at = 14; at < 34; at += 2) if (at != 24 && at != 26 && at != 28) sum += ntohs(half(frame + at));
  return sum;
}

static void run(int program, const char *interface, uint8_t *frame, uint32_t length) {
  struct xdp_md context = {.data_end = length, .ingress_ifindex = if_nametoindex(interface)};
  union bpf_attr attributes = {0};
  attributes.test.prog_fd = (uint32_t)program;
  attributes.test.data_in = (uintptr_t)frame;
  attributes.test.data_size_in = length;
  attributes.test.ctx_in = (uintptr_t)&context;
  attributes.test.ctx_size_in = sizeof context;
  attributes.test.repeat = 1u << 30;
  attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  attributes.test.batch_size = batch;
  while (!is_over)
    if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) < 0 && errno != EINTR) fail("BPF_PROG_TEST_RUN");
}

static int usage(void) {
  fprintf(stderr, "usage: generator [--in-order] [--rate FRAMES] [--seconds SECONDS] INTERFACE FLOWS LENGTH MAC\n"
    "       generator --reflect|--sink INTERFACE\n");
  return 2;
}

int main(int count, char **words) {
  static const struct option options[] = {
    {"in-order", no_argument, NULL, 'i'}, {"rate", required_argument, NULL, 'r'},
    {"seconds", required_argument, NULL, 's'}, {"reflect", required_argument, NULL, XDP_TX},
    {"sink", required_argument, NULL, XDP_DROP}, {0}};
  int is_in_order = 0, option;
  double rate = 0, seconds = 0;
  while ((option = getopt_long(count, words, "", options, NULL)) >= 0) {
    switch (option) {
      case XDP_TX: case XDP_DROP: return stand(optarg, option);
      case 'i': is_in_order = 1; break;
      case 'r': rate = strtod(optarg, NULL); break;
      case 's': seconds = strtod(optarg, NULL); break;
      default: return usage();
    }
  }
  if (count - optind != 4) return usage();
  const char *interface = words[optind];
  uint32_t flows = (uint32_t)strtoul(words[optind + 1], NULL, 10), length = (uint32_t)strtoul(words[optind + 2], NULL, 10);
  uint8_t frame[largest] = {0};
  if (flows == 0 || flows & (flows - 1) || flows > largest_set || length < smallest || length > largest
    || sscanf(words[optind + 3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
      frame, frame + 1, frame + 2, frame + 3, frame + 4, frame + 5) != 6) return usage();
  mac_of(interface, frame + 6);
  uint32_t sum = write_frame(frame, length);

  int map = bpf_map(BPF_MAP_TYPE_ARRAY, sizeof(struct pace), 1, BPF_F_MMAPABLE);
  volatile struct pace *pace = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (pace == MAP_FAILED) fail("mmap");
  pace->interval = rate > 0 ? (uint64_t)(1e9 / rate + 0.5) : 0;
  int program = load_generator(frame, flows, is_in_order, sum, map);
  sigaction(SIGINT, &(struct sigaction){.sa_handler = end}, NULL);
  sigaction(SIGALRM, &(struct sigaction){.sa_handler = end}, NULL);
  if (seconds > 0) {
    struct itimerval time = {.it_value = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)}};
    setitimer(ITIMER_REAL, &time, NULL);
  }
  double begin = now();
  run(program, interface, frame, length);
  printf("%llu %.6f\n", (unsigned long long)pace->sent, now() - begin);
  return 0;
}

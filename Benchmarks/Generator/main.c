// Sends UDP frames of random flows out of an interface from inside the kernel, until it is ended:
//
//     generator INTERFACE FLOWS LENGTH DESTINATION-MAC
//     generator --reflect INTERFACE
//     generator --sink INTERFACE
//
// An XDP program is test-run with live frames (BPF_PROG_TEST_RUN, BPF_F_TEST_XDP_LIVE_FRAMES): what it returns XDP_TX
// for leaves through the interface. Pages are recycled, so it writes anew what a forwarder changes. The flows are
// those of baselines.h, a power of two and at most 4 Mi.
//
// `--reflect` attaches a bare XDP_TX to an interface instead: the kernel's own limit to forwarding by this path. What
// a veth reflects arrives only where there is a program too, which `--sink` attaches: XDP_DROP.

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { batch = 64, largest = 1514, smallest = 60 };

#define INSTRUCTION(c, d, s, o, i) ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOVE(d, s) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, s) INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_X, d, s, 0, 0)
#define WITH(op, d, i) INSTRUCTION(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) INSTRUCTION(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s) INSTRUCTION(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_VALUE(size, d, o, i) INSTRUCTION(BPF_ST | BPF_MEM | (size), d, 0, o, (int32_t)(i))
#define TO_NETWORK(d, bits) INSTRUCTION(BPF_ALU | BPF_END | BPF_TO_BE, d, 0, 0, bits)
#define IF_ABOVE(d, s, o) INSTRUCTION(BPF_JMP | BPF_JGT | BPF_X, d, s, o, 0)
#define CALL(f) INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define END INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static void fail(const char *what) {
  fprintf(stderr, "generator: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int load(const struct bpf_insn *program, size_t count) {
  static char log[1 << 16];
  union bpf_attr attributes = {
    .prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = (uint32_t)count, .insns = (uintptr_t)program,
    .license = (uintptr_t) "GPL", .log_buf = (uintptr_t)log, .log_size = sizeof log, .log_level = 1};
  int descriptor = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
  if (descriptor < 0) {
    fputs(log, stderr);
    fail("BPF_PROG_LOAD");
  }
  return descriptor;
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
static int load_generator(const uint8_t *frame, uint32_t flows, uint32_t sum) {
  const struct bpf_insn program[] = {
    LOAD(BPF_W, BPF_REG_7, BPF_REG_1, offsetof(struct xdp_md, data)),
    LOAD(BPF_W, BPF_REG_8, BPF_REG_1, offsetof(struct xdp_md, data_end)),
    MOVE(BPF_REG_2, BPF_REG_7),
    WITH(BPF_ADD, BPF_REG_2, smallest),
    IF_ABOVE(BPF_REG_2, BPF_REG_8, 27),
    CALL(BPF_FUNC_get_prandom_u32),
    WITH(BPF_AND, BPF_REG_0, (int32_t)(flows - 1)),
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
    SET(BPF_REG_0, XDP_TX),
    END,
    SET(BPF_REG_0, XDP_ABORTED),
    END};
  return load(program, sizeof program / sizeof *program);
}

static int attach(const char *interface, enum xdp_action action) {
  const struct bpf_insn program[] = {SET(BPF_REG_0, action), END};
  union bpf_attr attributes = {0};
  attributes.link_create.prog_fd = (uint32_t)load(program, 2);
  attributes.link_create.target_ifindex = if_nametoindex(interface);
  attributes.link_create.attach_type = BPF_XDP;
  if (syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof attributes) < 0) fail("BPF_LINK_CREATE");
  for (;;) pause();
}

int main(int count, char **words) {
  if (count == 3 && strcmp(words[1], "--reflect") == 0) return attach(words[2], XDP_TX);
  if (count == 3 && strcmp(words[1], "--sink") == 0) return attach(words[2], XDP_DROP);
  uint32_t flows = count == 5 ? (uint32_t)strtoul(words[2], NULL, 10) : 0;
  uint32_t length = count == 5 ? (uint32_t)strtoul(words[3], NULL, 10) : 0;
  uint8_t frame[largest] = {0};
  if (flows == 0 || flows & (flows - 1) || flows > 1u << 22 || length < smallest || length > largest
    || sscanf(words[4], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", frame, frame + 1, frame + 2, frame + 3, frame + 4, frame + 5) != 6) {
    fprintf(stderr, "usage: generator INTERFACE FLOWS LENGTH DESTINATION-MAC | generator --reflect|--sink INTERFACE\n");
    return 2;
  }
  mac_of(words[1], frame + 6);
  // IPv4 and UDP from port 1024 to the VIP's port 80, without a UDP checksum.
  uint16_t total = (uint16_t)(length - 14), datagram = (uint16_t)(total - 20);
  const uint8_t rest[] = {8, 0, 0x45, 0, (uint8_t)(total >> 8), (uint8_t)total, 0, 1, 0x40, 0, 64, 17, 0, 0, 100, 64, 0, 0,
    0xc6, 0x33, 0x64, 1, 4, 0, 0, 80, (uint8_t)(datagram >> 8), (uint8_t)datagram};
  memcpy(frame + 12, rest, sizeof rest);
  uint32_t sum = 0;
  for (int at = 14; at < 34; at += 2) if (at != 24 && at != 26 && at != 28) sum += ntohs(half(frame + at));
  struct xdp_md context = {.data_end = length, .ingress_ifindex = if_nametoindex(words[1])};
  union bpf_attr attributes = {0};
  attributes.test.prog_fd = (uint32_t)load_generator(frame, flows, sum);
  attributes.test.data_in = (uintptr_t)frame;
  attributes.test.data_size_in = length;
  attributes.test.ctx_in = (uintptr_t)&context;
  attributes.test.ctx_size_in = sizeof context;
  attributes.test.repeat = 1u << 30;
  attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  attributes.test.batch_size = batch;
  for (;;)
    if (syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attributes, sizeof attributes) < 0) fail("BPF_PROG_TEST_RUN");
}

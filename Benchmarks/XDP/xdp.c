#define _GNU_SOURCE
#include "xdp.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void fail(const char *what) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
  exit(1);
}

static int bpf(enum bpf_cmd command, union bpf_attr *attributes) {
  return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

int xdp_load(const struct bpf_insn *program, size_t count) {
  static char log[1 << 16];
  union bpf_attr attributes = {
    .prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = (uint32_t)count, .insns = (uintptr_t)program,
    .license = (uintptr_t) "GPL", .log_buf = (uintptr_t)log, .log_size = sizeof log, .log_level = 1};
  int descriptor = bpf(BPF_PROG_LOAD, &attributes);
  if (descriptor < 0) {
    fputs(log, stderr);
    fail("BPF_PROG_LOAD");
  }
  return descriptor;
}

void xdp_attach(const char *interface, int program, unsigned flags) {
  union bpf_attr attributes = {0};
  attributes.link_create.prog_fd = (uint32_t)program;
  attributes.link_create.target_ifindex = if_nametoindex(interface);
  attributes.link_create.attach_type = BPF_XDP;
  attributes.link_create.flags = flags;
  if (bpf(BPF_LINK_CREATE, &attributes) < 0) fail("BPF_LINK_CREATE");
}

int bpf_map(enum bpf_map_type type, uint32_t value_size, uint32_t entries, uint32_t flags) {
  union bpf_attr attributes = {
    .map_type = type, .key_size = 4, .value_size = value_size, .max_entries = entries, .map_flags = flags};
  int descriptor = bpf(BPF_MAP_CREATE, &attributes);
  if (descriptor < 0) fail("BPF_MAP_CREATE");
  return descriptor;
}

void bpf_map_set(int map, uint32_t key, const void *value) {
  union bpf_attr attributes = {.map_fd = (uint32_t)map, .key = (uintptr_t)&key, .value = (uintptr_t)value};
  if (bpf(BPF_MAP_UPDATE_ELEM, &attributes) < 0) fail("BPF_MAP_UPDATE_ELEM");
}

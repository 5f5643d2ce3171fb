// Minimal directors in C of the same kinds as lbd's data planes: the twin's pipe (baselines.h) between a way to receive
// and a way to send.
//
//     forwarder ring|calls|xdp INTERFACE CONNECTIONS SERVERS
//
// `ring` is a TPACKET_V2 ring and sendmmsg, `calls` is recvmmsg and sendmmsg, `xdp` an AF_XDP socket in copy mode behind
// a program of the driver's.

#define _GNU_SOURCE
#include "forwarder.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

uint32_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint32_t)(time.tv_sec * 100 + time.tv_nsec / 10000000);
}

void set(int descriptor, int level, int option, const void *value, unsigned size) {
  if (setsockopt(descriptor, level, option, value, size) != 0) fail("setsockopt");
}

int packet_socket(void) {
  int descriptor = socket(AF_PACKET, SOCK_RAW, 0), yes = 1, size = 4 << 20;
  if (descriptor < 0) fail("socket");
  set(descriptor, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes);
  set(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  set(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  set(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  return descriptor;
}

void bind_to(int descriptor, const char *interface) {
  struct sockaddr_ll address = {
    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface)};
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail(interface);
}

void send_all(int descriptor, struct mmsghdr *messages, unsigned count) {
  for (unsigned first = 0; first < count;) {
    int sent = sendmmsg(descriptor, messages + first, count - first, 0);
    first += sent > 0 ? (unsigned)sent : 1;
  }
}

int main(int count, char **words) {
  static const struct { const char *name; void (*run)(struct baseline *, const char *); } kinds[] = {
    {"ring", forward_by_ring}, {"calls", forward_by_calls}, {"xdp", forward_by_xdp}};
  uint32_t connections = count == 5 ? (uint32_t)strtoul(words[3], NULL, 10) : 0;
  uint32_t servers = count == 5 ? (uint32_t)strtoul(words[4], NULL, 10) : 0;
  for (size_t kind = 0; connections && servers && kind < sizeof kinds / sizeof *kinds; kind++) {
    if (strcmp(words[1], kinds[kind].name) != 0) continue;
    struct baseline *director = baseline_create(connections, servers, 1);
    if (!director) fail("memory");
    kinds[kind].run(director, words[2]);
  }
  fprintf(stderr, "usage: forwarder ring|calls|xdp INTERFACE CONNECTIONS SERVERS\n");
  return 2;
}

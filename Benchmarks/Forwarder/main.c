// A minimal director in C of the same kind as lbd's data plane: TPACKET_V2 ring, the twin's pipe, sendmmsg from the ring.
//
//     forwarder INTERFACE CONNECTIONS SERVERS

#define _GNU_SOURCE
#include "baselines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { batch = 64, slots = 4096, slot_size = 2048, reserve = 16, metadata = 10, buffer = 4 << 20 };

static void fail(const char *what) {
  fprintf(stderr, "forwarder: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void set(int descriptor, int option, const void *value, socklen_t size) {
  if (setsockopt(descriptor, SOL_PACKET, option, value, size) != 0) fail("setsockopt");
}

static int open_socket(const char *interface, uint8_t **ring) {
  int descriptor = socket(AF_PACKET, SOCK_RAW, 0), version = TPACKET_V2, yes = 1, room = reserve, size = buffer;
  if (descriptor < 0) fail("socket");
  set(descriptor, PACKET_VERSION, &version, sizeof version);
  set(descriptor, PACKET_RESERVE, &room, sizeof room);
  set(descriptor, PACKET_VNET_HDR, &yes, sizeof yes);
  set(descriptor, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  struct tpacket_req request = {1 << 16, slots * slot_size >> 16, slot_size, slots};
  set(descriptor, PACKET_RX_RING, &request, sizeof request);
  setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  *ring = mmap(NULL, slots * slot_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (*ring == MAP_FAILED) fail("mmap");
  struct sockaddr_ll address = {
    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(interface)};
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail(interface);
  return descriptor;
}

static uint32_t hundredths(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)(now.tv_sec * 100 + now.tv_nsec / 10000000);
}

int main(int count, char **words) {
  uint32_t connections = count == 4 ? (uint32_t)strtoul(words[2], NULL, 10) : 0;
  uint32_t servers = count == 4 ? (uint32_t)strtoul(words[3], NULL, 10) : 0;
  if (connections == 0 || servers == 0) {
    fprintf(stderr, "usage: forwarder INTERFACE CONNECTIONS SERVERS\n");
    return 2;
  }
  struct baseline *director = baseline_create(connections, servers, 1);
  if (!director) fail("memory");
  uint8_t *ring;
  int descriptor = open_socket(words[1], &ring);
  struct mmsghdr messages[batch] = {0};
  struct iovec parts[batch];
  for (uint32_t head = 0;;) {
    struct tpacket2_hdr *headers[batch];
    uint8_t *frames[batch];
    uint32_t lengths[batch], received = 0;
    for (; received < batch; received++) {
      struct tpacket2_hdr *header = (void *)(ring + (head + received) % slots * slot_size);
      if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) break;
      headers[received] = header;
      frames[received] = (uint8_t *)header + header->tp_mac;
      lengths[received] = header->tp_snaplen;
    }
    if (received == 0) {
      poll(&(struct pollfd){descriptor, POLLIN, 0}, 1, 50);
      continue;
    }
    uint8_t sends[batch];
    baseline_forward(director, frames, lengths, sends, received, hundredths());
    unsigned queued = 0;
    for (uint32_t n = 0; n < received; n++) {
      if (!sends[n]) continue;
      parts[queued] = (struct iovec){frames[n] - metadata, lengths[n] + metadata};
      messages[queued].msg_hdr = (struct msghdr){.msg_iov = &parts[queued], .msg_iovlen = 1};
      queued++;
    }
    for (unsigned first = 0; first < queued;) {
      int sent = sendmmsg(descriptor, messages + first, queued - first, 0);
      first += sent > 0 ? (unsigned)sent : 1;
    }
    for (uint32_t n = 0; n < received; n++) __atomic_store_n(&headers[n]->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    head = (head + received) % slots;
  }
}

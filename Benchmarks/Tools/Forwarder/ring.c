#define _GNU_SOURCE
#include "forwarder.h"

#include <linux/if_packet.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { slots = 4096, slot_size = 2048, reserve = 16, metadata = 10 };

static uint8_t *map_ring(int descriptor) {
  int version = TPACKET_V2, room = reserve;
  set(descriptor, SOL_PACKET, PACKET_VERSION, &version, sizeof version);
  set(descriptor, SOL_PACKET, PACKET_RESERVE, &room, sizeof room);
  struct tpacket_req request = {1 << 16, slots * slot_size >> 16, slot_size, slots};
  set(descriptor, SOL_PACKET, PACKET_RX_RING, &request, sizeof request);
  uint8_t *ring = mmap(NULL, slots * slot_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (ring == MAP_FAILED) fail("mmap");
  return ring;
}

void forward_by_ring(struct baseline *director, const char *interface) {
  int descriptor = packet_socket();
  uint8_t *ring = map_ring(descriptor);
  bind_to(descriptor, interface);
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
    baseline_forward(director, frames, lengths, sends, received, now());
    unsigned queued = 0;
    for (uint32_t n = 0; n < received; n++) {
      if (!sends[n]) continue;
      parts[queued] = (struct iovec){frames[n] - metadata, lengths[n] + metadata};
      messages[queued].msg_hdr = (struct msghdr){.msg_iov = &parts[queued], .msg_iovlen = 1};
      queued++;
    }
    send_all(descriptor, messages, queued);
    for (uint32_t n = 0; n < received; n++) __atomic_store_n(&headers[n]->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    head = (head + received) % slots;
  }
}

#define _GNU_SOURCE
#include "forwarder.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { slots = 4096, chunks = 2 * slots, chunk_size = 2048 };

/// One of the four rings between the kernel and us: one side moves the producer's index, the other the consumer's.
struct ring {
  uint32_t *producer, *consumer, *flags;
  void *entries;
  uint32_t ours;
};

struct port {
  int descriptor;
  uint8_t *memory;
  struct ring fill, completion, receive, transmit;
  uint32_t in_flight;
};

static uint32_t seen(const uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
static void move(uint32_t *index, uint32_t value) { __atomic_store_n(index, value, __ATOMIC_RELEASE); }

static uint64_t *address_at(struct ring *ring, uint32_t index) { return (uint64_t *)ring->entries + index % slots; }
static struct xdp_desc *frame_at(struct ring *ring, uint32_t index) { return (struct xdp_desc *)ring->entries + index % slots; }

/// IPv4 for the VIP goes to the socket, all else on to the host.
static int load_redirection(int sockets) {
  const struct bpf_insn program[] = {
    LOAD(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, data)),
    LOAD(BPF_W, BPF_REG_3, BPF_REG_1, offsetof(struct xdp_md, data_end)),
    MOVE(BPF_REG_4, BPF_REG_2),
    WITH(BPF_ADD, BPF_REG_4, 34),
    IF_ABOVE(BPF_REG_4, BPF_REG_3, 11),
    LOAD(BPF_H, BPF_REG_4, BPF_REG_2, 12),
    IF_OTHER(BPF_REG_4, htons(0x0800), 9),
    LOAD(BPF_W, BPF_REG_4, BPF_REG_2, 30),
    TO_NETWORK(BPF_REG_4, 32),
    IF_OTHER(BPF_REG_4, BASELINE_VIP, 6),
    LOAD(BPF_W, BPF_REG_2, BPF_REG_1, offsetof(struct xdp_md, rx_queue_index)),
    MAP(BPF_REG_1, sockets),
    SET(BPF_REG_3, XDP_PASS),
    CALL(BPF_FUNC_redirect_map),
    END,
    SET(BPF_REG_0, XDP_PASS),
    END};
  return xdp_load(program, sizeof program / sizeof *program);
}

static struct ring map_ring(int descriptor, int option, off_t page, size_t entry, const struct xdp_ring_offset *offsets) {
  uint32_t count = slots;
  set(descriptor, SOL_XDP, option, &count, sizeof count);
  uint8_t *memory = mmap(NULL, offsets->desc + slots * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, page);
  if (memory == MAP_FAILED) fail("mmap");
  return (struct ring){
    (uint32_t *)(memory + offsets->producer), (uint32_t *)(memory + offsets->consumer),
    (uint32_t *)(memory + offsets->flags), memory + offsets->desc, 0};
}

static struct port open_port(const char *interface) {
  struct port port = {.descriptor = socket(AF_XDP, SOCK_RAW, 0)};
  if (port.descriptor < 0) fail("socket");
  port.memory = mmap(NULL, (size_t)chunks * chunk_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (port.memory == MAP_FAILED) fail("mmap");
  struct xdp_umem_reg region = {
    .addr = (uintptr_t)port.memory, .len = (size_t)chunks * chunk_size, .chunk_size = chunk_size};
  set(port.descriptor, SOL_XDP, XDP_UMEM_REG, &region, sizeof region);
  struct xdp_mmap_offsets offsets;
  socklen_t size = sizeof offsets;
  if (getsockopt(port.descriptor, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &size) != 0) fail("XDP_MMAP_OFFSETS");
  int descriptor = port.descriptor;
  port.fill = map_ring(descriptor, XDP_UMEM_FILL_RING, XDP_UMEM_PGOFF_FILL_RING, sizeof(uint64_t), &offsets.fr);
  port.completion = map_ring(
    descriptor, XDP_UMEM_COMPLETION_RING, XDP_UMEM_PGOFF_COMPLETION_RING, sizeof(uint64_t), &offsets.cr);
  port.receive = map_ring(descriptor, XDP_RX_RING, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc), &offsets.rx);
  port.transmit = map_ring(descriptor, XDP_TX_RING, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc), &offsets.tx);
  struct sockaddr_xdp address = {
    .sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP, .sxdp_ifindex = if_nametoindex(interface)};
  if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail(interface);
  return port;
}

static void give_back(struct port *port, uint64_t address) {
  *address_at(&port->fill, port->fill.ours++) = address & ~(uint64_t)(chunk_size - 1);
}

/// Frames that are sent are room to receive again. The kernel sends 32 frames a call: it is called until none is left.
static void finish(struct port *port) {
  while (port->in_flight > 0) {
    if (seen(port->transmit.flags) & XDP_RING_NEED_WAKEUP) sendto(port->descriptor, NULL, 0, MSG_DONTWAIT, NULL, 0);
    uint32_t end = seen(port->completion.producer);
    for (; port->completion.ours != end; port->completion.ours++) {
      give_back(port, *address_at(&port->completion, port->completion.ours));
      port->in_flight--;
    }
    move(port->completion.consumer, end);
  }
  move(port->fill.producer, port->fill.ours);
}

static uint32_t receive(struct port *port, struct xdp_desc *descriptors, uint8_t **frames, uint32_t *lengths) {
  uint32_t count = seen(port->receive.producer) - port->receive.ours;
  if (count > batch) count = batch;
  for (uint32_t n = 0; n < count; n++) {
    descriptors[n] = *frame_at(&port->receive, port->receive.ours++);
    frames[n] = port->memory + descriptors[n].addr;
    lengths[n] = descriptors[n].len;
  }
  move(port->receive.consumer, port->receive.ours);
  return count;
}

void forward_by_xdp(struct baseline *director, const char *interface) {
  struct port port = open_port(interface);
  int sockets = bpf_map(BPF_MAP_TYPE_XSKMAP, sizeof(int), 1, 0);
  bpf_map_set(sockets, 0, &port.descriptor);
  for (uint64_t n = 0; n < slots; n++) give_back(&port, n * chunk_size);
  move(port.fill.producer, port.fill.ours);
  xdp_attach(interface, load_redirection(sockets), XDP_FLAGS_DRV_MODE);
  for (;;) {
    struct xdp_desc descriptors[batch];
    uint8_t *frames[batch], sends[batch];
    uint32_t lengths[batch], count = receive(&port, descriptors, frames, lengths);
    if (count == 0) {
      poll(&(struct pollfd){port.descriptor, POLLIN, 0}, 1, 50);
      continue;
    }
    baseline_forward(director, frames, lengths, sends, count, now());
    for (uint32_t n = 0; n < count; n++) {
      if (sends[n]) {
        *frame_at(&port.transmit, port.transmit.ours++) = descriptors[n];
        port.in_flight++;
      } else {
        give_back(&port, descriptors[n].addr);
      }
    }
    move(port.transmit.producer, port.transmit.ours);
    finish(&port);
  }
}

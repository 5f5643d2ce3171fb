#include "baselines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// The same records, hash, table, checks and two passes as the director's (see Sources/Director), for what these frames
// are: IPv4 with TCP or UDP, whole. Whatever else arrives is dropped, not answered.

enum { batch = 64, ahead = 8, shortly_ahead = 4, buckets_per_record = 2 };
enum { vip_slots = 8, established = 1, udp = 11, states = 12, mtu = 1500 };

struct connection {
  uint64_t high, low, ports;
  uint32_t server, expires, next, parent, packets, timer_next, timer_previous;
  uint8_t state, flags;
};

struct traffic { uint64_t connections, packets, bytes, padding; };

struct server {
  uint64_t mac;
  bool is_available;
  uint32_t service;
} __attribute__((aligned(64)));

struct vip_slot {
  uint64_t high, low;
  uint16_t number;
  uint8_t family;
};

struct baseline {
  struct connection *records;
  uint32_t *buckets;
  uint32_t bucket_count, mask, count, capacity;
  uint64_t seed[2];
  struct vip_slot vips[vip_slots];
  struct server *servers;
  uint32_t server_count;
  struct traffic *server_traffic, *service_traffic, total;
  uint32_t timeouts[states];
  uint64_t mac;
};

static void *mapped(size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) abort();
  if (size >= 2 << 20) madvise(memory, size, MADV_HUGEPAGE);
  return memory;
}

static uint32_t vip_slot(uint64_t word) { return (uint32_t)(word * 0x9e3779b97f4a7c15ull >> 32) & (vip_slots - 1); }

static size_t index_size(uint32_t capacity) {
  size_t buckets = (size_t)capacity * buckets_per_record;
  return (buckets < 256 ? 256 : buckets) * sizeof(uint32_t);
}

struct baseline *baseline_create(uint32_t capacity, uint32_t servers, uint64_t seed) {
  struct baseline *b = calloc(1, sizeof *b);
  if (!b) return NULL;
  b->capacity = capacity;
  b->records = mapped((capacity + 1ull) * sizeof(struct connection));
  b->buckets = mapped(index_size(capacity));
  b->servers = mapped(servers * sizeof(struct server));
  b->server_traffic = mapped(servers * sizeof(struct traffic));
  b->service_traffic = mapped(sizeof(struct traffic));
  b->bucket_count = 256;
  b->mask = 255;
  b->seed[0] = seed ^ 0xa0761d6478bd642full;
  b->seed[1] = (seed * 0xe7037ed1a0b428dbull) | 1;
  b->vips[vip_slot(BASELINE_VIP)] = (struct vip_slot){0, BASELINE_VIP, 1, 4};
  b->server_count = servers;
  for (uint32_t n = 0; n < servers; n++) b->servers[n] = (struct server){0x020000000100ull + n, true, 0};
  for (int n = 0; n < states; n++) b->timeouts[n] = 90000;
  b->mac = 0x020000000001ull;
  return b;
}

void baseline_free(struct baseline *b) {
  if (!b) return;
  munmap(b->records, (b->capacity + 1ull) * sizeof(struct connection));
  munmap(b->buckets, index_size(b->capacity));
  munmap(b->servers, b->server_count * sizeof(struct server));
  munmap(b->server_traffic, b->server_count * sizeof(struct traffic));
  munmap(b->service_traffic, sizeof(struct traffic));
  free(b);
}

static inline uint32_t hash(const struct baseline *b, uint64_t high, uint64_t low, uint64_t ports) {
  unsigned __int128 first = (unsigned __int128)(low ^ b->seed[0]) * (ports ^ b->seed[1]);
  unsigned __int128 second = (unsigned __int128)((uint64_t)first ^ (uint64_t)(first >> 64) ^ high) * b->seed[1];
  return (uint32_t)((uint64_t)second ^ (uint64_t)(second >> 64));
}

/// Where a key is to be looked for now; after an insertion it may be elsewhere.
static inline uint32_t bucket(const struct baseline *b, uint64_t high, uint64_t low, uint64_t ports) {
  uint32_t number = hash(b, high, low, ports) & b->mask;
  return number < b->bucket_count ? number : number & (b->mask >> 1);
}

static inline uint32_t find(const struct baseline *b, uint64_t high, uint64_t low, uint64_t ports, uint32_t bucket) {
  uint32_t number = b->buckets[bucket];
  while (number) {
    const struct connection *record = &b->records[number];
    if (record->low == low && record->ports == ports && record->high == high) return number;
    number = record->next;
  }
  return 0;
}

static void split(struct baseline *b) {
  uint32_t new = b->bucket_count++;
  if (new > b->mask) b->mask = b->mask << 1 | 1;
  uint32_t old = new & (b->mask >> 1), number = b->buckets[old];
  b->buckets[old] = b->buckets[new] = 0;
  while (number) {
    struct connection *record = &b->records[number];
    uint32_t next = record->next, *place = &b->buckets[bucket(b, record->high, record->low, record->ports)];
    record->next = *place;
    *place = number;
    number = next;
  }
}

static inline uint64_t ports_of(uint64_t vip, uint64_t port) {
  return vip << 48 | port << 32 | BASELINE_VIP_PORT << 16 | 6 << 8;
}

/// Adds a connection to the next server in turn; 0 where there is no room.
static uint32_t insert(struct baseline *b, uint64_t low, uint64_t ports, uint8_t state, uint32_t now) {
  if (b->count == b->capacity) return 0;
  uint32_t number = ++b->count;
  while (b->bucket_count < b->count * buckets_per_record) split(b);
  uint32_t *place = &b->buckets[bucket(b, 0, low, ports)];
  b->records[number] = (struct connection){
    .low = low, .ports = ports, .server = number % b->server_count, .expires = now + b->timeouts[state], .next = *place,
    .state = state};
  *place = number;
  return number;
}

void baseline_open(struct baseline *b, uint32_t flow) {
  uint64_t low = baseline_client(flow), ports = ports_of(1, baseline_port(flow));
  if (!insert(b, low, ports, established, 0)) abort();
}

// The way of a frame.

static inline uint16_t load16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t load32(const uint8_t *at) { return (uint32_t)load16(at) << 16 | load16(at + 2); }
static inline void store16(uint8_t *at, uint16_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }

static inline void store32(uint8_t *at, uint32_t value) { store16(at, (uint16_t)(value >> 16)), store16(at + 2, (uint16_t)value); }

static inline uint16_t folded(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

static inline void store_mac(uint8_t *at, uint64_t mac) {
  uint32_t low = __builtin_bswap32((uint32_t)mac);
  store16(at, (uint16_t)(mac >> 32));
  memcpy(at + 2, &low, 4);
}

static inline void count(struct traffic *traffic, uint32_t length) {
  traffic->packets++;
  traffic->bytes += length;
}

/// The director's state table for a client's packets: rows of four bits, from NONE (lowest) to SYNACK.
static inline uint8_t next_state(uint8_t state, uint8_t flags) {
  uint64_t row = flags & 4 ? 0x698666663666 : flags & 2 ? 0x33333333113 : flags & 1 ? 0x59876545246
    : flags & 16 ? 0x19676541211 : 0x66666666666;
  return row >> (4 * state) & 15;
}

/// What was parsed of a frame, and where its connection is to be looked for.
struct packet {
  uint64_t low, ports;
  uint32_t bucket;
  uint16_t length, fragment;
  uint8_t ttl, transport, flags;
  bool is_ours;
};

static inline struct packet parse(const struct baseline *b, const uint8_t *frame, size_t length) {
  struct packet packet = {.is_ours = false};
  if (length < 34 || load16(frame + 12) != 0x0800) return packet;
  const uint8_t *ip = frame + 14;
  size_t header = (ip[0] & 15) * 4u, total = load16(ip + 2);
  if (ip[0] >> 4 != 4 || header < 20 || total < header || total > length - 14) return packet;
  uint64_t sum = 0;
  for (size_t n = 0; n < header; n += 4) sum += load32(ip + n);
  if (folded(sum) != 0xffff) return packet;
  uint32_t client = load32(ip + 12), vip = load32(ip + 16);
  const struct vip_slot *slot = &b->vips[vip_slot(vip)];
  while (slot->family && !(slot->low == vip && slot->high == 0 && slot->family == 4))
    slot = slot + 1 < b->vips + vip_slots ? slot + 1 : b->vips;
  if (!slot->family) return packet;
  if (client >> 24 == 0 || client >> 28 >= 14 || client >> 24 == 127 || client == vip) return packet;
  packet.fragment = load16(ip + 6);
  packet.transport = ip[9];
  if (packet.fragment & 0x3fff || (packet.transport != 6 && packet.transport != 17)) return packet;
  const uint8_t *transport = ip + header;
  size_t room = total - header;
  if (packet.transport == 6) {
    if (room < 20) return packet;
    size_t offset = (transport[12] >> 4) * 4u;
    if (offset < 20 || offset > room) return packet;
    packet.flags = transport[13];
  } else if (room < 8 || load16(transport + 4) < 8 || load16(transport + 4) > room) {
    return packet;
  }
  packet.ttl = ip[8];
  packet.length = (uint16_t)total;
  packet.low = client;
  packet.ports = (uint64_t)slot->number << 48 | (uint64_t)load16(transport) << 32
    | (uint64_t)load16(transport + 2) << 16 | (uint64_t)packet.transport << 8;
  packet.bucket = bucket(b, 0, packet.low, packet.ports);
  packet.is_ours = true;
  return packet;
}

/// The connection of a packet for which there was none in the bucket that it had before others of its batch came.
static uint32_t open_anew(struct baseline *b, const struct packet *packet, uint32_t now) {
  uint32_t number = find(b, 0, packet->low, packet->ports, bucket(b, 0, packet->low, packet->ports));
  return number ? number : insert(b, packet->low, packet->ports, packet->transport == 6 ? 1 : udp, now);
}

static inline bool forward(struct baseline *b, uint8_t *frame, const struct packet *packet, uint32_t now, bool opens) {
  uint32_t number = find(b, 0, packet->low, packet->ports, packet->bucket);
  if (!number && opens) number = open_anew(b, packet, now);
  if (!number) return false;
  struct connection *connection = &b->records[number];
  const struct server *server = &b->servers[connection->server];
  if ((int32_t)(connection->expires - now) <= 0 || !server->is_available) return false;
  uint8_t state = packet->transport == 6 ? next_state(connection->state, packet->flags) : udp;
  connection->packets++;
  connection->expires = now + b->timeouts[state];
  connection->state = state;
  count(&b->server_traffic[connection->server], packet->length);
  count(&b->service_traffic[server->service], packet->length);
  count(&b->total, packet->length);
  if (packet->ttl <= 1 || (packet->length > mtu && packet->fragment & 0x4000)) return false;
  uint8_t *ip = frame + 14;
  uint32_t word = load32(ip + 8), sum = (uint16_t)~word;
  uint16_t old = (uint16_t)(word >> 16), new = (uint16_t)(old - 0x100);
  sum += (uint32_t)(uint16_t)~old + new;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store32(ip + 8, (uint32_t)new << 16 | (uint16_t)~sum);
  store_mac(frame, server->mac);
  store_mac(frame + 6, b->mac);
  return true;
}

static inline void prefetch_record(const struct connection *record) {
  __builtin_prefetch(record, 1, 3);
  __builtin_prefetch((const uint8_t *)record + sizeof *record - 1, 1, 3);
}

static inline void prefetch(const struct baseline *b, uint32_t bucket) {
  prefetch_record(&b->records[b->buckets[bucket]]);
}

static inline void prefetch_follower(const struct baseline *b, uint64_t low, uint64_t ports, uint32_t bucket) {
  const struct connection *first = &b->records[b->buckets[bucket]];
  if (first->low != low || first->ports != ports) prefetch_record(&b->records[first->next]);
}

static inline size_t lookup_batch(const struct baseline *b, const uint32_t *flows, size_t count) {
  uint32_t places[batch];
  size_t found = 0;
  for (size_t n = 0; n < count; n++) {
    places[n] = bucket(b, 0, baseline_client(flows[n]), ports_of(1, baseline_port(flows[n])));
    __builtin_prefetch(&b->buckets[places[n]], 1, 3);
  }
  for (size_t n = 0; n < count && n < ahead; n++) prefetch(b, places[n]);
  for (size_t n = 0; n < count; n++) {
    if (n + ahead < count) prefetch(b, places[n + ahead]);
    found += find(b, 0, baseline_client(flows[n]), ports_of(1, baseline_port(flows[n])), places[n]) != 0;
  }
  return found;
}

size_t baseline_lookup(const struct baseline *b, const uint32_t *flows, size_t count) {
  size_t found = 0;
  for (size_t first = 0; first < count; first += batch)
    found += lookup_batch(b, flows + first, count - first < batch ? count - first : batch);
  return found;
}

static inline void inspect(const struct baseline *b, struct packet *packet, const uint8_t *frame, size_t length) {
  *packet = parse(b, frame, length);
  __builtin_prefetch(&b->buckets[packet->bucket], 1, 3);
}

/// Asks for the memory of the packets that come after number n.
static inline void ask_ahead(const struct baseline *b, const struct packet *packets, size_t n, size_t count) {
  if (n + ahead < count) prefetch(b, packets[n + ahead].bucket);
  if (n + shortly_ahead >= count) return;
  const struct packet *packet = &packets[n + shortly_ahead];
  prefetch_follower(b, packet->low, packet->ports, packet->bucket);
}

static inline size_t process_batch(struct baseline *b, uint8_t *frames, size_t stride, size_t count, uint32_t now) {
  struct packet packets[batch];
  size_t sent = 0;
  for (size_t n = 0; n < count; n++) inspect(b, &packets[n], frames + n * stride, BASELINE_FRAME_LENGTH);
  for (size_t n = 0; n < count && n < ahead; n++) prefetch(b, packets[n].bucket);
  for (size_t n = 0; n < count; n++) {
    ask_ahead(b, packets, n, count);
    sent += packets[n].is_ours && forward(b, frames + n * stride, &packets[n], now, false);
  }
  return sent;
}

void baseline_forward(
  struct baseline *b, uint8_t **frames, const uint32_t *lengths, uint8_t *sends, size_t count, uint32_t now
) {
  struct packet packets[batch];
  for (size_t n = 0; n < count; n++) inspect(b, &packets[n], frames[n], lengths[n]);
  for (size_t n = 0; n < count && n < ahead; n++) prefetch(b, packets[n].bucket);
  for (size_t n = 0; n < count; n++) {
    ask_ahead(b, packets, n, count);
    sends[n] = packets[n].is_ours && forward(b, frames[n], &packets[n], now, true);
  }
}

size_t baseline_process(struct baseline *b, uint8_t *frames, size_t stride, size_t count, uint32_t now) {
  size_t sent = 0;
  for (size_t first = 0; first < count; first += batch) {
    size_t size = count - first < batch ? count - first : batch;
    sent += process_batch(b, frames + first * stride, stride, size, now);
  }
  return sent;
}

// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Established flows, which need no decision: forwarded where they arrive, counted, and never seen by the director.
//
// The director writes a flow's entry and takes it back (`FlowTable`); the program adds to what it counts. Whatever has
// to be decided upon has no entry, or is not a plain packet of its flow, and goes the way of all else.

#define WAYS 4
#define IPV4_PLAIN 0x45
#define IPV4_FRAGMENT 0x3fff
#define TCP_DECIDES 0x07  // FIN, SYN, RST
#define TCP_ACK 0x10

// A connection, by the key that the director knows it by (`ConnectionKey`).
struct flow {
  // Current while it equals that of the settings. The director writes it last, and clears it first.
  __u32 generation;
  __u32 connection;
  __u64 high, low, ports;
  __u8 station[ETH_ALEN];
  __u16 worker;
  // Since the director last fetched them, and when the last packet came, in nanoseconds.
  __u64 packets, bytes, seen;
};

struct bucket {
  struct flow ways[WAYS];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  // The director sets how many it wants.
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct bucket);
} flows SEC(".maps");

// A packet of which all that a flow's way needs is known.
struct plain {
  __u64 high, low, ports;
  // Of the IP packet.
  __u16 length;
  bool is_ipv4;
};

static __always_inline __u16 folded(__u64 sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

// The transport header of a packet whose network header has no extensions. `pseudo` is the sum of the addresses.
static __always_inline bool is_plain_transport(
    struct plain *plain, const void *header, const void *end, __u8 protocol, __u16 vip, __u16 room, __u64 pseudo) {
  // Else the compiler adds variables to pointers, which kernels allow with CAP_PERFMON only; so below.
  barrier_var(header);
  const __be16 *ports = header;
  __u16 checksum;
  if (protocol == IPPROTO_TCP) {
    const struct tcphdr *tcp = header;
    if ((const void *)(tcp + 1) > end || room < sizeof *tcp) return false;
    const __u8 flags = ((const __u8 *)tcp)[13], offset = (((const __u8 *)tcp)[12] >> 4) * 4;
    if (flags & TCP_DECIDES || !(flags & TCP_ACK) || offset < sizeof *tcp || offset > room) return false;
    checksum = tcp->check;
    barrier_var(checksum);
  } else if (protocol == IPPROTO_UDP) {
    const struct udphdr *udp = header;
    if ((const void *)(udp + 1) > end || room < sizeof *udp) return false;
    const __u16 length = bpf_ntohs(udp->len);
    if (length < sizeof *udp || length > room) return false;
    checksum = udp->check;
  } else {
    return false;
  }
  // A checksum that a local sender left undone: the director completes it (`PartialChecksum`).
  if (checksum == folded(pseudo + bpf_htons(protocol) + bpf_htons(room))) return false;
  plain->ports = (__u64)vip << 48 | (__u64)bpf_ntohs(ports[0]) << 32 | (__u64)bpf_ntohs(ports[1]) << 16 | protocol << 8;
  return true;
}

static __always_inline bool is_plain_ipv4(
    struct plain *plain, void *packet, void *end, __u32 size, __u16 vip, __u16 mtu) {
  const struct iphdr *ip = packet;
  if ((void *)(ip + 1) > end || *(__u8 *)packet != IPV4_PLAIN) return false;
  plain->length = bpf_ntohs(ip->tot_len);
  if (plain->length < sizeof *ip || plain->length > mtu || plain->length > size) return false;
  if (ip->ttl <= 1 || ip->frag_off & bpf_htons(IPV4_FRAGMENT)) return false;
  const __u32 *words = packet;
  if (folded((__u64)words[0] + words[1] + words[2] + words[3] + words[4]) != 0xffff) return false;
  plain->high = 0;
  plain->low = bpf_ntohl(ip->saddr);
  plain->is_ipv4 = true;
  return is_plain_transport(
      plain, (const void *)(ip + 1), end, ip->protocol, vip, plain->length - sizeof *ip, (__u64)ip->saddr + ip->daddr);
}

static __always_inline bool is_plain_ipv6(
    struct plain *plain, void *packet, void *end, __u32 size, __u16 vip, __u16 mtu) {
  const struct ipv6hdr *ip = packet;
  if ((void *)(ip + 1) > end || ip->version != 6) return false;
  const __u32 room = bpf_ntohs(ip->payload_len), length = room + sizeof *ip;
  if (length > mtu || length > size || ip->hop_limit <= 1) return false;
  const __be32 *from = ip->saddr.in6_u.u6_addr32, *to = ip->daddr.in6_u.u6_addr32;
  plain->high = (__u64)bpf_ntohl(from[0]) << 32 | bpf_ntohl(from[1]);
  plain->low = (__u64)bpf_ntohl(from[2]) << 32 | bpf_ntohl(from[3]);
  plain->length = length;
  plain->is_ipv4 = false;
  const __u64 sum = (__u64)from[0] + from[1] + from[2] + from[3] + to[0] + to[1] + to[2] + to[3];
  return is_plain_transport(plain, (void *)(ip + 1), end, ip->nexthdr, vip, room, sum);
}

// As `FlowTable.hash`.
static __always_inline __u32 flow_hash(const struct plain *plain, __u64 seed) {
  __u64 hash = (plain->low ^ seed) * 0x9e3779b97f4a7c15;
  hash ^= hash >> 32;
  hash = (hash ^ plain->high ^ plain->ports) * 0xd6e8feb86659fd93;
  return hash >> 32;
}

static __always_inline struct flow *find_flow(
    const struct plain *plain, const struct settings *mine, __u32 generation) {
  const __u32 place = flow_hash(plain, mine->seed) & mine->mask;
  struct bucket *bucket = bpf_map_lookup_elem(&flows, &place);
  if (!bucket) return NULL;
#pragma unroll
  for (int way = 0; way < WAYS; way++) {
    struct flow *flow = &bucket->ways[way];
    if (flow->generation == generation && flow->ports == plain->ports && flow->low == plain->low &&
        flow->high == plain->high)
      return flow;
  }
  return NULL;
}

// As the director's `forward`: a hop less, and the Ethernet addresses.
static __always_inline void readdress(
    struct ethhdr *ethernet, void *packet, const struct plain *plain, const struct flow *flow,
    const struct settings *mine) {
  if (plain->is_ipv4) {
    struct iphdr *ip = packet;
    const __u32 sum = ip->check + bpf_htons(0x0100);
    ip->check = sum + (sum >= 0xffff);
    ip->ttl--;
  } else {
    ((struct ipv6hdr *)packet)->hop_limit--;
  }
  __builtin_memcpy(ethernet->h_source, mine->source, ETH_ALEN);
  __builtin_memcpy(ethernet->h_dest, flow->station, ETH_ALEN);
}

// Whether the frame was one of a flow's, and is ready to go out. `packet` is its network header, of type `type`, with
// `size` bytes to the frame's end: as a number, since `end - packet` is allowed with CAP_PERFMON only.
static __always_inline bool is_forwarded(
    struct ethhdr *ethernet, void *packet, void *end, __u32 size, __be16 type, __u16 vip, const struct settings *mine) {
  struct plain plain;
  // Read once: by the second look it may be 0, which is that of entries given back.
  const __u32 generation = *(const volatile __u32 *)&mine->generation;
  if (generation == 0) return false;
  const bool is_plain = type == bpf_htons(ETH_P_IP) ? is_plain_ipv4(&plain, packet, end, size, vip, mine->mtu)
                                                    : is_plain_ipv6(&plain, packet, end, size, vip, mine->mtu);
  if (!is_plain) return false;
  struct flow *flow = find_flow(&plain, mine, generation);
  if (!flow) return false;
  readdress(ethernet, packet, &plain, flow, mine);
  // Whoever finds the packet counted finds the rest.
  flow->seen = bpf_ktime_get_coarse_ns();
  __sync_fetch_and_add(&flow->bytes, plain.length);
  __sync_fetch_and_add(&flow->packets, 1);
  return true;
}

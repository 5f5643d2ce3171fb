// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Runs in the kernel on every frame that the interface receives: IP for our stations and one of the VIPs goes to its
// server at once where its flow is known, and to the AF_XDP socket of its queue else; all that is not ours, ARP and
// neighbor discovery first of all, goes on to the host.

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#define VLAN_ID 0x0fff
#define NEIGHBOR_DISCOVERY_FIRST 133
#define NEIGHBOR_DISCOVERY_LAST 137

struct tag {
  __be16 protocol, value;
};

// What the director tells the program (`XDPSettings`). Written whole, by lbd alone.
struct settings {
  // The interface's station, and the VIPs' own; the same twice where they have none.
  __u8 stations[2][ETH_ALEN];
  // Of the frames that go out.
  __u8 source[ETH_ALEN];
  // The VLAN that the director works on, 0 for untagged frames.
  __u16 vlan;
  __u16 mtu;
  __u16 unused;
  // Flows of this generation are current; 0 while none are.
  __u32 generation;
  __u32 mask;
  __u64 seed;
  // Until when the director is known to be alive, in nanoseconds (CLOCK_MONOTONIC): nothing is done for one that is not.
  __u64 lease;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct settings);
} settings SEC(".maps");

// IPv4 addresses as IPv6 has them (::ffff:a.b.c.d), and the numbers that the director knows them by.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 16);
  __type(key, struct in6_addr);
  __type(value, __u16);
} vips SEC(".maps");

// By receive queue.
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *frame, __be16 *protocol, __u16 *value) __ksym;

#include "flows.bpf.h"

static __always_inline bool is_station(const struct ethhdr *ethernet, const __u8 *station) {
  return __builtin_memcmp(ethernet->h_dest, station, ETH_ALEN) == 0;
}

static __always_inline const __u16 *vip_of_ipv4(void *packet, void *end) {
  const struct iphdr *ip = packet;
  if ((void *)(ip + 1) > end) return NULL;
  struct in6_addr address = {};
  address.s6_addr32[2] = bpf_htonl(0xffff);
  address.s6_addr32[3] = ip->daddr;
  return bpf_map_lookup_elem(&vips, &address);
}

static __always_inline const __u16 *vip_of_ipv6(void *packet, void *end) {
  const struct ipv6hdr *ip = packet;
  if ((void *)(ip + 1) > end) return NULL;
  const __u8 *type = (void *)(ip + 1);
  if (ip->nexthdr == IPPROTO_ICMPV6 && (void *)(type + 1) <= end && *type >= NEIGHBOR_DISCOVERY_FIRST &&
      *type <= NEIGHBOR_DISCOVERY_LAST)
    return NULL;
  struct in6_addr address = ip->daddr;
  return bpf_map_lookup_elem(&vips, &address);
}

enum fate { PASSES, REDIRECTED, FORWARDED };

// What becomes of a frame. `outside` is a tag that the device took out of it.
static __always_inline enum fate fate(struct xdp_md *frame, const struct tag *outside) {
  void *start = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
  struct ethhdr *ethernet = start;
  if (start + sizeof *ethernet + sizeof(struct tag) > end) return PASSES;
  const __u32 only = 0;
  const struct settings *mine = bpf_map_lookup_elem(&settings, &only);
  if (!mine || !(is_station(ethernet, mine->stations[0]) || is_station(ethernet, mine->stations[1]))) return PASSES;
  if (bpf_ktime_get_coarse_ns() > mine->lease) return PASSES;

  const struct tag *inside = start + offsetof(struct ethhdr, h_proto);
  const bool is_tagged = inside->protocol == bpf_htons(ETH_P_8021Q);
  // One tag at most; priority tags (VLAN 0) count as none.
  if (is_tagged && outside) return PASSES;
  const __u16 vlan = is_tagged ? bpf_ntohs(inside->value) : outside ? bpf_ntohs(outside->value) : 0;
  if ((vlan & VLAN_ID) != mine->vlan) return PASSES;

  const __be16 *type = &inside->protocol;
  if (is_tagged) {
    type = &inside[1].protocol;
    // Else the compiler adds a variable to the pointer, which kernels allow with CAP_PERFMON only.
    barrier_var(type);
  }
  void *packet = (void *)(type + 1);
  if (packet > end) return PASSES;
  const __u16 *vip = *type == bpf_htons(ETH_P_IP)     ? vip_of_ipv4(packet, end)
                     : *type == bpf_htons(ETH_P_IPV6) ? vip_of_ipv6(packet, end)
                                                      : NULL;
  if (!vip) return PASSES;
  const __u32 size = bpf_xdp_get_buff_len(frame) - sizeof *ethernet - (is_tagged ? sizeof *inside : 0);
  return !outside && is_forwarded(ethernet, packet, end, size, *type, *vip, mine) ? FORWARDED : REDIRECTED;
}

static __always_inline int redirect_to_queue(const struct xdp_md *frame) {
  // Where the queue has no socket, the host's side sees the frame, and its guard drops it.
  return bpf_redirect_map(&sockets, frame->rx_queue_index, XDP_PASS);
}

// Not XDP_TX, which a veth forgets to announce to an other end that has no XDP program.
static __always_inline int send_back(const struct xdp_md *frame) { return bpf_redirect(frame->ingress_ifindex, 0); }

// Puts a tag back that the device took out: AF_XDP carries nothing beside the frame.
static __always_inline bool put_back(struct xdp_md *frame, const struct tag *tag) {
  if (bpf_xdp_adjust_head(frame, -(int)sizeof *tag) != 0) return false;
  __u8 *start = (void *)(long)frame->data, *end = (void *)(long)frame->data_end;
  if (start + sizeof(struct ethhdr) + sizeof *tag > end) return false;
  __builtin_memmove(start, start + sizeof *tag, 2 * ETH_ALEN);
  __builtin_memcpy(start + 2 * ETH_ALEN, tag, sizeof *tag);
  return true;
}

// For kernels that tell a program of tags that the device took out (6.8 on).
SEC("xdp")
int redirect_tagged(struct xdp_md *frame) {
  struct tag tag = {};
  __u16 value = 0;
  const bool is_tagged = bpf_xdp_metadata_rx_vlan_tag(frame, &tag.protocol, &value) == 0;
  tag.value = bpf_htons(value);
  switch (fate(frame, is_tagged ? &tag : NULL)) {
    case FORWARDED: return send_back(frame);
    case REDIRECTED: return is_tagged && !put_back(frame, &tag) ? XDP_PASS : redirect_to_queue(frame);
    default: return XDP_PASS;
  }
}

// For the others: they see tags that are in the frame.
SEC("xdp")
int redirect(struct xdp_md *frame) {
  switch (fate(frame, NULL)) {
    case FORWARDED: return send_back(frame);
    case REDIRECTED: return redirect_to_queue(frame);
    default: return XDP_PASS;
  }
}

// One of the two; the kernel has no word for the other.
char _license[] SEC("license") = "GPL";

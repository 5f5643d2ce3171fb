#ifndef BASELINES_H
#define BASELINES_H

// What the director is measured against: the same work in plain C, and the frames that both are given.

#include <stddef.h>
#include <stdint.h>

/// The endpoints of all frames: flow n comes from 100.64.0.0/10, its address and then its port counting up.
#define BASELINE_VIP 0xc6336401u
#define BASELINE_VIP_PORT 80
#define BASELINE_FRAME_LENGTH 60

static inline uint32_t baseline_client(uint32_t flow) { return 0x64400000u | (flow & 0x3fffffu); }
static inline uint16_t baseline_port(uint32_t flow) { return (uint16_t)(1024 + (flow >> 22)); }

/// Writes `count` TCP frames with these flags, `stride` bytes apart; frame n is of flow order[n].
void baseline_fill(
  uint8_t *_Nonnull frames, size_t stride, size_t count, const uint32_t *_Nonnull order, uint8_t flags);

/// A director in C that knows one VIP with one service of all ports, IPv4, TCP and UDP.
struct baseline;

struct baseline *_Nullable baseline_create(uint32_t capacity, uint32_t servers, uint64_t seed);
void baseline_free(struct baseline *_Nullable baseline);

/// Adds the connection of a flow, established, to the next server in turn.
void baseline_open(struct baseline *_Nonnull baseline, uint32_t flow);

/// Sends frames of connections that exist through; how many are to be transmitted. `now` is in hundredths of a second.
size_t baseline_process(
  struct baseline *_Nonnull baseline, uint8_t *_Nonnull frames, size_t stride, size_t count, uint32_t now);

/// At most 64 frames, new connections go to the servers in turn. Marks in `sends` which frames are to be transmitted.
void baseline_forward(
  struct baseline *_Nonnull baseline, uint8_t *_Nonnull *_Nonnull frames, const uint32_t *_Nonnull lengths,
  uint8_t *_Nonnull sends, size_t count, uint32_t now);

/// Only looks the connections of flows up; how many there are.
size_t baseline_lookup(const struct baseline *_Nonnull baseline, const uint32_t *_Nonnull flows, size_t count);

#endif

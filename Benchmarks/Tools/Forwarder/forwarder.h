#ifndef FORWARDER_H
#define FORWARDER_H

#include "baselines.h"
#include "xdp.h"

enum { batch = 64 };

/// Hundredths of a second.
uint32_t now(void);
/// A packet socket that is not yet bound, with room to send.
int packet_socket(void);
void set(int descriptor, int level, int option, const void *value, unsigned size);
void bind_to(int descriptor, const char *interface);
/// Sends all of `count` messages; what the kernel refuses is lost.
struct mmsghdr;
void send_all(int descriptor, struct mmsghdr *messages, unsigned count);

/// These never return.
void forward_by_ring(struct baseline *director, const char *interface);
void forward_by_calls(struct baseline *director, const char *interface);
void forward_by_xdp(struct baseline *director, const char *interface);

#endif

#define _GNU_SOURCE
#include "forwarder.h"

#include <sys/socket.h>

enum { size = 2048, metadata = 10 };

void forward_by_calls(struct baseline *director, const char *interface) {
  static uint8_t buffers[batch][size] __attribute__((aligned(64)));
  int descriptor = packet_socket();
  bind_to(descriptor, interface);
  struct iovec room[batch], parts[batch];
  struct mmsghdr incoming[batch] = {0}, outgoing[batch] = {0};
  for (int n = 0; n < batch; n++) {
    room[n] = (struct iovec){buffers[n], size};
    incoming[n].msg_hdr = (struct msghdr){.msg_iov = &room[n], .msg_iovlen = 1};
  }
  for (;;) {
    int received = recvmmsg(descriptor, incoming, batch, MSG_WAITFORONE, NULL);
    if (received <= 0) continue;
    uint8_t *frames[batch], sends[batch];
    uint32_t lengths[batch];
    for (int n = 0; n < received; n++) {
      frames[n] = buffers[n] + metadata;
      lengths[n] = incoming[n].msg_len - metadata;
    }
    baseline_forward(director, frames, lengths, sends, (size_t)received, now());
    unsigned queued = 0;
    for (int n = 0; n < received; n++) {
      if (!sends[n]) continue;
      parts[queued] = (struct iovec){buffers[n], incoming[n].msg_len};
      outgoing[queued].msg_hdr = (struct msghdr){.msg_iov = &parts[queued], .msg_iovlen = 1};
      queued++;
    }
    send_all(descriptor, outgoing, queued);
  }
}

#include "baselines.h"

#include <arpa/inet.h>
#include <string.h>

static uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)sum;
}

void baseline_fill(uint8_t *frames, size_t stride, size_t count, const uint32_t *order, uint8_t flags) {
  // Ethernet; IPv4 of 46 bytes with TTL 64, without its checksum and source; TCP with its ports left open.
  static const uint8_t model[BASELINE_FRAME_LENGTH] = {
    2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xc1, 8, 0,
    0x45, 0, 0, 46, 0, 1, 0x40, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0xc6, 0x33, 0x64, 1,
    0, 0, 0, BASELINE_VIP_PORT, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0, 0x20, 0};
  const uint32_t constant = 0x4500 + 46 + 1 + 0x4000 + 0x4006 + 0xc633 + 0x6401;
  for (size_t n = 0; n < count; n++) {
    uint8_t *frame = frames + n * stride;
    uint32_t client = baseline_client(order[n]);
    memcpy(frame, model, sizeof model);
    uint16_t checksum = htons((uint16_t)~folded(constant + (client >> 16) + (client & 0xffff)));
    uint16_t port = htons(baseline_port(order[n]));
    client = htonl(client);
    memcpy(frame + 24, &checksum, 2);
    memcpy(frame + 26, &client, 4);
    memcpy(frame + 34, &port, 2);
    frame[47] = flags;
  }
}

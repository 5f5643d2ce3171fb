// The round trip of small datagrams:
//
//     roundtrip echo ADDRESS PORT
//     roundtrip ask ADDRESS PORT COUNT GAP
//
// `ask` sends one datagram after the other, GAP microseconds after an answer, and prints how many nanoseconds each
// answer took, a line each; `lost` where none came within 200 ms.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { length = 64 };

static void fail(const char *what) {
  fprintf(stderr, "roundtrip: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void echo(int descriptor, const struct sockaddr_in *address) {
  if (bind(descriptor, (const struct sockaddr *)address, sizeof *address) != 0) fail("bind");
  for (;;) {
    char data[length];
    struct sockaddr_in client;
    socklen_t size = sizeof client;
    ssize_t count = recvfrom(descriptor, data, sizeof data, 0, (struct sockaddr *)&client, &size);
    if (count >= 0) sendto(descriptor, data, (size_t)count, 0, (struct sockaddr *)&client, size);
  }
}

/// An answer to an earlier question, which was given up, does not count.
static uint64_t ask(int descriptor, uint64_t number) {
  uint64_t data[length / 8] = {number}, begin = now();
  if (send(descriptor, data, sizeof data, 0) < 0) return 0;
  do {
    if (recv(descriptor, data, sizeof data, 0) < 0) return 0;
  } while (data[0] != number);
  return now() - begin;
}

int main(int count, char **words) {
  int asks = count == 6 && strcmp(words[1], "ask") == 0;
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (!(asks || (count == 4 && strcmp(words[1], "echo") == 0)) || inet_pton(AF_INET, words[2], &address.sin_addr) != 1) {
    fprintf(stderr, "usage: roundtrip echo ADDRESS PORT | roundtrip ask ADDRESS PORT COUNT GAP\n");
    return 2;
  }
  address.sin_port = htons((uint16_t)atoi(words[3]));
  int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  if (descriptor < 0) fail("socket");
  if (!asks) echo(descriptor, &address);
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0, 200000}, sizeof(struct timeval));
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  prctl(PR_SET_TIMERSLACK, 1);
  useconds_t gap = (useconds_t)atoi(words[5]);
  for (uint64_t number = 1, last = strtoull(words[4], NULL, 10); number <= last; number++) {
    uint64_t took = ask(descriptor, number);
    if (took) printf("%llu\n", (unsigned long long)took); else puts("lost");
    usleep(gap);
  }
  return 0;
}

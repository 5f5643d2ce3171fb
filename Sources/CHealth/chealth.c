#define _GNU_SOURCE
#include "chealth.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int ch_tun_open(char name[16]) {
  int descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return -errno;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(descriptor, TUNSETIFF, &request) != 0) {
    int failure = errno;
    close(descriptor);
    return -failure;
  }
  memcpy(name, request.ifr_name, IFNAMSIZ);
  return descriptor;
}

int ch_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC | O_NONBLOCK); }

int ch_find(const void *all, size_t length, const void *part, size_t part_length) {
  return memmem(all, length, part, part_length) != NULL;
}

void ch_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

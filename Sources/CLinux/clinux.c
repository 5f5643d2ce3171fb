#define _GNU_SOURCE
#include "clinux.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

uint64_t cl_free_pages(void) {
  struct sysinfo information;
  if (sysinfo(&information) != 0) return UINT64_MAX;
  return (information.freeram + information.bufferram) * information.mem_unit / (uint64_t)sysconf(_SC_PAGESIZE);
}

void cl_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int cl_pin(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int cl_processor(void) { return sched_getcpu(); }

int cl_has_capability(int number) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) != 0) return 0;
  return sets[number / 32].effective >> (number % 32) & 1;
}

int cl_interface(const char *name, uint64_t *mac, int *mtu, unsigned *flags, int *hardware) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errno;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int failed = 0;
  if (ioctl(descriptor, SIOCGIFHWADDR, &request) == 0) {
    *mac = 0;
    for (int octet = 0; octet < 6; octet++) *mac = *mac << 8 | (uint8_t)request.ifr_hwaddr.sa_data[octet];
    *hardware = request.ifr_hwaddr.sa_family;
  } else failed = errno;
  if (!failed && ioctl(descriptor, SIOCGIFMTU, &request) == 0) *mtu = request.ifr_mtu;
  else if (!failed) failed = errno;
  if (!failed && ioctl(descriptor, SIOCGIFFLAGS, &request) == 0) *flags = (uint16_t)request.ifr_flags;
  else if (!failed) failed = errno;
  close(descriptor);
  return failed;
}

int cl_large_receive(const char *name) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_data = (char *)&value;
  int failed = ioctl(descriptor, SIOCETHTOOL, &request);
  close(descriptor);
  return failed ? -1 : (value.data & ETH_FLAG_LRO) != 0;
}

int cl_receive_queues(const char *name) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return 0;
  struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_data = (char *)&channels;
  int failed = ioctl(descriptor, SIOCETHTOOL, &request);
  close(descriptor);
  return failed ? 0 : (int)(channels.combined_count + channels.rx_count);
}

struct cl_batch {
  struct mmsghdr messages[64];
  struct iovec parts[64];
};

struct cl_batch *cl_batch_create(void) { return calloc(1, sizeof(struct cl_batch)); }

void cl_batch_set(struct cl_batch *batch, int place, void *data, size_t length) {
  batch->parts[place].iov_base = data;
  batch->parts[place].iov_len = length;
  batch->messages[place].msg_hdr.msg_iov = &batch->parts[place];
  batch->messages[place].msg_hdr.msg_iovlen = 1;
}

int cl_batch_send(int descriptor, struct cl_batch *batch, int first, int count) {
  int sent = sendmmsg(descriptor, &batch->messages[first], (unsigned)count, MSG_DONTWAIT);
  return sent < 0 ? -errno : sent;
}

#define _GNU_SOURCE
#include "clinux.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>

uint64_t cl_free_pages(void) {
  struct sysinfo information;
  if (sysinfo(&information) != 0) return UINT64_MAX;
  return (information.freeram + information.bufferram) * information.mem_unit / (uint64_t)sysconf(_SC_PAGESIZE);
}

const int cl_seek_data = SEEK_DATA;
const int cl_seek_hole = SEEK_HOLE;

int cl_allocate(int descriptor, off_t place, off_t length) {
  int result;
  do result = fallocate(descriptor, 0, place, length) == 0 ? 0 : errno;
  while (result == EINTR);
  return result;
}

uint64_t cl_file_system(const char *path) {
  struct statfs system;
  return statfs(path, &system) == 0 ? (uint64_t)system.f_type : 0;
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

int cl_keep_capabilities(uint64_t wanted) {
  // Without the right to change the bounding set, that is no way to more rights either.
  for (int number = 0; number < 64; number++)
    if (!(wanted >> number & 1)) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) != 0) return errno;
  for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
    uint32_t kept = (uint32_t)(wanted >> (32 * half));
    sets[half].permitted &= kept;
    sets[half].effective &= kept;
    sets[half].inheritable = 0;
  }
  return syscall(SYS_capset, &header, sets) == 0 ? 0 : errno;
}

int cl_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno; }

static struct ifreq request_for(const char *name) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  return request;
}

int cl_interface(int descriptor, const char *name, struct cl_link *link) {
  struct ifreq request = request_for(name);
  if (ioctl(descriptor, SIOCGIFINDEX, &request) != 0) return errno;
  link->index = (unsigned)request.ifr_ifindex;
  if (ioctl(descriptor, SIOCGIFHWADDR, &request) != 0) return errno;
  link->mac = 0;
  for (int byte = 0; byte < 6; byte++) link->mac = link->mac << 8 | (uint8_t)request.ifr_hwaddr.sa_data[byte];
  link->hardware = request.ifr_hwaddr.sa_family;
  if (ioctl(descriptor, SIOCGIFMTU, &request) != 0) return errno;
  link->mtu = request.ifr_mtu;
  if (ioctl(descriptor, SIOCGIFFLAGS, &request) != 0) return errno;
  link->flags = (uint16_t)request.ifr_flags;
  return 0;
}

uint32_t cl_device_flags(const char *name) {
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return 0;
  struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
  struct ifreq request = request_for(name);
  request.ifr_data = (char *)&value;
  int failed = ioctl(descriptor, SIOCETHTOOL, &request);
  close(descriptor);
  return failed ? 0 : value.data;
}

int cl_receive_queues(int descriptor, const char *name) {
  struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
  struct ifreq request = request_for(name);
  request.ifr_data = (char *)&channels;
  int failed = ioctl(descriptor, SIOCETHTOOL, &request);
  return failed ? 0 : (int)(channels.combined_count + channels.rx_count);
}

int cl_accept(int descriptor) {
  int accepted = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC);
  return accepted < 0 ? -errno : accepted;
}

int cl_peer(int descriptor, int *process, unsigned *user) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return errno;
  *process = peer.pid;
  *user = peer.uid;
  return 0;
}

union descriptor_room {
  struct cmsghdr header;
  char room[CMSG_SPACE(64 * sizeof(int))];
};

int cl_send_descriptors(
  int socket, const struct sockaddr *to, socklen_t length, const void *text, size_t size, const int *descriptors,
  int count) {
  if (count < 0 || count > cl_most_descriptors) return EINVAL;
  union descriptor_room control;
  memset(&control, 0, sizeof control);
  struct iovec part = {(void *)text, size};
  struct msghdr message = {.msg_name = (void *)to, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    const size_t bytes = (size_t)count * sizeof(int);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(bytes);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(header), descriptors, bytes);
  }
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

ssize_t cl_receive_descriptors(int socket, void *text, size_t size, int *descriptors, int *count) {
  union descriptor_room control;
  struct iovec part = {text, size};
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *count = 0;
  const ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (length < 0) return -errno;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t bytes = header->cmsg_len - CMSG_LEN(0);
    memcpy(descriptors + *count, CMSG_DATA(header), bytes);
    *count += (int)(bytes / sizeof(int));
  }
  return length;
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

static socklen_t socket_address(
  struct sockaddr_storage *storage, int family, const uint8_t *group, uint16_t port, unsigned interface) {
  memset(storage, 0, sizeof *storage);
  if (family == AF_INET6) {
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)storage;
    address->sin6_family = AF_INET6;
    address->sin6_port = htons(port);
    address->sin6_scope_id = interface;
    memcpy(&address->sin6_addr, group, 16);
    return sizeof *address;
  }
  struct sockaddr_in *address = (struct sockaddr_in *)storage;
  address->sin_family = AF_INET;
  address->sin_port = htons(port);
  memcpy(&address->sin_addr, group, 4);
  return sizeof *address;
}

static int failed(int descriptor) {
  int code = errno;
  close(descriptor);
  return -code;
}

int cl_multicast_sender(int family, const uint8_t *group, uint16_t port, unsigned interface, int ttl) {
  int descriptor = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  struct sockaddr_storage address;
  socklen_t length = socket_address(&address, family, group, port, interface);
  const int none = 0, index = (int)interface;
  if (family == AF_INET6) {
    if (setsockopt(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) != 0 ||
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &ttl, sizeof ttl) != 0 ||
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &none, sizeof none) != 0)
      return failed(descriptor);
  } else {
    const struct ip_mreqn where = {.imr_ifindex = index};
    const int fragments = IP_PMTUDISC_DONT;
    if (setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_IF, &where, sizeof where) != 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl) != 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_MULTICAST_LOOP, &none, sizeof none) != 0 ||
        setsockopt(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, &fragments, sizeof fragments) != 0)
      return failed(descriptor);
  }
  if (connect(descriptor, (struct sockaddr *)&address, length) != 0) return failed(descriptor);
  return descriptor;
}

int cl_multicast_receiver(int family, const uint8_t *group, uint16_t port, const char *interface) {
  unsigned index = if_nametoindex(interface);
  if (index == 0) return -errno;
  int descriptor = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  struct sockaddr_storage address;
  socklen_t length = socket_address(&address, family, group, port, index);
  const int yes = 1, room = 4 << 20;
  // The largest that there is, where the process may not have more than others.
  if (setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface)) != 0 ||
      bind(descriptor, (struct sockaddr *)&address, length) != 0)
    return failed(descriptor);
  int code;
  if (family == AF_INET6) {
    struct ipv6_mreq membership = {.ipv6mr_interface = index};
    memcpy(&membership.ipv6mr_multiaddr, group, 16);
    code = setsockopt(descriptor, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &membership, sizeof membership);
  } else {
    struct ip_mreqn membership = {.imr_ifindex = (int)index};
    memcpy(&membership.imr_multiaddr, group, 4);
    code = setsockopt(descriptor, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership);
  }
  return code == 0 ? descriptor : failed(descriptor);
}

// RFC 5082: what is sent with the most hops that there are and arrives with fewer has passed a router.
static int neighbors_only(int descriptor, int family, const char *interface, int hops) {
  const int most = 255, least = 256 - hops;
  if (setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface)) != 0) return -1;
  if (family == AF_INET6)
    return setsockopt(descriptor, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &most, sizeof most) |
           setsockopt(descriptor, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &least, sizeof least);
  return setsockopt(descriptor, IPPROTO_IP, IP_TTL, &most, sizeof most) |
         setsockopt(descriptor, IPPROTO_IP, IP_MINTTL, &least, sizeof least);
}

int cl_sync_listener(int family, uint16_t port, const char *interface, int hops) {
  static const uint8_t any[16];
  struct sockaddr_storage address;
  socklen_t length = socket_address(&address, family, any, port, 0);
  int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  const int yes = 1;
  if (setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      neighbors_only(descriptor, family, interface, hops) != 0 ||
      bind(descriptor, (struct sockaddr *)&address, length) != 0 || listen(descriptor, 16) != 0)
    return failed(descriptor);
  return descriptor;
}

int cl_sync_connection(int family, const uint8_t *peer, uint16_t port, const char *interface, int hops) {
  struct sockaddr_storage address;
  socklen_t length = socket_address(&address, family, peer, port, if_nametoindex(interface));
  int descriptor = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return -errno;
  if (neighbors_only(descriptor, family, interface, hops) != 0) return failed(descriptor);
  if (connect(descriptor, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS) return failed(descriptor);
  return descriptor;
}

static void take_source(struct cl_source *source, const struct sockaddr_storage *storage) {
  memset(source, 0, sizeof *source);
  source->family = storage->ss_family;
  if (storage->ss_family == AF_INET6) {
    const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)storage;
    memcpy(source->address, &address->sin6_addr, 16);
    source->port = ntohs(address->sin6_port);
  } else {
    const struct sockaddr_in *address = (const struct sockaddr_in *)storage;
    memcpy(source->address, &address->sin_addr, 4);
    source->port = ntohs(address->sin_port);
  }
}

ssize_t cl_receive_from(int descriptor, void *bytes, size_t size, struct cl_source *source) {
  struct sockaddr_storage storage = {0};
  socklen_t length = sizeof storage;
  ssize_t count = recvfrom(descriptor, bytes, size, 0, (struct sockaddr *)&storage, &length);
  if (count < 0) return -errno;
  take_source(source, &storage);
  return count;
}

int cl_local_end(int descriptor, struct cl_source *end) {
  struct sockaddr_storage storage = {0};
  socklen_t length = sizeof storage;
  if (getsockname(descriptor, (struct sockaddr *)&storage, &length) != 0) return errno;
  take_source(end, &storage);
  return 0;
}

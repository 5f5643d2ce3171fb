#ifndef CLINUX_H
#define CLINUX_H

// What Swift cannot import from Linux's headers: macros with casts, variadic calls, struct layouts of the UAPI.

#include <arpa/inet.h>
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static inline void cl_prefetch(const void *_Nonnull address) { __builtin_prefetch(address, 1, 3); }

/// Where the rings of an AF_XDP socket are mapped.
static const off_t cl_xdp_receive_place = XDP_PGOFF_RX_RING;
static const off_t cl_xdp_transmit_place = XDP_PGOFF_TX_RING;
static const off_t cl_xdp_fill_place = XDP_UMEM_PGOFF_FILL_RING;
static const off_t cl_xdp_completion_place = XDP_UMEM_PGOFF_COMPLETION_RING;

/// Asks a socket for the cookie of its network namespace (`SO_NETNS_COOKIE`).
static const int cl_netns_cookie = 71;

/// Where a file has been written, and where it has not (lseek(2)).
extern const int cl_seek_data, cl_seek_hole;

/// Has the file system keep room for a part of a file; 0 or an errno.
int cl_allocate(int descriptor, off_t place, off_t length);

/// The kind of the file system that a path is on (`statfs.f_type`); 0 where it cannot be asked.
uint64_t cl_file_system(const char *_Nonnull path);

/// The flag of clone(2) that makes a thread and no process.
static const uint64_t cl_clone_thread = 0x00010000;

/// The limit on memory that may be locked.
static const unsigned cl_memory_lock = RLIMIT_MEMLOCK;

/// Nanoseconds of the monotonic clock.
static inline uint64_t cl_monotonic(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/// Nanoseconds of processor time that the calling thread has used.
static inline uint64_t cl_thread_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/// Pages of memory that are free or hold buffers.
uint64_t cl_free_pages(void);

/// Names the calling thread, in at most 15 characters.
void cl_name_thread(const char *_Nonnull name);

/// Pins the calling thread to one processor; 0 or an errno.
int cl_pin(int processor);

/// The processor that the calling thread runs on.
int cl_processor(void);

/// Whether the process has a capability (CAP_NET_RAW, …) in effect.
int cl_has_capability(int number);

/// Keeps these capabilities, a bit each, of those that the calling thread has, and no others; 0 or an errno.
int cl_keep_capabilities(uint64_t wanted);

/// Has no program that the calling thread runs give it more rights than it has; 0 or an errno.
int cl_no_new_privileges(void);

/// The link-level facts of an interface.
struct cl_link {
  unsigned index;
  /// Its Ethernet address as 48 bits.
  uint64_t mac;
  int mtu;
  unsigned flags;
  /// ARPHRD_….
  int hardware;
};

/// Asks for an interface's facts through any socket; 0 or an errno, ENODEV where there is none of the name.
int cl_interface(int descriptor, const char *_Nonnull name, struct cl_link *_Nonnull link);

/// What an interface's device does with received frames (`ETH_FLAG_LRO`, `ETH_FLAG_RXVLAN`); 0 where it does not tell.
uint32_t cl_device_flags(const char *_Nonnull name);

/// It merges them into ones that cannot be taken apart again.
static const uint32_t cl_merges_frames = 1u << 15;
/// It takes 802.1Q tags out of them.
static const uint32_t cl_takes_tags_out = 1u << 8;

/// How many receive queues an interface has in use, asked through any socket; 0 where it does not tell.
int cl_receive_queues(int descriptor, const char *_Nonnull name);

/// Takes the next connection of a listening socket, or a negative errno. It is not inherited.
int cl_accept(int descriptor);

/// The process at the other end of a Unix socket, as the kernel knows it; 0 or an errno.
int cl_peer(int descriptor, int *_Nonnull process, unsigned *_Nonnull user);

/// Descriptors that one message carries at most.
static const int cl_most_descriptors = 64;

/// Sends a message with descriptors for who receives it, without waiting; 0 or an errno. `to` is null on a socket that is
/// connected.
int cl_send_descriptors(
  int socket, const struct sockaddr *_Nullable to, socklen_t length, const void *_Nonnull text, size_t size,
  const int *_Nonnull descriptors, int count);

/// Takes a message with the descriptors that came along, which are not inherited; its length or a negative errno.
/// `descriptors` has room for `cl_most_descriptors`.
ssize_t cl_receive_descriptors(
  int socket, void *_Nonnull text, size_t size, int *_Nonnull descriptors, int *_Nonnull count);

/// A UDP socket, or a negative errno: it sends to a group out of an interface, or takes what comes to a group there.
///
/// `family` is AF_INET or AF_INET6; `group` has 4 or 16 bytes.
int cl_multicast_sender(int family, const uint8_t *_Nonnull group, uint16_t port, unsigned interface, int ttl);
int cl_multicast_receiver(int family, const uint8_t *_Nonnull group, uint16_t port, const char *_Nonnull interface);

/// Who sent a datagram, or the end that a socket has: 4 or 16 bytes by its family.
struct cl_source {
  int family;
  uint8_t address[16];
  uint16_t port;
};

/// Takes a datagram, whose length it returns, or a negative errno.
ssize_t cl_receive_from(
  int descriptor, void *_Nonnull bytes, size_t size, struct cl_source *_Nonnull source);

/// A TCP socket on an interface, or a negative errno: it listens at a port, or connects (the connection is made later).
/// Packets that passed more than `hops` - 1 routers are not for it.
int cl_sync_listener(int family, uint16_t port, const char *_Nonnull interface, int hops);
int cl_sync_connection(
  int family, const uint8_t *_Nonnull address, uint16_t port, const char *_Nonnull interface, int hops);

/// The local end of a socket; 0 or an errno.
int cl_local_end(int descriptor, struct cl_source *_Nonnull end);

/// Up to 64 frames to transmit with one system call.
struct cl_batch;

/// A new batch, or null without memory; `free` gives it back.
struct cl_batch *_Nullable cl_batch_create(void);

/// Puts a frame into a place of the batch; its memory must stay until it is sent.
void cl_batch_set(struct cl_batch *_Nonnull batch, int place, void *_Nonnull data, size_t length);

/// Transmits the frames at first..<first+count; how many went out, or a negative errno where the first of them failed.
int cl_batch_send(int descriptor, struct cl_batch *_Nonnull batch, int first, int count);

#endif

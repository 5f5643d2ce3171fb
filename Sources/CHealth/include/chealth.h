#ifndef CHEALTH_H
#define CHEALTH_H

// What Swift cannot import from Linux's headers, or cannot do: a child between vfork and exec.

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

/// Opens a new TUN device whose packets have no header of their own; a name with %d is completed in place.
/// The descriptor, or a negative errno. The device is gone with it.
int ch_tun_open(char name[_Nonnull 16]);

/// What a command may use.
struct ch_limits {
  /// Bytes of address space, seconds of processor time, open files, bytes in a file, processes of the user.
  uint64_t memory, processor, files, file_size, processes;
};

enum { CH_RUN, CH_KILL, CH_FAILED, CH_ENDED };

/// The largest request, its words included.
#define CH_REQUEST_SIZE 65536

/// What the broker is asked: to run a command (its words and the variables of its environment follow, each with a NUL
/// at its end, and its output comes along as a descriptor), or to kill it with all its session.
struct ch_request {
  uint64_t id;
  uint32_t kind, words, variables;
  struct ch_limits limits;
};

/// What it answers: why a command did not start (an errno), or how it ended (a status as of `waitpid`).
struct ch_reply {
  uint64_t id;
  int32_t kind, value;
};

/// Starts a process that runs commands for this one: from then on this one may give up the right to.
///
/// A command has a session of its own, no capabilities, no descriptor but its output, and ends with the
/// broker, which ends with this process. What commands leave behind is killed.
///
/// The socket to ask it by, or a negative errno.
int ch_broker(void);

/// Asks the broker; 0 or an errno, EAGAIN where it is busy.
int ch_ask(int socket, const struct ch_request *_Nonnull request, const char *_Nullable text, size_t length, int output);

/// Takes the next answer; 0 or an errno, EAGAIN where there is none.
int ch_hear(int socket, struct ch_reply *_Nonnull reply);

/// A pipe whose ends do not wait and are not handed on to commands; 0, or -1 with errno set.
int ch_pipe(int ends[_Nonnull 2]);

/// Whether one piece of memory stands somewhere in another.
int ch_find(const void *_Nonnull all, size_t length, const void *_Nonnull part, size_t part_length);

/// Names the calling thread, in 15 letters at most.
void ch_name_thread(const char *_Nonnull name);

#endif

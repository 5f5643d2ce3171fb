#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chealth.h"

// The broker: a process with one thread and no memory to speak of, which runs commands for one that may not.

enum { capacity = 64, most_words = 96 };

/// A command that runs; `pid` is its number and that of its session, 0 where the place is free.
static struct { uint64_t id; pid_t pid; } running[capacity];

static void limit(int resource, uint64_t value) {
  struct rlimit both = {value, value};
  setrlimit(resource, &both);
}

/// All that the child does. It shares the broker's memory: nothing here may change what the broker goes on with.
static void become(char *const *words, char *const *environment, const struct ch_limits *limits, int output,
                   volatile int *failure) {
  struct sigaction standard = {.sa_handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  limit(RLIMIT_AS, limits->memory);
  limit(RLIMIT_CPU, limits->processor);
  limit(RLIMIT_NOFILE, limits->files);
  limit(RLIMIT_FSIZE, limits->file_size);
  limit(RLIMIT_NPROC, limits->processes);
  limit(RLIMIT_CORE, 0);
  int input = open("/dev/null", O_RDONLY);
  if (input >= 0 && dup2(input, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0) {
    close_range(3, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(words[0], words, environment);
  }
  *failure = errno;
  _exit(127);
}

static void answer(int socket, uint64_t id, int32_t kind, int32_t value) {
  struct ch_reply reply = {id, kind, value};
  send(socket, &reply, sizeof reply, MSG_NOSIGNAL);
}

static int place_of(pid_t pid) {
  for (int place = 0; place < capacity; place++)
    if (running[place].pid == pid) return place;
  return -1;
}

/// Points at the words of a request, each of which ends with a NUL; where they end, or NULL where there are not so many.
static char *point(char *text, char *end, unsigned count, char **words) {
  for (unsigned index = 0; index < count; index++) {
    char *stop = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
    if (!stop) return NULL;
    words[index] = text;
    text = stop + 1;
  }
  words[count] = NULL;
  return text;
}

static int run(struct ch_request *request, char *text, char *end, int output) {
  char *words[most_words + 1], *environment[most_words + 1];
  int place = place_of(0);
  if (place < 0) return EAGAIN;
  if (request->words == 0 || request->words > most_words || request->variables > most_words || output < 0) return EINVAL;
  char *rest = point(text, end, request->words, words);
  if (!rest || !point(rest, end, request->variables, environment)) return EINVAL;
  volatile int failure = 0;
  // A fork would copy the tables of pages only to throw them away.
  pid_t pid = vfork();
  if (pid == 0) become(words, environment, &request->limits, output, &failure);
  if (pid < 0) return errno;
  if (failure) {
    waitpid(pid, NULL, 0);
    return failure;
  }
  running[place].id = request->id;
  running[place].pid = pid;
  return 0;
}

/// Reads one request; whether there is somebody left to ask.
static int serve(int socket) {
  static char buffer[CH_REQUEST_SIZE];
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (count <= 0) return count < 0 && (errno == EINTR || errno == EAGAIN);
  int output = -1;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&output, CMSG_DATA(header), sizeof output);
  struct ch_request request;
  if ((size_t)count >= sizeof request && !(message.msg_flags & MSG_TRUNC)) {
    memcpy(&request, buffer, sizeof request);
    if (request.kind == CH_RUN) {
      int failure = run(&request, buffer + sizeof request, buffer + count, output);
      if (failure) answer(socket, request.id, CH_FAILED, failure);
    } else {
      for (int place = 0; place < capacity; place++)
        if (running[place].pid && running[place].id == request.id) kill(-running[place].pid, SIGKILL);
    }
  }
  if (output >= 0) close(output);
  return 1;
}

/// Ends what commands left behind: children of this process that belong to no session of a command that runs.
static void end_orphans(void) {
  char name[64];
  snprintf(name, sizeof name, "/proc/self/task/%d/children", getpid());
  FILE *list = fopen(name, "re");
  if (!list) return;
  int pid;
  while (fscanf(list, "%d", &pid) == 1)
    if (place_of(pid) < 0 && place_of(getsid(pid)) < 0) kill(pid, SIGKILL);
  fclose(list);
}

/// Takes the status of all that has ended.
static void reap(int socket) {
  int ended = 0;
  for (;;) {
    siginfo_t information = {.si_pid = 0};
    if (waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0 || information.si_pid == 0) break;
    int place = place_of(information.si_pid), status = 0;
    // While the leader's status is there, the session's number is nobody else's.
    if (place >= 0) kill(-information.si_pid, SIGKILL);
    waitpid(information.si_pid, &status, 0);
    if (place < 0) continue;
    answer(socket, running[place].id, CH_ENDED, status);
    running[place].pid = 0;
    ended = 1;
  }
  if (ended) end_orphans();
}

/// Leaves commands no capability, not even root's.
static void renounce(void) {
  for (int number = 0; number < 64; number++) prctl(PR_CAPBSET_DROP, number, 0, 0, 0);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
  memset(none, 0, sizeof none);
  syscall(SYS_capset, &header, none);
}

static void work(int socket) {
  prctl(PR_SET_NAME, "lbd-commands");
  renounce();
  // What a command leaves behind comes here instead of to init.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  setpgid(0, 0);
  // It goes when lbd goes, however that is told to end.
  for (int number = 1; number < NSIG; number++) signal(number, SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGCHLD);
  sigprocmask(SIG_SETMASK, &ends, NULL);
  int signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  struct pollfd both[] = {{socket, POLLIN, 0}, {signals, POLLIN, 0}};
  for (;;) {
    if (poll(both, 2, -1) < 0 && errno != EINTR) break;
    struct signalfd_siginfo signal;
    if (both[1].revents && read(signals, &signal, sizeof signal) > 0) reap(socket);
    if (both[0].revents && !serve(socket)) break;
  }
  for (int place = 0; place < capacity; place++)
    if (running[place].pid) kill(-running[place].pid, SIGKILL);
  _exit(0);
}

int ch_broker(void) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -errno;
  pid_t pid = fork();
  if (pid == 0) {
    // Standard input, output and error stay; all else was lbd's.
    dup2(ends[1], 3);
    close_range(4, ~0U, 0);
    work(3);
  }
  int failure = errno;
  close(ends[1]);
  if (pid > 0) return ends[0];
  close(ends[0]);
  return -failure;
}

int ch_ask(int socket, const struct ch_request *request, const char *text, size_t length, int output) {
  char control[CMSG_SPACE(sizeof(int))];
  memset(control, 0, sizeof control);
  struct iovec parts[] = {{(void *)request, sizeof *request}, {(void *)text, length}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (output >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &output, sizeof output);
  }
  return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

int ch_hear(int socket, struct ch_reply *reply) {
  ssize_t count = recv(socket, reply, sizeof *reply, 0);
  if (count == sizeof *reply) return 0;
  return count == 0 ? EPIPE : count < 0 ? errno : EBADMSG;
}

/*
 * The functions of libc that this library stands before. All that is not a message for the family IPVS, or an answer
 * to one, goes on to libc as it came. Lookups of the family's name and messages of its number go to lbd; the sockets
 * stay the kernel's, so that binding, naming, polling and closing them need no help, and other families work on them.
 */
#define _GNU_SOURCE
#include "messages.h"

#include "ipvs-preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static struct libc real;

static void find_libc(void) {
    real.send = dlsym(RTLD_NEXT, "send");
    real.sendto = dlsym(RTLD_NEXT, "sendto");
    real.sendmsg = dlsym(RTLD_NEXT, "sendmsg");
    real.write = dlsym(RTLD_NEXT, "write");
    real.recv = dlsym(RTLD_NEXT, "recv");
    real.recvfrom = dlsym(RTLD_NEXT, "recvfrom");
    real.recvmsg = dlsym(RTLD_NEXT, "recvmsg");
    real.read = dlsym(RTLD_NEXT, "read");
    real.getsockopt = dlsym(RTLD_NEXT, "getsockopt");
    real.setsockopt = dlsym(RTLD_NEXT, "setsockopt");
    real.fopen = dlsym(RTLD_NEXT, "fopen");
}

/* Other libraries may send before this one was initialized. */
const struct libc *libc(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_libc);
    return &real;
}

/* Whether the descriptor is a socket of generic netlink. */
static bool is_generic(int socket) {
    int before = errno, domain = 0, protocol = -1;
    socklen_t length = sizeof domain;
    bool is = libc()->getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_NETLINK &&
        libc()->getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == NETLINK_GENERIC;
    errno = before;
    return is;
}

/* Whether the attributes of a lookup name the family IPVS, or its number. */
static bool names_ipvs(const char *attributes, size_t length) {
    while (length >= NLA_HDRLEN) {
        struct nlattr head;
        memcpy(&head, attributes, sizeof head);
        if (head.nla_len < NLA_HDRLEN || head.nla_len > length) return false;
        const char *value = attributes + NLA_HDRLEN;
        size_t size = head.nla_len - NLA_HDRLEN, whole = NLA_ALIGN(head.nla_len);
        if (head.nla_type == CTRL_ATTR_FAMILY_NAME) return size >= 5 && memcmp(value, "IPVS", 5) == 0;
        if (head.nla_type == CTRL_ATTR_FAMILY_ID) {
            uint16_t number = 0;
            if (size >= sizeof number) memcpy(&number, value, sizeof number);
            return number == IPVS_PRELOAD_FAMILY;
        }
        attributes += whole < length ? whole : length;
        length -= whole < length ? whole : length;
    }
    return false;
}

/* Whether a message begins there that is lbd's to answer: one of the family, or the lookup of the family. */
static bool is_for_lbd(const char *bytes, size_t length) {
    struct { struct nlmsghdr header; struct genlmsghdr generic; } head;
    if (length < sizeof head) return false;
    memcpy(&head, bytes, sizeof head);
    if (head.header.nlmsg_len < sizeof head || head.header.nlmsg_len > length) return false;
    if (head.header.nlmsg_type == IPVS_PRELOAD_FAMILY) return true;
    /* A dump of all families is the kernel's. */
    return head.header.nlmsg_type == GENL_ID_CTRL && head.generic.cmd == CTRL_CMD_GETFAMILY &&
        (head.header.nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP &&
        names_ipvs(bytes + sizeof head, head.header.nlmsg_len - sizeof head);
}

/* The port that the kernel knows the socket by, to which its answers are addressed. */
static uint32_t port_of(int socket) {
    struct sockaddr_nl own = { .nl_family = AF_NETLINK };
    socklen_t length = sizeof own;
    if (getsockname(socket, (struct sockaddr *)&own, &length) == 0 && own.nl_pid == 0 &&
        bind(socket, (struct sockaddr *)&own, sizeof own) == 0)
        getsockname(socket, (struct sockaddr *)&own, &length);
    return own.nl_pid;
}

/* Sends the messages of a datagram to whom each is for. The first one is lbd's. */
static ssize_t send_messages(int socket, const char *bytes, size_t length, const struct msghdr *as, int flags) {
    uint32_t port = port_of(socket);
    for (size_t place = 0; place < length;) {
        struct nlmsghdr header = { 0 };
        size_t rest = length - place, size = rest;
        if (rest >= sizeof header) memcpy(&header, bytes + place, sizeof header);
        if (header.nlmsg_len >= sizeof header && NLMSG_ALIGN(header.nlmsg_len) < rest) size = NLMSG_ALIGN(header.nlmsg_len);
        if (is_for_lbd(bytes + place, rest)) {
            struct datagram *answer = lbd_answers(bytes + place, port);
            if (answer && !answers_put(socket, answer)) return -1;
        } else {
            struct iovec piece = { .iov_base = (char *)bytes + place, .iov_len = size };
            struct msghdr single = *as;
            single.msg_iov = &piece;
            single.msg_iovlen = 1;
            if (libc()->sendmsg(socket, &single, flags) < 0) return -1;
        }
        place += size;
    }
    return (ssize_t)length;
}

/* The bytes of a message in one piece: its only piece, or a copy that the caller frees. */
static char *in_one_piece(const struct msghdr *message, size_t *length, char **copy) {
    *copy = NULL;
    *length = message->msg_iovlen == 1 ? message->msg_iov[0].iov_len : 0;
    if (message->msg_iovlen == 1) return message->msg_iov[0].iov_base;
    for (size_t i = 0; i < message->msg_iovlen; i++) *length += message->msg_iov[i].iov_len;
    char *end = *copy = malloc(*length + 1);
    for (size_t i = 0; end && i < message->msg_iovlen; i++) {
        memcpy(end, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
        end += message->msg_iov[i].iov_len;
    }
    return *copy;
}

/* Whether the message may be lbd's. Netlink is spoken in one piece or few; what has many is not looked at. */
static bool may_be_for_lbd(const struct msghdr *message) {
    if (!message || message->msg_iovlen < 1 || message->msg_iovlen > 8) return false;
    const struct iovec *first = message->msg_iov;
    return message->msg_iovlen > 1 || (first->iov_base && is_for_lbd(first->iov_base, first->iov_len));
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    if (may_be_for_lbd(message) && is_generic(socket)) {
        char *copy;
        size_t length;
        const char *bytes = in_one_piece(message, &length, &copy);
        bool is_ours = bytes && is_for_lbd(bytes, length);
        ssize_t sent = is_ours ? send_messages(socket, bytes, length, message, flags) : 0;
        free(copy);
        if (is_ours) return sent;
    }
    return libc()->sendmsg(socket, message, flags);
}

ssize_t sendto(int socket, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
    if (bytes && is_for_lbd(bytes, length) && is_generic(socket)) {
        struct msghdr as = { .msg_name = (void *)to, .msg_namelen = to ? size : 0 };
        return send_messages(socket, bytes, length, &as, flags);
    }
    return libc()->sendto(socket, bytes, length, flags, to, size);
}

ssize_t send(int socket, const void *bytes, size_t length, int flags) {
    return sendto(socket, bytes, length, flags, NULL, 0);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    if (bytes && is_for_lbd(bytes, length) && is_generic(descriptor)) return send(descriptor, bytes, length, 0);
    return libc()->write(descriptor, bytes, length);
}

ssize_t recvmsg(int socket, struct msghdr *message, int flags) {
    if (answers_wait() && message && !(flags & MSG_ERRQUEUE) && is_generic(socket))
        return answers_receive(socket, message, flags);
    ssize_t received = libc()->recvmsg(socket, message, flags);
    /* Another thread may have sent meanwhile. */
    return received > 0 && answers_wait() && is_generic(socket) ? answers_check(socket, message, flags, received) : received;
}

ssize_t recvfrom(int socket, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *size) {
    struct iovec room = { .iov_base = bytes, .iov_len = length };
    struct msghdr message = { .msg_iov = &room, .msg_iovlen = 1, .msg_name = from,
                              .msg_namelen = from && size ? *size : 0 };
    if (!answers_wait() || !is_generic(socket)) {
        ssize_t received = libc()->recvfrom(socket, bytes, length, flags, from, size);
        return received > 0 && answers_wait() && is_generic(socket) ? answers_check(socket, &message, flags, received)
                                                                    : received;
    }
    ssize_t received = answers_receive(socket, &message, flags);
    if (received >= 0 && from && size) *size = message.msg_namelen;
    return received;
}

ssize_t recv(int socket, void *bytes, size_t length, int flags) {
    return recvfrom(socket, bytes, length, flags, NULL, NULL);
}

ssize_t read(int descriptor, void *bytes, size_t length) {
    if (answers_wait() && is_generic(descriptor)) return recv(descriptor, bytes, length, 0);
    return libc()->read(descriptor, bytes, length);
}

/* What programs call that were compiled with checks of their buffers' sizes. */
extern void __chk_fail(void) __attribute__((noreturn));

ssize_t __recv_chk(int socket, void *bytes, size_t length, size_t room, int flags) {
    if (length > room) __chk_fail();
    return recv(socket, bytes, length, flags);
}

ssize_t __recvfrom_chk(int socket, void *bytes, size_t length, size_t room, int flags, struct sockaddr *from,
                       socklen_t *size) {
    if (length > room) __chk_fail();
    return recvfrom(socket, bytes, length, flags, from, size);
}

ssize_t __read_chk(int descriptor, void *bytes, size_t length, size_t room) {
    if (length > room) __chk_fail();
    return read(descriptor, bytes, length);
}

/*
 * The older way to steer IPVS leads to the kernel's only: there is none here, or a program to which lbd does not
 * answer would steer the kernel unasked.
 */
static bool is_old_ipvs(int level, int option) { return level == 0 && option >= 1152 && option < 1152 + 64; }

int getsockopt(int socket, int level, int option, void *restrict value, socklen_t *restrict length) {
    if (!is_old_ipvs(level, option)) return libc()->getsockopt(socket, level, option, value, length);
    errno = ENOPROTOOPT;
    return -1;
}

int setsockopt(int socket, int level, int option, const void *value, socklen_t length) {
    if (!is_old_ipvs(level, option)) return libc()->setsockopt(socket, level, option, value, length);
    errno = ENOPROTOOPT;
    return -1;
}

/* The connections, which netlink does not show. */
FILE *fopen(const char *restrict path, const char *restrict mode) {
    if (!path || strcmp(path, "/proc/net/ip_vs_conn") != 0) return libc()->fopen(path, mode);
    int connections = lbd_connections();
    FILE *file = connections < 0 ? NULL : fdopen(connections, "r");
    if (!file && connections >= 0) close(connections);
    return file;
}

FILE *fopen64(const char *restrict path, const char *restrict mode) __attribute__((alias("fopen")));

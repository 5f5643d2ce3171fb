/*
 * Answers of lbd wait in this library, but their place among the kernel's is in the socket itself. For the first
 * datagram of an answer the kernel is sent a message that does nothing and asks for an acknowledgment; that one
 * becomes readable like any answer, so poll() and its kin work, and stands where the program will meet it in order.
 * It quotes 64 bits which say whose sign it is, and is delivered as lbd's datagram; then the next one is rung for.
 * The socket stays the kernel's in all else.
 */
#include "messages.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A program that closes its socket on unread answers leaves them here; of more than these the oldest are forgotten. */
enum { MOST = 256 };

struct answer {
    struct answer *next;
    uint64_t sign;
    struct datagram *first;
};

/* What the kernel answers to a sign. */
struct acknowledgment {
    struct nlmsghdr header;
    struct nlmsgerr content;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct answer *waiting; /* the oldest first */
static unsigned count;
static uint64_t last_sign;

bool answers_wait(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED) > 0; }

static void discard(struct datagram *first) {
    while (first) {
        struct datagram *next = first->next;
        free(first);
        first = next;
    }
}

static void forget(struct answer **place) {
    struct answer *gone = *place;
    *place = gone->next;
    discard(gone->first);
    free(gone);
    __atomic_store_n(&count, count - 1, __ATOMIC_RELAXED);
}

static bool ring(int socket, uint64_t sign) {
    struct nlmsghdr nothing = {
        .nlmsg_len = sizeof nothing, .nlmsg_type = NLMSG_NOOP, .nlmsg_flags = NLM_F_ACK,
        .nlmsg_seq = (uint32_t)sign, .nlmsg_pid = (uint32_t)(sign >> 32),
    };
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    return libc()->sendto(socket, &nothing, sizeof nothing, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0;
}

bool answers_put(int socket, struct datagram *first) {
    struct answer *made = calloc(1, sizeof *made);
    if (!made) {
        discard(first);
        errno = ENOBUFS;
        return false;
    }
    made->first = first;
    pthread_mutex_lock(&lock);
    /* Its upper half is of no sequence number or port that a program takes for its own. */
    made->sign = (uint64_t)0x6c62642e << 32 | (uint32_t)++last_sign;
    struct answer **end = &waiting;
    while (*end) end = &(*end)->next;
    *end = made;
    __atomic_store_n(&count, count + 1, __ATOMIC_RELAXED);
    bool rang = ring(socket, made->sign);
    if (!rang) forget(end);
    if (count > MOST) forget(&waiting);
    pthread_mutex_unlock(&lock);
    return rang;
}

/* The place of the answer that the acknowledgment is the sign for; NULL where it is for none. Under the lock. */
static struct answer **find(const struct acknowledgment *seen, ssize_t length) {
    if (length != sizeof *seen || seen->header.nlmsg_type != NLMSG_ERROR || seen->content.error != 0 ||
        seen->content.msg.nlmsg_type != NLMSG_NOOP)
        return NULL;
    uint64_t sign = (uint64_t)seen->content.msg.nlmsg_pid << 32 | seen->content.msg.nlmsg_seq;
    for (struct answer **place = &waiting; *place; place = &(*place)->next)
        if ((*place)->sign == sign) return place;
    return NULL;
}

/* Copies a datagram to where the program wants it, as recvmsg() would. */
static ssize_t deliver(const struct datagram *datagram, struct msghdr *message, int flags) {
    size_t copied = 0;
    for (size_t i = 0; i < message->msg_iovlen && copied < datagram->length; i++) {
        size_t room = message->msg_iov[i].iov_len, rest = datagram->length - copied;
        size_t piece = room < rest ? room : rest;
        memcpy(message->msg_iov[i].iov_base, datagram->bytes + copied, piece);
        copied += piece;
    }
    message->msg_flags = copied < datagram->length ? message->msg_flags | MSG_TRUNC : message->msg_flags & ~MSG_TRUNC;
    return (ssize_t)(flags & MSG_TRUNC ? datagram->length : copied);
}

/* Delivers the next datagram of an answer, and rings for the one after it where this one is taken. Under the lock. */
static ssize_t deliver_next(int socket, struct answer **place, struct msghdr *message, int flags) {
    struct answer *answer = *place;
    struct datagram *datagram = answer->first;
    ssize_t length = deliver(datagram, message, flags);
    if (flags & MSG_PEEK) return length;
    answer->first = datagram->next;
    free(datagram);
    if (!answer->first || !ring(socket, answer->sign)) forget(place);
    return length;
}

ssize_t answers_receive(int socket, struct msghdr *message, int flags) {
    struct acknowledgment seen;
    ssize_t length = libc()->recv(socket, &seen, sizeof seen, MSG_PEEK | MSG_TRUNC | (flags & MSG_DONTWAIT));
    if (length < 0) return -1;
    pthread_mutex_lock(&lock);
    struct answer **place = find(&seen, length);
    if (place) {
        /* The sender's address and what else the program asked for are the kernel's. */
        struct iovec room = { .iov_base = &seen, .iov_len = sizeof seen };
        struct msghdr sign = *message;
        sign.msg_iov = &room;
        sign.msg_iovlen = 1;
        length = libc()->recvmsg(socket, &sign, (flags & ~MSG_TRUNC) | MSG_DONTWAIT);
        place = find(&seen, length);
        if (place) {
            message->msg_namelen = sign.msg_namelen;
            message->msg_controllen = sign.msg_controllen;
            message->msg_flags = sign.msg_flags;
            length = deliver_next(socket, place, message, flags);
        }
        pthread_mutex_unlock(&lock);
        return length;
    }
    pthread_mutex_unlock(&lock);
    return libc()->recvmsg(socket, message, flags);
}

ssize_t answers_check(int socket, struct msghdr *message, int flags, ssize_t received) {
    struct acknowledgment seen;
    if (received != sizeof seen || message->msg_iovlen == 0 || message->msg_iov[0].iov_len < sizeof seen)
        return received;
    memcpy(&seen, message->msg_iov[0].iov_base, sizeof seen);
    pthread_mutex_lock(&lock);
    struct answer **place = find(&seen, received);
    if (place) received = deliver_next(socket, place, message, flags);
    pthread_mutex_unlock(&lock);
    return received;
}

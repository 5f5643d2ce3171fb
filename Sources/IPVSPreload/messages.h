/* What the library's files share: which messages are lbd's, how lbd is asked, and the answers that wait. */
#ifndef MESSAGES_H
#define MESSAGES_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* None of this is for the program. */
#pragma GCC visibility push(hidden)

/* One datagram that a program is to receive. */
struct datagram {
    struct datagram *next;
    size_t length;
    unsigned char bytes[];
};

/* libc's own functions, which this library stands before. */
struct libc {
    ssize_t (*send)(int, const void *, size_t, int);
    ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    ssize_t (*sendmsg)(int, const struct msghdr *, int);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*recv)(int, void *, size_t, int);
    ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(int, struct msghdr *, int);
    ssize_t (*read)(int, void *, size_t);
    int (*getsockopt)(int, int, int, void *, socklen_t *);
    int (*setsockopt)(int, int, int, const void *, socklen_t);
    void *(*fopen)(const char *, const char *);
};
const struct libc *libc(void);

/* lbd.c: asks lbd. */

/*
 * The datagrams of lbd's answer to one request, or of an error that says why there is none. NULL where there is nothing
 * to say, or no memory to say it.
 */
struct datagram *lbd_answers(const char *request, uint32_t port);
/* A descriptor from which the text of /proc/net/ip_vs_conn can be read; -1 with errno. */
int lbd_connections(void);

/* answers.c: answers wait where the kernel's own would. */

/* Puts an answer behind what the kernel has for the socket; takes it over. */
bool answers_put(int socket, struct datagram *first);
/* Whether any answer waits anywhere in this process. */
bool answers_wait(void);
/* Receives from a socket of generic netlink, whoever answered. */
ssize_t answers_receive(int socket, struct msghdr *message, int flags);
/* What was received without looking; where it is the sign for an answer, that is delivered in its place. */
ssize_t answers_check(int socket, struct msghdr *message, int flags, ssize_t received);

#pragma GCC visibility pop

#endif

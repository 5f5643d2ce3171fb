/*
 * One connection of a Unix socket for each request: nothing is shared between threads or after a fork, and an lbd that
 * was started anew is just there.
 */
#include "messages.h"

#include "ipvs-preload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Seconds. lbd probes for another owner of a VIP before it answers, which takes one; a hung lbd hangs no program. */
static const struct timeval patience = { .tv_sec = 30 };

/* No message of this family is longer. */
enum { LONGEST = 1 << 16 };

/* Says once why lbd cannot be asked, since an errno cannot. */
static void complain(const char *path, int error) {
    static bool has_complained;
    if (__atomic_exchange_n(&has_complained, true, __ATOMIC_RELAXED)) return;
    fprintf(stderr, "libipvs-lbd: no lbd answers at %s: %s (%s names another socket)\n", path, strerror(error),
            IPVS_PRELOAD_VARIABLE);
}

/* A descriptor of a connection with lbd; -1 with errno. */
static int connect_lbd(void) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const char *path = getenv(IPVS_PRELOAD_VARIABLE);
    if (!path || !*path) path = IPVS_PRELOAD_SOCKET;
    int error = ENAMETOOLONG, lbd = -1;
    if (strlen(path) < sizeof address.sun_path) {
        strcpy(address.sun_path, path);
        lbd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(lbd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(lbd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (lbd >= 0 && connect(lbd, (struct sockaddr *)&address, sizeof address) == 0) return lbd;
        error = errno;
    }
    if (lbd >= 0) close(lbd);
    complain(path, error);
    errno = error;
    return -1;
}

static bool send_all(int lbd, const void *bytes, size_t length) {
    for (const char *rest = bytes; length > 0;) {
        ssize_t sent = libc()->send(lbd, rest, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        rest += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int lbd, void *bytes, size_t length) {
    for (char *rest = bytes; length > 0;) {
        ssize_t received = libc()->recv(lbd, rest, length, 0);
        if (received < 0 && errno == EINTR) continue;
        if (received <= 0) return false;
        rest += received;
        length -= (size_t)received;
    }
    return true;
}

static struct datagram *datagram(size_t length) {
    struct datagram *made = calloc(1, sizeof *made + length);
    if (made) made->length = length;
    return made;
}

/* The kernel's form of a refusal: the errno and the header of what was asked. */
static struct datagram *refusal(const struct nlmsghdr *request, uint32_t port, int error) {
    struct { struct nlmsghdr header; struct nlmsgerr content; } message = {
        .header = { .nlmsg_len = sizeof message, .nlmsg_type = NLMSG_ERROR, .nlmsg_flags = NLM_F_CAPPED,
                    .nlmsg_seq = request->nlmsg_seq, .nlmsg_pid = port },
        .content = { .error = -error, .msg = *request },
    };
    struct datagram *made = datagram(sizeof message);
    if (made) memcpy(made->bytes, &message, sizeof message);
    return made;
}

/* The next message of an answer; NULL where there is none, or none that can be. */
static struct datagram *receive_message(int lbd) {
    struct nlmsghdr header;
    if (!receive_all(lbd, &header, sizeof header)) return NULL;
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > LONGEST) return NULL;
    struct datagram *made = datagram(NLMSG_ALIGN(header.nlmsg_len));
    if (!made) return NULL;
    memcpy(made->bytes, &header, sizeof header);
    if (receive_all(lbd, made->bytes + sizeof header, made->length - sizeof header)) return made;
    free(made);
    return NULL;
}

static bool is_refusal(const struct nlmsghdr *message) {
    return message->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
        ((const struct nlmsgerr *)NLMSG_DATA(message))->error != 0;
}

/* Gathers an answer to its end: an error, an acknowledgment, or the end of a dump. */
static struct datagram *gather(int lbd, const struct nlmsghdr *request, uint32_t port, bool wants_acknowledgment) {
    struct datagram *first = NULL, **next = &first;
    for (;;) {
        struct datagram *made = receive_message(lbd);
        /* An answer that breaks off is none; what came of it is not shown. */
        if (!made) {
            while (first) { made = first; first = first->next; free(made); }
            return refusal(request, port, ENODEV);
        }
        struct nlmsghdr *message = (struct nlmsghdr *)made->bytes;
        message->nlmsg_pid = port;
        bool is_error = message->nlmsg_type == NLMSG_ERROR;
        if (is_error && !wants_acknowledgment && !is_refusal(message)) {
            free(made);
            return first;
        }
        *next = made;
        next = &made->next;
        if (is_error || message->nlmsg_type == NLMSG_DONE) return first;
    }
}

struct datagram *lbd_answers(const char *bytes, uint32_t port) {
    struct nlmsghdr request, asked;
    memcpy(&request, bytes, sizeof request);
    int lbd = connect_lbd();
    /* Of those errnos that libnl hands on, the one that says it best. */
    if (lbd < 0) return refusal(&request, port, ENODEV);
    /* An acknowledgment is always asked for: it is the end of the answer. */
    asked = request;
    asked.nlmsg_flags |= NLM_F_ACK;
    size_t rest = request.nlmsg_len - sizeof asked, padding = NLMSG_ALIGN(request.nlmsg_len) - request.nlmsg_len;
    struct datagram *answer;
    if (send_all(lbd, &asked, sizeof asked) && send_all(lbd, bytes + sizeof asked, rest) &&
        send_all(lbd, "\0\0\0", padding))
        answer = gather(lbd, &request, port, request.nlmsg_flags & NLM_F_ACK);
    else
        answer = refusal(&request, port, ENODEV);
    close(lbd);
    return answer;
}

int lbd_connections(void) {
    struct { struct nlmsghdr header; struct genlmsghdr generic; } request = {
        .header = { .nlmsg_len = sizeof request, .nlmsg_type = IPVS_PRELOAD_FAMILY, .nlmsg_flags = NLM_F_REQUEST },
        .generic = { .cmd = IPVS_PRELOAD_READ_CONNECTIONS, .version = 1 },
    };
    int lbd = connect_lbd();
    if (lbd < 0 || send_all(lbd, &request, sizeof request)) return lbd;
    int error = errno;
    close(lbd);
    errno = error;
    return -1;
}

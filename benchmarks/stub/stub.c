/* A CQL server that knows one table and answers at once, so that the client is what is measured.
 *
 *     coodie-stub [--port PORT] [--protocol 4|5] [--nodes 1…9] [--work MICROSECONDS]
 *
 * With --work, each request takes as long, one after the other, as on a node that has reached its limit.
 *
 * Listens on 127.0.0.1, as the second node on 127.0.0.2 and so on, all at one port; prints "port N", and ends when
 * its standard input does. One thread, epoll. */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"
#include "checksums.h"
#include "system.h"

enum { MOST_NODES = 9 };
enum { SEGMENT_HEADER = 6, SEGMENT_TRAILER = 4, MOST_PAYLOAD = (1 << 17) - 1, READ_SIZE = 1 << 18 };

struct connection {
    int file;
    int node;
    /* Whether frames come in segments: version 5, after STARTUP. */
    bool segmented, waits_to_write;
    /* What came, the parts of a frame that spans segments, answers before segmentation, what goes. */
    struct buffer in, partial, plain, out;
    size_t sent;
};

static int events;

/* How long each request takes, in microseconds. */
static int work_time;

static void segment(struct connection *connection);
static bool flush(struct connection *connection);

/* Takes the time of one request. */
static void work(void) {
    struct timespec time = {work_time / 1000000, work_time % 1000000 * 1000};
    nanosleep(&time, NULL);
}

/* Answers all whole frames at `data`, and returns how many bytes those were; -1 for a frame out of bounds. */
static ssize_t answer_frames(struct connection *connection, const uint8_t *data, size_t size) {
    size_t done = 0;
    bool segmented = connection->segmented;
    while (size - done >= HEADER_SIZE && segmented == connection->segmented) {
        struct reader length = {data + done + 5, data + done + HEADER_SIZE, false};
        size_t frame = HEADER_SIZE + (size_t)take_u32(&length);
        if (frame > 1u << 28)
            return -1;
        if (size - done < frame)
            break;
        bool started = answer(segmented ? &connection->plain : &connection->out, data + done);
        connection->segmented |= started && data[done] == 5;
        done += frame;
        if (work_time && segmented == connection->segmented) {
            work();
            segment(connection);
            flush(connection); /* what fails fails again when all is answered */
        }
    }
    return (ssize_t)done;
}

/* Answers all frames in whole segments at `data`, and returns how many bytes those were; -1 for broken ones. */
static ssize_t answer_segments(struct connection *connection, const uint8_t *data, size_t size) {
    size_t done = 0;
    while (size - done >= SEGMENT_HEADER) {
        const uint8_t *header = data + done, *payload = header + SEGMENT_HEADER;
        uint32_t bits = header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16;
        uint32_t sum = header[3] | (uint32_t)header[4] << 8 | (uint32_t)header[5] << 16, payload_sum;
        size_t length = bits & MOST_PAYLOAD;
        if (crc24(header) != sum)
            return -1;
        if (size - done < SEGMENT_HEADER + length + SEGMENT_TRAILER)
            break;
        memcpy(&payload_sum, payload + length, 4);
        if (crc32(payload, length) != payload_sum)
            return -1;
        if (bits & 1 << 17) {
            if (answer_frames(connection, payload, length) != (ssize_t)length)
                return -1;
        } else {
            put_bytes(&connection->partial, payload, length);
            ssize_t used = answer_frames(connection, connection->partial.data, connection->partial.size);
            if (used < 0)
                return -1;
            buffer_drop(&connection->partial, (size_t)used);
        }
        done += SEGMENT_HEADER + length + SEGMENT_TRAILER;
    }
    return (ssize_t)done;
}

static void put_segment(struct buffer *out, const uint8_t *payload, size_t size, bool self_contained) {
    uint8_t *at = buffer_room(out, SEGMENT_HEADER + size + SEGMENT_TRAILER);
    uint32_t bits = (uint32_t)size | (uint32_t)self_contained << 17;
    for (int byte = 0; byte < 3; byte++)
        at[byte] = (uint8_t)(bits >> 8 * byte);
    uint32_t sum = crc24(at);
    for (int byte = 0; byte < 3; byte++)
        at[3 + byte] = (uint8_t)(sum >> 8 * byte);
    memcpy(at + SEGMENT_HEADER, payload, size);
    sum = crc32(payload, size);
    memcpy(at + SEGMENT_HEADER + size, &sum, 4);
    out->size += SEGMENT_HEADER + size + SEGMENT_TRAILER;
}

/* Puts answers into segments: as many whole ones into each as fit, or one over several. */
static void segment(struct connection *connection) {
    const uint8_t *at = connection->plain.data, *end = at + connection->plain.size;
    while (at < end) {
        size_t whole = 0, frame = 0;
        while (at + whole < end) {
            struct reader length = {at + whole + 5, at + whole + HEADER_SIZE, false};
            frame = HEADER_SIZE + (size_t)take_u32(&length);
            if (whole + frame > MOST_PAYLOAD)
                break;
            whole += frame;
        }
        if (whole) {
            put_segment(&connection->out, at, whole, true);
            at += whole;
            continue;
        }
        for (const uint8_t *last = at + frame; at < last;) {
            size_t part = (size_t)(last - at) < MOST_PAYLOAD ? (size_t)(last - at) : MOST_PAYLOAD;
            put_segment(&connection->out, at, part, false);
            at += part;
        }
    }
    connection->plain.size = 0;
}

/* Tells whether the connection still stands. */
static bool flush(struct connection *connection) {
    struct buffer *out = &connection->out;
    while (connection->sent < out->size) {
        ssize_t sent = send(connection->file, out->data + connection->sent, out->size - connection->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        connection->sent += (size_t)sent;
    }
    bool waits = connection->sent < out->size;
    if (!waits)
        connection->sent = out->size = 0;
    if (waits != connection->waits_to_write) {
        /* What isn't taken is waited for; nothing more is read until then. */
        struct epoll_event event = {waits ? EPOLLOUT : EPOLLIN, {.ptr = connection}};
        epoll_ctl(events, EPOLL_CTL_MOD, connection->file, &event);
        connection->waits_to_write = waits;
    }
    return true;
}

/* Tells whether the connection still stands. */
static bool receive(struct connection *connection) {
    node = connection->node;
    struct buffer *in = &connection->in;
    ssize_t got = recv(connection->file, buffer_room(in, READ_SIZE), READ_SIZE, 0);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    in->size += (size_t)got;
    for (ssize_t used = 1; used > 0;) { /* twice where a STARTUP changed the framing */
        used = (connection->segmented ? answer_segments : answer_frames)(connection, in->data, in->size);
        if (used < 0)
            return false;
        buffer_drop(in, (size_t)used);
    }
    segment(connection);
    return flush(connection);
}

static void hang_up(struct connection *connection) {
    close(connection->file);
    free(connection->in.data);
    free(connection->partial.data);
    free(connection->plain.data);
    free(connection->out.data);
    free(connection);
}

static void welcome(int listener, int its_node) {
    int file = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
    if (file < 0)
        return;
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *connection = calloc(1, sizeof *connection);
    connection->file = file;
    connection->node = its_node;
    struct epoll_event event = {EPOLLIN, {.ptr = connection}};
    epoll_ctl(events, EPOLL_CTL_ADD, file, &event);
}

static int listen_on(int its_node, uint16_t port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)its_node);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 512)) {
        perror("stub: can't listen");
        exit(1);
    }
    getsockname(listener, (struct sockaddr *)&address, &size);
    node_port = ntohs(address.sin_port);
    return listener;
}

int main(int count, char **arguments) {
    int port = 0;
    for (int number = 1; number < count; number += 2) {
        if (number + 1 < count && !strcmp(arguments[number], "--port")) {
            port = atoi(arguments[number + 1]);
        } else if (number + 1 < count && !strcmp(arguments[number], "--protocol")) {
            highest_version = atoi(arguments[number + 1]) == 4 ? 4 : 5;
        } else if (number + 1 < count && !strcmp(arguments[number], "--nodes")) {
            int wanted = atoi(arguments[number + 1]);
            node_count = wanted < 1 ? 1 : wanted > MOST_NODES ? MOST_NODES : wanted;
        } else if (number + 1 < count && !strcmp(arguments[number], "--work")) {
            work_time = atoi(arguments[number + 1]);
        } else {
            fprintf(stderr,
                    "usage: coodie-stub [--port PORT] [--protocol 4|5] [--nodes 1…9] [--work MICROSECONDS]\n");
            return 2;
        }
    }
    checksums_prepare();
    signal(SIGINT, SIG_IGN); /* Ctrl-C is the runner's, which ends us */
    events = epoll_create1(EPOLL_CLOEXEC);
    int listeners[MOST_NODES];
    for (int number = 0; number < node_count; number++) {
        listeners[number] = listen_on(number, (uint16_t)(number ? node_port : port));
        struct epoll_event listening = {EPOLLIN, {.ptr = &listeners[number]}};
        epoll_ctl(events, EPOLL_CTL_ADD, listeners[number], &listening);
    }
    printf("port %d\n", node_port);
    fflush(stdout);
    struct epoll_event parent = {EPOLLIN, {.ptr = &parent}}, ready[64];
    epoll_ctl(events, EPOLL_CTL_ADD, STDIN_FILENO, &parent);
    for (;;) {
        int happened = epoll_wait(events, ready, 64, -1);
        for (int number = 0; number < happened; number++) {
            struct connection *connection = ready[number].data.ptr;
            int *listener = ready[number].data.ptr;
            char ignored[64];
            if (listener >= listeners && listener < listeners + node_count) {
                welcome(*listener, (int)(listener - listeners));
            } else if (ready[number].data.ptr == &parent) {
                if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
                    return 0;
            } else if (!(ready[number].events & EPOLLOUT ? flush : receive)(connection)) {
                hang_up(connection);
            }
        }
    }
}

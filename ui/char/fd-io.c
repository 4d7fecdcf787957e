/* SPDX-License-Identifier: MIT */
/* Writing to descriptors that others share, without waiting and without changing them. */
#include "chardev-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A terminal or pipe that reports room has at least this much, or nearly. */
#define SHARED_CHUNK 64

int fd_open_own(int fd, FdKind *ret_kind)
{
    struct stat status;

    if (fstat(fd, &status) < 0) {
        return -1;
    }
    if (S_ISREG(status.st_mode)) {
        *ret_kind = FD_KIND_OWN; /* opened anew it would lose its offset; it does not block */
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }
    if (S_ISSOCK(status.st_mode)) {
        *ret_kind = FD_KIND_SOCKET;
        return fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }
    char path[32];
    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    *ret_kind = own >= 0 ? FD_KIND_OWN : FD_KIND_SHARED;
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static ssize_t write_once(int fd, FdKind kind, const uint8_t *bytes, size_t count)
{
    ssize_t written;

    do {
        written = kind == FD_KIND_SOCKET ? send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL)
                                         : write(fd, bytes, count);
    } while (written < 0 && errno == EINTR);
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    return written;
}

/* As much as there is room for: who is about to end has no second turn. */
static ssize_t write_shared(int fd, const uint8_t *bytes, size_t count)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    size_t done = 0;

    while (done < count && poll(&room, 1, 0) > 0) {
        size_t chunk = MIN(count - done, SHARED_CHUNK);
        ssize_t written = write_once(fd, FD_KIND_SHARED, bytes + done, chunk);

        if (written <= 0) {
            return done ? (ssize_t)done : written;
        }
        done += (size_t)written;
    }
    return (ssize_t)done;
}

ssize_t fd_write_some(int fd, FdKind kind, const uint8_t *bytes, size_t count)
{
    return kind == FD_KIND_SHARED ? write_shared(fd, bytes, count)
                                  : write_once(fd, kind, bytes, count);
}

/* SPDX-License-Identifier: MIT */
/* Connecting in the background. */
#include "connect.h"

#include "util/worker.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ConnectJob {
    ConnectDone *done; /* NULL: cancelled */
    void *opaque;
    SocketAddress address; /* a copy */
    int fd;
    Error *error;
    int done_fd; /* eventfd for who waits, or -1 */
};

static void connect_work(void *opaque)
{
    ConnectJob *job = opaque;

    job->fd = socket_connect(&job->address, &job->error);
    if (job->done_fd >= 0) {
        eventfd_write(job->done_fd, 1);
    }
}

static void connect_done(void *opaque)
{
    ConnectJob *job = opaque;

    if (job->done) {
        job->done(job->opaque, job->fd, job->error);
    } else {
        error_free(job->error);
        if (job->fd >= 0) {
            close(job->fd);
        }
    }
    if (job->done_fd >= 0) {
        close(job->done_fd);
    }
    socket_address_clear(&job->address);
    g_free(job);
}

static ConnectJob *start(const SocketAddress *address, ConnectDone *done, void *opaque, int done_fd)
{
    ConnectJob *job = g_new0(ConnectJob, 1);

    *job = (ConnectJob){.done = done, .opaque = opaque, .fd = -1, .done_fd = done_fd};
    socket_address_copy(&job->address, address);
    worker_submit(worker_pool_shared(), main_loop(), connect_work, connect_done, job);
    return job;
}

ConnectJob *connect_start(const SocketAddress *address, ConnectDone *done, void *opaque)
{
    return start(address, done, opaque, -1);
}

void connect_cancel(ConnectJob *job)
{
    if (job) {
        job->done = NULL;
    }
}

int connect_wait(const SocketAddress *address, Error **err)
{
    int done_fd = eventfd(0, EFD_CLOEXEC), fd = -1;

    if (done_fd < 0) {
        error_set_errno(err, errno, "cannot wait for a connection");
        return -1;
    }
    /* The completion comes by the loop later, finds nothing left, and frees the job. */
    ConnectJob *job = start(address, NULL, NULL, done_fd);
    signals_hold();
    bool is_done = signal_wait_ready(done_fd, false, -1, err);
    signals_release();
    if (!is_done) {
        error_prefix(err, "connecting: ");
        return -1;
    }
    fd = job->fd;
    job->fd = -1;
    if (fd < 0 && err) {
        *err = g_steal_pointer(&job->error);
    }
    return fd;
}

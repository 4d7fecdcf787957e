/* SPDX-License-Identifier: MIT */
/* Bytes of the guest into a file: see save-job.h. One piece after the other goes to a worker; the
 * main thread only finds out where the next one lies. */
#include "softmmu/monitor/save-job.h"

#include "util/fd-sets.h"
#include "util/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RAM_PIECE (16ull << 20)
#define COPIED_PIECE (64ull << 10)

typedef struct SaveJob {
    SaveSource source;
    char *path;
    int fd;
    SavePiece piece;
    int write_error; /* an errno, or 0 */
    bool is_own;     /* opened here: the path is its name */
} SaveJob;

void save_piece_of_memory(SavePiece *piece, uint64_t address, uint64_t size)
{
    uint64_t at_hand = MIN(size, RAM_PIECE);

    piece->bytes =
        address_space_map(&address_space_memory, address, &at_hand, false, &piece->block);
    if (!piece->bytes) {
        piece->block = NULL;
        /* Up to the next page only: behind it may be RAM again. */
        at_hand = MIN(MIN(size, COPIED_PIECE), TARGET_PAGE_SIZE - address % TARGET_PAGE_SIZE);
        piece->bytes = g_malloc(at_hand);
        address_space_read(&address_space_memory, address, piece->bytes, at_hand);
    }
    piece->size = at_hand;
}

static void drop_piece(SavePiece *piece)
{
    if (piece->block) {
        address_space_unmap(piece->block, piece->bytes, 0);
    } else {
        g_free(piece->bytes);
    }
    *piece = (SavePiece){0};
}

/* On a worker. */
static void write_piece(void *opaque)
{
    SaveJob *job = opaque;
    const char *bytes = job->piece.bytes;

    for (size_t done = 0; done < job->piece.size;) {
        ssize_t written = write(job->fd, bytes + done, job->piece.size - done);

        if (written < 0 && errno != EINTR) {
            job->write_error = errno;
            return;
        }
        done += written > 0 ? (size_t)written : 0;
    }
}

/* A file that is cut short looks like a whole one: better none. */
static void remove_part(const SaveJob *job)
{
    struct stat status;

    if (job->is_own && fstat(job->fd, &status) == 0 && S_ISREG(status.st_mode)) {
        unlink(job->path);
    }
}

static void end_job(SaveJob *job, Error *error)
{
    if (error) {
        remove_part(job);
    }
    if (close(job->fd) < 0 && !error) {
        error_set_errno(&error, errno, "cannot write '%s'", job->path);
    }
    job->source.done(job->source.opaque, error);
    g_free(job->path);
    g_free(job);
}

/* Finds the next piece. False: the job has ended and is gone. */
static bool find_piece(SaveJob *job)
{
    Error *error = NULL;

    if (job->write_error) {
        error_set_errno(&error, job->write_error, "cannot write '%s'", job->path);
    }
    if (error || !job->source.next(job->source.opaque, &job->piece, &error) ||
        job->piece.size == 0) {
        end_job(job, error);
        return false;
    }
    return true;
}

static void step(void *opaque);

static void piece_written(void *opaque)
{
    SaveJob *job = opaque;

    drop_piece(&job->piece);
    step(job);
}

static void step(void *opaque)
{
    SaveJob *job = opaque;

    if (find_piece(job)) {
        worker_submit(worker_pool_shared(), main_loop(), write_piece, piece_written, job);
    }
}

static SaveJob *make_job(int fd, const char *name, const SaveSource *source)
{
    SaveJob *job = g_new0(SaveJob, 1);

    job->source = *source;
    job->path = g_strdup(name);
    job->fd = fd;
    return job;
}

/* A FIFO without a reader fails rather than keeping everybody waiting. */
static int open_target(const char *path, unsigned mode, Error **err)
{
    int fd = fd_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, mode);

    if (fd < 0) {
        error_set_errno(err, errno, "cannot open '%s'", path);
        return -1;
    }
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

void save_job_start_fd(int fd, const char *name, const SaveSource *source)
{
    loop_post(main_loop(), step, make_job(fd, name, source));
}

bool save_job_start(const char *path, unsigned mode, const SaveSource *source, Error **err)
{
    int fd = open_target(path, mode, err);

    if (fd >= 0) {
        SaveJob *job = make_job(fd, path, source);
        job->is_own = true;
        loop_post(main_loop(), step, job);
    }
    return fd >= 0;
}

bool save_job_run(const char *path, unsigned mode, const SaveSource *source, Error **err)
{
    int fd = open_target(path, mode, err);

    if (fd < 0) {
        return false;
    }
    SaveJob *job = make_job(fd, path, source);
    job->is_own = true;
    while (find_piece(job)) {
        write_piece(job);
        drop_piece(&job->piece);
    }
    return true;
}

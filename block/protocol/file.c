/* SPDX-License-Identifier: MIT */
/* The file protocol: host files and block devices,
 * read and written by blocking calls on workers. */

/*
 * The size the guest sees is the file's, rounded up to a sector; what a read finds missing at the
 * end is zero, and a write there makes the file longer. With cache=none the host wants aligned
 * memory, offsets and sizes: a transfer that is not goes through an aligned copy, and a write of
 * part of a block reads the rest first, one such write at a time.
 */
#include "block/block.h"
#include "block/core/lock.h"
#include "util/fd-sets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR_SIZE 512u
#define BOUNCE_ALIGNMENT 4096u
#define IOV_BATCH 256
#define ZERO_CHUNK (64u * 1024)

typedef struct FileState {
    int fd;
    uint64_t size;
    unsigned alignment; /* of offsets, sizes and memory; 1 without O_DIRECT */
    bool is_block_device;
    GMutex partial_lock; /* reading and writing back a block that is written in part */
} FileState;

typedef ssize_t TransferCall(int fd, const struct iovec *iov, int count, off_t offset);

/* -- Transfers --------------------------------------------------------------------------------- */

/* Fills `batch` with what lies `skip` bytes into the iovecs; returns how many entries. */
static int iov_slice(const struct iovec *iov, unsigned count, uint64_t skip, struct iovec *batch)
{
    int used = 0;

    for (unsigned i = 0; i < count && used < IOV_BATCH; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        batch[used].iov_base = (uint8_t *)iov[i].iov_base + skip;
        batch[used++].iov_len = iov[i].iov_len - skip;
        skip = 0;
    }
    return used;
}

static void iov_zero(const struct iovec *iov, unsigned count, uint64_t from)
{
    struct iovec batch[IOV_BATCH];
    int used;

    while ((used = iov_slice(iov, count, from, batch)) > 0) {
        for (int i = 0; i < used; i++) {
            memset(batch[i].iov_base, 0, batch[i].iov_len);
            from += batch[i].iov_len;
        }
    }
}

/* Calls until all is transferred; returns the bytes done (less at the end of the file) or a
 * negative errno. */
static int64_t transfer(int fd, TransferCall *call, const struct iovec *iov, unsigned count,
                        uint64_t offset, uint64_t size)
{
    struct iovec batch[IOV_BATCH];
    uint64_t done = 0;

    while (done < size) {
        int used = iov_slice(iov, count, done, batch);
        ssize_t got = call(fd, batch, used, (off_t)(offset + done));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (uint64_t)got;
    }
    return (int64_t)done;
}

static int read_request(const FileState *file, const BlockRequest *request)
{
    int64_t got = transfer(file->fd, preadv, request->iov, request->iov_count, request->offset,
                           request->size);

    if (got < 0) {
        return (int)got;
    }
    if ((uint64_t)got < request->size) {
        iov_zero(request->iov, request->iov_count, (uint64_t)got);
    }
    return 0;
}

static int write_request(const FileState *file, const BlockRequest *request)
{
    int64_t got = transfer(file->fd, pwritev, request->iov, request->iov_count, request->offset,
                           request->size);

    if (got < 0) {
        return (int)got;
    }
    return (uint64_t)got == request->size ? 0 : -EIO;
}

/* -- Alignment --------------------------------------------------------------------------------- */

static bool is_aligned(const FileState *file, const BlockRequest *request)
{
    uint64_t bits = request->offset | request->size;

    for (unsigned i = 0; i < request->iov_count; i++) {
        bits |= (uintptr_t)request->iov[i].iov_base | request->iov[i].iov_len;
    }
    return bits % file->alignment == 0;
}

/* Copies between the iovecs and one buffer. */
static void iov_copy(const BlockRequest *request, uint8_t *buffer, bool to_iov)
{
    for (unsigned i = 0; i < request->iov_count; i++) {
        const struct iovec *iov = &request->iov[i];

        if (to_iov) {
            memcpy(iov->iov_base, buffer, iov->iov_len);
        } else {
            memcpy(buffer, iov->iov_base, iov->iov_len);
        }
        buffer += iov->iov_len;
    }
}

/* Does the request by whole blocks in aligned memory. */
static int transfer_bounced(FileState *file, const BlockRequest *request)
{
    uint64_t start = request->offset - request->offset % file->alignment;
    uint64_t end = request->offset + request->size;
    uint64_t rest = end % file->alignment;
    bool is_partial = start != request->offset || rest;
    bool is_write = request->op == BLOCK_WRITE;
    struct iovec iov;
    BlockRequest whole = {.op = request->op, .offset = start, .iov = &iov, .iov_count = 1};
    int status = 0;

    whole.size = iov.iov_len = end + (rest ? file->alignment - rest : 0) - start;
    if (posix_memalign(&iov.iov_base, BOUNCE_ALIGNMENT, whole.size) != 0) {
        return -ENOMEM;
    }
    if (is_write && is_partial) {
        g_mutex_lock(&file->partial_lock);
    }
    if (!is_write || is_partial) {
        status = read_request(file, &whole);
    }
    if (status == 0) {
        iov_copy(request, (uint8_t *)iov.iov_base + (request->offset - start), !is_write);
    }
    if (status == 0 && is_write) {
        status = write_request(file, &whole);
    }
    if (is_write && is_partial) {
        g_mutex_unlock(&file->partial_lock);
    }
    free(iov.iov_base);
    return status;
}

/* -- Operations -------------------------------------------------------------------------------- */

static int file_transfer(FileState *file, const BlockRequest *request)
{
    if (file->alignment > 1 && !is_aligned(file, request)) {
        return transfer_bounced(file, request);
    }
    return request->op == BLOCK_READ ? read_request(file, request) : write_request(file, request);
}

static int file_flush(const BlockNode *node)
{
    const FileState *file = node->state;

    return node->no_flush || node->read_only || fdatasync(file->fd) == 0 ? 0 : -errno;
}

static int file_discard(const BlockNode *node, const BlockRequest *request)
{
    const FileState *file = node->state;
    uint64_t range[2] = {request->offset, request->size};
    int result;

    if (!node->discard) {
        return 0;
    }
    if (file->is_block_device) {
        result = ioctl(file->fd, BLKDISCARD, range);
    } else {
        result = fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           (off_t)request->offset, (off_t)request->size);
    }
    /* A discard is advice: a host that cannot is not a failure. */
    return result == 0 || errno == EOPNOTSUPP || errno == ENOTTY ? 0 : -errno;
}

static int file_write_zeroes(FileState *file, const BlockRequest *request)
{
    g_autofree uint8_t *zeroes = NULL;
    int status = 0;

    if (fallocate(file->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)request->offset,
                  (off_t)request->size) == 0) {
        return 0;
    }
    zeroes = g_malloc0(ZERO_CHUNK);
    for (uint64_t done = 0; done < request->size && status == 0;) {
        struct iovec iov = {.iov_base = zeroes, .iov_len = MIN(ZERO_CHUNK, request->size - done)};
        BlockRequest part = {.op = BLOCK_WRITE,
                             .offset = request->offset + done,
                             .size = iov.iov_len,
                             .iov = &iov,
                             .iov_count = 1};
        status = file_transfer(file, &part);
        done += iov.iov_len;
    }
    return status;
}

static int file_execute(BlockNode *node, BlockRequest *request)
{
    FileState *file = node->state;
    bool is_through = node->writethrough || request->fua;
    int status;

    switch (request->op) {
    case BLOCK_READ:
        return file_transfer(file, request);
    case BLOCK_WRITE:
        status = file_transfer(file, request);
        return status == 0 && is_through ? file_flush(node) : status;
    case BLOCK_WRITE_ZEROES:
        status = file_write_zeroes(file, request);
        return status == 0 && is_through ? file_flush(node) : status;
    case BLOCK_DISCARD:
        return file_discard(node, request);
    case BLOCK_FLUSH:
        return file_flush(node);
    }
    return -ENOTSUP;
}

static uint64_t file_size(BlockNode *node)
{
    const FileState *file = node->state;

    return file->size;
}

/* -- Open and close ---------------------------------------------------------------------------- */

/* The smallest block O_DIRECT takes here: a read tells. */
static unsigned probe_alignment(int fd)
{
    void *buffer;
    unsigned alignment = BOUNCE_ALIGNMENT;

    if (posix_memalign(&buffer, BOUNCE_ALIGNMENT, BOUNCE_ALIGNMENT) != 0) {
        return alignment;
    }
    if (pread(fd, (uint8_t *)buffer + SECTOR_SIZE, SECTOR_SIZE, SECTOR_SIZE) >= 0) {
        alignment = SECTOR_SIZE;
    }
    free(buffer);
    return alignment;
}

static bool check_aio(KeyVal *options, Error **err)
{
    const char *aio = keyval_get(options, "aio");

    if (aio && strcmp(aio, "threads") != 0) {
        return error_set(err, "aio=%s is not available; use aio=threads", aio);
    }
    return true;
}

static bool measure(FileState *file, const char *filename, Error **err)
{
    struct stat st;
    off_t end;

    if (fstat(file->fd, &st) != 0) {
        return error_set_errno(err, errno, "could not open '%s'", filename);
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        return error_set(err, "could not open '%s': it is neither a file nor a block device",
                         filename);
    }
    end = lseek(file->fd, 0, SEEK_END);
    if (end < 0) {
        return error_set_errno(err, errno, "could not find the size of '%s'", filename);
    }
    file->is_block_device = S_ISBLK(st.st_mode);
    file->size = ((uint64_t)end + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
    return true;
}

static bool file_open(BlockNode *node, KeyVal *options, Error **err)
{
    FileState *file = node->state;
    int flags = (node->read_only ? O_RDONLY : O_RDWR) | (node->direct ? O_DIRECT : 0);

    if (!check_aio(options, err)) {
        return false;
    }
    file->fd = fd_open(node->filename, flags, 0);
    if (file->fd < 0) {
        error_set_errno(err, errno, "could not open '%s'", node->filename);
        if (errno == EINVAL && node->direct) {
            error_hint(err, "This file system may not support O_DIRECT, which cache=none and "
                            "cache=directsync use");
        }
        return false;
    }
    file->alignment = node->direct ? probe_alignment(file->fd) : 1;
    if (!measure(file, node->filename, err) ||
        !image_lock_take(file->fd, node->filename, !node->read_only, err)) {
        close(file->fd);
        return false;
    }
    g_mutex_init(&file->partial_lock);
    return true;
}

static void file_close(BlockNode *node)
{
    FileState *file = node->state;

    g_mutex_clear(&file->partial_lock);
    close(file->fd);
}

static const BlockDriver file_driver = {
    .name = "file",
    .desc = "a file or block device of the host",
    .state_size = sizeof(FileState),
    .open = file_open,
    .close = file_close,
    .execute = file_execute,
    .size = file_size,
};

BLOCK_DRIVER(file_driver);

/* SPDX-License-Identifier: MIT */
/* RAM blocks: host memory for the guest, anonymous, memfd or file, and the list of all blocks. */
#include "softmmu/memory.h"
#include "util/bitmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HUGE_PAGE (2ull << 20)
/* Populated in steps, so that what fits is not zeroed in vain for long before the rest fails, and
 * that threads can share them. */
#define POPULATE_STEP (64ull << 20)

/* Guards `blocks`; a leaf: nothing is called while it is held. */
static pthread_mutex_t blocks_mutex = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *blocks;
static uint64_t next_ram_address;

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static void blocks_add(RamBlock *block)
{
    pthread_mutex_lock(&blocks_mutex);
    if (!blocks) {
        blocks = g_ptr_array_new();
    }
    block->ram_address = next_ram_address;
    next_ram_address += round_up(block->size, HUGE_PAGE);
    g_ptr_array_add(blocks, block);
    pthread_mutex_unlock(&blocks_mutex);
}

static void blocks_remove(RamBlock *block)
{
    pthread_mutex_lock(&blocks_mutex);
    g_ptr_array_remove(blocks, block);
    if (blocks->len == 0) {
        g_clear_pointer(&blocks, g_ptr_array_unref);
    }
    pthread_mutex_unlock(&blocks_mutex);
}

RamBlock *ram_block_from_host(const void *host, uint64_t *ret_offset)
{
    RamBlock *found = NULL;

    pthread_mutex_lock(&blocks_mutex);
    for (guint i = 0; blocks && i < blocks->len && !found; i++) {
        RamBlock *block = g_ptr_array_index(blocks, i);
        uint64_t offset = (uintptr_t)host - (uintptr_t)block->host;

        if (offset < block->size) {
            *ret_offset = offset;
            found = block;
        }
    }
    pthread_mutex_unlock(&blocks_mutex);
    return found;
}

static gint compare_addresses(gconstpointer a, gconstpointer b)
{
    const RamBlock *one = *(RamBlock *const *)a, *other = *(RamBlock *const *)b;

    return one->ram_address < other->ram_address ? -1 : one->ram_address > other->ram_address;
}

void ram_block_foreach(void (*fn)(const RamBlock *block, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);

    pthread_mutex_lock(&blocks_mutex);
    for (guint i = 0; blocks && i < blocks->len; i++) {
        g_ptr_array_add(all, ram_block_ref(g_ptr_array_index(blocks, i)));
    }
    pthread_mutex_unlock(&blocks_mutex);
    g_ptr_array_sort(all, compare_addresses);
    for (guint i = 0; i < all->len; i++) {
        fn(g_ptr_array_index(all, i), opaque);
    }
}

bool ram_lock_all(Error **err)
{
    int os_error = 0;

    pthread_mutex_lock(&blocks_mutex);
    for (guint i = 0; blocks && i < blocks->len && !os_error; i++) {
        RamBlock *block = g_ptr_array_index(blocks, i);
        os_error = mlock(block->host, block->size) < 0 ? errno : 0;
    }
    pthread_mutex_unlock(&blocks_mutex);
    return !os_error || error_set_errno(err, os_error, "guest memory cannot be locked");
}

/* -- Backing files ----------------------------------------------------------------------------- */

static int open_in_directory(const RamDesc *desc, Error **err)
{
    int fd = open(desc->path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0) {
        return fd;
    }
    /* hugetlbfs and old file systems have no O_TMPFILE. */
    g_autofree char *name = g_strdup_printf("%s/guest-ram-XXXXXX", desc->path);

    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(err, errno, "cannot create a file for guest memory in '%s'", desc->path);
        return -1;
    }
    unlink(name);
    return fd;
}

static int open_path(const RamDesc *desc, Error **err)
{
    int flags = desc->read_only ? O_RDONLY : O_RDWR | O_CREAT;
    struct stat st;

    if (stat(desc->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return open_in_directory(desc, err);
    }
    int fd = open(desc->path, flags | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_set_errno(err, errno, "cannot open '%s' for guest memory", desc->path);
    }
    return fd;
}

static int open_memfd(const RamDesc *desc, Error **err)
{
    unsigned flags = MFD_CLOEXEC;

    if (desc->huge_page_size) {
        unsigned bits = (unsigned)__builtin_ctzll(desc->huge_page_size);

        flags |= MFD_HUGETLB | bits << MFD_HUGE_SHIFT;
    }
    int fd = memfd_create(desc->name, flags);

    if (fd < 0) {
        error_set_errno(err, errno, "cannot create a memfd for guest memory");
        if (desc->huge_page_size) {
            error_hint(err, "the host may have no huge pages of %" PRIu64 " KiB",
                       desc->huge_page_size / 1024);
        }
    }
    return fd;
}

/* Page size of the file system; `ret_free` is what a memory file system has left, else no limit. */
static uint64_t file_page_size(int fd, uint64_t *ret_free)
{
    struct statfs fs;

    *ret_free = UINT64_MAX;
    if (fstatfs(fd, &fs) != 0) {
        return TARGET_PAGE_SIZE;
    }
    bool is_huge = (uint64_t)fs.f_type == HUGETLBFS_MAGIC;

    if ((is_huge || (uint64_t)fs.f_type == TMPFS_MAGIC) && fs.f_blocks > 0) {
        *ret_free = (uint64_t)fs.f_bfree * (uint64_t)fs.f_bsize;
    }
    return is_huge ? (uint64_t)fs.f_bsize : TARGET_PAGE_SIZE;
}

/* Makes the file as long as the block; what is there already must be long enough. */
static bool size_file(int fd, const RamDesc *desc, Error **err)
{
    const char *where = desc->path ? desc->path : "memfd";
    uint64_t available, page = file_page_size(fd, &available);
    struct stat st;

    if (desc->size % page != 0) {
        error_set(err, "guest memory of %" PRIu64 " bytes in '%s' is not a multiple of its pages",
                  desc->size, where);
        error_hint(err, "the file system has pages of %" PRIu64 " KiB", page / 1024);
        return false;
    }
    if (fstat(fd, &st) != 0) {
        return error_set_errno(err, errno, "cannot get the size of '%s'", where);
    }
    if ((uint64_t)st.st_size >= desc->size && S_ISREG(st.st_mode)) {
        return true;
    }
    if (st.st_size > 0) {
        return error_set(err, "'%s' has %" PRIu64 " bytes, guest memory needs %" PRIu64, where,
                         (uint64_t)st.st_size, desc->size);
    }
    if (S_ISREG(st.st_mode) && ftruncate(fd, (off_t)desc->size) != 0) {
        return error_set_errno(err, errno, "cannot make '%s' %" PRIu64 " bytes long", where,
                               desc->size);
    }
    if (available < desc->size) {
        warn_report("'%s' has room for %" PRIu64 " MiB of %" PRIu64 " MiB of guest memory", where,
                    available >> 20, desc->size >> 20);
    }
    return true;
}

static bool open_backing(RamBlock *block, const RamDesc *desc, Error **err)
{
    if (!desc->path && !desc->share && !desc->memfd) {
        return true;
    }
    block->fd = desc->path ? open_path(desc, err) : open_memfd(desc, err);
    return block->fd >= 0 && size_file(block->fd, desc, err);
}

/* -- Mapping ----------------------------------------------------------------------------------- */

/* Address space for the block and one inaccessible page behind it, aligned for huge pages. */
static uint8_t *reserve(uint64_t size, uint64_t align)
{
    uint64_t total = size + align + TARGET_PAGE_SIZE;
    uint8_t *start =
        mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (start == MAP_FAILED) {
        return NULL;
    }
    uint8_t *host = (uint8_t *)(uintptr_t)round_up((uintptr_t)start, align);
    uint8_t *end = host + size + TARGET_PAGE_SIZE;

    if (host > start) {
        munmap(start, (size_t)(host - start));
    }
    if (start + total > end) {
        munmap(end, (size_t)(start + total - end));
    }
    return host;
}

static uint64_t page_size(const RamBlock *block)
{
    uint64_t unused;

    return block->fd >= 0 ? file_page_size(block->fd, &unused) : TARGET_PAGE_SIZE;
}

static bool map_block(RamBlock *block, const RamDesc *desc, Error **err)
{
    uint64_t pages = page_size(block);
    uint64_t align = MAX(MAX(HUGE_PAGE, desc->align), pages);
    int protection = desc->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = MAP_FIXED | (desc->share ? MAP_SHARED : MAP_PRIVATE) |
                (block->fd < 0 ? MAP_ANONYMOUS : 0) | (desc->no_reserve ? MAP_NORESERVE : 0);

    block->host = reserve(block->size, align);
    if (!block->host ||
        mmap(block->host, block->size, protection, flags, block->fd, 0) == MAP_FAILED) {
        return error_set_errno(err, errno, "cannot allocate %" PRIu64 " MiB of guest memory",
                               block->size >> 20);
    }
    /* Both are wishes: a kernel without them works as well, only less cheaply. */
    madvise(block->host, block->size, MADV_HUGEPAGE);
    if (desc->merge) {
        madvise(block->host, block->size, MADV_MERGEABLE);
    }
    if (desc->no_dump) {
        madvise(block->host, block->size, MADV_DONTDUMP);
    }
    return true;
}

bool ram_block_renew(RamBlock *block, uint64_t offset, Error **err)
{
    uint64_t size = page_size(block), start = offset & ~(size - 1);
    int protection = block->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    int flags = MAP_FIXED | (block->shared ? MAP_SHARED : MAP_PRIVATE) |
                (block->fd < 0 ? MAP_ANONYMOUS : 0);

    if (block->fd >= 0 && block->shared &&
        fallocate(block->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)start,
                  (off_t)size) < 0) {
        return error_set_errno(err, errno, "cannot give up a page of the file of '%s'",
                               block->name);
    }
    if (mmap(block->host + start, size, protection, flags, block->fd, (off_t)start) == MAP_FAILED) {
        return error_set_errno(err, errno, "no other page for guest memory '%s'", block->name);
    }
    ram_block_mark_dirty(block, start, size);
    return true;
}

/* Before a page of it is touched. */
static bool bind_to_nodes(RamBlock *block, const RamDesc *desc, Error **err)
{
    unsigned long bits = sizeof(desc->host_nodes) * 8 + 1; /* the kernel leaves out the last */

    if (desc->policy == MPOL_DEFAULT ||
        syscall(SYS_mbind, block->host, block->size, desc->policy, desc->host_nodes, bits,
                MPOL_MF_STRICT | MPOL_MF_MOVE) == 0) {
        return true;
    }
    return error_set_errno(err, errno, "the kernel does not give memory of these host-nodes");
}

/* -- Preallocation ----------------------------------------------------------------------------- */

static __thread sigjmp_buf *touch_failed;
/* The handler is the process's: one thread at a time has it set. A leaf. */
static pthread_mutex_t touch_mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_sigbus(int signal_number)
{
    if (touch_failed) {
        siglongjmp(*touch_failed, 1);
    }
    signal(signal_number, SIG_DFL); /* not ours: happens again, and then ends the process */
}

/* For kernels before 5.14: writes to each page, SIGBUS caught. The bytes stay as they are. */
static bool touch_pages(uint8_t *start, uint64_t size)
{
    struct sigaction action = {.sa_handler = on_sigbus}, saved;
    sigjmp_buf failed;
    volatile bool ok = false;

    pthread_mutex_lock(&touch_mutex);
    sigaction(SIGBUS, &action, &saved);
    if (sigsetjmp(failed, 1) == 0) {
        touch_failed = &failed;
        for (uint64_t at = 0; at < size; at += TARGET_PAGE_SIZE) {
            volatile uint8_t *byte = start + at;

            *byte = *byte;
        }
        ok = true;
    }
    touch_failed = NULL;
    sigaction(SIGBUS, &saved, NULL);
    pthread_mutex_unlock(&touch_mutex);
    return ok;
}

/* The threads take step after step of the block, until all is there or one has failed. */
typedef struct Populate {
    const RamBlock *block;
    uint64_t next;   /* atomic: offset of the first step that nobody has taken */
    uint64_t failed; /* atomic: offset of the first that failed, UINT64_MAX: none */
} Populate;

static void note_failure(Populate *populate, uint64_t at)
{
    uint64_t before = __atomic_load_n(&populate->failed, __ATOMIC_SEQ_CST);

    while (at < before && !__atomic_compare_exchange_n(&populate->failed, &before, at, false,
                                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        continue;
    }
}

static void *populate_steps(void *opaque)
{
    Populate *populate = opaque;
    const RamBlock *block = populate->block;

    while (__atomic_load_n(&populate->failed, __ATOMIC_SEQ_CST) == UINT64_MAX) {
        uint64_t at = __atomic_fetch_add(&populate->next, POPULATE_STEP, __ATOMIC_SEQ_CST);
        int result;

        if (at >= block->size) {
            break;
        }
        uint64_t step = MIN(POPULATE_STEP, block->size - at);
        do {
            result = madvise(block->host + at, step, MADV_POPULATE_WRITE);
        } while (result != 0 && errno == EINTR);
        if (result != 0 && !(errno == EINVAL && touch_pages(block->host + at, step))) {
            note_failure(populate, at);
        }
    }
    return NULL;
}

/* The caller's thread works, too; with fewer threads than asked for it only takes longer. */
static bool populate(RamBlock *block, unsigned thread_count, Error **err)
{
    Populate work = {.block = block, .failed = UINT64_MAX};
    uint64_t steps = (block->size + POPULATE_STEP - 1) / POPULATE_STEP;
    g_autoptr(GPtrArray) threads = g_ptr_array_new();

    for (uint64_t i = 1; i < MIN(steps, thread_count); i++) {
        GThread *thread = g_thread_try_new("prealloc", populate_steps, &work, NULL);
        if (!thread) {
            break;
        }
        g_ptr_array_add(threads, thread);
    }
    populate_steps(&work);
    for (guint i = 0; i < threads->len; i++) {
        g_thread_join(threads->pdata[i]);
    }
    if (work.failed == UINT64_MAX) {
        return true;
    }
    error_set(err,
              "cannot preallocate %" PRIu64 " MiB of guest memory: no room after %" PRIu64 " MiB",
              block->size >> 20, work.failed >> 20);
    error_hint(err, "make more memory or huge pages available, or leave prealloc off");
    return false;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void ram_block_free(RamBlock *block)
{
    if (block->host && block->discards) {
        madvise(block->host, block->size, MADV_REMOVE); /* a wish: not all file systems can */
    }
    if (block->host) {
        munmap(block->host, block->size + TARGET_PAGE_SIZE);
    }
    if (block->fd >= 0) {
        close(block->fd);
    }
    for (unsigned i = 0; i < DIRTY_CLIENT_COUNT; i++) {
        g_free(block->dirty[i]);
    }
    g_free(block->name);
    g_free(block);
}

RamBlock *ram_block_new(const RamDesc *desc, Error **err)
{
    RamBlock *block = g_new0(RamBlock, 1);

    block->name = g_strdup(desc->name);
    block->size = desc->size;
    block->fd = -1;
    block->shared = desc->share;
    block->read_only = desc->read_only;
    block->discards = desc->discards && desc->share;
    block->references = 1;
    if (desc->size == 0 || desc->size % TARGET_PAGE_SIZE != 0 || desc->size >= 1ull << 52) {
        error_set(err, "memory size %" PRIu64 " of '%s' is not a multiple of 4096", desc->size,
                  desc->name);
        goto fail;
    }
    if (!open_backing(block, desc, err) || !map_block(block, desc, err) ||
        !bind_to_nodes(block, desc, err) ||
        (desc->prealloc && !desc->read_only && !populate(block, desc->prealloc_threads, err))) {
        goto fail;
    }
    size_t bytes = BITMAP_WORDS(block->size / TARGET_PAGE_SIZE) * sizeof(uint64_t);

    for (unsigned i = 0; i < DIRTY_CLIENT_COUNT; i++) {
        block->dirty[i] = g_malloc(bytes);
        memset(block->dirty[i], 0xff, bytes);
    }
    blocks_add(block);
    return block;
fail:
    ram_block_free(block);
    return NULL;
}

RamBlock *ram_block_ref(RamBlock *block)
{
    __atomic_add_fetch(&block->references, 1, __ATOMIC_RELAXED);
    return block;
}

void ram_block_unref(RamBlock *block)
{
    if (block && __atomic_sub_fetch(&block->references, 1, __ATOMIC_ACQ_REL) == 0) {
        blocks_remove(block);
        ram_block_free(block);
    }
}

/* SPDX-License-Identifier: MIT */
/* Code cache: one memfd mapped twice, so that no mapping is ever writable and executable. */
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define THUNK_AREA ((size_t)TCG_MAX_CPUS * THUNK_SLICE)

CodeCache code_cache;

static bool map_memfd(size_t size)
{
    int fd = memfd_create("tcg-code", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        int error = errno;

        if (fd >= 0) {
            close(fd);
        }
        errno = error;
        return false;
    }
    code_cache.write = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    code_cache.execute = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    close(fd);
    return code_cache.write != MAP_FAILED && code_cache.execute != MAP_FAILED;
}

/* For perf, which looks into its map of a process only for what it takes for anonymous memory. The
 * second view is made before either has anything executable. */
static bool map_anonymous(size_t size)
{
    void *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (view == MAP_FAILED) {
        return false;
    }
    code_cache.write = view;
    view = mremap(view, 0, size, MREMAP_MAYMOVE); /* of shared memory: maps it once more */
    if (view == MAP_FAILED || mprotect(view, size, PROT_READ | PROT_EXEC) < 0) {
        return false;
    }
    code_cache.execute = view;
    return true;
}

bool code_cache_init(size_t blocks_size, Error **err)
{
    size_t size =
        blocks_size + THUNK_AREA; /* sparse: thunks of CPUs that are not there cost none */
    Emitter e;

    if (!(tcg_options.perfmap ? map_anonymous(size) : map_memfd(size))) {
        return error_set_errno(err, errno, "cannot make a code cache of %zu MiB", size >> 20);
    }
    code_cache.size = size;
    e = (Emitter){code_cache.write, code_cache.write + size, code_cache.execute - code_cache.write};
    stubs_emit(&e);
    code_cache.stubs_end = ((size_t)(e.p - code_cache.write) + 63) & ~(size_t)63;
    code_cache.blocks_start = code_cache.used =
        (code_cache.stubs_end + THUNK_AREA + TARGET_PAGE_SIZE - 1) & ~(TARGET_PAGE_SIZE - 1);
    return true;
}

void code_cache_fini(void)
{
    munmap(code_cache.write, code_cache.size);
    munmap(code_cache.execute, code_cache.size);
    code_cache.write = code_cache.execute = NULL;
    code_cache.flush_count++;
}

uint8_t *code_cache_thunks(unsigned cpu_index)
{
    return code_cache.execute + code_cache.stubs_end + (size_t)cpu_index * THUNK_SLICE;
}

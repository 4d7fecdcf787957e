/* SPDX-License-Identifier: MIT */
/* Code cache: one memfd mapped twice, so that no mapping is ever writable and executable. */
#include "accel/tcg/tcg-internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define THUNK_AREA ((size_t)TCG_MAX_CPUS * THUNK_SLICE)

CodeCache code_cache;

bool code_cache_init(size_t blocks_size, Error **err)
{
    size_t size =
        blocks_size + THUNK_AREA; /* sparse: thunks of CPUs that are not there cost none */
    Emitter e;
    int fd = memfd_create("tcg-code", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        error_set_errno(err, errno, "cannot make a code cache of %zu MiB", size >> 20);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    code_cache.write = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    code_cache.execute = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    close(fd);
    if (code_cache.write == MAP_FAILED || code_cache.execute == MAP_FAILED) {
        return error_set_errno(err, errno, "cannot map a code cache of %zu MiB", size >> 20);
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

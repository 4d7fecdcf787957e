/* SPDX-License-Identifier: MIT */
/* Code cache: one memfd mapped twice, so that no mapping is ever writable and executable. */
#include "accel/tcg/tcg-internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define THUNK_AREA (2u << 20)

CodeCache code_cache;

bool code_cache_init(size_t size, Error **err)
{
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
    code_cache.stubs_end = code_cache.thunks_used =
        ((size_t)(e.p - code_cache.write) + 63) & ~(size_t)63;
    code_cache.blocks_start = code_cache.used = code_cache.stubs_end + THUNK_AREA;
    return true;
}

const void *code_cache_add_thunk(const uint8_t *code, size_t size)
{
    size_t at = code_cache.thunks_used;

    if (at + size > code_cache.blocks_start) {
        return NULL;
    }
    memcpy(code_cache.write + at, code, size);
    code_cache.thunks_used = (at + size + 15) & ~(size_t)15;
    return code_cache.execute + at;
}

void code_cache_reset_thunks(void)
{
    code_cache.thunks_used = code_cache.stubs_end;
}

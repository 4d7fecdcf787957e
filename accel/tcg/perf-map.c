/* SPDX-License-Identifier: MIT */
/* /tmp/perf-PID.map: names of translated blocks for `perf report`, by -accel tcg,perfmap=on. */
#include "accel/tcg/perf-map.h"
#include "accel/tcg/jit-dump.h"
#include "accel/tcg/tcg-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static FILE *map;

bool perf_map_enable(Error **err)
{
    g_autofree char *path = g_strdup_printf("/tmp/perf-%d.map", (int)getpid());

    map = fopen(path, "w");
    return map || error_set_errno(err, errno, "perfmap=on: cannot write '%s'", path);
}

void perf_map_add_stubs(void)
{
    if (map) {
        fprintf(map, "%" PRIxPTR " %zx tcg_stubs\n", (uintptr_t)code_cache.execute,
                code_cache.stubs_end);
        fprintf(map, "%" PRIxPTR " %zx tcg_exact_mode\n",
                (uintptr_t)code_cache.execute + code_cache.stubs_end,
                code_cache.blocks_start - code_cache.stubs_end);
    }
}

void perf_map_add(const X86Cpu *cpu, const Block *block)
{
    if (map) {
        g_autofree char *name = jit_block_name(cpu, block);
        fprintf(map, "%" PRIxPTR " %x %s\n", (uintptr_t)block->code, block->code_size, name);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * jit-PID.dump: a header, then a record with name and bytes for each block as it is made. Use:
 *
 *     perf record -k 1 qemu-system-x86_64 -accel tcg,jitdump=on ...
 *     perf inject --jit -i perf.data -o perf.jit.data && perf annotate -i perf.jit.data
 *
 * perf learns of the file from its first page being mapped executable (and never writable). The
 * format is described with the Linux kernel in tools/perf/Documentation/jitdump-specification.txt.
 * Jumps that are chained later show as they were first.
 */
#include "accel/tcg/jit-dump.h"
#include "accel/tcg/guest-symbols.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DUMP_MAGIC 0x4a695444u
#define DUMP_VERSION 1u
#define RECORD_CODE_LOAD 0u

typedef struct DumpHeader {
    uint32_t magic, version, size, machine, padding, pid;
    uint64_t time, flags;
} DumpHeader;

/* Behind it: the name with its zero, then the code. */
typedef struct CodeLoad {
    uint32_t id, size;
    uint64_t time;
    uint32_t pid, tid;
    uint64_t virtual_address, address, code_size, number;
} CodeLoad;

static FILE *dump;
static uint64_t next_number;

/* perf record -k 1 stamps its events with the same clock. */
static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool jit_dump_enable(Error **err)
{
    g_autofree char *path = g_strdup_printf("jit-%d.dump", (int)getpid());
    DumpHeader header = {DUMP_MAGIC, DUMP_VERSION,       sizeof(header), EM_X86_64,
                         0,          (uint32_t)getpid(), now_ns(),       0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    dump = fopen(path, "w+e");
    if (!dump) {
        return error_set_errno(err, errno, "jitdump=on: cannot write '%s'", path);
    }
    fwrite(&header, sizeof(header), 1, dump);
    fflush(dump);
    if (mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(dump), 0) == MAP_FAILED) {
        return error_set_errno(err, errno, "jitdump=on: cannot map '%s' executable", path);
    }
    return true;
}

char *jit_block_name(const X86Cpu *cpu, const Block *block)
{
    g_autofree char *name = guest_symbols_name(cpu, block->rip);

    return name ? g_strdup_printf("%s [guest_%" PRIx64 "]", name, block->rip)
                : g_strdup_printf("guest_%" PRIx64 "_mode_%x", block->rip, block->mode);
}

void jit_dump_add(const X86Cpu *cpu, const Block *block)
{
    g_autofree char *name = dump ? jit_block_name(cpu, block) : NULL;
    size_t name_size;
    CodeLoad record;

    if (!dump) {
        return;
    }
    name_size = strlen(name) + 1;
    record = (CodeLoad){.id = RECORD_CODE_LOAD,
                        .size = (uint32_t)(sizeof(record) + name_size + block->code_size),
                        .time = now_ns(),
                        .pid = (uint32_t)getpid(),
                        .tid = (uint32_t)syscall(SYS_gettid),
                        .virtual_address = (uintptr_t)block->code,
                        .address = (uintptr_t)block->code,
                        .code_size = block->code_size,
                        .number = next_number++};
    fwrite(&record, sizeof(record), 1, dump);
    fwrite(name, name_size, 1, dump);
    fwrite(block->code, block->code_size, 1, dump);
}

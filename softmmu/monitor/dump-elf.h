/* SPDX-License-Identifier: MIT */
/* Head of a guest's memory dump: an ELF core file as gdb and crash read it. */
#ifndef SOFTMMU_MONITOR_DUMP_ELF_H
#define SOFTMMU_MONITOR_DUMP_ELF_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A piece of physical memory; they follow each other in the file, in this order. */
typedef struct DumpRange {
    uint64_t address, size; /* bytes */
} DumpRange;

/* A program header: where memory is seen. Without paging `linear` is 0, as crash wants it. */
typedef struct DumpMapping {
    uint64_t linear, physical, size;
} DumpMapping;

typedef struct DumpLayout {
    bool is_64;       /* ELF64 for x86-64, else ELF32 for i386 */
    GArray *ranges;   /* of DumpRange, by rising address */
    GArray *mappings; /* of DumpMapping */
} DumpLayout;

/* All that stands before the first range; all CPUs are parked. Caller frees. */
GByteArray *dump_elf_head(const DumpLayout *layout);

#endif

/* SPDX-License-Identifier: MIT */
/* Data segment registers of the running thread, and its LDT. */
#ifndef TESTS_INSN_NATIVE_SEGMENTS_H
#define TESTS_INSN_NATIVE_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Error Error;

/* Code that runs while FS is a case's: nothing in it may look at thread-local data. */
#define NATIVE_HANDLER __attribute__((no_stack_protector, no_sanitize_address))

typedef struct NativeSegments {
    uint16_t ds, es, fs, gs;
    uint64_t fs_base, gs_base;
} NativeSegments;

void native_segments_read(NativeSegments *ret_segments);
/* Selectors first, then the bases, which a null selector leaves open. */
void native_segments_load(const NativeSegments *segments);

/* Gives this process the LDT of cases. */
bool native_set_ldt(Error **err);

#endif

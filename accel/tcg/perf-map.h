/* SPDX-License-Identifier: MIT */
/* Perf map: where translated code lies, for the host's profiler. */
#ifndef ACCEL_TCG_PERF_MAP_H
#define ACCEL_TCG_PERF_MAP_H

#include "accel/tcg/block.h"

/* Opens the file; the kernel's tools find it by the process number. */
bool perf_map_enable(Error **err);
/* The fixed code at the start of the cache. */
void perf_map_add_stubs(void);
/* Adds a finished block; no-op unless enabled. Under the code lock. */
void perf_map_add(const X86Cpu *cpu, const Block *block);

#endif

/* SPDX-License-Identifier: MIT */
/* The list of points, which CPUs read while they run and which changes only while all are
 * parked. */
#ifndef TARGET_I386_DEBUG_PRIVATE_H
#define TARGET_I386_DEBUG_PRIVATE_H

#include "target/i386/debug.h"

typedef struct DebugPoint {
    DebugKind kind;
    uint64_t linear, size;
} DebugPoint;

extern const DebugPoint *debug_points;
extern unsigned debug_point_count; /* breakpoints come first: debug_break_count of them */

/* Under the lock: who asked for the stop, first come. */
extern X86Cpu *debug_reporter;
extern DebugHit debug_report;

#endif

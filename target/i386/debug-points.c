/* SPDX-License-Identifier: MIT */
/* The debugger's points and steps, set while every CPU is parked. */
#include "target/i386/debug-private.h"

static GArray *points; /* of DebugPoint; breakpoints first */

static bool is_break(DebugKind kind)
{
    return kind == DEBUG_BREAK_SOFTWARE || kind == DEBUG_BREAK_HARDWARE;
}

/* Watchpoints need every CPU to look at each access. */
static void publish(void)
{
    debug_points = (const DebugPoint *)points->data;
    debug_point_count = points->len;
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *cpu = vcpu_get(i)->cpu;
        bool watches = debug_point_count > debug_break_count;

        cpu->debugger =
            (uint8_t)((cpu->debugger & ~DEBUGGER_WATCH) | (watches ? DEBUGGER_WATCH : 0));
        cpu_update_mode(cpu);
    }
}

static bool find(DebugKind kind, uint64_t linear, uint64_t size, unsigned *ret_index)
{
    for (unsigned i = 0; points && i < points->len; i++) {
        const DebugPoint *point = &g_array_index(points, DebugPoint, i);
        if (point->kind == kind && point->linear == linear &&
            (is_break(kind) || point->size == size)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

void debug_point_insert(DebugKind kind, uint64_t linear, uint64_t size)
{
    DebugPoint point = {kind, linear, size};
    unsigned index;

    if (find(kind, linear, size, &index)) {
        return;
    }
    if (!points) {
        points = g_array_new(FALSE, FALSE, sizeof(DebugPoint));
    }
    if (is_break(kind)) {
        g_array_prepend_val(points, point);
        debug_break_count++;
        tcg_drop_code_at(linear);
    } else {
        g_array_append_val(points, point);
    }
    publish();
}

bool debug_point_remove(DebugKind kind, uint64_t linear, uint64_t size)
{
    unsigned index;

    if (!find(kind, linear, size, &index)) {
        return false;
    }
    g_array_remove_index(points, index);
    debug_break_count -= is_break(kind);
    publish();
    return true;
}

void debug_point_remove_all(void)
{
    if (points) {
        g_array_set_size(points, 0);
        debug_break_count = 0;
        publish();
    }
}

void debug_set_step(X86Cpu *cpu, unsigned flags)
{
    cpu->debugger = (uint8_t)((cpu->debugger & DEBUGGER_WATCH) | flags);
    cpu_update_mode(cpu);
}

X86Cpu *debug_take_hit(DebugHit *ret_hit)
{
    X86Cpu *cpu = debug_reporter;

    debug_reporter = NULL;
    *ret_hit = debug_report;
    return cpu;
}

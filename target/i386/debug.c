/* SPDX-License-Identifier: MIT */
/*
 * The debugger in the execution loop: whether a CPU stops here, and why it did.
 *
 * Built without SSE. No block holds an instruction with a breakpoint, so the loop finds none for it
 * and comes here before it would run it by exact mode. Steps and watchpoints put the CPU into exact
 * mode (CPU_MODE_BREAKPOINTS). Without any of them nothing here is called.
 */
#include "target/i386/debug-private.h"
#include "target/i386/helpers/access.h"

const DebugPoint *debug_points;
unsigned debug_point_count, debug_break_count;
X86Cpu *debug_reporter;
DebugHit debug_report;

bool debug_is_break(uint64_t linear)
{
    for (unsigned i = 0; i < debug_break_count; i++) {
        if (debug_points[i].linear == linear) {
            return true;
        }
    }
    return false;
}

/* The access [linear, last] touches the point. */
static bool overlaps(const DebugPoint *point, uint64_t linear, uint64_t size)
{
    return linear - point->linear < point->size || point->linear - linear < size;
}

bool debug_is_watched(uint64_t linear, uint64_t size)
{
    for (unsigned i = debug_break_count; i < debug_point_count; i++) {
        if (overlaps(&debug_points[i], linear, size)) {
            return true;
        }
    }
    return false;
}

void debug_note_access(X86Cpu *cpu, uint64_t linear, uint64_t size, bool is_write)
{
    DebugKind other = is_write ? DEBUG_WATCH_READ : DEBUG_WATCH_WRITE;

    for (unsigned i = debug_break_count; i < debug_point_count; i++) {
        const DebugPoint *point = &debug_points[i];
        if (point->kind != other && overlaps(point, linear, size)) {
            cpu->debug_hit.kind = (uint8_t)point->kind;
            cpu->debug_hit.linear = linear > point->linear ? linear : point->linear;
            return;
        }
    }
}

/* Another CPU may have been first: then a watched access stays noted until the machine runs
 * again, and a breakpoint is found again by itself. */
static void report(X86Cpu *cpu, DebugHit hit)
{
    if (!debug_reporter) {
        debug_reporter = cpu;
        debug_report = hit;
        cpu->debug_hit.kind = DEBUG_NONE;
    }
    vm_stop_request(RUN_STATE_DEBUG);
}

static void forget_step(X86Cpu *cpu)
{
    cpu->debugger &= (uint8_t) ~(DEBUGGER_STEP | DEBUGGER_NO_INTERRUPTS);
    cpu_update_mode(cpu);
}

static void post(X86Cpu *cpu, DebugHit hit)
{
    forget_step(cpu);
    fpu_park(cpu);
    machine_lock();
    report(cpu, hit);
    machine_unlock();
}

void debug_stop_now(X86Cpu *cpu, DebugHit hit)
{
    forget_step(cpu);
    report(cpu, hit);
}

bool debug_stops_before(X86Cpu *cpu)
{
    uint64_t linear = cpu_code_linear(cpu, cpu->rip);

    if (cpu->debug_hit.kind != DEBUG_NONE) {
        post(cpu, cpu->debug_hit);
        return true;
    }
    if (!debug_break_count || cpu->debugger & DEBUGGER_STEP) {
        return false; /* a step goes over a breakpoint */
    }
    if (!debug_is_break(linear)) {
        return false;
    }
    post(cpu, (DebugHit){DEBUG_BREAK_SOFTWARE, linear});
    return true;
}

void debug_stop_after(X86Cpu *cpu)
{
    if (cpu->debug_hit.kind != DEBUG_NONE) {
        post(cpu, cpu->debug_hit);
    } else if (cpu->debugger & DEBUGGER_STEP) {
        post(cpu, (DebugHit){DEBUG_STEP, 0});
    }
}

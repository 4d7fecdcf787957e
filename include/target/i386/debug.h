/* SPDX-License-Identifier: MIT */
/* What a debugger does with CPUs: breakpoints, watchpoints, single steps, registers by number.
 * All but the hooks: main thread, under the lock, every CPU parked. */
#ifndef TARGET_I386_DEBUG_H
#define TARGET_I386_DEBUG_H

#include "target/i386/cpu.h"

/* -- Points: where and why execution stops ----------------------------------------------------- */

typedef enum DebugKind {
    DEBUG_NONE,
    DEBUG_BREAK_SOFTWARE, /* both kinds are the same here; guest memory is never changed */
    DEBUG_BREAK_HARDWARE,
    DEBUG_WATCH_WRITE,
    DEBUG_WATCH_READ,
    DEBUG_WATCH_ACCESS,
    DEBUG_STEP
} DebugKind;

/* Of all CPUs, by linear address; mapped or not. Setting one that is set already changes
 * nothing. */
void debug_point_insert(DebugKind kind, uint64_t linear, uint64_t size);
/* False: there is none. */
bool debug_point_remove(DebugKind kind, uint64_t linear, uint64_t size);
void debug_point_remove_all(void);

/* X86Cpu.debugger: what is asked of one CPU. */
#define DEBUGGER_STEP (1u << 0)          /* stop behind the next instruction */
#define DEBUGGER_NO_INTERRUPTS (1u << 1) /* NMI, SMI and interrupts wait meanwhile */
#define DEBUGGER_WATCH (1u << 2)         /* a watchpoint is set: every access is looked at */

/* `flags`: DEBUGGER_STEP and DEBUGGER_NO_INTERRUPTS, or 0; they last until the step is done. */
void debug_set_step(X86Cpu *cpu, unsigned flags);

/* The CPU that asked for a stop (RUN_STATE_DEBUG) since the last call, and why; NULL: none. */
X86Cpu *debug_take_hit(DebugHit *ret_hit);

/* -- Registers by number, in the order a debugger is told of them ------------------------------ */

typedef struct DebugRegister {
    const char *name; /* as gdb calls it */
    const char *type; /* of gdb's target description */
    uint16_t bits;
    uint8_t kind;    /* private */
    uint32_t where;  /* private: number or offset */
    uint8_t feature; /* index of DEBUG_FEATURE_* */
} DebugRegister;

enum {
    DEBUG_FEATURE_CORE,
    DEBUG_FEATURE_SSE,
    DEBUG_FEATURE_AVX,
    DEBUG_FEATURE_AVX512,
    DEBUG_FEATURE_COUNT
};
#define DEBUG_REGISTER_MAX_BYTES 32

/* Those of AVX-512 come last and count only where the CPU's model has it. */
unsigned debug_register_count(const X86Cpu *cpu);
const DebugRegister *debug_register(unsigned number);
/* Little endian, bits / 8 bytes. */
void debug_register_read(const X86Cpu *cpu, unsigned number, uint8_t *ret_bytes);
/* Takes what leaves the CPU in a state it could get into by itself and ignores the rest (paging
 * mode bits, segment registers that name no descriptor). */
void debug_register_write(X86Cpu *cpu, unsigned number, const uint8_t *bytes);

/* -- Hooks of the translator and of exact mode: on the CPU's own thread, light ----------------- */

extern unsigned debug_break_count;

/* Is there a breakpoint? Ask after debug_break_count only. */
bool debug_is_break(uint64_t linear);
/* True when the CPU stops before the instruction at RIP; the stop was asked for. */
bool debug_stops_before(X86Cpu *cpu);
/* Asks for the stop that a step or a watched access calls for. */
void debug_stop_after(X86Cpu *cpu);
/* For accelerators that find out themselves: the stop is asked for. On the CPU's own thread, under
 * the lock. */
void debug_stop_now(X86Cpu *cpu, DebugHit hit);
/* With DEBUGGER_WATCH: is any byte of it watched, and remembers that it was accessed. */
bool debug_is_watched(uint64_t linear, uint64_t size);
void debug_note_access(X86Cpu *cpu, uint64_t linear, uint64_t size, bool is_write);

#endif

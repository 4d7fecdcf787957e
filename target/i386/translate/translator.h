/* SPDX-License-Identifier: MIT */
/* Translator: the state of one block's translation, shared by the files that emit parts of it. */
#ifndef TARGET_I386_TRANSLATE_TRANSLATOR_H
#define TARGET_I386_TRANSLATE_TRANSLATOR_H

#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/translate/cold.h"
#include "target/i386/translate/rehost.h"

#define MAX_BLOCK_INSNS TCG_MAX_BLOCK_INSNS
#define MAX_TRACE_INSNS 96
/* Of the rounds that a trace goes through again and again. */
#define MAX_LOOP_INSNS 40
/* REP MOVS, the instruction with most of them, has two marks and five colds. */
#define MAX_MARKS (MAX_TRACE_INSNS * 10)
#define MAX_COLDS (MAX_TRACE_INSNS * 8)

#define GPR_OFFSET(n) (offsetof(X86Cpu, gpr) + 8 * (size_t)(n))
#define TCG_OFFSET(field) offsetof(X86Cpu, tcg.field)

/* Accesses that one check serves: windows.c. */
#define MAX_WINDOWS 16
typedef struct Window {
    unsigned root;     /* what its addresses count from */
    int64_t low, high; /* first byte, behind the last */
    bool is_write;
    unsigned opener, users; /* index of the instruction that checks; how many share */
} Window;

/* Which way the path goes behind a branch that is part of it. */
typedef enum Follow { FOLLOW_NONE, FOLLOW_NEXT, FOLLOW_TARGET, FOLLOW_LOOP = 4 } Follow;

typedef struct Translator {
    X86Cpu *cpu;
    Block *block;
    Emitter *e;
    uint32_t mode;
    FlagsPlace flags;
    Insn insns[MAX_TRACE_INSNS];     /* the path */
    uint8_t follow[MAX_TRACE_INSNS]; /* Follow; FOLLOW_LOOP: besides, back to loop_at */
    unsigned insn_count, at;         /* `at`: index of insn */
    unsigned most_insns;             /* ... of the path */
    unsigned loop_at, round_at;      /* where the second and the last round begin; 0: none does */
    uint8_t *loop_label;
    uint8_t loop_flags;
    FlagsRecipe loop_recipe;
    Window windows[MAX_WINDOWS];
    unsigned window_count;
    uint8_t window_of[MAX_TRACE_INSNS];     /* of each instruction's access */
    int64_t window_offset[MAX_TRACE_INSNS]; /* ... and where in the root's terms */
    TlbSlotUse slot_of[MAX_TRACE_INSNS]; /* of each instruction's access, and whether it writes */
    uint8_t slot_kind[MAX_TRACE_INSNS];  /* 0: it has none, 1: of reads, 2: of writes */
    uint8_t t1_window;                   /* whose start T1 holds */
    uint8_t t2_gpr;                      /* R13-R15: which of them T2 holds; else INSN_NO_REG */
    FlagsRecipe recipe; /* how the flags can be made again, while its operands are there */
    bool has_aside;     /* of t->insn: what it overwrites */
    const Insn *insn;   /* the one being emitted */
    uint8_t *start;     /* writable view of the block's code */
    InsnMark marks[MAX_MARKS];
    unsigned mark_count;
    Cold colds[MAX_COLDS];
    unsigned cold_count;
    bool ended;         /* control has left; nothing may follow */
    bool stops_short;   /* the instruction behind the path could not be decoded */
    bool goes_careful;  /* jumps made now lead to a block that checks each access */
    bool opened_shadow; /* by STI: the next instruction ends it */
    bool at_home;       /* registers are exchanged: homes.c */
    int32_t rsp_move;   /* what RSP lacks: stack-emit.c */
    bool has_polled;    /* behind the entry, on the way to t->insn */
} Translator;

/* Host register of a guest GPR, or INSN_NO_REG for R13-R15, which live in cpu->gpr. */
static inline uint8_t host_of(unsigned gpr)
{
    return gpr < R_RSP    ? (uint8_t)gpr
           : gpr == R_RSP ? HOST_R15
           : gpr == R_RBP ? HOST_R14
           : gpr < R_R13  ? (uint8_t)gpr
                          : INSN_NO_REG;
}

/* -- registers.c ------------------------------------------------------------------------------- */

/* Registers without a host register that an instruction names, and what stands in for them. */
typedef struct Spill {
    uint8_t gpr, host;
    bool is_written, is_replaced; /* ... whole, whatever was in it */
} Spill;
typedef struct Spills {
    Spill of[2];
    unsigned count;
} Spills;

/* Guest GPR in some host register: its own, or `scratch` after loading it there. Flags stay. */
unsigned translate_use_gpr(Translator *t, unsigned gpr, unsigned scratch);
/* Gives each of R13-R15 among the operands a scratch register; false: there are not enough. */
bool registers_assign(const Insn *insn, unsigned scratch_count, RehostMap *ret_map,
                      Spills *ret_spills);
/* True for a computational instruction that may have to be left to C for its registers. */
bool registers_may_fail(const Insn *insn);
/* Loads what the instruction reads, and stores what it has written. Flags stay. */
void registers_bring(Translator *t, const Spills *spills);
void registers_take(Translator *t, const Spills *spills);
/* The register's new value is in T2. */
void registers_store_t2(Translator *t, unsigned gpr);
/* Is the instruction emitted without T1? */
bool registers_leave_t1(const Insn *insn);
/* A MOV between registers one of which has no host register; false: it is something else. */
bool registers_move(Translator *t);

/* -- translate.c ------------------------------------------------------------------------------- */

/* Notes that host code from here on belongs to t->insn, or to what runs next at `rip`. */
void translate_mark(Translator *t);
void translate_mark_at(Translator *t, uint64_t rip);
/* Does it run with its operand locked by the silicon? Locking two cache lines stops every processor
 * of the host, and hosts slow down or end a process that does it (Linux: split_lock_detect=), so
 * an operand in two lines is left to C, which has it for itself alone. */
bool translate_locks_line(const Insn *insn);
/* A load that faults after a kick; the CPU then stands at `rip`. Destroys T1, keeps flags. */
void translate_poll(Translator *t, uint64_t rip);

/* -- address.c --------------------------------------------------------------------------------- */

/* T1 = effective address of the memory operand, truncated, without segment. Destroys T2. Flags
 * stay. */
void address_effective(Translator *t);
/* The same into a register of the host; the low 32 bits of it if `bits` says so. */
void address_into(Translator *t, unsigned host, unsigned bits);
/* From an effective address in T1: T1 = host address, for `access` 1 read, 2 write, 3 both, of
 * `size` bytes. Flags end up saved. Destroys T2. `retry` is where a refill starts again (NULL: at
 * the check). */
void address_check(Translator *t, unsigned segment, unsigned size, unsigned access);
/* Pieces of it: T1 = linear address in, T2 = entry out; then T1 = offset in the page after a check
 * that goes to a refill. */
Cold *address_lookup_page(Translator *t, unsigned access, unsigned greatest_offset);
void address_add_host(Translator *t);
/* Both, by a slot where it pays: T1 = linear address in, host address out. `kind` of the check that
 * fails. */
void address_find(Translator *t, unsigned access, unsigned greatest_offset, ColdKind kind);
void address_slot_miss(Translator *t, const Cold *cold);
void address_find_in_tlb(Translator *t, unsigned access, unsigned greatest_offset, ColdKind kind);
/* False: the access has none. */
bool address_choose_slot(Translator *t, unsigned access, unsigned greatest_offset,
                         TlbSlotUse *ret_use);
/* Registers a jump to out-of-line code. */
Cold *address_add_cold(Translator *t, uint8_t *place);
/* Both for the memory operand. */
void address_operand(Translator *t, unsigned size, unsigned access);

/* -- direct.c ---------------------------------------------------------------------------------- */

/* How an access of t->insn by a slot names the guest's registers; false: it has to do without. */
bool direct_map(const Translator *t, const Spills *spills, RehostMap *map);
/* T1 = what such an access adds to them, the flags those it needs; false: it has no slot. */
bool direct_emit(Translator *t, unsigned size, unsigned access);
void direct_miss(Translator *t, const Cold *cold);

/* -- control-flow.c ---------------------------------------------------------------------------- */

/* A copy of t->insn that lives as long as the block. */
const Insn *control_keep_insn(Translator *t);
/* Leaves to C, which runs t->insn; ends the block. */
void control_exit_insn(Translator *t);
/* Direct jump; ends this path. */
void control_goto(Translator *t, uint64_t target);
/* The same to what is never chained: an instruction in two pages. */
void control_goto_apart(Translator *t, uint64_t target);
/* A branch that the path goes on behind. */
void control_follow(Translator *t);
void control_loop_label(Translator *t);
bool control_is_same_page(const Translator *t, uint64_t target);
void control_add_hot_exit(Translator *t, uint8_t *place);
void control_add_stale_exit(Translator *t, uint8_t *place);
/* CARRY_BRANCH; ends the block. */
void control_branch(Translator *t);
/* Out-of-line code of the block. */
void control_emit_colds(Translator *t);

/* -- windows.c --------------------------------------------------------------------------------- */

void windows_plan(Translator *t);
/* Does the present instruction's access share a check; has the check of instruction `at` been made
 * before? */
bool windows_has(const Translator *t);
bool windows_is_checked(const Translator *t, unsigned at);
/* T1 = host address of the window's start, and how far behind it the access is (0 without one). */
void windows_emit(Translator *t);
int32_t windows_displacement(const Translator *t);
/* T1 has been used for something else. */
void windows_forget_t1(Translator *t);

/* -- trace.c ----------------------------------------------------------------------------------- */

/* Decodes the path of t->block, whose first byte is at `bytes`; false: nothing to translate. */
bool trace_decode(Translator *t, const uint8_t *bytes, unsigned size, unsigned max_insns);
bool trace_gate_is_open(const Translator *t, const Insn *insn);
void trace_emit_entries(Translator *t);
/* All six are rewritten, from instruction `at` on, before anybody asks for what they are there. */
bool trace_flags_are_dead(const Translator *t, unsigned at);
/* Instruction `at` runs to its end in translated code, whatever is in its operands; and besides it
 * has nothing to do with flags. */
bool trace_is_safe(const Translator *t, unsigned at);
bool trace_is_plain(const Translator *t, unsigned at);

/* -- string-emit.c ----------------------------------------------------------------------------- */

/* CARRY_STRING: inline where it is simple, else ends the block. */
void string_emit(Translator *t);

/* -- system-emit.c ----------------------------------------------------------------------------- */

/* A helper's instruction in translated code; false: C has to do it. */
bool system_emit(Translator *t);
/* The instruction behind an STI has ended, or is a branch and about to. */
void system_end_shadow(Translator *t);

/* -- stack-emit.c ------------------------------------------------------------------------------ */

/* CARRY_STACK; false: C has to do it. */
bool stack_emit(Translator *t);
/* T1 = host address of the stack slot below (push) or at (pop) the stack pointer. */
void stack_check_push(Translator *t, unsigned size);
void stack_check_pop(Translator *t, unsigned size);
/* Moves the guest's stack pointer, or notes that it has to be. Destroys T2 in 16-bit stacks. */
void stack_move(Translator *t, int32_t bytes);
/* Does t->insn run whether or not the moves noted have been made? They are made here. */
bool stack_may_wait(const Translator *t);
void stack_settle(Translator *t);
/* Bytes of a stack operand of t->insn. */
unsigned stack_operand_size(const Translator *t);

#endif

/* SPDX-License-Identifier: MIT */
/* What `-accel tcg,...` chooses. */
#ifndef ACCEL_TCG_OPTIONS_H
#define ACCEL_TCG_OPTIONS_H

#include "accel/accel.h"

#define TCG_MAX_BLOCK_INSNS 64
#define TCG_DEFAULT_CACHE_MIB 256

typedef struct TcgOptions {
    unsigned thread; /* TCG_THREAD_* */
    uint64_t cache_mib, block_insns, hot, check;
    char *symbols;
    bool perfmap, jitdump, profile, split_wx;
    bool one_insn; /* changed while all CPUs are parked */
    /* One for each optimisation, all on: a wrong one is found by switching off one after the other.
     * Set before the first block is made. */
    bool opt_aside, opt_beside, opt_carry, opt_chain, opt_contexts, opt_crossing, opt_direct,
        opt_flags, opt_forms, opt_global, opt_homes, opt_jump_cache, opt_keep, opt_lock, opt_moves,
        opt_pause, opt_proofs, opt_ranges, opt_recipes, opt_return, opt_rings, opt_scratch,
        opt_slots, opt_straddle, opt_strings, opt_system, opt_unroll, opt_windows, opt_xadd,
        opt_xsave;
} TcgOptions;

enum { TCG_THREAD_SINGLE, TCG_THREAD_MULTI };

extern TcgOptions tcg_options;
/* The table: one row reads, checks and explains an option. */
extern const AccelOption tcg_option_rows[];

#endif

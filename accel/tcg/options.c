/* SPDX-License-Identifier: MIT */
/* The options of the tcg accelerator, one row each. Tests switch off every row named opt-* in turn,
 * as they find them in `-accel tcg,help`. */
#include "accel/tcg/options.h"

#define MAX_CACHE_MIB 1024
#define DEFAULT_CHECK_HEAT 4096
#define DEFAULT_HOT_COUNT 500

TcgOptions tcg_options = {
    .thread = TCG_THREAD_MULTI,
    .cache_mib = TCG_DEFAULT_CACHE_MIB,
    .block_insns = TCG_MAX_BLOCK_INSNS,
    .hot = DEFAULT_HOT_COUNT,
    .check = DEFAULT_CHECK_HEAT,
    .split_wx = true,
    .opt_aside = true,
    .opt_beside = true,
    .opt_carry = true,
    .opt_chain = true,
    .opt_contexts = true,
    .opt_crossing = true,
    .opt_direct = true,
    .opt_flags = true,
    .opt_forms = true,
    .opt_global = true,
    .opt_homes = true,
    .opt_jump_cache = true,
    .opt_keep = true,
    .opt_lock = true,
    .opt_moves = true,
    .opt_pause = true,
    .opt_proofs = true,
    .opt_ranges = true,
    .opt_recipes = true,
    .opt_return = true,
    .opt_rings = true,
    .opt_scratch = true,
    .opt_slots = true,
    .opt_straddle = true,
    .opt_strings = true,
    .opt_system = true,
    .opt_unroll = true,
    .opt_windows = true,
    .opt_xadd = true,
    .opt_xsave = true,
};

#define NUMBER(name, member, values, min, max, help)                                               \
    {                                                                                              \
        name, ACCEL_OPTION_NUMBER, values, help, &tcg_options.member, min, max                     \
    }
#define FLAG(name, member, help)                                                                   \
    {                                                                                              \
        name, ACCEL_OPTION_BOOL, "on|off", help, &tcg_options.member                               \
    }

const AccelOption tcg_option_rows[] = {
    {"thread", ACCEL_OPTION_CHOICE, "single|multi",
     "one host thread for all CPUs of the guest, or one each", &tcg_options.thread},
    NUMBER("tb-size", cache_mib, "MIB", 0, MAX_CACHE_MIB, "size of the code cache; 0: the default"),
    NUMBER("block-insns", block_insns, "N", 1, TCG_MAX_BLOCK_INSNS,
           "guest instructions in a block at most"),
    FLAG("one-insn-per-tb", one_insn,
         "translate each instruction by itself, so that all are logged"),
    NUMBER("hot", hot, "N", 0, UINT32_MAX,
           "entries after which a block is translated as a trace; 0: never"),
    NUMBER("check", check, "N", 0, UINT32_MAX,
           "writes to a page in 0.1 s after which its blocks check themselves; 0: never, 1: all"),
    FLAG("perfmap", perfmap, "write /tmp/perf-PID.map for perf report"),
    FLAG("jitdump", jitdump, "write jit-PID.dump for perf inject --jit"),
    FLAG("profile", profile, "sample what the CPUs run from the start on: info hot"),
    {"symbols", ACCEL_OPTION_TEXT, "FILE",
     "names of guest code for profiles: an ELF file, or a list like the guest's /proc/kallsyms",
     &tcg_options.symbols},
    FLAG("split-wx", split_wx, "no mapping is ever writable and executable; cannot be off"),
    FLAG("opt-aside", opt_aside, "operands that recipes for flags need are put aside"),
    FLAG("opt-beside", opt_beside, "stores beside code do not leave translated code"),
    FLAG("opt-carry", opt_carry, "ADC, INC and SETB fetch CF only of saved flags"),
    FLAG("opt-chain", opt_chain, "jump from block to block within a page"),
    FLAG("opt-contexts", opt_contexts, "keep address spaces apart instead of flushing the TLB"),
    FLAG("opt-crossing", opt_crossing, "operands in two pages that lie together are plain"),
    FLAG("opt-direct", opt_direct,
         "an access that remembers its memory names the guest's registers"),
    FLAG("opt-flags", opt_flags, "leave flags saved until somebody reads them"),
    FLAG("opt-forms", opt_forms, "instructions of a form met before are not decoded anew"),
    FLAG("opt-global", opt_global, "global pages outlive MOV CR3"),
    FLAG("opt-homes", opt_homes, "R13-R15 borrow registers in loops that leave some unused"),
    FLAG("opt-jump-cache", opt_jump_cache, "find the targets of other jumps without leaving code"),
    FLAG("opt-keep", opt_keep, "exact mode keeps what it has decoded"),
    FLAG("opt-lock", opt_lock, "no LOCK where one thread runs all CPUs"),
    FLAG("opt-moves", opt_moves, "what PUSH and POP move RSP by is added up in traces"),
    FLAG("opt-pause", opt_pause, "a CPU that waits in a loop of PAUSE for long sleeps in between"),
    FLAG("opt-proofs", opt_proofs, "MOV CR3 keeps of the TLB what page tables still say"),
    FLAG("opt-ranges", opt_ranges, "what an access remembers covers neighbouring pages"),
    FLAG("opt-recipes", opt_recipes, "make flags again by their operation instead of saving them"),
    FLAG("opt-return", opt_return, "an instruction that C runs returns to translated code"),
    FLAG("opt-rings", opt_rings, "SYSCALL and SYSRET of 64-bit code by a short way"),
    FLAG("opt-scratch", opt_scratch, "POP, CALL and plain operations spare scratch registers"),
    FLAG("opt-slots", opt_slots, "user code remembers per access the memory it found last"),
    FLAG("opt-straddle", opt_straddle, "jumps know instructions that lie in two pages"),
    FLAG("opt-strings", opt_strings, "REP MOVS and STOS within a page in place"),
    FLAG("opt-system", opt_system, "CLI, STI, PUSHF, SWAPGS, RDTSC and such in translated code"),
    FLAG("opt-unroll", opt_unroll, "a trace goes several times round a short loop"),
    FLAG("opt-windows", opt_windows, "accesses of a trace share TLB checks"),
    FLAG("opt-xadd", opt_xadd, "XADD in plain instructions where nobody can come between"),
    FLAG("opt-xsave", opt_xsave, "XSAVE and XRSTOR leave the rest of the FPU state where it is"),
    {NULL},
};

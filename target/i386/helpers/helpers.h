/* SPDX-License-Identifier: MIT */
/* InsnHelpers: the instructions carried by plain C, named after their mnemonics. The re-hosting
 * table points here. */
#ifndef TARGET_I386_HELPERS_HELPERS_H
#define TARGET_I386_HELPERS_HELPERS_H

#include "target/i386/helpers/access.h"

/* far-transfer.c: near transfers are the translator's */
InsnHelper helper_jmp_far, helper_call_far, helper_ret_far, helper_iret, helper_syscall,
    helper_sysret, helper_sysenter, helper_sysexit;
/* SYSCALL or SYSRET between rings 0 and 3 of 64-bit code, if nothing else is to be seen to; false:
 * nothing was done. */
bool syscall_run_plain(X86Cpu *cpu, const Insn *insn);
/* exceptions.c */
InsnHelper helper_int, helper_int3, helper_into, helper_int1, helper_bound, helper_ud;
/* segments.c */
InsnHelper helper_mov_segment, helper_push_segment, helper_pop_segment, helper_load_far_pointer,
    helper_lar, helper_lsl, helper_verr, helper_verw, helper_arpl, helper_swapgs, helper_rdfsbase,
    helper_rdgsbase, helper_wrfsbase, helper_wrgsbase;
/* control-regs.c */
InsnHelper helper_mov_control, helper_mov_debug, helper_lmsw, helper_smsw, helper_clts, helper_lgdt,
    helper_lidt, helper_sgdt, helper_sidt, helper_lldt, helper_ltr, helper_sldt, helper_str,
    helper_invlpg, helper_invpcid, helper_wbinvd, helper_hlt, helper_mwait, helper_monitor,
    helper_xsetbv, helper_xgetbv, helper_rdpkru, helper_wrpkru;
/* flags.c */
InsnHelper helper_cli, helper_sti, helper_cld, helper_std, helper_pushf, helper_popf, helper_clac,
    helper_stac;
/* msr.c */
InsnHelper helper_rdmsr, helper_wrmsr, helper_rdtsc, helper_rdtscp, helper_rdpmc, helper_rdpid;
/* cpuid.c */
InsnHelper helper_cpuid;
/* port-io.c */
InsnHelper helper_in, helper_out, helper_ins, helper_outs;
/* fpu-state.c */
InsnHelper helper_fxsave, helper_fxrstor, helper_xsave, helper_xrstor, helper_fnstenv,
    helper_fldenv, helper_fnsave, helper_frstor, helper_fninit, helper_fnclex, helper_fwait,
    helper_ldmxcsr, helper_stmxcsr;
/* stack-frame.c: what needs several memory accesses */
InsnHelper helper_pusha, helper_popa, helper_enter, helper_leave;
/* legacy.c: 16- and 32-bit only */
InsnHelper helper_daa, helper_das, helper_aaa, helper_aas, helper_aam, helper_aad, helper_salc;
/* vector-memory.c: memory operands named by implicit registers, masks or index vectors */
InsnHelper helper_xlat, helper_maskmov, helper_gather, helper_scatter, helper_vzero,
    helper_cache_line;
/* direct-stores.c */
InsnHelper helper_movdiri, helper_movdir64b, helper_clzero;
/* pause.c */
InsnHelper helper_pause;
/* smm.c */
InsnHelper helper_rsm;

#endif

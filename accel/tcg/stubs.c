/* SPDX-License-Identifier: MIT */
/*
 * Stubs: the fixed code between C and translated code.
 *
 * In translated code every guest register lives in the host register of its own number, except
 *     guest RSP in R15, guest RBP in R14, guest R13-R15 in cpu->gpr;
 * RBP and R13 are scratch (T1, T2), RSP is the C stack of the vCPU thread, aligned to 16 bytes, and
 * GS points at the X86Cpu. enter() and the exits carry the state between the two forms.
 */
#include "accel/tcg/tcg-internal.h"
#include "accel/tcg/mutant.h"
#include "accel/tcg/slots.h"

#define GPR(n) (offsetof(X86Cpu, gpr) + 8 * (size_t)(n))
#define TCG(field) offsetof(X86Cpu, tcg.field)

/* CF PF AF ZF SF OF; DF is clear in translated code whatever the guest's is */
#define HOST_FLAGS 0x8d5

Stubs stubs;

static const uint8_t callee_saved[] = {HOST_RBX, HOST_RBP, HOST_R12, HOST_R13, HOST_R14, HOST_R15};

/* Guest registers held in host registers: guest number, host number. */
static const uint8_t pinned[][2] = {
    {R_RAX, HOST_RAX}, {R_RCX, HOST_RCX}, {R_RDX, HOST_RDX}, {R_RBX, HOST_RBX}, {R_RSI, HOST_RSI},
    {R_RDI, HOST_RDI}, {R_R8, HOST_R8},   {R_R9, HOST_R9},   {R_R10, HOST_R10}, {R_R11, HOST_R11},
    {R_R12, HOST_R12}, {R_RBP, HOST_R14}, {R_RSP, HOST_R15},
};

/* What a C function may destroy of them. */
static const uint8_t caller_saved[] = {HOST_RAX, HOST_RCX, HOST_RDX, HOST_RSI, HOST_RDI,
                                       HOST_R8,  HOST_R9,  HOST_R10, HOST_R11};

static void emit_push(Emitter *e, unsigned reg)
{
    emit_rex(e, 32, 0, 0, reg);
    emit_u8(e, 0x50 | (reg & 7));
}

static void emit_pop(Emitter *e, unsigned reg)
{
    emit_rex(e, 32, 0, 0, reg);
    emit_u8(e, 0x58 | (reg & 7));
}

static void emit_pushf(Emitter *e)
{
    emit_u8(e, 0x9c);
}

static void emit_popf(Emitter *e)
{
    emit_u8(e, 0x9d);
}

static void emit_jmp_gs(Emitter *e, size_t offset)
{
    emit_gs(e, 32, 0xff, 4, offset);
}

static void emit_c_prologue(Emitter *e)
{
    for (unsigned i = 0; i < sizeof(callee_saved); i++) {
        emit_push(e, callee_saved[i]);
    }
    emit_alu_imm(e, 64, 5, HOST_RSP, 8);
}

static void emit_c_epilogue(Emitter *e, unsigned result)
{
    emit_mov_imm(e, HOST_RAX, result);
    emit_alu_imm(e, 64, 0, HOST_RSP, 8);
    for (unsigned i = sizeof(callee_saved); i-- > 0;) {
        emit_pop(e, callee_saved[i]);
    }
    emit_u8(e, 0xc3);
}

/* Arithmetic flags out of cpu->eflags; destroys RAX. */
static void emit_load_flags(Emitter *e)
{
    emit_load_gs(e, 64, HOST_RAX, offsetof(X86Cpu, eflags));
    emit_alu_imm(e, 32, 4, HOST_RAX, MUTANT(84, HOST_FLAGS, HOST_FLAGS & 0xff));
    emit_push(e, HOST_RAX);
    emit_popf(e);
}

static void emit_pinned(Emitter *e, bool is_load)
{
    for (size_t i = 0; i < sizeof(pinned) / sizeof(pinned[0]); i++) {
        emit_gs(e, 64, is_load ? 0x8b : 0x89, pinned[i][1], GPR(pinned[i][0]));
    }
}

static void *emit_enter(Emitter *e)
{
    void *entry = emit_address(e);

    emit_c_prologue(e);
    emit_store_gs(e, 64, HOST_RSP, TCG(host_stack));
    emit_store_gs(e, 64, HOST_RSI, TCG(scratch[0]));
    emit_pinned(e, true);
    emit_jmp_gs(e, TCG(scratch[0]));
    return entry;
}

/* Leaves translated code; T1 is the exit value. */
static const uint8_t *emit_exit(Emitter *e, ExitReason reason)
{
    const uint8_t *entry = emit_address(e);

    emit_store_gs(e, 64, HOST_T1, TCG(exit_value));
    emit_pinned(e, false);
    emit_load_gs(e, 64, HOST_RSP, TCG(host_stack));
    if (reason == EXIT_FAULT || reason == EXIT_POLL) { /* the flags may be the host's */
        emit_pushf(e);
        emit_pop(e, HOST_RAX);
        emit_store_gs(e, 64, HOST_RAX, TCG(host_flags));
    }
    emit_c_epilogue(e, reason);
    return entry;
}

/* T1 = an Insn that C carries: goes on where it leads to, without leaving if nothing waits. */
static const uint8_t *emit_run_insn(Emitter *e)
{
    const uint8_t *entry = emit_address(e);
    uint8_t *leave;

    emit_pinned(e, false);
    emit_load_gs(e, 64, HOST_RDI, TCG(self));
    emit_mov_rr(e, 64, HOST_RSI, HOST_T1);
    emit_mov_imm(e, HOST_RAX, (uint64_t)(uintptr_t)tcg_run_insn);
    emit_u8(e, 0xff);
    emit_u8(e, 0xd0);                                /* call rax */
    emit_store_gs(e, 64, HOST_RSP, TCG(host_stack)); /* a thunk had its own */
    emit_rr(e, 64, 0x85, HOST_RAX, HOST_RAX);
    leave = emit_short(e, 0x74);
    emit_mov_rr(e, 64, HOST_T1, HOST_RAX);
    emit_pinned(e, true);
    emit_rr(e, 32, 0xff, 4, HOST_T1); /* jmp rbp */
    emit_patch8(leave, e->p);
    emit_c_epilogue(e, EXIT_DONE);
    return entry;
}

static void emit_caller_saved(Emitter *e, bool is_load)
{
    for (unsigned i = 0; i < sizeof(caller_saved); i++) {
        emit_gs(e, 64, is_load ? 0x8b : 0x89, caller_saved[i], GPR(caller_saved[i]));
    }
}

/* The jump cache does not help for the RIP in T1, flags are saved: asks C, which knows more, and
 * goes where it says; else goes on behind. `pushed`: bytes on the stack, which a jump drops. */
static void emit_find_code(Emitter *e, unsigned pushed)
{
    unsigned alignment = pushed & 15;
    uint8_t *miss;

    emit_store_gs(e, 64, HOST_T1, offsetof(X86Cpu, rip));
    emit_caller_saved(e, false);
    emit_load_gs(e, 64, HOST_RDI, TCG(self));
    emit_alu_imm(e, 64, 5, HOST_RSP, (int32_t)alignment);
    emit_mov_imm(e, HOST_RAX, (uint64_t)(uintptr_t)tcg_find_code);
    emit_u8(e, 0xff);
    emit_u8(e, 0xd0); /* call rax */
    emit_mov_rr(e, 64, HOST_T1, HOST_RAX);
    emit_caller_saved(e, true);
    emit_rr(e, 64, 0x85, HOST_T1, HOST_T1);
    miss = emit_short(e, 0x74);
    emit_alu_imm(e, 64, 0, HOST_RSP, (int32_t)(alignment + pushed));
    emit_rr(e, 32, 0xff, 4, HOST_T1); /* jmp rbp */
    emit_patch8(miss, e->p);
    emit_alu_imm(e, 64, 0, HOST_RSP, (int32_t)alignment);
}

/* Entered by a call: the exit value is the return address. */
static const uint8_t *emit_exit_called(Emitter *e, ExitReason reason)
{
    const uint8_t *entry = emit_address(e);

    if (reason == EXIT_BRANCH) {
        emit_find_code(e, 8);
    }
    emit_pop(e, HOST_T1);
    emit_exit(e, reason);
    return entry;
}

/* T2 = the entry for this access, if it is none of the TLB. */
static void emit_use_once(Emitter *e)
{
    uint8_t *filled;

    emit_gs(e, 32, 0xf6, 0, TCG(scratch[1])); /* test byte, 4 */
    emit_u8(e, TLB_ONCE & ~TLB_FILLED);
    filled = emit_short(e, 0x74);
    emit_load_gs(e, 64, HOST_T2, TCG(self));
    emit_alu_imm(e, 64, 0, HOST_T2, (int32_t)TCG(once));
    emit_patch8(filled, e->p);
}

/*
 * Called when a check failed: T1 = address - tag, T2 = entry. Asks C to fill the entry; returns to
 * the caller, who tries again, or leaves to exact mode; for a window that is not in one page it
 * returns 5 bytes further on. Nobody needs the host's flags.
 */
static const uint8_t *emit_refill(Emitter *e, unsigned access, unsigned size, bool is_window)
{
    const uint8_t *entry = emit_address(e);
    size_t tag = access & 2 ? offsetof(TlbEntry, tag_write) : offsetof(TlbEntry, tag_read);
    uint64_t refill = is_window ? (uintptr_t)tlb_refill_window : (uintptr_t)tlb_refill;
    uint8_t *failed;

    emit_op_mem(e, 64, 0x03, HOST_T1, HOST_T2, HOST_NO_INDEX, 0, (int32_t)tag);
    for (unsigned i = 0; i < sizeof(caller_saved); i++) {
        emit_store_gs(e, 64, caller_saved[i], GPR(caller_saved[i]));
    }
    emit_push(e, HOST_RAX); /* alignment */
    emit_load_gs(e, 64, HOST_RDI, TCG(self));
    emit_mov_rr(e, 64, HOST_RSI, HOST_T1);
    emit_mov_imm(e, HOST_RDX, access | size << 8);
    emit_mov_imm(e, HOST_RAX, refill);
    emit_u8(e, 0xff);
    emit_u8(e, 0xd0); /* call rax */
    emit_store_gs(e, 32, HOST_RAX, TCG(scratch[1]));
    emit_pop(e, HOST_RAX);
    for (unsigned i = 0; i < MUTANT(83, sizeof(caller_saved), sizeof(caller_saved) - 1); i++) {
        emit_load_gs(e, 64, caller_saved[i], GPR(caller_saved[i]));
    }
    emit_gs(e, 32, 0xf6, 0, TCG(scratch[1])); /* test byte, 1 */
    emit_u8(e, WINDOW_FILLED);
    failed = emit_short(e, 0x74);
    if (size) {
        emit_use_once(e);
    }
    emit_u8(e, 0xc3);
    emit_patch8(failed, e->p);
    if (is_window) {
        emit_gs(e, 32, 0xf6, 0, TCG(scratch[1]));
        emit_u8(e, WINDOW_LEAVE);
        emit_jcc_to(e, CC_NE, stubs.exit_exact);
        emit_pop(e, HOST_T1);
        emit_alu_imm(e, 64, 0, HOST_T1, 5);
        emit_rr(e, 32, 0xff, 4, HOST_T1); /* jmp rbp */
    } else {
        emit_branch_to(e, 0xe9, stubs.exit_exact);
    }
    return entry;
}

/* Called when an access was found in the TLB but not by its slot: T1 stays. Nobody needs the host's
 * flags. */
static const uint8_t *emit_fill_slot(Emitter *e, unsigned access)
{
    const uint8_t *entry = emit_address(e);
    size_t tag = access & 2 ? offsetof(TlbEntry, tag_write) : offsetof(TlbEntry, tag_read);

    emit_push(e, HOST_T1);
    emit_op_mem(e, 64, 0x2b, HOST_T1, HOST_T2, HOST_NO_INDEX, 0, (int32_t)offsetof(TlbEntry, host));
    emit_op_mem(e, 64, 0x03, HOST_T1, HOST_T2, HOST_NO_INDEX, 0, (int32_t)tag);
    emit_caller_saved(e, false);
    emit_load_gs(e, 64, HOST_RDI, TCG(self));
    emit_mov_rr(e, 64, HOST_RSI, HOST_T1);
    emit_load_gs(e, 32, HOST_RDX, TCG(scratch[4]));
    emit_mov_imm(e, HOST_RAX, (uint64_t)(uintptr_t)tlb_fill_slot);
    emit_u8(e, 0xff);
    emit_u8(e, 0xd0); /* call rax */
    emit_caller_saved(e, true);
    emit_pop(e, HOST_T1);
    emit_u8(e, 0xc3);
    return entry;
}

/* All registers but RSP: a thunk keeps the C stack and moves guest RSP elsewhere by itself. */
static void emit_thunk_registers(Emitter *e, bool is_load)
{
    for (unsigned i = 0; i < 16; i++) {
        if (i != HOST_RSP) {
            emit_gs(e, 64, is_load ? 0x8b : 0x89, i, GPR(i));
        }
    }
}

static void *emit_thunk(Emitter *e)
{
    void *entry = emit_address(e);

    emit_c_prologue(e);
    emit_store_gs(e, 64, HOST_RSP, TCG(host_stack));
    emit_store_gs(e, 64, HOST_RSI, TCG(scratch[0]));
    emit_load_flags(e);
    emit_thunk_registers(e, true);
    emit_jmp_gs(e, TCG(scratch[0]));
    stubs.thunk_done = emit_address(e);
    emit_thunk_registers(e, false);
    emit_pushf(e);
    emit_pop(e, HOST_RAX);
    emit_store_gs(e, 64, HOST_RAX, TCG(host_flags));
    emit_c_epilogue(e, 0);
    stubs.thunk_fault = emit_address(e);
    emit_load_gs(e, 64, HOST_RSP, TCG(host_stack));
    emit_c_epilogue(e, 1);
    return entry;
}

void stubs_emit(Emitter *e)
{
    stubs.enter = (unsigned (*)(X86Cpu *, const void *))emit_enter(e);
    stubs.exit_chain = emit_exit(e, EXIT_CHAIN);
    stubs.exit_lookup = emit_address(e);
    emit_find_code(e, 0);
    emit_exit(e, EXIT_LOOKUP);
    stubs.exit_insn = emit_run_insn(e);
    stubs.exit_hot = emit_exit(e, EXIT_HOT);
    stubs.exit_stale = emit_exit(e, EXIT_STALE);
    stubs.exit_branch = emit_exit_called(e, EXIT_BRANCH);
    stubs.exit_exact = emit_exit_called(e, EXIT_EXACT);
    stubs.exit_fault = emit_exit(e, EXIT_FAULT);
    stubs.exit_poll = emit_exit(e, EXIT_POLL);
    for (unsigned access = 1; access <= 3; access++) {
        stubs.refill[access] = emit_refill(e, access, 0, false);
        stubs.refill_window[access] = emit_refill(e, access, 0, true);
        stubs.fill_slot[access] = emit_fill_slot(e, access);
        for (unsigned log2 = 0; log2 < REFILL_SIZES; log2++) {
            stubs.refill_sized[access][log2] = emit_refill(e, access, 1u << log2, false);
        }
    }
    stubs.thunk = (unsigned (*)(X86Cpu *, const void *))emit_thunk(e);
}

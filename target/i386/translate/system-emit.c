/* SPDX-License-Identifier: MIT */
/*
 * System instructions that kernels run all the time, in translated code: CLI, STI, PUSHF, POPF,
 * SWAPGS, RDFSBASE and its kin, RDTSC, RDTSCP, LEAVE, MOV from selectors, CR2 and CR3. The plain
 * case is carried here; whatever is left (another ring, an interrupt that waits, bits with
 * consequences) goes to the helper, which does all of it.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/cpu-model.h"
#include "target/i386/translate/flags-emit.h"
#include "target/i386/tsc.h"

#include <Zydis/Mnemonic.h>

#define GS_BASE (offsetof(X86Cpu, seg) + SEG_GS * sizeof(Segment) + offsetof(Segment, base))
/* What POPF at CPL 0 must not change here. */
#define POPF_WEIGHTY                                                                               \
    (EFLAGS_TF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)
/* The image of PUSHF from eflags, whose arithmetic part is older. */
#define PUSHF_FROM_EFLAGS 0x3c7700u
/* SF ZF AF PF CF, which LAHF and EFLAGS have at the same places of a byte */
#define LAHF_FLAGS 0xd5

static bool is_ring_0(const Translator *t)
{
    return !(t->mode & (CPU_MODE_CPL_MASK | CPU_MODE_VM));
}

/* Group 1 (`op` 0 add, 1 or, 4 and, 7 cmp) or TEST (8) on a dword of the CPU. */
static void emit_gs_op_imm(Emitter *e, unsigned op, size_t offset, uint32_t value)
{
    emit_gs(e, 32, op == 8 ? 0xf7 : 0x81, op == 8 ? 0 : op, offset);
    emit_u32(e, value);
}

static void emit_shift(Emitter *e, bool is_left, unsigned bits, unsigned reg, unsigned count)
{
    emit_rr(e, bits, 0xc1, is_left ? 4 : 5, reg);
    emit_u8(e, count);
}

/* Where the condition holds C runs the instruction from its beginning; flags are saved. */
static void emit_leave_if(Translator *t, unsigned condition, const Insn *kept)
{
    Cold *cold = address_add_cold(t, emit_jcc(t->e, condition));

    cold->kind = COLD_EXIT;
    cold->exit = kept;
}

static void emit_cli(Translator *t)
{
    flags_save(t);
    emit_gs_op_imm(t->e, 4, offsetof(X86Cpu, eflags), ~EFLAGS_IF);
    t->flags = FLAGS_SAVED;
}

void system_end_shadow(Translator *t)
{
    if (t->opened_shadow) {
        emit_gs(t->e, 32, 0xc6, 0, offsetof(X86Cpu, interrupt_shadow)); /* mov byte, 0 */
        emit_u8(t->e, 0);
        t->opened_shadow = false;
    }
}

/* The shadow holds until the next instruction of the block has ended: system_end_shadow(). */
static void emit_sti(Translator *t)
{
    Emitter *e = t->e;
    uint8_t *was_set;

    flags_save(t);
    emit_gs_op_imm(e, 8, offsetof(X86Cpu, eflags), EFLAGS_IF);
    was_set = emit_short(e, 0x75);
    emit_gs_op_imm(e, 7, offsetof(X86Cpu, events), 0);
    emit_leave_if(t, CC_NE, control_keep_insn(t));
    emit_gs_op_imm(e, 1, offsetof(X86Cpu, eflags), EFLAGS_IF);
    emit_gs(e, 16, 0xc7, 0, offsetof(X86Cpu, interrupt_shadow)); /* shadow_is_mov_ss lies behind */
    emit_u8(e, 1);
    emit_u8(e, 0);
    emit_patch8(was_set, e->p);
    t->opened_shadow = true;
    t->flags = FLAGS_SAVED;
}

static void emit_pushf(Translator *t)
{
    Emitter *e = t->e;
    unsigned size = stack_operand_size(t);

    flags_save(t);
    emit_load_gs(e, 32, HOST_T1, TCG_OFFSET(saved_flags));
    emit_mov_rr(e, 32, HOST_T2, HOST_T1);
    emit_alu_imm(e, 32, 4, HOST_T2, 1);
    emit_shift(e, true, 32, HOST_T2, 11); /* OF */
    emit_shift(e, false, 32, HOST_T1, 8);
    emit_alu_imm(e, 32, 4, HOST_T1, LAHF_FLAGS);
    emit_rr(e, 32, 0x0b, HOST_T1, HOST_T2);
    emit_load_gs(e, 32, HOST_T2, offsetof(X86Cpu, eflags));
    emit_alu_imm(e, 32, 4, HOST_T2, (int32_t)PUSHF_FROM_EFLAGS);
    emit_lea(e, 32, HOST_T1, HOST_T1, HOST_T2, 0, 2);
    emit_store_gs(e, 64, HOST_T1, TCG_OFFSET(scratch[2]));
    t->flags = FLAGS_SAVED;
    stack_check_push(t, size);
    emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[2]));
    emit_store(e, size * 8, HOST_T2, HOST_T1, 0);
    stack_move(t, -(int32_t)size);
}

/* At CPL 0, where no bit beside the plain ones changes and no interrupt waits for IF. */
static void emit_popf(Translator *t)
{
    Emitter *e = t->e;
    unsigned size = stack_operand_size(t);
    const Insn *kept = control_keep_insn(t);

    flags_save(t);
    t->flags = FLAGS_SAVED;
    stack_check_pop(t, size);
    emit_load(e, 32, HOST_T1, HOST_T1, 0);
    emit_alu_imm(e, 32, 4, HOST_T1, (int32_t)~EFLAGS_RF); /* taken from nowhere: it is cleared */
    emit_load_gs(e, 32, HOST_T2, offsetof(X86Cpu, eflags));
    emit_rr(e, 32, 0x33, HOST_T2, HOST_T1);
    emit_rr(e, 32, 0xf7, 0, HOST_T2);
    emit_u32(e, POPF_WEIGHTY);
    emit_leave_if(t, CC_NE, kept);
    emit_gs_op_imm(e, 7, offsetof(X86Cpu, events), 0);
    emit_leave_if(t, CC_NE, kept);
    emit_rr(e, 32, 0x81, 4, HOST_T2);
    emit_u32(e, EFLAGS_IF);
    emit_gs(e, 32, 0x31, HOST_T2, offsetof(X86Cpu, eflags));
    emit_mov_rr(e, 32, HOST_T2, HOST_T1);
    emit_alu_imm(e, 32, 4, HOST_T1, LAHF_FLAGS);
    emit_shift(e, true, 32, HOST_T1, 8);
    emit_shift(e, false, 32, HOST_T2, 11);
    emit_alu_imm(e, 32, 4, HOST_T2, 1);
    emit_rr(e, 32, 0x0b, HOST_T1, HOST_T2);
    emit_store_gs(e, 32, HOST_T1, TCG_OFFSET(saved_flags));
    stack_move(t, (int32_t)size);
}

static void emit_swapgs(Translator *t)
{
    Emitter *e = t->e;

    emit_load_gs(e, 64, HOST_T1, GS_BASE);
    emit_load_gs(e, 64, HOST_T2, offsetof(X86Cpu, kernel_gs_base));
    emit_store_gs(e, 64, HOST_T2, GS_BASE);
    emit_store_gs(e, 64, HOST_T1, offsetof(X86Cpu, kernel_gs_base));
}

/* The host's counter and two offsets; the machine's is a variable of ours. */
static void emit_rdtsc(Translator *t)
{
    Emitter *e = t->e;

    flags_save(t);
    if (!is_ring_0(t)) {
        emit_gs_op_imm(e, 8, offsetof(X86Cpu, cr4), CR4_TSD);
        emit_leave_if(t, CC_NE, control_keep_insn(t));
    }
    emit_u8(e, 0x0f); /* rdtsc */
    emit_u8(e, 0x31);
    emit_shift(e, true, 64, HOST_RDX, 32);
    emit_rr(e, 64, 0x0b, HOST_RAX, HOST_RDX);
    emit_mov_imm(e, HOST_T1, (uint64_t)(uintptr_t)&tsc_machine_offset);
    emit_op_mem(e, 64, 0x03, HOST_RAX, HOST_T1, HOST_NO_INDEX, 0, 0);
    emit_gs(e, 64, 0x03, HOST_RAX, offsetof(X86Cpu, tsc_offset));
    emit_mov_rr(e, 64, HOST_RDX, HOST_RAX);
    emit_shift(e, false, 64, HOST_RDX, 32);
    emit_mov_rr(e, 32, HOST_RAX, HOST_RAX);
    if (t->insn->mnemonic == ZYDIS_MNEMONIC_RDTSCP) {
        emit_load_gs(e, 32, HOST_RCX, offsetof(X86Cpu, tsc_aux));
    }
    t->flags = FLAGS_SAVED;
}

static void emit_leave(Translator *t)
{
    Emitter *e = t->e;
    unsigned bits = t->insn->stack_bits;

    flags_save(t);
    emit_mov_rr(e, bits, HOST_T1, HOST_R14);
    address_check(t, SEG_SS, bits / 8, 1);
    emit_load(e, bits, HOST_T1, HOST_T1, 0);
    emit_lea(e, bits, HOST_R15, HOST_R14, HOST_NO_INDEX, 0, (int32_t)bits / 8);
    emit_mov_rr(e, bits, HOST_R14, HOST_T1);
}

/* The register, of 32 or 64 bits, gets what is in T1. Flags stay. */
static void emit_set_gpr(Translator *t, unsigned gpr, unsigned bits)
{
    Emitter *e = t->e;

    if (bits == 32) {
        emit_mov_rr(e, 32, HOST_T1, HOST_T1);
    }
    if (host_of(gpr) == INSN_NO_REG) {
        emit_store_gs(e, 64, HOST_T1, GPR_OFFSET(gpr));
    } else {
        emit_mov_rr(e, 64, host_of(gpr), HOST_T1);
    }
}

/* A selector, CR2 or CR3 into a register. */
static bool emit_mov_from(Translator *t)
{
    const InsnOperand *to = &t->insn->operands[0], *from = &t->insn->operands[1];
    size_t selector =
        offsetof(X86Cpu, seg) + from->reg * sizeof(Segment) + offsetof(Segment, selector);

    if (to->kind != OPERAND_REG || to->reg_class != REG_GPR || to->size < 4) {
        return false;
    }
    if (from->reg_class == REG_SEGMENT) {
        emit_u8(t->e, 0x65); /* movzx ebp, word gs:[selector] */
        emit_u8(t->e, 0x0f);
        emit_op_mem(t->e, 32, 0xb7, HOST_T1, HOST_NO_INDEX, HOST_NO_INDEX, 0, (int32_t)selector);
    } else if (from->reg_class == REG_CONTROL && is_ring_0(t) && t->mode & CPU_MODE_CS_L &&
               (from->reg == 2 || from->reg == 3)) {
        emit_load_gs(t->e, 64, HOST_T1,
                     from->reg == 2 ? offsetof(X86Cpu, cr2) : offsetof(X86Cpu, cr3));
    } else {
        return false;
    }
    emit_set_gpr(t, to->reg, to->size * 8);
    return true;
}

/* RDFSBASE and its kin; a base that is not canonical is C's. */
static bool emit_base(Translator *t, unsigned segment, bool is_write)
{
    size_t base = offsetof(X86Cpu, seg) + segment * sizeof(Segment) + offsetof(Segment, base);
    unsigned gpr = t->insn->operands[0].reg;
    unsigned bits = t->insn->operands[0].size * 8; /* 66h makes no 16 of it */
    const Insn *kept;
    Emitter *e = t->e;

    if (!(t->mode & CPU_MODE_CS_L)) {
        return false;
    }
    kept = control_keep_insn(t);
    flags_save(t);
    emit_gs_op_imm(e, 8, offsetof(X86Cpu, cr4), CR4_FSGSBASE);
    emit_leave_if(t, CC_E, kept);
    t->flags = FLAGS_SAVED;
    if (!is_write) {
        emit_load_gs(e, 64, HOST_T1, base);
        emit_set_gpr(t, gpr, bits);
        return true;
    }
    emit_mov_rr(e, bits, HOST_T1, translate_use_gpr(t, gpr, HOST_T1));
    emit_mov_rr(e, 64, HOST_T2, HOST_T1);
    emit_shift(e, true, 64, HOST_T2, 16);
    emit_rr(e, 64, 0xc1, 7, HOST_T2); /* sar */
    emit_u8(e, 16);
    emit_rr(e, 64, 0x3b, HOST_T2, HOST_T1);
    emit_leave_if(t, CC_NE, kept);
    emit_store_gs(e, 64, HOST_T1, base);
    return true;
}

/* Is the stack's operand as wide as its pointer, as compilers have it? */
static bool is_plain_stack(const Translator *t)
{
    unsigned bits = t->insn->stack_bits;

    return bits > 16 && stack_operand_size(t) * 8 == bits && !(t->mode & CPU_MODE_VM);
}

static bool emit_plain(Translator *t)
{
    bool is_plain_tsc = !__atomic_load_n(&tsc_ratio, __ATOMIC_RELAXED);

    switch (t->insn->mnemonic) {
    case ZYDIS_MNEMONIC_CLI:
        return is_ring_0(t) && (emit_cli(t), true);
    case ZYDIS_MNEMONIC_STI: /* the last one of a block would leave its shadow to the next */
        return is_ring_0(t) && t->at + 1 < t->insn_count && (emit_sti(t), true);
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        return is_plain_stack(t) && (emit_pushf(t), true);
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
        return is_ring_0(t) && is_plain_stack(t) && (emit_popf(t), true);
    case ZYDIS_MNEMONIC_SWAPGS:
        return is_ring_0(t) && t->mode & CPU_MODE_CS_L && (emit_swapgs(t), true);
    case ZYDIS_MNEMONIC_RDTSC:
        return is_plain_tsc && (emit_rdtsc(t), true);
    case ZYDIS_MNEMONIC_RDTSCP:
        return is_plain_tsc && cpu_has(t->cpu, FEATURE_RDTSCP) && (emit_rdtsc(t), true);
    case ZYDIS_MNEMONIC_LEAVE:
        return is_plain_stack(t) && (emit_leave(t), true);
    case ZYDIS_MNEMONIC_MOV:
        return emit_mov_from(t);
    case ZYDIS_MNEMONIC_RDFSBASE:
        return emit_base(t, SEG_FS, false);
    case ZYDIS_MNEMONIC_RDGSBASE:
        return emit_base(t, SEG_GS, false);
    case ZYDIS_MNEMONIC_WRFSBASE:
        return emit_base(t, SEG_FS, true);
    case ZYDIS_MNEMONIC_WRGSBASE:
        return emit_base(t, SEG_GS, true);
    default:
        return false;
    }
}

bool system_emit(Translator *t)
{
    if (!tcg_options.opt_system || !emit_plain(t)) {
        return false;
    }
    recipe_after_insn(t);
    return true;
}

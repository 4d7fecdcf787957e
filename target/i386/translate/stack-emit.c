/* SPDX-License-Identifier: MIT */
/*
 * PUSH and POP in translated code, and the stack side of CALL and RET.
 *
 * Where their accesses share a check that has been made, nothing can come between them: their moves
 * of RSP are added up, and made before an instruction that may leave the code or names RSP.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/flags-emit.h"

#include <Zydis/Mnemonic.h>

unsigned stack_operand_size(const Translator *t)
{
    return MUTANT(39, t->insn->operand_bits == 16, false) ? 2 : t->mode & CPU_MODE_CS_L ? 8 : 4;
}

/* T1 = stack pointer + bytes, as wide as the stack. Flags stay. */
static void emit_pointer(Translator *t, int32_t bytes)
{
    emit_lea(t->e, t->insn->stack_bits == 64 ? 64 : 32, HOST_T1, HOST_R15, HOST_NO_INDEX, 0, bytes);
    if (t->insn->stack_bits == 16) {
        emit_movzx16(t->e, HOST_T1, HOST_T1);
    }
}

void stack_check_push(Translator *t, unsigned size)
{
    if (windows_has(t)) {
        windows_emit(t);
        return;
    }
    flags_protect(t);
    emit_pointer(t, -(int32_t)size);
    address_check(t, SEG_SS, size, 2);
}

void stack_check_pop(Translator *t, unsigned size)
{
    if (windows_has(t)) {
        windows_emit(t);
        return;
    }
    flags_protect(t);
    emit_pointer(t, 0);
    address_check(t, SEG_SS, size, 1);
}

static bool names_rsp(const Insn *insn)
{
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const InsnOperand *operand = &insn->operands[i];
        if (operand->kind == OPERAND_REG && operand->reg_class == REG_GPR && !operand->hidden &&
            operand->reg == R_RSP) {
            return true;
        }
    }
    return false;
}

bool stack_may_wait(const Translator *t)
{
    const Insn *insn = t->insn;
    bool is_checked = windows_is_checked(t, t->at);

    if (MUTANT(116, names_rsp(insn), false)) {
        return false;
    }
    switch (insn->row ? insn->row->carry : CARRY_HELPER) {
    case CARRY_BRANCH:
        return is_checked && insn->mnemonic == ZYDIS_MNEMONIC_RET;
    case CARRY_STACK:
        return is_checked;
    default:
        return trace_is_safe(t, t->at) && (is_checked || !(insn->gprs_used & 1u << R_RSP));
    }
}

void stack_settle(Translator *t)
{
    if (t->rsp_move) {
        emit_lea(t->e, 64, HOST_R15, HOST_R15, HOST_NO_INDEX, 0, t->rsp_move);
        t->rsp_move = 0;
    }
}

void stack_move(Translator *t, int32_t bytes)
{
    Emitter *e = t->e;

    if (tcg_options.opt_moves && windows_has(t) && !MUTANT(117, names_rsp(t->insn), false)) {
        t->rsp_move += bytes;
        return;
    }
    switch (t->insn->stack_bits) {
    case 64:
        emit_lea(e, 64, HOST_R15, HOST_R15, HOST_NO_INDEX, 0, bytes);
        break;
    case 32:
        emit_lea(e, 32, HOST_R15, HOST_R15, HOST_NO_INDEX, 0, bytes);
        break;
    default:
        emit_lea(e, 32, HOST_T2, HOST_R15, HOST_NO_INDEX, 0, bytes);
        emit_u8(e, 0x66);
        emit_mov_rr(e, 32, HOST_R15, HOST_T2);
        break;
    }
}

static void emit_push_immediate(Translator *t, unsigned size)
{
    Emitter *e = t->e;

    emit_op_mem(e, size * 8, 0xc7, 0, HOST_T1, HOST_NO_INDEX, 0, windows_displacement(t));
    if (size == 2) {
        emit_u8(e, (uint8_t)t->insn->immediate);
        emit_u8(e, (uint8_t)(t->insn->immediate >> 8));
    } else {
        emit_u32(e, (uint32_t)t->insn->immediate);
    }
}

static void emit_push(Translator *t, unsigned size)
{
    const InsnOperand *operand = &t->insn->operands[0];
    Emitter *e = t->e;

    if (operand->kind == OPERAND_MEM) {
        address_operand(t, size, 1);
        emit_load(e, size == 2 ? 16 : size * 8, HOST_T2, HOST_T1, 0);
        emit_store_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[2]));
    }
    stack_check_push(t, MUTANT(40, size, size * 2));
    if (operand->kind == OPERAND_IMM) {
        emit_push_immediate(t, size);
    } else if (operand->kind == OPERAND_MEM) {
        emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[2]));
        emit_store(e, size * 8, HOST_T2, HOST_T1, 0);
    } else {
        emit_store(e, size * 8, translate_use_gpr(t, operand->reg, HOST_T2), HOST_T1,
                   windows_displacement(t));
    }
    stack_move(t, MUTANT(41, -(int32_t)size, -8));
}

/* Into its register, which is not written before the access has been checked. */
static bool pops_directly(unsigned reg, unsigned size)
{
    return tcg_options.opt_scratch && size >= 4 && MUTANT(100, reg != R_RSP, true) &&
           host_of(reg) != INSN_NO_REG;
}

static void emit_pop(Translator *t, unsigned size)
{
    unsigned reg = t->insn->operands[0].reg;
    Emitter *e = t->e;

    stack_check_pop(t, size);
    if (pops_directly(reg, size)) {
        emit_load(e, size * 8, host_of(reg), HOST_T1, windows_displacement(t));
        stack_move(t, (int32_t)size);
        return;
    }
    emit_load(e, size * 8, HOST_T1, HOST_T1, windows_displacement(t));
    windows_forget_t1(t);
    stack_move(t, MUTANT(44, (int32_t)size, 8));
    if (host_of(reg) == INSN_NO_REG) {
        emit_store_gs(e, MUTANT(43, size * 8, 32u), HOST_T1, GPR_OFFSET(reg));
    } else {
        if (MUTANT(42, size == 2, false)) {
            emit_u8(e, 0x66);
        }
        emit_mov_rr(e, size == 8 ? 64 : 32, host_of(reg), HOST_T1);
    }
}

bool stack_emit(Translator *t)
{
    unsigned size = stack_operand_size(t);

    if (t->insn->mnemonic == ZYDIS_MNEMONIC_PUSH) {
        emit_push(t, size);
        return true;
    }
    if (t->insn->operands[0].kind == OPERAND_MEM) {
        return false;
    }
    emit_pop(t, size);
    return true;
}

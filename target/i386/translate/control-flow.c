/* SPDX-License-Identifier: MIT */
/*
 * Near control flow in translated code. A direct jump within the page is chained: it goes to its
 * own stub until the target is known. Any other target is looked up in the vCPU's jump cache,
 * inline and without touching flags: differences are formed by NOT and LEA and tested by JRCXZ. The
 * cache's key names mode, context and mapping epoch, since two processes share linear addresses.
 */
#include "target/i386/translate/translator.h"

#include <Zydis/Zydis.h>

static uint64_t truncate_target(const Insn *insn, uint64_t target)
{
    return insn->operand_bits == 16   ? (uint16_t)target
           : insn->operand_bits == 32 ? (uint32_t)target
                                      : target;
}

static void emit_set_rip(Translator *t, uint64_t rip)
{
    Emitter *e = t->e;

    if ((int64_t)rip == (int32_t)rip) {
        emit_store_gs_imm(e, 64, offsetof(X86Cpu, rip), (int32_t)rip);
    } else {
        emit_mov_imm(e, HOST_T1, rip);
        emit_store_gs(e, 64, HOST_T1, offsetof(X86Cpu, rip));
    }
}

const Insn *control_keep_insn(Translator *t)
{
    Insn *copy = blocks_arena_alloc(sizeof(Insn));

    *copy = *t->insn;
    return copy;
}

static void emit_exit_insn(Translator *t, const Insn *kept)
{
    flags_restore(t);
    emit_set_rip(t, MUTANT(35, kept->rip, kept->rip + kept->length));
    emit_mov_imm(t->e, HOST_T1, (uint64_t)(uintptr_t)kept);
    emit_branch_to(t->e, 0xe9, stubs.exit_insn);
}

void control_exit_insn(Translator *t)
{
    emit_exit_insn(t, control_keep_insn(t));
    t->ended = true;
}

/* Jumps to the RIP in T1 through the jump cache; `branch`, opcode and stub, leaves when it is not
 * there. Flags must be the host's; they stay. */
static void emit_lookup(Emitter *e, uint8_t branch, const uint8_t *stub)
{
    size_t cache = TCG_OFFSET(jump_cache);
    uint8_t *same_rip, *same_key, *miss;

    emit_store_gs(e, 64, HOST_T1, offsetof(X86Cpu, rip));
    emit_store_gs(e, 64, HOST_RCX, TCG_OFFSET(scratch[0]));
    emit_movzx16(e, HOST_T2, HOST_T1);
    emit_lea(e, 32, HOST_T2, HOST_NO_INDEX, HOST_T2, 3, 0);
    emit_not(e, HOST_T1);
    emit_gs_index(e, 64, 0x8b, HOST_RCX, cache + offsetof(JumpCacheEntry, rip), HOST_T2, 2);
    emit_lea(e, 64, HOST_RCX, HOST_RCX, HOST_T1, 0, 1);
    same_rip = emit_short(e, MUTANT(38, 0xe3, 0xebu)); /* jrcxz */
    miss = e->p;
    emit_load_gs(e, 64, HOST_RCX, TCG_OFFSET(scratch[0]));
    emit_branch_to(e, branch, stub);
    emit_patch8(same_rip, e->p);
    emit_gs_index(e, 64, 0x8b, HOST_RCX, cache + offsetof(JumpCacheEntry, key), HOST_T2, 2);
    emit_load_gs(e, 64, HOST_T1, TCG_OFFSET(jump_key_not));
    emit_lea(e, 64, HOST_RCX, HOST_RCX, HOST_T1, 0, 1);
    same_key = emit_short(e, 0xe3);
    emit_patch8(emit_short(e, 0xeb), miss);
    emit_patch8(same_key, e->p);
    emit_load_gs(e, 64, HOST_RCX, TCG_OFFSET(scratch[0]));
    emit_gs_index(e, 32, 0xff, 4, cache + offsetof(JumpCacheEntry, code), HOST_T2, 2);
}

/* The same behind an indirect branch, whose fault it is when the target is not canonical. */
static void emit_lookup_indirect(Translator *t)
{
    translate_mark(t);
    emit_lookup(t->e, 0xe8, stubs.exit_branch);
}

static bool is_same_page(const Translator *t, uint64_t target)
{
    return ((t->block->cs_key + target) ^ (t->block->cs_key + t->block->rip)) < TARGET_PAGE_SIZE;
}

void control_goto(Translator *t, unsigned n, uint64_t target)
{
    Emitter *e = t->e;
    JumpSlot *slot = &t->block->slots[n];
    Cold *cold;

    flags_restore(t);
    if (!is_same_page(t, target)) {
        emit_mov_imm(e, HOST_T1, target);
        emit_lookup(e, 0xe9, stubs.exit_lookup);
        return;
    }
    while (((uintptr_t)e->p + 1) & 3) {
        emit_u8(e, 0x90);
    }
    cold = &t->colds[t->cold_count++];
    *cold = (Cold){.place = emit_jmp(e), .rip = t->insn->rip, .slot = slot, .target = target};
    slot->from = t->block;
    slot->target = target;
    slot->place = cold->place;
    slot->backward = target <= t->insn->rip;
}

/* RIP behind the instruction: insn_next_rip(). */
static uint64_t next_rip(const Translator *t)
{
    uint64_t next = t->insn->rip + t->insn->length;

    return t->mode & CPU_MODE_CS_L ? next : MUTANT(98, (uint32_t)next, (uint16_t)next);
}

static void goto_both(Translator *t, uint64_t target, uint8_t *taken_place, bool is_short)
{
    FlagsPlace flags;

    flags_restore(t);
    flags = t->flags;
    control_goto(t, 0, next_rip(t));
    t->flags = flags;
    if (is_short) {
        emit_patch8(taken_place, t->e->p);
    } else {
        emit_patch(taken_place, t->e->p);
    }
    control_goto(t, 1, target);
}

static void emit_loop(Translator *t, uint64_t target)
{
    Emitter *e = t->e;
    unsigned opcode = t->insn->opcode; /* E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JrCXZ */
    uint8_t *taken, *over;

    flags_restore(t);
    if (MUTANT(33, t->insn->address_bits == 32, false)) {
        emit_u8(e, 0x67);
    }
    taken = emit_short(e, opcode);
    over = emit_short(e, 0xeb);
    emit_patch8(taken, e->p);
    taken = emit_jmp(e);
    emit_patch8(over, e->p);
    goto_both(t, target, taken, false);
}

/* movzx to32, word [base] */
static void emit_load_u16(Emitter *e, unsigned to, unsigned base)
{
    emit_rex(e, 32, to, 0, base);
    emit_u8(e, 0x0f);
    emit_u8(e, 0xb7);
    emit_mem(e, to, base, HOST_NO_INDEX, 0, 0);
}

/* Target of an indirect jump or call into T2, zero-extended. */
static void emit_indirect_target(Translator *t)
{
    const Insn *insn = t->insn;
    unsigned bits = insn->operand_bits;
    Emitter *e = t->e;

    if (insn->operands[0].kind == OPERAND_MEM) {
        address_operand(t, bits / 8, 1);
        translate_mark(t);
        if (bits == 16) {
            emit_load_u16(e, HOST_T2, HOST_T1);
        } else {
            emit_load(e, bits, HOST_T2, HOST_T1, 0);
        }
        return;
    }
    unsigned host = translate_use_gpr(t, insn->operands[0].reg, HOST_T2);
    if (bits == 16) {
        emit_movzx16(e, HOST_T2, host);
    } else if (host != HOST_T2 || bits == 32) {
        emit_mov_rr(e, bits, HOST_T2, host);
    }
}

static void emit_jmp_indirect(Translator *t)
{
    emit_indirect_target(t);
    emit_mov_rr(t->e, 64, HOST_T1, HOST_T2);
    flags_restore(t);
    emit_lookup_indirect(t);
}

/* A call to the target in T2 must fault before it writes: exact mode, unless 48 bits hold it. */
static void emit_canonical_check(Translator *t)
{
    Emitter *e = t->e;

    if (t->mode & CPU_MODE_CS_L && t->insn->operand_bits == 64) {
        emit_mov_rr(e, 64, HOST_T1, HOST_T2);
        emit_rr(e, 64, 0xc1, 4, HOST_T1); /* shl */
        emit_u8(e, MUTANT(93, 16, 4));
        emit_rr(e, 64, 0xc1, 7, HOST_T1); /* sar */
        emit_u8(e, MUTANT(93, 16, 4));
        emit_rr(e, 64, 0x3b, HOST_T1, HOST_T2);
        address_add_cold(t, emit_jcc(e, CC_NE));
    }
}

static void emit_call(Translator *t)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;
    uint64_t next = truncate_target(insn, insn->rip + insn->length);
    bool is_direct = insn->operands[0].kind == OPERAND_REL;
    unsigned size = stack_operand_size(t);

    flags_save(t);
    if (!is_direct) {
        emit_indirect_target(t);
        emit_store_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[2]));
        emit_canonical_check(t);
    }
    stack_check_push(t, size);
    emit_mov_imm(e, HOST_T2, MUTANT(30, next, insn->rip));
    emit_store(e, size * 8, HOST_T2, HOST_T1, 0);
    stack_move(t, -(int32_t)size);
    if (is_direct) {
        control_goto(t, 0,
                     truncate_target(insn, insn->rip + insn->length + (uint64_t)insn->immediate));
        return;
    }
    flags_restore(t);
    emit_load_gs(e, 64, HOST_T1, TCG_OFFSET(scratch[MUTANT(37, 2, 3)]));
    emit_lookup_indirect(t);
}

static void emit_ret(Translator *t)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;
    unsigned size = stack_operand_size(t);

    flags_save(t);
    stack_check_pop(t, size);
    if (size == 2) {
        emit_load_u16(e, HOST_T2, HOST_T1);
    } else {
        emit_load(e, size * 8, HOST_T2, HOST_T1, 0);
    }
    emit_mov_rr(e, 64, HOST_T1, HOST_T2);
    stack_move(t, (int32_t)size +
                      (MUTANT(31, insn->has_immediate, false) ? (uint16_t)insn->immediate : 0));
    flags_restore(t);
    emit_lookup_indirect(t);
}

/* A target beyond the segment, or not canonical, is #GP on the jump itself: exact mode. Indirect
 * branches of 64-bit code find out when they have not found their target. */
static bool target_is_inside(const Translator *t, uint64_t greatest, bool is_relative)
{
    if (t->mode & CPU_MODE_CS_L) {
        return !is_relative || (uint64_t)((int64_t)greatest >> 47) + 1 <= 1;
    }
    return t->mode & CPU_MODE_FLAT_CS || greatest <= t->cpu->seg[SEG_CS].limit;
}

void control_branch(Translator *t)
{
    const Insn *insn = t->insn;
    bool is_relative = insn->operands[0].kind == OPERAND_REL;
    uint64_t target = truncate_target(insn, insn->rip + insn->length + (uint64_t)insn->immediate);
    bool is_loop = insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && insn->opcode >= 0xe0 &&
                   insn->opcode <= 0xe3;

    t->ended = true;
    if (!target_is_inside(t, is_relative ? target : truncate_target(insn, UINT64_MAX),
                          is_relative) ||
        (is_loop && insn->address_bits == 16)) {
        control_exit_insn(t);
        return;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
        emit_call(t);
        return;
    case ZYDIS_MNEMONIC_RET:
        emit_ret(t);
        return;
    case ZYDIS_MNEMONIC_JMP:
        if (is_relative) {
            control_goto(t, 0, target);
        } else {
            emit_jmp_indirect(t);
        }
        return;
    default:
        break;
    }
    if (is_loop) {
        emit_loop(t, target);
        return;
    }
    flags_restore(t);
    goto_both(t, target, emit_jcc(t->e, MUTANT(32, insn->opcode & 15, insn->opcode & 14)), false);
}

/* -- Out of line ------------------------------------------------------------------------------- */

static void emit_stub(Translator *t, const Cold *cold)
{
    Emitter *e = t->e;

    cold->slot->stub = e->p;
    emit_set_rip(t, MUTANT(36, cold->target, cold->target + 1));
    emit_mov_imm(e, HOST_T1, (uint64_t)(uintptr_t)cold->slot);
    emit_branch_to(e, 0xe9, stubs.exit_chain);
}

void control_emit_colds(Translator *t)
{
    Emitter *e = t->e;

    for (unsigned i = 0; i < t->cold_count; i++) {
        const Cold *cold = &t->colds[i];
        emit_patch(cold->place, e->p);
        if (cold->slot) {
            emit_stub(t, cold);
            continue;
        }
        if (cold->exit) {
            t->flags = FLAGS_SAVED;
            emit_exit_insn(t, cold->exit);
            continue;
        }
        t->marks[t->mark_count++] = (InsnMark){
            .host_offset = (uint32_t)(e->p - t->start),
            .guest_offset = (uint16_t)(cold->rip - t->block->rip),
            .flags_saved = MUTANT(34, true, false),
        };
        if (cold->retry) {
            emit_branch_to(e, 0xe8, stubs.refill[cold->access]);
            emit_branch_to(e, 0xe9, cold->retry + e->execute_offset);
        } else {
            emit_branch_to(e, 0xe8, stubs.exit_exact);
        }
    }
}

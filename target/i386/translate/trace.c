/* SPDX-License-Identifier: MIT */
/*
 * The path of a block: which instructions it holds, and how it is entered.
 *
 * A block is at first a basic block. When it has been entered often it is translated again as a
 * trace, which goes on behind branches where execution mostly went (the heat of the blocks there
 * tells), into calls and back out of them. The other way out of a followed branch is a side exit.
 * When the path comes back to its beginning, it is gone through a second time and closed behind
 * that: the second copy knows what the first left, so that flags need not be saved each time round.
 * A short loop has several rounds in the second copy, whose accesses often share a check.
 * A path stays in one page.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/debug.h"
#include "target/i386/translate/check-emit.h"
#include "target/i386/translate/decode-forms.h"
#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>

/* -- Decoding ---------------------------------------------------------------------------------- */

bool trace_gate_is_open(const Translator *t, const Insn *insn)
{
    switch (insn->gate) {
    case GATE_NONE:
        return true;
    case GATE_X87:
    case GATE_MMX:
        return t->mode & CPU_MODE_FPU;
    case GATE_WAIT:
        return t->mode & CPU_MODE_WAIT;
    case GATE_SSE:
        return t->mode & CPU_MODE_SSE;
    case GATE_AVX:
        return t->mode & CPU_MODE_AVX;
    default:
        return t->mode & CPU_MODE_AVX512;
    }
}

/* Decodes the next instruction; false: the block ends before it. */
static bool decode_next(const Translator *t, uint64_t rip, const uint8_t *bytes, unsigned left,
                        Insn *ret_insn)
{
    const Segment *cs = &t->cpu->seg[SEG_CS];
    uint64_t linear = cpu_code_linear(t->cpu, rip);
    bool too_long;

    if (debug_break_count && debug_is_break(linear)) {
        return false;
    }
    if (left > INSN_MAX_LENGTH) {
        left = INSN_MAX_LENGTH;
    }
    if (!(t->mode & CPU_MODE_CS_L)) {
        uint64_t room = rip > cs->limit ? 0 : (uint64_t)cs->limit - rip + 1;
        left = room < left ? (unsigned)room : left;
    }
    return left && decode_insn_by_form(t->mode, rip, bytes, left, ret_insn, &too_long) == DECODE_OK;
}

/* Calls that the path went into: where each returns to. */
typedef struct Returns {
    uint64_t rip[8];
    unsigned count;
} Returns;

static uint64_t truncate_rip(const Insn *insn, uint64_t rip)
{
    return insn->operand_bits == 16   ? (uint16_t)rip
           : insn->operand_bits == 32 ? (uint32_t)rip
                                      : rip;
}

/* Has the path been there since its last round began? */
static bool was_there(const Translator *t, uint64_t rip)
{
    for (unsigned i = t->round_at; i < t->insn_count; i++) {
        if (t->insns[i].rip == rip) {
            return true;
        }
    }
    return false;
}

/* How often execution went there, up to the count that makes a trace. */
static unsigned heat_used(const Translator *t, uint64_t rip)
{
    const Block *head = t->block, *block;

    if (rip == head->rip) {
        return (unsigned)tcg_options.hot;
    }
    if (!control_is_same_page(t, rip)) {
        return 0;
    }
    block = block_lookup(head->ram_address + (rip - head->rip), rip, head->mode, head->cs_key);
    return !block            ? 0
           : block->is_trace ? (unsigned)tcg_options.hot
                             : (unsigned)tcg_options.hot - block->heat;
}

static Follow choose_side(const Translator *t, const Insn *insn, uint64_t next, uint64_t target)
{
    unsigned used_next = heat_used(t, next), used_target = heat_used(t, target);
    bool may_next = control_is_same_page(t, next), may_target = control_is_same_page(t, target);

    if (insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && insn->opcode >= 0xe0) {
        return FOLLOW_NONE; /* LOOP, JrCXZ */
    }
    if (may_target && (target == t->block->rip || used_target > used_next)) {
        return FOLLOW_TARGET;
    }
    return may_next && used_next >= used_target ? FOLLOW_NEXT : FOLLOW_NONE;
}

/* Where the path goes behind a branch; *ret_rip is where. */
static Follow choose(const Translator *t, const Insn *insn, Returns *returns, uint64_t *ret_rip)
{
    uint64_t next = truncate_rip(insn, insn->rip + insn->length);
    uint64_t target = truncate_rip(insn, next + (uint64_t)insn->immediate);
    bool is_relative = insn->operands[0].kind == OPERAND_REL;
    Follow follow = FOLLOW_NONE;

    if (!(t->mode & CPU_MODE_CS_L) || insn->operand_bits != 64) {
        return FOLLOW_NONE;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
        follow = is_relative ? FOLLOW_TARGET : FOLLOW_NONE;
        break;
    case ZYDIS_MNEMONIC_CALL:
        if (is_relative && returns->count < G_N_ELEMENTS(returns->rip) &&
            control_is_same_page(t, target)) {
            returns->rip[returns->count++] = next;
            follow = FOLLOW_TARGET;
        }
        break;
    case ZYDIS_MNEMONIC_RET:
        if (returns->count) {
            target = returns->rip[--returns->count];
            follow = FOLLOW_TARGET;
        }
        break;
    default:
        follow = choose_side(t, insn, next, target);
        break;
    }
    *ret_rip = follow == FOLLOW_TARGET ? target : next;
    return follow == FOLLOW_TARGET && !control_is_same_page(t, target) ? FOLLOW_NONE : follow;
}

/* May the loop be gone round once more before it is closed? All rounds are as long as the first. */
static bool has_room_for_round(const Translator *t)
{
    unsigned round = t->loop_at, most = MIN(t->most_insns, round + MAX_LOOP_INSNS);

    return tcg_options.opt_unroll && t->insn_count + round <= most;
}

/* Decides on the branch that ends the path so far; false: the path ends with it. */
static bool follow_branch(Translator *t, Returns *returns, uint64_t *ret_rip)
{
    unsigned i = t->insn_count - 1;
    Follow follow = choose(t, &t->insns[i], returns, ret_rip);

    if (!t->block->is_trace || follow == FOLLOW_NONE) {
        return false;
    }
    if (*ret_rip == t->block->rip && !returns->count) {
        if (t->loop_at && !has_room_for_round(t)) {
            t->follow[i] = follow | FOLLOW_LOOP;
            return false;
        }
        if (t->insn_count * 2 > t->most_insns) {
            return false;
        }
        t->follow[i] = (uint8_t)follow;
        t->round_at = t->insn_count;
        t->loop_at = t->loop_at ? t->loop_at : t->insn_count;
        return true;
    }
    if (was_there(t, *ret_rip)) {
        return false;
    }
    t->follow[i] = (uint8_t)follow;
    return true;
}

static void note_extent(Translator *t, const Insn *insn)
{
    Block *block = t->block;
    int begin = (int)(int64_t)(insn->rip - block->rip), end = begin + insn->length;

    if (begin < block->guest_begin) {
        block->guest_size = (uint16_t)(block->guest_size + (block->guest_begin - begin));
        block->guest_begin = (int16_t)begin;
    }
    if (end - block->guest_begin > block->guest_size) {
        block->guest_size = (uint16_t)(end - block->guest_begin);
    }
}

bool trace_decode(Translator *t, const uint8_t *bytes, unsigned size, unsigned max_insns)
{
    unsigned longest = tcg_options.one_insn ? 1
                       : tcg_options.block_insns < MAX_BLOCK_INSNS
                           ? (unsigned)tcg_options.block_insns
                       : t->block->is_trace ? MAX_TRACE_INSNS
                                            : MAX_BLOCK_INSNS;
    uint64_t rip = t->block->rip;
    Returns returns = {.count = 0};

    t->insn_count = t->loop_at = t->round_at = 0;
    t->most_insns = MIN(max_insns, longest);
    while (t->insn_count < t->most_insns) {
        int64_t offset = (int64_t)(rip - t->block->rip);
        Insn *insn = &t->insns[t->insn_count];
        if (offset >= (int64_t)size || (t->insn_count != t->round_at && was_there(t, rip))) {
            break;
        }
        if (!decode_next(t, rip, bytes + offset, (unsigned)((int64_t)size - offset), insn)) {
            t->stops_short = true;
            break;
        }
        t->follow[t->insn_count++] = FOLLOW_NONE;
        note_extent(t, insn);
        if (!insn->row || !trace_gate_is_open(t, insn)) {
            break;
        }
        rip += insn->length;
        if (insn->row->carry == CARRY_BRANCH && !follow_branch(t, &returns, &rip)) {
            break;
        }
    }
    if (t->insn_count && !(t->follow[t->insn_count - 1] & FOLLOW_LOOP)) {
        t->follow[t->insn_count - 1] = FOLLOW_NONE; /* the path could not go on */
    }
    return t->insn_count;
}

/* -- Entries ----------------------------------------------------------------------------------- */

/* What the first instruction that has to do with flags wants of them. */
typedef enum FirstUse { FIRST_SAVED, FIRST_HOST, FIRST_DEAD } FirstUse;

/* A basic block counts how often it is entered, which destroys the host's flags. */
static bool counts_entries(const Block *block)
{
    return !block->is_trace && tcg_options.hot && !(block->mode & BLOCK_CAREFUL) &&
           block->second_page == BLOCK_NO_PAGE;
}

static FirstUse first_use(const Translator *t)
{
    if (counts_entries(t->block)) {
        return FIRST_SAVED;
    }
    for (unsigned i = 0; i < t->insn_count; i++) {
        const Insn *insn = &t->insns[i];
        bool can_fault = !insn->row || insn->gate != GATE_NONE ||
                         (insn->memory_operand != INSN_NO_REG && insn->row->carry == CARRY_NATIVE);
        if (can_fault) {
            return FIRST_SAVED;
        }
        switch (insn->row->carry) {
        case CARRY_NATIVE:
            if (registers_may_fail(insn)) {
                return FIRST_SAVED;
            }
            if (flags_touched(insn)) {
                return flags_rewritten(insn) || trace_flags_are_dead(t, i) ? FIRST_DEAD
                                                                           : FIRST_HOST;
            }
            break;
        case CARRY_LEA:
        case CARRY_NOTHING:
            break;
        case CARRY_BRANCH:
            return insn->flags_read & EFLAGS_ARITHMETIC ? FIRST_HOST : FIRST_SAVED;
        default:
            return FIRST_SAVED;
        }
    }
    return FIRST_SAVED;
}

/* Flags are saved. */
static void emit_count(Translator *t)
{
    Block *block = t->block;
    Emitter *e = t->e;

    if (!counts_entries(block)) {
        return;
    }
    emit_mov_imm(e, HOST_T1, (uint64_t)(uintptr_t)&block->heat);
    emit_op_mem(e, 32, 0xff, 1, HOST_T1, HOST_NO_INDEX, 0, 0); /* dec */
    control_add_hot_exit(t, emit_jcc(e, CC_E));
}

void trace_emit_entries(Translator *t)
{
    Block *block = t->block;
    FirstUse use = block->checked ? FIRST_SAVED : first_use(t);
    Emitter *e = t->e;
    uint8_t *over;

    t->insn = &t->insns[0];
    block->code = emit_address(e);
    translate_poll(t, block->rip);
    block->takes_saved = use != FIRST_HOST;
    if (use == FIRST_SAVED) {
        over = emit_short(e, 0xeb);
        block->code_host = emit_address(e);
        t->flags = FLAGS_HOST;
        flags_save(t);
        emit_patch8(over, e->p);
        block->code_saved = emit_address(e);
        t->flags = FLAGS_SAVED;
        if (block->checked) {
            check_emit(t);
        } else {
            emit_count(t);
        }
        return;
    }
    block->code_saved = emit_address(e);
    if (use == FIRST_HOST) {
        flags_restore(t);
    }
    block->code_host = emit_address(e);
    t->flags = FLAGS_HOST;
}

/* -- How long flags matter --------------------------------------------------------------------- */

/* The silicon may refuse what is in its operands, or where they are, though nothing gates it. */
static bool may_fault_natively(const Insn *insn)
{
    return insn->mnemonic == ZYDIS_MNEMONIC_DIV || insn->mnemonic == ZYDIS_MNEMONIC_IDIV ||
           insn->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B;
}

bool trace_is_safe(const Translator *t, unsigned i)
{
    const Insn *insn = &t->insns[i];

    switch (insn->row ? insn->row->carry : CARRY_HELPER) {
    case CARRY_LEA:
    case CARRY_NOTHING:
        return true;
    case CARRY_STACK:
        return windows_is_checked(t, i);
    case CARRY_NATIVE:
        return (insn->memory_operand == INSN_NO_REG || windows_is_checked(t, i)) &&
               insn->gate == GATE_NONE && !may_fault_natively(insn) && !registers_may_fail(insn);
    default:
        return false;
    }
}

bool trace_is_plain(const Translator *t, unsigned i)
{
    return trace_is_safe(t, i) && !flags_touched(&t->insns[i]);
}

bool trace_flags_are_dead(const Translator *t, unsigned at)
{
    for (unsigned i = at; i < t->insn_count; i++) {
        const Insn *insn = &t->insns[i];
        if (!trace_is_safe(t, i) || insn->flags_read & EFLAGS_ARITHMETIC) {
            return false;
        }
        if (flags_rewritten(insn)) {
            return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: MIT */
/*
 * Translating a block: decode, then for each instruction the same instruction on other registers.
 *
 * The order of work for a computational instruction with a memory operand is: save flags, effective
 * address, check, flags back if it reads them, the instruction itself on [T1]. What cannot be
 * carried this way (too many of R13-R15, AH beside a REX register, anything with a C helper) leaves
 * the block with a copy of the decoded instruction, which C runs; the next block starts behind it.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/debug.h"
#include "target/i386/helpers/access.h"
#include "target/i386/translate/check-emit.h"
#include "target/i386/translate/decode.h"
#include "target/i386/translate/flags-emit.h"
#include "target/i386/translate/homes.h"
#include "target/i386/translate/translate-log.h"

#include <Zydis/Zydis.h>

void translate_mark_at(Translator *t, uint64_t rip)
{
    g_assert(t->mark_count < MAX_MARKS);
    t->marks[t->mark_count++] = (InsnMark){
        .host_offset = (uint32_t)(t->e->p - t->start),
        .guest_offset = (int16_t)(rip - t->block->rip),
        .flags = MUTANT(1, (uint8_t)t->flags, FLAGS_HOST),
        .at_home = t->at_home,
        .recipe = t->recipe,
    };
}

void translate_mark(Translator *t)
{
    translate_mark_at(t, MUTANT(2, t->insn->rip, t->insn->rip + t->insn->length));
}

void translate_poll(Translator *t, uint64_t rip)
{
    translate_mark_at(t, rip);
    windows_forget_t1(t);
    emit_load_gs(t->e, 64, HOST_T1, TCG_OFFSET(poll));
    emit_load(t->e, 32, HOST_T1, HOST_T1, 0);
}

static unsigned memory_access(const Insn *insn)
{
    uint8_t actions = insn->operands[insn->memory_operand].actions;

    return (actions & ZYDIS_OPERAND_ACTION_MASK_READ ? 1u : 0u) |
           (actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? 2u : 0u);
}

/* Runs the encoded instruction with its spilled registers brought in and taken out. */
static void emit_carried(Translator *t, const uint8_t *code, unsigned size, const Spills *spills)
{
    flags_before(t);
    registers_bring(t, spills);
    recipe_prepare(t);
    translate_mark(t);
    memcpy(t->e->p, code, size);
    t->e->p += size;
    registers_take(t, spills);
    flags_after(t);
}

/* LOCK ADD or OR of 0: nothing but a barrier, also for devices, whose threads run beside the CPU.
 */
static bool is_barrier(const Insn *insn)
{
    return (insn->mnemonic == ZYDIS_MNEMONIC_ADD || insn->mnemonic == ZYDIS_MNEMONIC_OR) &&
           insn->operands[1].kind == OPERAND_IMM && !insn->immediate;
}

static bool drops_lock(const Insn *insn)
{
    return insn->lock && tcg_options.opt_lock && !tcg_parallel && !is_barrier(insn);
}

bool translate_locks_line(const Insn *insn)
{
    unsigned size = rehost_is_atomic(insn) ? insn->operands[insn->memory_operand].size : 0;

    return size > 1 && size <= 8 && /* CMPXCHG16B asks for alignment */
           (!drops_lock(insn) || insn->mnemonic == ZYDIS_MNEMONIC_XCHG);
}

/* Behind the check of an operand of which that is true; its host address is in T1. */
static void emit_line_check(Translator *t, unsigned size)
{
    Cold *cold;

    t->t2_gpr = INSN_NO_REG;
    emit_u8(t->e, 0x40); /* test $imm8, T1 */
    emit_rr(t->e, 32, 0xf6, 0, HOST_T1);
    emit_u8(t->e, size - 1);
    cold = address_add_cold(t, emit_jcc(t->e, CC_NE));
    cold->kind = COLD_LINE;
    cold->target = HOST_CACHE_LINE - size;
    cold->retry = t->e->p;
}

/* Address of the memory operand; of an x87 instruction what only its guest form says besides:
 * offset of the operand, opcode. */
static void emit_memory_operand(Translator *t)
{
    const Insn *insn = t->insn;
    unsigned size = insn->operands[insn->memory_operand].size;

    if (!rehost_sets_x87_pointers(insn)) {
        address_operand(t, size, memory_access(insn));
        if (translate_locks_line(insn)) {
            emit_line_check(t, size);
        }
        return;
    }
    flags_save(t);
    address_effective(t);
    emit_store_gs(t->e, 64, HOST_T1, offsetof(X86Cpu, guest_fdp));
    t->t2_gpr = INSN_NO_REG;
    emit_mov_imm(t->e, HOST_T2, rehost_x87_opcode(insn));
    emit_store_gs(t->e, 16, HOST_T2, offsetof(X86Cpu, memory_fop));
    address_check(t, insn->segment, size, memory_access(insn));
}

/* XADD in four plain instructions, where LOCK is not asked for or not needed: the silicon's takes
 * many times as long, and in a row its loads wait for its stores. */
static bool emit_xadd(Translator *t, bool drop_lock)
{
    const Insn *insn = t->insn;
    unsigned host = host_of(insn->operands[1].reg), bits = insn->operands[1].size * 8;
    int32_t displacement = windows_displacement(t);
    Emitter *e = t->e;

    if (!tcg_options.opt_xadd || host == INSN_NO_REG || bits < 32 || (insn->lock && !drop_lock)) {
        return false;
    }
    emit_memory_operand(t);
    flags_before(t);
    translate_mark(t);
    t->t2_gpr = INSN_NO_REG;
    emit_load(e, bits, HOST_T2, HOST_T1, displacement);
    emit_rr(e, bits, 0x03, host, HOST_T2);
    emit_store(e, bits, MUTANT(99, host, (unsigned)HOST_T2), HOST_T1, displacement);
    emit_mov_rr(e, bits, host, HOST_T2);
    flags_after(t);
    return true;
}

static bool emit_direct(Translator *t, const RehostMap *map, const Spills *spills)
{
    RehostMap direct = *map;
    uint8_t code[REHOST_MAX_BYTES];
    unsigned size;

    if (!direct_map(t, spills, &direct) || !(size = rehost_encode(t->insn, &direct, code)) ||
        !direct_emit(t, t->insn->operands[t->insn->memory_operand].size, memory_access(t->insn))) {
        return false;
    }
    emit_carried(t, code, size, spills);
    return true;
}

static void emit_native(Translator *t)
{
    const Insn *insn = t->insn;
    bool has_memory = MUTANT(12, insn->memory_operand != INSN_NO_REG, insn->memory_operand == 1);
    uint8_t code[REHOST_MAX_BYTES];
    RehostMap map;
    Spills spills;
    unsigned size;

    if (check_emit_immediate(t) || registers_move(t)) {
        return;
    }
    if (!registers_assign(insn, has_memory ? 1 : 2, &map, &spills)) {
        control_exit_insn(t);
        return;
    }
    map.memory_displacement = windows_displacement(t);
    map.drop_lock = drops_lock(insn);
    if (has_memory && insn->mnemonic == ZYDIS_MNEMONIC_XADD && emit_xadd(t, map.drop_lock)) {
        return;
    }
    if (has_memory && emit_direct(t, &map, &spills)) {
        return;
    }
    if (!(size = rehost_encode(insn, &map, code))) {
        control_exit_insn(t);
        return;
    }
    if (has_memory) {
        emit_memory_operand(t);
    }
    emit_carried(t, code, size, &spills);
}

/* BT and its kin with a register index: the address moves by whole operands, the low bits stay. */
static void emit_bit_string(Translator *t)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;
    unsigned bits = insn->operand_bits, index = insn->operands[1].reg;
    uint8_t code[REHOST_MAX_BYTES];
    RehostMap map = {.memory_displacement = 0};
    unsigned size;

    for (unsigned i = 0; i < 16; i++) {
        map.gpr[i] = HOST_T2;
    }
    map.memory_base = HOST_T1;
    map.drop_lock = drops_lock(insn);
    size = rehost_encode(insn, &map, code);
    if (bits == 16 || insn->address_bits == 16 || !size) {
        control_exit_insn(t);
        return;
    }
    flags_save(t);
    address_effective(t);
    t->flags = FLAGS_SAVED;
    emit_mov_rr(e, 64, HOST_T2, translate_use_gpr(t, index, HOST_T2));
    if (bits == 32) {
        emit_rr(e, 64, MUTANT(7, 0x63, 0x8bu), HOST_T2, HOST_T2); /* movslq */
    }
    emit_rr(e, 64, 0xc1, 7, HOST_T2); /* sar */
    emit_u8(e, MUTANT(5, bits == 64 ? 6 : 5, 5u));
    emit_lea(e, insn->address_bits, HOST_T1, HOST_T1, HOST_T2, bits == 64 ? 3 : 2, 0);
    address_check(t, insn->segment, bits / 8, memory_access(insn));
    if (translate_locks_line(insn)) {
        emit_line_check(t, bits / 8);
    }
    /* the low bits of the index wait in memory, because restoring flags takes T2 */
    emit_mov_rr(e, 32, HOST_T2, translate_use_gpr(t, index, HOST_T2));
    emit_alu_imm(e, 32, 4, HOST_T2, MUTANT(6, (int32_t)bits - 1, 31));
    emit_store_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[3]));
    flags_before(t);
    emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[3]));
    translate_mark(t);
    memcpy(e->p, code, size);
    e->p += size;
    flags_after(t);
}

static void emit_lea_insn(Translator *t)
{
    const InsnOperand *to = &t->insn->operands[0];
    unsigned host = host_of(to->reg);

    if (to->size != 2) {
        address_into(t, host == INSN_NO_REG ? HOST_T2 : host, to->size * 8);
        if (host == INSN_NO_REG) {
            registers_store_t2(t, to->reg);
        }
        return;
    }
    address_effective(t);
    if (host == INSN_NO_REG) {
        emit_store_gs(t->e, MUTANT(9, 16, 64u), HOST_T1, GPR_OFFSET(to->reg));
        t->t2_gpr = INSN_NO_REG;
        return;
    }
    if (MUTANT(10, true, false)) {
        emit_u8(t->e, 0x66);
    }
    emit_mov_rr(t->e, 32, host, HOST_T1);
}

/* -- One instruction --------------------------------------------------------------------------- */

/* Does the path to here store what another CPU may be waiting for? What is behind FS, GS or RSP is
 * the thread's own, and an attempt at a lock that is taken stores, too. */
static bool path_hands_over(const Translator *t)
{
    for (unsigned i = 0; i < t->at; i++) {
        const Insn *insn = &t->insns[i];
        bool is_own = insn->segment == SEG_FS || insn->segment == SEG_GS || insn->base == R_RSP;

        if (insn->memory_operand != INSN_NO_REG && !is_own && !rehost_is_atomic(insn) &&
            insn->operands[insn->memory_operand].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
            return true;
        }
    }
    return false;
}

/* A block that leads from behind a PAUSE to it is a round of a loop. */
static void emit_pause(Translator *t)
{
    Insn *insn = &t->insns[t->at];

    if (!tcg_options.opt_pause && !tcg_overcommitted) {
        emit_native(t);
        return;
    }
    insn->only_waits = t->block->rip == insn->rip + insn->length && !path_hands_over(t);
    control_exit_insn(t);
}

static void emit_insn(Translator *t)
{
    const Insn *insn = t->insn;

    if (!windows_has(t) && !registers_leave_t1(insn)) {
        windows_forget_t1(t); /* most of what follows uses it */
    }
    if (!insn->row || !trace_gate_is_open(t, insn)) {
        control_exit_insn(t);
        return;
    }
    if (insn->row->carry != CARRY_NATIVE && insn->row->carry != CARRY_LEA) {
        t->t2_gpr = INSN_NO_REG; /* most of what follows uses it */
    }
    recipe_before_insn(t);
    switch (insn->row->carry) {
    case CARRY_NATIVE:
        emit_native(t);
        break;
    case CARRY_BIT_STRING:
        emit_bit_string(t);
        break;
    case CARRY_NOTHING:
        break;
    case CARRY_LEA:
        emit_lea_insn(t);
        recipe_after_insn(t);
        break;
    case CARRY_BRANCH:
        control_branch(t);
        break;
    case CARRY_STACK:
        if (!stack_emit(t)) {
            control_exit_insn(t);
        }
        recipe_after_insn(t);
        break;
    case CARRY_STRING:
        string_emit(t);
        break;
    default:
        if (insn->mnemonic == ZYDIS_MNEMONIC_PAUSE) {
            emit_pause(t);
        } else if (insn->mnemonic == ZYDIS_MNEMONIC_CLD &&
                   MUTANT(11, !(t->mode & CPU_MODE_DF), true)) {
            break;
        } else if (!system_emit(t)) {
            control_exit_insn(t);
        }
        break;
    }
}

/* One instruction of the path, and the end of the shadow of an STI before it. */
static void emit_step(Translator *t)
{
    bool ends_shadow = t->opened_shadow;

    if (!stack_may_wait(t)) {
        stack_settle(t);
    }
    if (ends_shadow && t->insn->row && t->insn->row->carry == CARRY_BRANCH) {
        system_end_shadow(t);
    }
    if (t->follow[t->at] != FOLLOW_NONE) {
        control_follow(t);
    } else {
        emit_insn(t);
    }
    if (ends_shadow && !t->ended) {
        system_end_shadow(t);
    }
}

/* -- A block ----------------------------------------------------------------------------------- */

static void finish_block(Translator *t, uint64_t next_rip)
{
    Block *block = t->block;

    next_rip = t->mode & CPU_MODE_CS_L ? next_rip : (uint32_t)next_rip;
    stack_settle(t);
    if (!t->ended && t->stops_short && tcg_options.opt_straddle) {
        control_goto_apart(t, next_rip);
    } else if (!t->ended) {
        control_goto(t, next_rip);
    }
    control_emit_colds(t);
    block->code_size = (uint32_t)(t->e->p - t->start);
    block->mark_count = t->mark_count;
    block->marks = blocks_arena_alloc(t->mark_count * sizeof(InsnMark));
    memcpy(block->marks, t->marks, t->mark_count * sizeof(InsnMark));
}

static void translator_init(Translator *t, X86Cpu *cpu, Block *block, Emitter *e)
{
    t->cpu = cpu;
    t->block = block;
    t->e = e;
    t->mode = cpu->mode;
    t->flags = FLAGS_SAVED;
    t->start = e->p;
    t->mark_count = t->cold_count = 0;
    t->recipe = (FlagsRecipe){.kind = RECIPE_NONE};
    t->t2_gpr = INSN_NO_REG;
    t->ended = t->stops_short = false;
    t->goes_careful = false;
    t->rsp_move = 0;
    t->opened_shadow = t->at_home = t->has_polled = t->has_aside = false;
}

/* Emits the path; returns the RIP behind its last instruction. */
static uint64_t emit_path(Translator *t)
{
    Block *block = t->block;
    uint64_t next_rip = block->rip;

    for (unsigned i = 0; i < t->insn_count && !t->ended; i++) {
        t->insn = &t->insns[i];
        t->at = i;
        t->slot_kind[i] = 0;
        if (i && i == t->loop_at) {
            stack_settle(t);
            control_loop_label(t);
        }
        translate_log_insn(t);
        emit_step(t);
        next_rip = t->insn->rip + t->insn->length;
        block->insn_count++;
    }
    return next_rip;
}

bool target_translate(X86Cpu *cpu, Block *block, const uint8_t *bytes, unsigned size,
                      unsigned max_insns, Emitter *e)
{
    Translator t; /* its tables are too large to be cleared for each block */

    translator_init(&t, cpu, block, e);
    if (!trace_decode(&t, bytes, size, max_insns)) {
        return false;
    }
    if (block->checked) {
        check_plan(&t);
    }
    homes_plan(&t);
    windows_plan(&t);
    trace_emit_entries(&t);
    homes_enter(&t);
    finish_block(&t, emit_path(&t));
    translate_log_block(block);
    return true;
}

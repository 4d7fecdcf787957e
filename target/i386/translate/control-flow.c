/* SPDX-License-Identifier: MIT */
/*
 * Near control flow in translated code. A direct jump within the page is chained: it goes to its
 * own stub until the target is known. Any other target is looked up in the vCPU's jump cache
 * with the flags saved. The cache's key names mode, context and mapping epoch, since two processes
 * share linear addresses. A backward jump polls before it goes; what is looked up polls at its
 * entry. Within a path one poll is enough, and one where its loop is closed.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/flags-emit.h"
#include "target/i386/translate/homes.h"

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
    if (t->at_home) {
        homes_rename(t->block, copy);
    }
    return copy;
}

static void emit_exit_insn(Translator *t, const Insn *kept)
{
    homes_leave(t);
    flags_save(t);
    emit_set_rip(t, MUTANT(35, kept->rip, kept->rip + kept->length));
    emit_mov_imm(t->e, HOST_T1, (uint64_t)(uintptr_t)kept);
    emit_branch_to(t->e, 0xe9, stubs.exit_insn);
}

void control_exit_insn(Translator *t)
{
    stack_settle(t);
    emit_exit_insn(t, control_keep_insn(t));
    t->ended = true;
}

static Cold *add_cold(Translator *t, ColdKind kind, uint8_t *place)
{
    Cold *cold = address_add_cold(t, place);

    cold->kind = (uint8_t)kind;
    return cold;
}

/* Jumps to `target` through the jump cache, whose entry for it is known. */
static void emit_lookup(Translator *t, uint64_t target)
{
    size_t entry = TCG_OFFSET(jump_cache) + target % JUMP_CACHE_ENTRIES * sizeof(JumpCacheEntry);
    Emitter *e = t->e;

    homes_leave(t);
    flags_save(t);
    if ((int64_t)target == (int32_t)target) {
        emit_gs(e, 64, 0x81, 7, entry + offsetof(JumpCacheEntry, rip)); /* cmp */
        emit_u32(e, (uint32_t)target);
    } else {
        emit_mov_imm(e, HOST_T1, target);
        emit_gs(e, 64, 0x3b, HOST_T1, entry + offsetof(JumpCacheEntry, rip));
    }
    add_cold(t, COLD_APART, emit_jcc(e, MUTANT(118, CC_NE, CC_A)))->target = target;
    emit_load_gs(e, 64, HOST_T1, TCG_OFFSET(jump_key));
    emit_gs(e, 64, 0x3b, HOST_T1, entry + offsetof(JumpCacheEntry, key));
    add_cold(t, COLD_APART, emit_jcc(e, CC_NE))->target = target;
    emit_gs(e, 32, 0xff, 4, entry + offsetof(JumpCacheEntry, code)); /* jmp */
}

/* Jumps to the RIP in T1 behind an indirect branch, whose fault it is when it is not canonical. */
static void emit_lookup_indirect(Translator *t)
{
    size_t cache = TCG_OFFSET(jump_cache);
    Emitter *e = t->e;
    uint8_t *other_rip, *other_key;

    homes_leave(t);
    flags_save(t);
    emit_movzx16(e, HOST_T2, HOST_T1); /* 8 * the index */
    emit_lea(e, 32, HOST_T2, HOST_NO_INDEX, HOST_T2, 3, 0);
    emit_gs_index(e, 64, 0x3b, HOST_T1, cache + offsetof(JumpCacheEntry, rip), HOST_T2, 2);
    other_rip = emit_short(e, MUTANT(38, 0x75, 0x78)); /* jne */
    emit_load_gs(e, 64, HOST_T1, TCG_OFFSET(jump_key));
    emit_gs_index(e, 64, 0x3b, HOST_T1, cache + offsetof(JumpCacheEntry, key), HOST_T2, 2);
    other_key = emit_short(e, 0x75);
    emit_gs_index(e, 32, 0xff, 4, cache + offsetof(JumpCacheEntry, code), HOST_T2, 2);
    emit_patch8(other_key, e->p);
    emit_gs_index(e, 64, 0x8b, HOST_T1, cache + offsetof(JumpCacheEntry, rip), HOST_T2, 2);
    emit_patch8(other_rip, e->p);
    flags_destroyed(t); /* by the comparisons: they are in saved_flags only */
    translate_mark(t);
    emit_branch_to(e, 0xe8, stubs.exit_branch);
}

bool control_is_same_page(const Translator *t, uint64_t target)
{
    return ((t->block->cs_key + target) ^ (t->block->cs_key + t->block->rip)) < TARGET_PAGE_SIZE;
}

void control_add_hot_exit(Translator *t, uint8_t *place)
{
    add_cold(t, COLD_HOT, place);
}

void control_add_stale_exit(Translator *t, uint8_t *place)
{
    add_cold(t, COLD_STALE, place);
}

static JumpSlot *new_slot(Translator *t)
{
    JumpSlot *slot = blocks_arena_alloc(sizeof(JumpSlot));

    *slot = (JumpSlot){.from = t->block,
                       .flags = (uint8_t)t->flags,
                       .next_out = t->block->slots,
                       .careful = t->goes_careful};
    t->block->slots = slot;
    return slot;
}

static void emit_chained_jump(Translator *t, uint64_t target)
{
    Emitter *e = t->e;
    Cold *cold;

    if (t->flags == FLAGS_RECIPE) {
        flags_restore(t);
    }
    emit_nop(e, -((unsigned)(uintptr_t)e->p + 1) & 3);
    cold = add_cold(t, COLD_STUB, emit_jmp(e));
    cold->target = target;
    cold->slot = new_slot(t);
    cold->slot->place = cold->place;
    cold->slot->target = target;
}

void control_goto_apart(Translator *t, uint64_t target)
{
    emit_lookup(t, target);
}

void control_goto(Translator *t, uint64_t target)
{
    homes_leave(t);
    if (!control_is_same_page(t, target)) {
        control_goto_apart(t, target);
        return;
    }
    if (target <= t->insn->rip) {
        translate_poll(t, target);
    }
    emit_chained_jump(t, target);
}

/* RIP behind the instruction: insn_next_rip(). */
static uint64_t next_rip(const Translator *t)
{
    uint64_t next = t->insn->rip + t->insn->length;

    return t->mode & CPU_MODE_CS_L ? next : MUTANT(98, (uint32_t)next, (uint16_t)next);
}

static void goto_both(Translator *t, uint64_t target, uint8_t *taken_place)
{
    FlagsPlace flags = t->flags;
    FlagsRecipe recipe = t->recipe;
    bool at_home = t->at_home;

    control_goto(t, next_rip(t));
    t->at_home = at_home;
    t->flags = flags;
    t->recipe = recipe;
    emit_patch(taken_place, t->e->p);
    control_goto(t, target);
}

static void emit_loop(Translator *t, uint64_t target)
{
    Emitter *e = t->e;
    unsigned opcode = t->insn->opcode; /* E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JrCXZ */
    uint8_t *taken, *over;

    if (opcode <= 0xe1 || t->flags == FLAGS_RECIPE) { /* whose operand RCX may be */
        flags_restore(t);
    }
    t->recipe = (FlagsRecipe){.kind = RECIPE_NONE};
    if (MUTANT(33, t->insn->address_bits == 32, false)) {
        emit_u8(e, 0x67);
    }
    taken = emit_short(e, opcode);
    over = emit_short(e, 0xeb);
    emit_patch8(taken, e->p);
    taken = emit_jmp(e);
    emit_patch8(over, e->p);
    goto_both(t, target, taken);
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
    flags_save(t); /* takes T2 */
    emit_indirect_target(t);
    emit_mov_rr(t->e, 64, HOST_T1, HOST_T2);
    emit_lookup_indirect(t);
}

/* A call to the target in T2 must fault before it writes: exact mode, unless 48 bits hold it. */
static void emit_canonical_check(Translator *t)
{
    Emitter *e = t->e;

    if (t->mode & CPU_MODE_CS_L && t->insn->operand_bits == 64) {
        flags_destroyed(t);
        if (MUTANT(114, true, false)) {
            windows_forget_t1(t);
        }
        emit_mov_rr(e, 64, HOST_T1, HOST_T2);
        emit_rr(e, 64, 0xc1, 4, HOST_T1); /* shl */
        emit_u8(e, MUTANT(120, 16, 4));
        emit_rr(e, 64, 0xc1, 7, HOST_T1); /* sar */
        emit_u8(e, MUTANT(120, 16, 4));
        emit_rr(e, 64, 0x3b, HOST_T1, HOST_T2);
        address_add_cold(t, emit_jcc(e, CC_NE));
    }
}

/* Pushes the return address. */
static void emit_call_push(Translator *t)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;
    uint64_t next = truncate_target(insn, MUTANT(30, insn->rip + insn->length, insn->rip));
    unsigned size = stack_operand_size(t);
    bool fits = size == 4 || (size == 8 && (int64_t)next == (int32_t)next);

    stack_check_push(t, size);
    if (tcg_options.opt_scratch && fits) {
        emit_op_mem(e, size * 8, 0xc7, 0, HOST_T1, HOST_NO_INDEX, 0, windows_displacement(t));
        emit_u32(e, (uint32_t)next);
    } else {
        emit_mov_imm(e, HOST_T2, next);
        emit_store(e, size * 8, HOST_T2, HOST_T1, windows_displacement(t));
    }
    stack_move(t, -(int32_t)size);
    stack_settle(t);
}

static void emit_call(Translator *t)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;

    if (insn->operands[0].kind == OPERAND_REL) {
        emit_call_push(t);
        recipe_after_insn(t);
        control_goto(t,
                     truncate_target(insn, insn->rip + insn->length + (uint64_t)insn->immediate));
        return;
    }
    flags_save(t);
    emit_indirect_target(t);
    emit_store_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[2]));
    emit_canonical_check(t);
    emit_call_push(t);
    emit_load_gs(e, 64, HOST_T1, TCG_OFFSET(scratch[MUTANT(37, 2, 3)]));
    emit_lookup_indirect(t);
}

/* T1 = the return address, popped. */
static void emit_ret_pop(Translator *t)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;
    unsigned size = stack_operand_size(t);

    stack_check_pop(t, size);
    if (size == 2) {
        emit_load_u16(e, HOST_T1, HOST_T1);
    } else {
        emit_load(e, size * 8, HOST_T1, HOST_T1, windows_displacement(t));
    }
    windows_forget_t1(t);
    stack_move(t, (int32_t)size +
                      (MUTANT(31, insn->has_immediate, false) ? (uint16_t)insn->immediate : 0));
    stack_settle(t);
}

static void emit_ret(Translator *t)
{
    flags_save(t);
    emit_ret_pop(t);
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
            control_goto(t, target);
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
    goto_both(t, target, emit_jcc(t->e, MUTANT(32, insn->opcode & 15, insn->opcode & 14)));
}

/* -- Branches within a path -------------------------------------------------------------------- */

void control_loop_label(Translator *t)
{
    windows_forget_t1(t);
    t->t2_gpr = INSN_NO_REG;
    t->loop_label = t->e->p;
    t->loop_flags = (uint8_t)t->flags;
    if (t->flags != FLAGS_RECIPE) {
        recipe_forget_carry(t); /* where CF is may differ from round to round */
    }
    t->loop_recipe = t->recipe;
}

/* Back to the second round, whose code counts on what is known of flags there. */
static void close_loop(Translator *t)
{
    bool is_same = !memcmp(&t->recipe, &t->loop_recipe, sizeof(t->recipe));
    bool needs_none = t->flags != FLAGS_RECIPE && t->loop_recipe.kind == RECIPE_NONE;

    t->ended = true;
    if (t->flags == t->loop_flags && (is_same || needs_none || t->flags == FLAGS_SAVED)) {
        emit_patch(emit_jmp(t->e), t->loop_label);
    } else {
        control_goto(t, t->block->rip);
    }
}

static void emit_side_exit(Translator *t, unsigned condition, uint64_t target)
{
    Cold *cold = add_cold(t, COLD_SIDE, emit_jcc(t->e, condition));

    cold->target = target;
}

/* The return address in T1 is nearly always that of the call in this path. */
static void emit_followed_ret(Translator *t, uint64_t expected)
{
    Emitter *e = t->e;

    emit_ret_pop(t);
    recipe_after_insn(t);
    if (t->flags == FLAGS_HOST) {
        flags_protect(t);
    }
    flags_destroyed(t);
    if ((int64_t)expected == (int32_t)expected) {
        emit_alu_imm(e, 64, 7, HOST_T1, (int32_t)expected);
    } else {
        emit_mov_imm(e, HOST_T2, expected);
        emit_rr(e, 64, 0x3b, HOST_T1, HOST_T2);
    }
    add_cold(t, COLD_LOOKUP, emit_jcc(e, CC_NE));
}

static bool spares_t1(const Insn *insn)
{
    return tcg_options.opt_scratch && insn->mnemonic != ZYDIS_MNEMONIC_CALL &&
           insn->mnemonic != ZYDIS_MNEMONIC_RET;
}

void control_follow(Translator *t)
{
    const Insn *insn = t->insn;
    unsigned follow = t->follow[t->at];
    bool is_loop = follow & FOLLOW_LOOP,
         is_taken = (follow & ~(unsigned)FOLLOW_LOOP) == FOLLOW_TARGET;
    uint64_t next = insn->rip + insn->length, target = next + (uint64_t)insn->immediate;
    uint64_t to = is_loop ? t->block->rip : t->insns[t->at + 1].rip;

    t->t2_gpr = INSN_NO_REG;
    if (!windows_has(t) && !spares_t1(insn)) {
        windows_forget_t1(t);
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
        break;
    case ZYDIS_MNEMONIC_CALL:
        emit_call_push(t);
        recipe_after_insn(t);
        break;
    case ZYDIS_MNEMONIC_RET:
        emit_followed_ret(t, to);
        break;
    default:
        flags_restore(t);
        emit_side_exit(t, (insn->opcode & 15) ^ is_taken, is_taken ? next : target);
        break;
    }
    if (is_loop || (to <= insn->rip && !t->has_polled)) {
        translate_poll(t, to);
        t->has_polled = true;
    }
    if (is_loop) {
        close_loop(t);
    }
}

/* -- Out of line ------------------------------------------------------------------------------- */

static void emit_stub(Translator *t, const Cold *cold)
{
    Emitter *e = t->e;

    cold->slot->stub = e->p;
    flags_save(t);
    emit_set_rip(t, MUTANT(36, cold->target, cold->target + 1));
    emit_mov_imm(e, HOST_T1, (uint64_t)(uintptr_t)cold->slot);
    emit_branch_to(e, 0xe9, stubs.exit_chain);
}

static void emit_failed_check(Translator *t, const Cold *cold)
{
    Emitter *e = t->e;

    t->flags = MUTANT(34, t->flags, FLAGS_HOST);
    translate_mark(t);
    if (cold->retry) {
        emit_branch_to(e, 0xe8,
                       cold->size ? stubs.refill_sized[cold->access][cold->size - 1]
                                  : stubs.refill[cold->access]);
        emit_branch_to(e, 0xe9, cold->retry + e->execute_offset);
    } else {
        emit_branch_to(e, 0xe8, stubs.exit_exact);
    }
}

static void emit_failed_window(Translator *t, const Cold *cold)
{
    Emitter *e = t->e;

    translate_mark(t);
    emit_gs(e, 32, 0xc7, 0, TCG_OFFSET(scratch[4])); /* mov dword, imm32 */
    emit_u32(e, (uint32_t)cold->target);
    emit_branch_to(e, 0xe8, stubs.refill_window[cold->access]);
    emit_branch_to(e, 0xe9, cold->retry + e->execute_offset); /* 5 bytes, left out on failure */
    if (cold->in_shadow) { /* exact mode ends it behind this instruction */
        emit_branch_to(e, 0xe8, stubs.exit_exact);
        return;
    }
    homes_leave(t);
    t->goes_careful = true;
    emit_chained_jump(t, t->insn->rip);
    t->goes_careful = false;
}

static void emit_misaligned(Translator *t, const Cold *cold)
{
    Emitter *e = t->e;

    emit_mov_rr(e, 32, HOST_T2, HOST_T1);
    emit_alu_imm(e, 32, 4, HOST_T2, HOST_CACHE_LINE - 1);
    emit_alu_imm(e, 32, 7, HOST_T2, (int32_t)cold->target);
    emit_jcc_to(e, CC_BE, cold->retry + e->execute_offset);
    translate_mark(t);
    emit_branch_to(e, 0xe8, stubs.exit_exact);
}

static void emit_cold(Translator *t, const Cold *cold)
{
    switch ((ColdKind)cold->kind) {
    case COLD_CHECK:
        emit_failed_check(t, cold);
        break;
    case COLD_EXIT:
        emit_exit_insn(t, cold->exit);
        break;
    case COLD_STUB:
        emit_stub(t, cold);
        break;
    case COLD_SIDE:
        control_goto(t, cold->target);
        break;
    case COLD_APART:
        emit_mov_imm(t->e, HOST_T1, MUTANT(119, cold->target, cold->target + 1));
        emit_branch_to(t->e, 0xe9, stubs.exit_lookup);
        break;
    case COLD_LOOKUP:
        emit_lookup_indirect(t);
        break;
    case COLD_WINDOW:
        emit_failed_window(t, cold);
        break;
    case COLD_SLOT:
        address_slot_miss(t, cold);
        break;
    case COLD_DIRECT:
        direct_miss(t, cold);
        break;
    case COLD_LINE:
        emit_misaligned(t, cold);
        break;
    case COLD_HOT:
    case COLD_STALE:
        emit_set_rip(t, t->block->rip);
        emit_mov_imm(t->e, HOST_T1, (uint64_t)(uintptr_t)t->block);
        emit_branch_to(t->e, 0xe9, cold->kind == COLD_HOT ? stubs.exit_hot : stubs.exit_stale);
        break;
    }
}

void control_emit_colds(Translator *t)
{
    for (unsigned i = 0; i < t->cold_count; i++) { /* which may add more */
        const Cold cold = t->colds[i];
        emit_patch(cold.place, t->e->p);
        t->insn = cold.insn;
        t->flags = (FlagsPlace)cold.flags;
        t->recipe = cold.recipe;
        t->at_home = cold.at_home;
        emit_cold(t, &cold);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Memory operands in translated code: effective address, segment, software TLB.
 *
 *     lea   ea, T1
 *     rorx  $7, T1, T2 ; and $mask, T2 ; add gs:tlb, T2      T2 = entry
 *     sub   tag(T2), T1                                      T1 = offset in the page, if it is that
 * page cmp   $4096 - size, T1 ; ja cold                       another page, no right, or crossing
 *     add   host(T2), T1                                     T1 = host address
 *
 * One compare finds a miss, a missing right and a crossing operand: in each case the offset is not
 * in range. Segments that are not flat are checked first against a limit that is 0 where only
 * exact mode may decide.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/check-emit.h"
#include "target/i386/translate/flags-emit.h"

static bool host_has_bmi2(void)
{
    return __builtin_cpu_supports("bmi2");
}

void address_into(Translator *t, unsigned host, unsigned bits)
{
    const Insn *insn = t->insn;
    Emitter *e = t->e;
    unsigned base = HOST_NO_INDEX, index = HOST_NO_INDEX;
    uint64_t displacement = (uint64_t)insn->displacement;

    bits = MUTANT(23, insn->address_bits == 64 ? bits : 32, 64u);
    if (check_load_displacement(t, host, bits)) {
        return;
    }
    if (insn->base == INSN_RIP) {
        displacement += insn->rip + MUTANT(21, insn->length, 0u);
    } else if (insn->base != INSN_NO_REG) {
        base = translate_use_gpr(t, insn->base, HOST_T1);
    }
    if (insn->index != INSN_NO_REG) {
        index = translate_use_gpr(t, insn->index, MUTANT(24, HOST_T2, HOST_T1));
    }
    if (base == HOST_NO_INDEX && index == HOST_NO_INDEX) {
        uint64_t constant = bits == 64 ? MUTANT(28, displacement, displacement & 0xffff)
                            : insn->address_bits >= 32 ? (uint32_t)displacement
                                                       : (uint16_t)displacement;
        emit_mov_imm(e, host, constant);
        return;
    }
    emit_lea(e, bits, host, base, index, MUTANT(22, insn->scale, 0u), (int32_t)displacement);
    if (MUTANT(97, insn->address_bits == 16, false)) {
        emit_movzx16(e, host, host);
    }
}

void address_effective(Translator *t)
{
    address_into(t, HOST_T1, 64);
}

Cold *address_add_cold(Translator *t, uint8_t *place)
{
    Cold *cold = &t->colds[t->cold_count++];

    g_assert(t->cold_count <= MAX_COLDS);
    *cold = (Cold){.place = place,
                   .insn = t->insn,
                   .in_shadow = t->opened_shadow,
                   .at_home = t->at_home,
                   .flags = (uint8_t)t->flags,
                   .recipe = t->recipe};
    return cold;
}

static bool is_flat(const Translator *t, unsigned segment)
{
    return segment == SEG_ES || segment == SEG_SS || segment == SEG_DS
               ? t->mode & CPU_MODE_FLAT_DATA
               : false;
}

/* Adds the segment's base to T1, behind its limit check outside of 64-bit code. */
static void emit_segment(Translator *t, unsigned segment, unsigned size, unsigned access)
{
    Emitter *e = t->e;
    size_t base = offsetof(X86Cpu, seg) + segment * sizeof(Segment) + offsetof(Segment, base);
    size_t limit = offsetof(X86Cpu, seg) + segment * sizeof(Segment) +
                   (MUTANT(95, access & 2, 0u) ? offsetof(Segment, fast_write_limit)
                                               : offsetof(Segment, fast_read_limit));

    if (t->mode & CPU_MODE_CS_L) {
        if (segment == SEG_FS || segment == SEG_GS) {
            emit_gs(e, 64, 0x03, HOST_T1, base);
        }
        return;
    }
    if (is_flat(t, segment)) {
        return;
    }
    t->t2_gpr = INSN_NO_REG;
    emit_lea(e, 64, HOST_T2, HOST_T1, HOST_NO_INDEX, 0, MUTANT(94, (int32_t)size - 1, 0));
    emit_gs(e, 64, 0x3b, HOST_T2, limit);
    address_add_cold(t, emit_jcc(e, CC_AE));
    emit_gs(e, 32, 0x03, HOST_T1, base);
}

static void emit_page_index(Emitter *e)
{
    if (host_has_bmi2()) { /* rorx $7, T1, T2 */
        static const uint8_t rorx[] = {0xc4, 0x63, 0xfb, 0xf0, 0xed, 0x07};
        for (unsigned i = 0; i < sizeof(rorx); i++) {
            emit_u8(e, rorx[i]);
        }
    } else {
        emit_mov_rr(e, 64, HOST_T2, HOST_T1);
        emit_rr(e, 64, 0xc1, 5, HOST_T2); /* shr $7, T2 */
        emit_u8(e, 7);
    }
}

Cold *address_lookup_page(Translator *t, unsigned access, unsigned greatest_offset)
{
    Emitter *e = t->e;
    size_t tag = MUTANT(25, access & 2, false) ? offsetof(TlbEntry, tag_write)
                                               : offsetof(TlbEntry, tag_read);
    uint8_t *retry;
    Cold *cold;

    t->t2_gpr = INSN_NO_REG;
    emit_page_index(e);
    emit_alu_imm(e, 32, 4, HOST_T2, (TLB_ENTRIES - 1) << 5);
    emit_gs(e, 64, 0x03, HOST_T2, TCG_OFFSET(tlb));
    retry = e->p; /* a refill comes back with T1 = address, T2 = entry */
    emit_op_mem(e, 64, 0x2b, HOST_T1, HOST_T2, HOST_NO_INDEX, 0, (int32_t)tag);
    emit_alu_imm(e, 64, 7, HOST_T1, (int32_t)greatest_offset);
    cold = address_add_cold(t, emit_jcc(e, CC_A));
    cold->access = (uint8_t)access;
    /* a refill would set the A and D bits of a page that a mask may leave alone */
    cold->retry = t->insn->masked ? NULL : retry;
    return cold;
}

void address_add_host(Translator *t)
{
    emit_op_mem(t->e, 64, 0x03, HOST_T1, HOST_T2, HOST_NO_INDEX, 0,
                (int32_t)offsetof(TlbEntry, host));
}

void address_find_in_tlb(Translator *t, unsigned access, unsigned greatest_offset, ColdKind kind)
{
    Cold *cold = address_lookup_page(t, access, greatest_offset);

    cold->kind = (uint8_t)kind;
    cold->target = greatest_offset;
    for (unsigned log2 = 0; kind == COLD_CHECK && log2 < REFILL_SIZES; log2++) {
        if (1u << log2 == TARGET_PAGE_SIZE - greatest_offset) {
            cold->size = (uint8_t)(log2 + 1);
        }
    }
    address_add_host(t);
}

/* T1 = host address, if the range of the slot has it; returns the place of the jump if not. */
static uint8_t *find_in_range(Translator *t, TlbSlotUse use, unsigned n)
{
    Emitter *e = t->e;
    uint8_t *place;

    emit_mov_rr(e, 64, HOST_T2, HOST_T1);
    emit_gs(e, 64, 0x2b, HOST_T2, TCG_OFFSET(slots[use.slot].ranges[n].first));
    emit_gs(e, 64, 0x3b, HOST_T2, TCG_OFFSET(slots[use.slot].ranges[n].limit));
    place = emit_jcc(e, CC_A);
    emit_gs(e, 64, 0x03, HOST_T1, TCG_OFFSET(slots[use.slot].ranges[n].addend));
    return place;
}

/* Accesses of one instruction mostly stay where they were: no index to compute, no load that the
 * address has to wait for. */
static void find_by_slot(Translator *t, TlbSlotUse use, unsigned access, unsigned greatest_offset,
                         ColdKind kind)
{
    Cold *cold;

    t->t2_gpr = INSN_NO_REG;
    cold = address_add_cold(t, find_in_range(t, use, 0));
    cold->kind = COLD_SLOT;
    cold->miss = (uint8_t)kind;
    cold->access = (uint8_t)access;
    cold->target = greatest_offset;
    cold->slot_use = use;
    cold->retry = t->e->p;
    translate_mark(t); /* an access by an empty slot faults, and not all make a mark of their own */
}

void address_slot_miss(Translator *t, const Cold *cold)
{
    TlbSlotUse use = cold->slot_use;
    Emitter *e = t->e;
    uint8_t *miss = find_in_range(t, use, 1);

    emit_branch_to(e, 0xe9, cold->retry + e->execute_offset);
    emit_patch(miss, e->p);
    address_find_in_tlb(t, cold->access, (unsigned)cold->target, (ColdKind)cold->miss);
    emit_gs(e, 32, 0xff, 1, TCG_OFFSET(slots[use.slot].skip)); /* dec */
    emit_jcc_to(e, CC_NS, cold->retry + e->execute_offset);
    emit_store_gs_imm(e, 32, TCG_OFFSET(scratch[4]), use.slot | use.log2 << 16);
    emit_branch_to(e, 0xe8, stubs.fill_slot[cold->access]);
    emit_branch_to(e, 0xe9, cold->retry + e->execute_offset);
}

/* That of the same instruction in an earlier round of the loop, which has learnt what it finds. */
static bool slot_of_round(const Translator *t, unsigned kind, unsigned size, TlbSlotUse *ret_use)
{
    for (unsigned i = t->at; i-- > 0;) {
        if (t->insns[i].rip == t->insn->rip && t->slot_kind[i] == kind &&
            size <= 1u << t->slot_of[i].log2 && size * 2 > 1u << t->slot_of[i].log2) {
            *ret_use = t->slot_of[i];
            return true;
        }
    }
    return false;
}

bool address_choose_slot(Translator *t, unsigned access, unsigned greatest_offset,
                         TlbSlotUse *ret_use)
{
    bool is_user = (t->mode & CPU_MODE_CPL_MASK) == CPU_MODE_CPL_MASK;
    unsigned size = (unsigned)TARGET_PAGE_SIZE - greatest_offset, kind = access & 2 ? 2 : 1;

    if (!t->block->is_trace || !is_user || !tcg_options.opt_slots || t->insn->masked ||
        !(slot_of_round(t, kind, size, ret_use) ||
          slot_choose(t->cpu, size, access & 2, ret_use))) {
        return false;
    }
    t->slot_kind[t->at] = (uint8_t)kind;
    t->slot_of[t->at] = *ret_use;
    return true;
}

void address_find(Translator *t, unsigned access, unsigned greatest_offset, ColdKind kind)
{
    TlbSlotUse use;

    if (address_choose_slot(t, access, greatest_offset, &use)) {
        find_by_slot(t, use, access, greatest_offset, kind);
    } else {
        address_find_in_tlb(t, access, greatest_offset, kind);
    }
}

void address_check(Translator *t, unsigned segment, unsigned size, unsigned access)
{
    flags_destroyed(t);
    emit_segment(t, segment, size, access);
    address_find(
        t, MUTANT(27, access, 1u),
        MUTANT(26, (unsigned)TARGET_PAGE_SIZE - size, (unsigned)TARGET_PAGE_SIZE - size + 1),
        COLD_CHECK);
}

void address_operand(Translator *t, unsigned size, unsigned access)
{
    if (windows_has(t)) {
        windows_emit(t);
        return;
    }
    flags_protect(t);
    address_effective(t);
    address_check(t, t->insn->segment, size, access);
}

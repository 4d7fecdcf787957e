/* SPDX-License-Identifier: MIT */
/*
 * Accesses by slot that name the guest's own registers.
 *
 *     lea  ea, T1 ; sub gs:first, T1 ; cmp gs:limit, T1 ; ja cold
 *     mov  gs:addend, T1
 *     op   displacement(T1, register)
 *
 * What a slot adds to an address is the same for all that it covers, so the host address need not
 * be computed from the guest's before the access: the silicon adds them up. The access waits for
 * its registers only, as it would natively, and T2 keeps what it holds. Of base and index the base
 * is added to T1 first.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>

/* Registers of the host that hold those of the address; T2 where it has none of its own. */
typedef struct Parts {
    unsigned base, index;
    int32_t displacement;
    uint8_t t2_gpr; /* which one T2 holds for that; INSN_NO_REG: none */
} Parts;

static unsigned part(Parts *parts, unsigned gpr)
{
    if (gpr == INSN_NO_REG || gpr == INSN_RIP) {
        return HOST_NO_INDEX;
    }
    if (host_of(gpr) != INSN_NO_REG) {
        return host_of(gpr);
    }
    parts->t2_gpr = (uint8_t)gpr;
    return HOST_T2;
}

static Parts parts_of(const Insn *insn)
{
    Parts parts = {.t2_gpr = INSN_NO_REG};

    parts.base = part(&parts, insn->base);
    parts.index = part(&parts, insn->index);
    parts.displacement = (int32_t)insn->displacement;
    if (insn->base == INSN_RIP) {
        parts.displacement = (int32_t)(insn->rip + insn->length + (uint64_t)insn->displacement);
    }
    return parts;
}

/* An address without a register is no displacement beyond 2 GiB. */
static bool displacement_fits(const Insn *insn)
{
    int64_t behind = insn->base == INSN_RIP ? (int64_t)(insn->rip + insn->length) : 0;
    int64_t address = behind + insn->displacement;

    return insn->base < 16 || address == (int32_t)address;
}

/* T2 has room for one register of the address or of the operands. */
static bool registers_fit(const Insn *insn, const Spills *spills)
{
    bool has_base = insn->base < 16 && host_of(insn->base) == INSN_NO_REG;
    bool has_index = insn->index != INSN_NO_REG && host_of(insn->index) == INSN_NO_REG;
    unsigned gpr = has_base ? insn->base : insn->index;

    if (has_base && has_index && insn->base != insn->index) {
        return false;
    }
    return !(has_base || has_index) || !spills->count || spills->of[0].gpr == gpr;
}

bool direct_map(const Translator *t, const Spills *spills, RehostMap *map)
{
    const Insn *insn = t->insn;
    bool has_both = insn->base < 16 && insn->index != INSN_NO_REG;
    Parts parts = parts_of(insn);

    if (!tcg_options.opt_direct || windows_has(t) || !(t->mode & CPU_MODE_CS_L) ||
        insn->address_bits != 64 || insn->segment == SEG_FS || insn->segment == SEG_GS ||
        insn->vector_index != INSN_NO_REG || rehost_sets_x87_pointers(insn) ||
        insn->mnemonic == ZYDIS_MNEMONIC_XADD || translate_locks_line(insn) ||
        !displacement_fits(insn) || !registers_fit(insn, spills)) {
        return false;
    }
    map->has_index = insn->base < 16 || insn->index != INSN_NO_REG;
    map->memory_index = (uint8_t)(insn->index != INSN_NO_REG ? parts.index : parts.base);
    map->memory_scale = MUTANT(103, has_both || insn->base >= 16, false) ? insn->scale : 0;
    map->memory_displacement = parts.displacement;
    return true;
}

/* T1 = the guest's address. */
static void emit_address_t1(Translator *t, unsigned to, const Parts *parts)
{
    if (parts->base == HOST_NO_INDEX && parts->index == HOST_NO_INDEX) {
        emit_mov_imm(t->e, to, (uint64_t)(int64_t)parts->displacement);
        return;
    }
    emit_lea(t->e, 64, to, parts->base, parts->index, t->insn->scale, parts->displacement);
}

/* T1 = the range's addend if the address lies in it; returns the place of the jump if not. */
static uint8_t *emit_find(Translator *t, const Parts *parts, TlbSlotUse use, unsigned n)
{
    Emitter *e = t->e;
    uint8_t *place;

    emit_address_t1(t, HOST_T1, parts);
    emit_gs(e, 64, 0x2b, HOST_T1, TCG_OFFSET(slots[use.slot].ranges[n].first));
    emit_gs(e, 64, 0x3b, HOST_T1, TCG_OFFSET(slots[use.slot].ranges[n].limit));
    place = emit_jcc(e, CC_A);
    emit_load_gs(e, 64, HOST_T1, TCG_OFFSET(slots[use.slot].ranges[n].addend));
    return place;
}

static void load_t2(Translator *t, unsigned gpr)
{
    if (gpr != INSN_NO_REG) {
        translate_use_gpr(t, gpr, HOST_T2);
        t->t2_gpr = (uint8_t)gpr;
    }
}

bool direct_emit(Translator *t, unsigned size, unsigned access)
{
    const Insn *insn = t->insn;
    Parts parts = parts_of(insn);
    TlbSlotUse use;
    Cold *cold;

    if (!address_choose_slot(t, access, (unsigned)TARGET_PAGE_SIZE - size, &use)) {
        return false;
    }
    flags_protect(t);
    load_t2(t, parts.t2_gpr);
    flags_destroyed(t);
    cold = address_add_cold(t, emit_find(t, &parts, use, 0));
    cold->kind = COLD_DIRECT;
    cold->access = (uint8_t)access;
    cold->target = TARGET_PAGE_SIZE - size;
    cold->slot_use = use;
    cold->t2_gpr = t->t2_gpr;
    cold->retry = t->e->p;
    if (parts.base != HOST_NO_INDEX && parts.index != HOST_NO_INDEX) {
        emit_rr(t->e, 64, 0x03, HOST_T1, parts.base); /* add */
    }
    flags_before(t);
    load_t2(t, MUTANT(104, parts.t2_gpr, INSN_NO_REG));
    return true;
}

/* As address_slot_miss(); T1 becomes the distance to the host address, T2 what it was. */
void direct_miss(Translator *t, const Cold *cold)
{
    Parts parts = parts_of(t->insn);
    Emitter *e = t->e;
    uint8_t *miss = emit_find(t, &parts, cold->slot_use, 1), *over;

    emit_branch_to(e, 0xe9, cold->retry + e->execute_offset);
    emit_patch(miss, e->p);
    emit_address_t1(t, HOST_T1, &parts);
    address_find_in_tlb(t, cold->access, (unsigned)cold->target, COLD_CHECK);
    emit_gs(e, 32, 0xff, 1, TCG_OFFSET(slots[cold->slot_use.slot].skip)); /* dec */
    over = emit_short(e, 0x79);                                           /* jns */
    emit_store_gs_imm(e, 32, TCG_OFFSET(scratch[4]),
                      cold->slot_use.slot | cold->slot_use.log2 << 16);
    emit_branch_to(e, 0xe8, stubs.fill_slot[cold->access]);
    emit_patch8(over, e->p);
    load_t2(t, parts.t2_gpr);
    emit_address_t1(t, HOST_T2, &parts);
    t->t2_gpr = INSN_NO_REG;
    emit_rr(e, 64, MUTANT(105, 0x2b, 0x3b), HOST_T1, HOST_T2); /* sub */
    load_t2(t, MUTANT(106, cold->t2_gpr, INSN_NO_REG));
    emit_branch_to(e, 0xe9, cold->retry + e->execute_offset);
}

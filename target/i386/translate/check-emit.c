/* SPDX-License-Identifier: MIT */
/*
 * Blocks that compare their own bytes when they are entered (accel/tcg/checked-pages.c).
 *
 *     mov  $host, T1
 *     mov  $bytes, T2 ; cmp (T1), T2 ; jne stale          eight bytes
 *     cmpl $bytes, 8(T1) ; jne stale                      four, two, one
 *
 * Such a block ends behind its first write. Loose bytes, an immediate or a displacement that has
 * changed before, are not compared: the value is loaded where it is used. Nothing can come between
 * the comparison and that load but a write of another CPU, whose old or new value is as good.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/check-emit.h"
#include "target/i386/translate/decode-forms.h"
#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define LOOSE_BYTES 4

/* -- What can be loose ------------------------------------------------------------------------- */

static bool is_pinned_or_none(unsigned gpr)
{
    return gpr == INSN_NO_REG || (gpr < 16 && host_of(gpr) != INSN_NO_REG);
}

static bool may_load_displacement(const Insn *insn)
{
    return insn->row && insn->displacement_size == LOOSE_BYTES && insn->address_bits >= 32 &&
           insn->vector_index == INSN_NO_REG && insn->modrm_offset &&
           (insn->row->carry == CARRY_NATIVE || insn->row->carry == CARRY_LEA) &&
           is_pinned_or_none(insn->base) && is_pinned_or_none(insn->index);
}

enum { OPCODE_MOV = 0xb8, OPCODE_MOV_RM = 0xc7, OPCODE_GROUP_1 = 0x81 };

/* `op $imm32, %eax` and its kin: 05h to 3Dh. */
static bool is_accumulator_form(unsigned opcode)
{
    return opcode < 0x40 && (opcode & 7) == 5;
}

static bool may_load_immediate(const Insn *insn)
{
    unsigned opcode = insn->opcode;

    if (!insn->row || insn->row->carry != CARRY_NATIVE || insn->operand_bits < 32 || insn->lock ||
        insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || insn->mandatory_prefix ||
        insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || insn->immediate_size != LOOSE_BYTES ||
        insn->operands[0].kind != OPERAND_REG || !is_pinned_or_none(insn->operands[0].reg)) {
        return false;
    }
    return is_accumulator_form(opcode) || (opcode & ~7u) == OPCODE_MOV || opcode == OPCODE_MOV_RM ||
           opcode == OPCODE_GROUP_1;
}

/* Bits of `size` bytes from `first` on. */
static uint64_t byte_bits(unsigned first, unsigned size)
{
    return ((1ull << size) - 1) << first;
}

static bool page_has_loose(const uint64_t *page_loose, unsigned offset)
{
    for (unsigned i = offset; i < offset + LOOSE_BYTES; i++) {
        if (!(page_loose[i / 64] >> (i % 64) & 1)) {
            return false;
        }
    }
    return true;
}

/* The bytes of the instruction that were seen to change and whose value can be loaded. */
static uint64_t loose_of(const Insn *insn, const uint64_t *page_loose, unsigned offset)
{
    uint64_t loose = 0;

    if (may_load_displacement(insn) &&
        page_has_loose(page_loose, offset + insn->displacement_offset)) {
        loose |= byte_bits(insn->displacement_offset, LOOSE_BYTES);
    }
    if (may_load_immediate(insn) && page_has_loose(page_loose, offset + insn->immediate_offset)) {
        loose |= byte_bits(insn->immediate_offset, LOOSE_BYTES);
    }
    return loose;
}

static void mark_loose(uint64_t *page_loose, unsigned offset)
{
    for (unsigned i = offset; i < offset + LOOSE_BYTES; i++) {
        page_loose[i / 64] |= 1ull << i % 64;
    }
}

void target_find_loose(const Block *block, const uint8_t *now, uint64_t *page_loose)
{
    unsigned page_offset = block->ram_address & (TARGET_PAGE_SIZE - 1);
    const uint8_t *old = block->checked->bytes;
    bool too_long;
    Insn insn;

    for (unsigned at = 0; at < block->guest_size; at += insn.length) {
        uint64_t changed = 0, displacement, immediate;
        if (decode_insn_by_form(block->mode, block->rip + at, old + at, block->guest_size - at,
                                &insn, &too_long) != DECODE_OK) {
            return;
        }
        for (unsigned i = 0; i < insn.length; i++) {
            changed |= (uint64_t)(old[at + i] != now[at + i]) << i;
        }
        displacement =
            may_load_displacement(&insn) ? byte_bits(insn.displacement_offset, LOOSE_BYTES) : 0;
        immediate = may_load_immediate(&insn) ? byte_bits(insn.immediate_offset, LOOSE_BYTES) : 0;
        if (changed & ~(displacement | immediate)) {
            continue;
        }
        if (changed & displacement) {
            mark_loose(page_loose, page_offset + at + insn.displacement_offset);
        }
        if (changed & immediate) {
            mark_loose(page_loose, page_offset + at + insn.immediate_offset);
        }
    }
}

/* -- The path of such a block ------------------------------------------------------------------ */

static bool may_write(const Insn *insn)
{
    bool pops_register =
        insn->mnemonic == ZYDIS_MNEMONIC_POP && insn->operands[0].kind == OPERAND_REG;

    if (!insn->row) {
        return true;
    }
    switch (insn->row->carry) {
    case CARRY_NATIVE:
    case CARRY_BIT_STRING:
        return insn->hidden_memory ||
               (insn->memory_operand != INSN_NO_REG &&
                insn->operands[insn->memory_operand].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
    case CARRY_LEA:
    case CARRY_NOTHING:
        return false;
    case CARRY_STACK:
        return !pops_register;
    default:
        return true;
    }
}

void check_plan(Translator *t)
{
    Block *block = t->block;
    unsigned page_offset = block->ram_address & (TARGET_PAGE_SIZE - 1), at = 0;

    block->guest_size = 0;
    for (unsigned i = 0; i < t->insn_count; i++) {
        const Insn *insn = &t->insns[i];
        block->checked->loose |= loose_of(insn, block->checked->page_loose, page_offset + at) << at;
        at += insn->length;
        if (may_write(insn)) {
            t->insn_count = i + 1;
        }
    }
    block->guest_size = (uint16_t)at;
}

/* -- Comparing --------------------------------------------------------------------------------- */

/* Sets ZF when the `size` bytes (1, 2, 4, 8) at T1 + `at` are those the block was made from. */
static void emit_compare(Emitter *e, const uint8_t *bytes, unsigned at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, bytes + at, size);
    if (size == 8) {
        emit_mov_imm(e, HOST_T2, value);
        emit_op_mem(e, 64, 0x3b, HOST_T2, HOST_T1, HOST_NO_INDEX, 0, (int32_t)at);
        return;
    }
    emit_op_mem(e, size * 8, size == 1 ? 0x80 : 0x81, 7, HOST_T1, HOST_NO_INDEX, 0, (int32_t)at);
    for (unsigned i = 0; i < size; i++) {
        emit_u8(e, bytes[at + i]);
    }
}

/* The size of the piece to compare next: bytes that are not loose, a power of two of them. */
static unsigned piece_size(uint64_t loose, unsigned at, unsigned end)
{
    unsigned size = 8;

    while (size > end - at || loose & byte_bits(at, size)) {
        size /= 2;
    }
    return size;
}

void check_emit(Translator *t)
{
    const CheckedCode *checked = t->block->checked;
    unsigned end = t->block->guest_size;
    Emitter *e = t->e;
    uint8_t *first = NULL;

    emit_mov_imm(e, HOST_T1, (uint64_t)(uintptr_t)checked->host);
    for (unsigned at = 0; at < end;) {
        if (checked->loose >> at & 1) {
            at++;
            continue;
        }
        unsigned size = piece_size(checked->loose, at, end);
        uint8_t *place;
        emit_compare(e, checked->bytes, at, size);
        place = emit_jcc(e, CC_NE);
        if (!first) {
            first = place;
            control_add_stale_exit(t, place);
        } else {
            emit_patch(place, first - 2); /* to the first jump, which jumps on */
        }
        at += size;
    }
}

/* -- Loading ----------------------------------------------------------------------------------- */

static bool is_loose(const Translator *t, unsigned field)
{
    const CheckedCode *checked = t->block->checked;

    return checked && field && checked->loose >> (t->insn->rip - t->block->rip + field) & 1;
}

/* `to` = the loose bytes of the field, sign-extended. Flags stay. */
static void emit_load_field(const Translator *t, unsigned to, unsigned field)
{
    const uint8_t *host = t->block->checked->host + (t->insn->rip - t->block->rip) + field;

    emit_mov_imm(t->e, to, (uint64_t)(uintptr_t)host);
    emit_op_mem(t->e, 64, 0x63, to, to, HOST_NO_INDEX, 0, 0); /* movslq */
}

bool check_load_displacement(Translator *t, unsigned host, unsigned bits)
{
    const Insn *insn = t->insn;

    if (!is_loose(t, insn->displacement_offset)) {
        return false;
    }
    emit_load_field(t, HOST_T1, insn->displacement_offset);
    if (insn->index != INSN_NO_REG) {
        emit_lea(t->e, 64, HOST_T1, HOST_T1, host_of(insn->index), insn->scale, 0);
    }
    emit_lea(t->e, bits, host, HOST_T1,
             insn->base == INSN_NO_REG ? HOST_NO_INDEX : host_of(insn->base), 0, 0);
    return true;
}

bool check_emit_immediate(Translator *t)
{
    const Insn *insn = t->insn;
    unsigned bits = insn->operand_bits, dst, operation;

    if (!is_loose(t, insn->immediate_offset)) {
        return false;
    }
    dst = host_of(insn->operands[0].reg);
    t->t2_gpr = INSN_NO_REG;
    if (insn->opcode >= OPCODE_MOV) {
        emit_load_field(t, HOST_T2, insn->immediate_offset);
        emit_mov_rr(t->e, bits, dst, HOST_T2);
        flags_after(t);
        return true;
    }
    operation = is_accumulator_form(insn->opcode) ? insn->opcode >> 3 : insn->modrm >> 3 & 7;
    flags_before(t);
    emit_load_field(t, HOST_T2, insn->immediate_offset);
    emit_rr(t->e, bits, operation << 3 | 3, dst, HOST_T2);
    flags_after(t);
    t->recipe = (FlagsRecipe){.kind = RECIPE_NONE};
    return true;
}

/* SPDX-License-Identifier: MIT */
/*
 * Windows: one check for several accesses of a trace.
 *
 * Accesses whose addresses differ by constants (a register that keeps its value or moves by
 * constants, the stack pointer, absolute addresses) share a window, the range from the first to the
 * last byte of them. The first access checks that the whole window lies in one page with the right
 * that all need; the host address of its start is kept in the CPU and the others use it without a
 * check. Nothing can take the right away before the trace is left: a CPU that withdraws it waits
 * until this one has.
 *
 * Such a check never raises, nor sets bits of page tables for a page that is not accessed: when the
 * window does not lie in one page, the path goes on in a block that checks each access.
 *
 * An address is followed as (root, offset): a register begins with a root of its own, copies and
 * constant steps keep the root. Where the second round of a loop begins, registers that the round
 * writes get new roots, so that a window opened before serves in each round only if it is the same.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>

#define MAX_SPAN 512
#define ROOT_CONSTANT 0
#define NOT_WINDOWED 0xff

typedef struct Place {
    unsigned root;
    int64_t offset;
} Place;

typedef struct Plan {
    Translator *t;
    Place gpr[16];
    unsigned next_root;
} Plan;

/* -- Following registers ----------------------------------------------------------------------- */

static void forget_gpr(Plan *plan, unsigned gpr)
{
    plan->gpr[gpr] = (Place){plan->next_root++, 0};
}

static bool is_gpr64(const InsnOperand *operand)
{
    return operand->kind == OPERAND_REG && operand->reg_class == REG_GPR && operand->size == 8;
}

/* Where the written register points if it is a constant away from something known. */
static bool follow_step(const Plan *plan, const Insn *insn, Place *ret_place)
{
    const InsnOperand *to = &insn->operands[0], *from = &insn->operands[1];

    if (insn->operand_count < 1 || !is_gpr64(to)) {
        return false;
    }
    *ret_place = plan->gpr[to->reg];
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        if (from->kind != OPERAND_IMM) {
            return false;
        }
        ret_place->offset +=
            insn->mnemonic == ZYDIS_MNEMONIC_ADD ? insn->immediate : -insn->immediate;
        return true;
    case ZYDIS_MNEMONIC_INC:
        ret_place->offset++;
        return true;
    case ZYDIS_MNEMONIC_DEC:
        ret_place->offset--;
        return true;
    case ZYDIS_MNEMONIC_MOV:
        if (!is_gpr64(from)) {
            return false;
        }
        *ret_place = plan->gpr[from->reg];
        return true;
    case ZYDIS_MNEMONIC_LEA:
        if (insn->base >= 16 || insn->index != INSN_NO_REG || insn->address_bits != 64) {
            return false;
        }
        *ret_place = plan->gpr[insn->base];
        ret_place->offset += insn->displacement;
        return true;
    default:
        return false;
    }
}

static void follow_insn(Plan *plan, const Insn *insn)
{
    Place place;
    unsigned carry = insn->row ? insn->row->carry : CARRY_HELPER;

    if ((carry == CARRY_STACK || carry == CARRY_BRANCH) && insn->gprs_written & 1u << R_RSP) {
        bool pops = insn->mnemonic == ZYDIS_MNEMONIC_POP || insn->mnemonic == ZYDIS_MNEMONIC_RET;
        int64_t size = insn->operand_bits == 16 ? 2 : 8;
        plan->gpr[R_RSP].offset += pops ? size : -size;
        if (insn->mnemonic == ZYDIS_MNEMONIC_RET && insn->has_immediate) {
            plan->gpr[R_RSP].offset += (uint16_t)insn->immediate;
        }
        if (insn->mnemonic == ZYDIS_MNEMONIC_POP && insn->operands[0].kind == OPERAND_REG) {
            forget_gpr(plan, insn->operands[0].reg);
        }
        return;
    }
    if ((carry == CARRY_NATIVE || carry == CARRY_LEA) && follow_step(plan, insn, &place)) {
        plan->gpr[insn->operands[0].reg] = place;
        return;
    }
    for (unsigned gpr = 0; gpr < 16; gpr++) {
        if (insn->gprs_written >> gpr & 1) {
            forget_gpr(plan, gpr);
        }
    }
}

static bool is_same_place(Place a, Place b)
{
    return a.root == b.root && a.offset == b.offset;
}

/* Registers that the second round changes do not keep their windows at its beginning, nor do those
 * that it makes of such ones: until no more are found. */
static void begin_round(Plan *plan)
{
    const Translator *t = plan->t;
    uint32_t changed = 0, before;

    do {
        Plan end = *plan;
        before = changed;
        for (unsigned i = t->loop_at; i < t->insn_count; i++) {
            follow_insn(&end, &t->insns[i]);
        }
        for (unsigned gpr = 0; gpr < 16; gpr++) {
            if (!(changed >> gpr & 1) && !is_same_place(end.gpr[gpr], plan->gpr[gpr])) {
                forget_gpr(plan, gpr);
                changed |= 1u << gpr;
            }
        }
    } while (changed != before);
}

/* -- Planning ---------------------------------------------------------------------------------- */

typedef struct Access {
    Place place;
    unsigned size;
    bool is_write;
} Access;

static bool stack_access(const Plan *plan, unsigned i, Access *ret_access)
{
    const Insn *insn = &plan->t->insns[i];
    Place rsp = plan->gpr[R_RSP];
    bool pops = insn->mnemonic == ZYDIS_MNEMONIC_POP || insn->mnemonic == ZYDIS_MNEMONIC_RET;

    if (insn->operand_bits == 16 || insn->memory_operand != INSN_NO_REG ||
        (insn->row->carry == CARRY_BRANCH && !(insn->gprs_written & 1u << R_RSP))) {
        return false;
    }
    *ret_access = (Access){{rsp.root, rsp.offset - (pops ? 0 : 8)}, 8, !pops};
    return true;
}

/* A window's start is some bytes below: the distance from the base must fit, too. */
static bool is_near(const Insn *insn)
{
    return insn->base == INSN_RIP || insn->base == INSN_NO_REG ||
           insn->displacement >= INT32_MIN + MAX_SPAN;
}

static bool operand_access(const Plan *plan, const Insn *insn, Access *ret_access)
{
    const InsnOperand *operand;

    if (insn->memory_operand == INSN_NO_REG || insn->index != INSN_NO_REG ||
        insn->address_bits != 64 || insn->gate == GATE_X87 || insn->segment == SEG_FS ||
        insn->segment == SEG_GS || insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
        insn->masked || translate_locks_line(insn) || !is_near(insn)) {
        return false;
    }
    operand = &insn->operands[insn->memory_operand];
    ret_access->size = operand->size;
    ret_access->is_write = operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    if (insn->base == INSN_RIP) {
        ret_access->place =
            (Place){ROOT_CONSTANT, (int64_t)(insn->rip + insn->length) + insn->displacement};
    } else if (insn->base == INSN_NO_REG) {
        ret_access->place = (Place){ROOT_CONSTANT, insn->displacement};
    } else {
        ret_access->place = plan->gpr[insn->base];
        ret_access->place.offset += insn->displacement;
    }
    return operand->size <= 64;
}

static bool has_access(const Plan *plan, unsigned i, Access *ret_access)
{
    const Insn *insn = &plan->t->insns[i];

    switch (insn->row ? insn->row->carry : CARRY_HELPER) {
    case CARRY_NATIVE:
        return operand_access(plan, insn, ret_access);
    case CARRY_STACK:
    case CARRY_BRANCH:
        return stack_access(plan, i, ret_access);
    default:
        return false;
    }
}

/* Puts the access into a window of its root that it fits into; a read may use one for writes. */
static bool join_window(Translator *t, const Access *access, unsigned *ret_window)
{
    int64_t low = access->place.offset, high = low + access->size;

    for (unsigned n = t->window_count; n-- > 0;) {
        Window *window = &t->windows[n];
        int64_t joint_low = MIN(low, window->low), joint_high = MAX(high, window->high);
        if (window->root != access->place.root || (access->is_write && !window->is_write) ||
            (uint64_t)joint_high - (uint64_t)joint_low > MAX_SPAN) {
            continue;
        }
        window->low = joint_low;
        window->high = joint_high;
        window->users++;
        *ret_window = n;
        return true;
    }
    return false;
}

static void plan_access(Plan *plan, unsigned i)
{
    Translator *t = plan->t;
    Access access;
    unsigned n;

    if (!has_access(plan, i, &access)) {
        return;
    }
    if (!join_window(t, &access, &n)) {
        if (t->window_count == MAX_WINDOWS) {
            return;
        }
        n = t->window_count++;
        t->windows[n] = (Window){.root = access.place.root,
                                 .low = access.place.offset,
                                 .high = access.place.offset + access.size,
                                 .is_write = access.is_write,
                                 .opener = i,
                                 .users = 1};
    }
    t->window_of[i] = (uint8_t)n;
    t->window_offset[i] = access.place.offset;
}

void windows_plan(Translator *t)
{
    Plan plan = {.t = t, .next_root = ROOT_CONSTANT + 1};

    t->window_count = 0;
    t->t1_window = NOT_WINDOWED;
    for (unsigned i = 0; i < t->insn_count; i++) {
        t->window_of[i] = NOT_WINDOWED;
    }
    if (!tcg_options.opt_windows || !t->block->is_trace || !(t->mode & CPU_MODE_CS_L)) {
        return;
    }
    for (unsigned gpr = 0; gpr < 16; gpr++) {
        forget_gpr(&plan, gpr);
    }
    for (unsigned i = 0; i < t->insn_count; i++) {
        if (i && i == t->loop_at) {
            begin_round(&plan);
        }
        plan_access(&plan, i);
        follow_insn(&plan, &t->insns[i]);
    }
    for (unsigned i = 0; i < t->insn_count; i++) {
        if (t->window_of[i] != NOT_WINDOWED && t->windows[t->window_of[i]].users == 1) {
            t->window_of[i] = NOT_WINDOWED; /* nothing to share */
        }
    }
}

/* -- Emission ---------------------------------------------------------------------------------- */

static Window *window_here(Translator *t)
{
    return t->window_of[t->at] == NOT_WINDOWED ? NULL : &t->windows[t->window_of[t->at]];
}

bool windows_has(const Translator *t)
{
    return t->window_of[t->at] != NOT_WINDOWED;
}

bool windows_is_checked(const Translator *t, unsigned at)
{
    return t->window_of[at] != NOT_WINDOWED && t->windows[t->window_of[at]].opener != at;
}

int32_t windows_displacement(const Translator *t)
{
    return windows_has(t) ? (int32_t)(t->window_offset[t->at] - t->windows[t->window_of[t->at]].low)
                          : 0;
}

void windows_forget_t1(Translator *t)
{
    t->t1_window = NOT_WINDOWED;
}

/* T1 = guest address of the window's start, by the address of this access. */
static void emit_start(Translator *t, const Window *window)
{
    const Insn *insn = t->insn;
    int64_t back = window->low - t->window_offset[t->at];
    unsigned base;

    if (window->root == ROOT_CONSTANT) {
        emit_mov_imm(t->e, HOST_T1, (uint64_t)window->low);
        return;
    }
    if (insn->row->carry != CARRY_NATIVE) {
        bool pops = insn->mnemonic == ZYDIS_MNEMONIC_POP || insn->mnemonic == ZYDIS_MNEMONIC_RET;
        emit_lea(t->e, 64, HOST_T1, HOST_R15, HOST_NO_INDEX, 0, (int32_t)(back - (pops ? 0 : 8)));
        return;
    }
    base = translate_use_gpr(t, insn->base, HOST_T1);
    emit_lea(t->e, 64, HOST_T1, base, HOST_NO_INDEX, 0, (int32_t)(back + insn->displacement));
}

static void emit_open(Translator *t, const Window *window, unsigned n)
{
    unsigned span = (unsigned)(window->high - window->low);

    flags_protect(t);
    emit_start(t, window);
    flags_destroyed(t);
    address_find(t, window->is_write ? 2 : 1, (unsigned)TARGET_PAGE_SIZE - span, COLD_WINDOW);
    emit_store_gs(t->e, 64, HOST_T1, TCG_OFFSET(windows) + 8 * n);
}

void windows_emit(Translator *t)
{
    unsigned n = t->window_of[t->at];
    const Window *window = window_here(t);

    if (window->opener == t->at) {
        emit_open(t, window, n);
    } else if (t->t1_window != n) {
        emit_load_gs(t->e, 64, HOST_T1, TCG_OFFSET(windows) + 8 * n);
    }
    t->t1_window = (uint8_t)n;
}

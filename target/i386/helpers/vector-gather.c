/* SPDX-License-Identifier: MIT */
/*
 * Gathers and scatters: an access of its own for each element that the mask selects, in order. An
 * element that is done leaves the mask, so a fault in the middle keeps what was done and the
 * instruction starts again with the rest. Intel SDM vol. 2, VGATHER, VPGATHER, VSCATTER, VPSCATTER.
 */
#include "accel/tcg/mutant.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/vector-registers.h"

#include <Zydis/Zydis.h>

typedef struct Gather {
    X86Cpu *cpu;
    const Insn *insn;
    bool is_evex;
    unsigned data; /* register that is loaded or stored */
    unsigned mask; /* vector register, with EVEX opmask register */
    unsigned size, index_size, vector_size, count;
    bool has_begun; /* an element was accessed */
} Gather;

/* False: #UD recorded. */
static bool gather_decode(X86Cpu *cpu, const Insn *insn, bool is_scatter, Gather *g)
{
    const uint8_t *prefix = &insn->bytes[insn->vector_offset];

    *g = (Gather){.cpu = cpu, .insn = insn, .index_size = insn->opcode & 1 ? 8 : 4};
    g->is_evex = insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
    g->size = prefix[2] & 0x80 ? 8 : 4;
    g->data = insn->operands[is_scatter ? 2 : 0].reg;
    if (g->is_evex) {
        g->vector_size = 16u << (prefix[3] >> 5 & 3);
        g->mask = prefix[3] & 7;
        if (!g->mask || prefix[3] & 0x80 || (!is_scatter && g->data == insn->vector_index)) {
            return fault_ud(cpu);
        }
    } else {
        g->vector_size = prefix[2] & 4 ? 32 : 16;
        g->mask = insn->operands[2].reg;
        if (g->data == g->mask || g->data == insn->vector_index || g->mask == insn->vector_index) {
            return fault_ud(cpu);
        }
    }
    g->count = g->vector_size / (g->size > g->index_size ? g->size : g->index_size);
    return true;
}

static bool is_selected(const Gather *g, unsigned n)
{
    return g->is_evex ? *opmask(g->cpu, g->mask) >> n & 1
                      : vector_get(g->cpu, g->mask, n, g->size) >> (8 * g->size - 1);
}

static void deselect(const Gather *g, unsigned n)
{
    if (g->is_evex) {
        *opmask(g->cpu, g->mask) &= ~MUTANT(89, 1ull << n, 0);
    } else {
        vector_set(g->cpu, g->mask, n, g->size, 0);
    }
}

static uint64_t element_address(const Gather *g, unsigned n)
{
    const Insn *insn = g->insn;
    uint64_t index = vector_get(g->cpu, insn->vector_index, n, g->index_size);
    uint64_t address = (uint64_t)insn->displacement;

    if (g->index_size == 4) {
        index = (uint64_t)(int32_t)index;
    }
    if (insn->base != INSN_NO_REG) {
        address += g->cpu->gpr[insn->base];
    }
    address += index << insn->scale;
    return insn->address_bits == 32 ? (uint32_t)address : address;
}

static bool load_element(const Gather *g, unsigned n)
{
    uint64_t linear, value = 0;

    if (!access_linear(g->cpu, g->insn->segment, element_address(g, n), g->size,
                       ACCESS_READ | ACCESS_UNALIGNED, &linear) ||
        !access_read(g->cpu, linear, &value, g->size, ACCESS_READ)) {
        return false;
    }
    vector_set(g->cpu, g->data, n, g->size, value);
    return true;
}

static bool store_element(const Gather *g, unsigned n)
{
    uint64_t linear, value = vector_get(g->cpu, g->data, n, g->size);

    return access_linear(g->cpu, g->insn->segment, element_address(g, n), g->size,
                         ACCESS_WRITE | ACCESS_UNALIGNED, &linear) &&
           access_write(g->cpu, linear, &value, g->size, ACCESS_WRITE);
}

static bool each_element(Gather *g, bool (*access)(const Gather *g, unsigned n))
{
    fpu_park(g->cpu);
    vector_mark_in_use(g->cpu);
    for (unsigned i = 0; i < g->count; i++) {
        if (is_selected(g, i)) {
            if (!access(g, i)) {
                return false;
            }
            g->has_begun = MUTANT(90, true, false);
        }
        deselect(g, i);
    }
    if (g->is_evex) {
        *opmask(g->cpu, g->mask) = MUTANT(91, 0, *opmask(g->cpu, g->mask));
    } else {
        vector_clear_from(g->cpu, g->mask, 0);
    }
    return true;
}

/* Intel's silicon, before it delivers a fault, makes all ones or zeros of each element of a mask in
 * a vector register and clears the rest of that (SDM vol. 2, VPGATHERDD: "extend from most
 * significant bit"). */
static void extend_mask(const Gather *g)
{
    if (g->is_evex || g->cpu->model->is_amd) {
        return;
    }
    for (unsigned i = 0; i < g->vector_size / g->size; i++) {
        vector_set(g->cpu, g->mask, i, g->size, is_selected(g, i) ? UINT64_MAX : 0);
    }
    vector_clear_from(g->cpu, g->mask, g->vector_size);
}

/* Behind elements that are done a single step or a data breakpoint traps in place of a fault, which
 * comes when the instruction is continued (SDM vol. 2, VPGATHERDD). */
static InsnResult after_fault(const Gather *g)
{
    bool traps = g->cpu->eflags & EFLAGS_TF || g->cpu->debug_pending;

    return g->has_begun && traps ? INSN_REPEAT : INSN_FAULT;
}

InsnResult helper_gather(X86Cpu *cpu, const Insn *insn)
{
    Gather g;

    if (!gather_decode(cpu, insn, false, &g)) {
        return INSN_FAULT;
    }
    if (!each_element(&g, load_element)) {
        /* the manual leaves this open; AMD's silicon does so with EVEX, Intel's always */
        if (g.has_begun && (g.is_evex || !cpu->model->is_amd)) {
            vector_clear_from(cpu, g.data, g.vector_size);
        }
        extend_mask(&g);
        return after_fault(&g);
    }
    vector_clear_from(cpu, g.data, g.count * g.size);
    return INSN_NEXT;
}

InsnResult helper_scatter(X86Cpu *cpu, const Insn *insn)
{
    Gather g;

    if (!gather_decode(cpu, insn, true, &g)) {
        return INSN_FAULT;
    }
    return each_element(&g, store_element) ? INSN_NEXT : after_fault(&g);
}

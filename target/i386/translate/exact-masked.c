/* SPDX-License-Identifier: MIT */
/*
 * Memory operands under a mask in exact mode. What a mask leaves out is not touched: it cannot
 * fault and sets no A or D bit. Which bytes that are differs from instruction to instruction
 * (elements in their places, packed elements, always all of them), so the silicon is asked:
 *
 *     window      no rights | read-write | no rights | no rights
 *
 * The operand is a part before and a part behind a page's end. The instruction runs in the window
 * at the same offset in its page, a part in a page without rights until it has faulted there. Then
 * the guest's page is looked at for the address of that fault: it gives the guest's exception, or
 * the part's bytes, and the instruction runs again. A part never touched is never looked at.
 *
 * A store runs twice, over zeros and over ones: the bytes that come out alike are those written.
 */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/vector-registers.h"
#include "target/i386/translate/exact.h"
#include "target/i386/translate/jit-info.h"

#include "accel/tcg/mutant.h"
#include "accel/tcg/tcg-internal.h"

#include <Zydis/Mnemonic.h>
#include <Zydis/SharedTypes.h>

#define MAX_OPERAND 64u

typedef struct Masked {
    X86Cpu *cpu;
    const Insn *insn;
    uint64_t address; /* effective */
    uint64_t linear;
    unsigned size, access;
    unsigned split; /* bytes in the first part; `size`: there is no second one */
    bool granted[2];
    uint8_t bytes[MAX_OPERAND]; /* of the guest's memory, in granted parts */
} Masked;

static unsigned part_of(const Masked *m, unsigned byte)
{
    return byte >= m->split;
}

/* Linear address without any check: where pages end. */
static uint64_t unchecked_linear(const X86Cpu *cpu, unsigned segment, uint64_t address)
{
    uint64_t base = cpu->seg[segment].base;

    if (mode_is_64bit(cpu)) {
        return segment == SEG_FS || segment == SEG_GS ? base + address : address;
    }
    return (uint32_t)(base + address);
}

/* The last offset of a segment that has any above `limit`. */
static uint64_t last_offset(const Segment *s)
{
    if ((s->attributes & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN) {
        return s->attributes & SEG_DB ? 0xffffffff : 0xffff;
    }
    return s->limit;
}

/* Bytes of the operand in its page. */
static unsigned find_page_end(const Masked *m)
{
    unsigned room = (unsigned)(TARGET_PAGE_SIZE - (m->linear & (TARGET_PAGE_SIZE - 1)));

    return room < m->size ? room : m->size;
}

/* Bytes of the operand in its segment; what is canonical ends with a page. */
static unsigned find_segment_end(const Masked *m)
{
    uint64_t limit = last_offset(&m->cpu->seg[m->insn->segment]);

    if (mode_is_64bit(m->cpu)) {
        return find_page_end(m);
    }
    return limit >= m->address && limit - m->address + 1 < m->size
               ? (unsigned)(limit - m->address + 1)
               : m->size;
}

/* Where the operand lies for the parts granted so far. */
static uint8_t *place(const Masked *m)
{
    uint8_t *window = m->cpu->tcg.window;
    bool has_second = m->split < m->size;

    if (m->granted[0] && (m->granted[1] || !has_second)) {
        return m->cpu->tcg.bounce + (m->linear & 63);
    }
    if (!has_second) {
        return window + 2 * TARGET_PAGE_SIZE + (m->linear & (TARGET_PAGE_SIZE - 1));
    }
    return window + (m->granted[0] ? 2 : m->granted[1] ? 1 : 3) * TARGET_PAGE_SIZE - m->split;
}

/* Runs it over the granted bytes; stores find `fill` in their place. */
static InsnResult run_at(const Masked *m, uint8_t *slot, int fill)
{
    bool is_store = m->access == ACCESS_WRITE;

    for (unsigned i = 0; i < m->size; i++) {
        if (m->granted[part_of(m, i)]) {
            slot[i] = is_store ? (uint8_t)MUTANT(87, fill, 0) : MUTANT(92, m->bytes[i], 0);
        }
    }
    return exact_run_thunk(m->cpu, m->insn, slot);
}

/* The silicon touched this byte: may the guest? */
static bool grant(Masked *m, unsigned byte)
{
    X86Cpu *cpu = m->cpu;
    unsigned part = part_of(m, byte), start = part ? m->split : 0;
    unsigned size = (part ? m->size : m->split) - start, segment = m->insn->segment;
    uint64_t linear;

    m->granted[part] = true;
    if (!access_linear(cpu, segment, m->address + byte, 1, m->access, &linear) ||
        !access_probe(cpu, linear, 1, m->access)) {
        return false;
    }
    return m->access == ACCESS_WRITE ||
           access_read(cpu, unchecked_linear(cpu, segment, m->address + start), m->bytes + start,
                       size, ACCESS_READ);
}

/* Does it touch what is not granted? Nothing else comes of this run. */
static bool try_run(const Masked *m, uint64_t *ret_byte)
{
    X86Cpu *cpu = m->cpu;
    uint8_t *slot = place(m);
    InsnResult result;

    fpu_park(cpu);
    result = run_at(m, slot, 0);
    if (result == INSN_NEXT) { /* only vector and opmask registers can have changed */
        cpu->fpu_live = false;
        fpu_unpark(cpu);
    }
    *ret_byte = cpu->tcg.fault_address - (uint64_t)(uintptr_t)slot;
    return result == INSN_FAULT && cpu->tcg.fault_trap == HOST_TRAP_PAGE_FAULT;
}

/* Does it touch its operand although the mask selects nothing? */
static bool ignores_mask(const Masked *m)
{
    X86Cpu *cpu = m->cpu;
    uint64_t *mask, saved, byte;
    bool touches;

    if (m->insn->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX) {
        return false;
    }
    fpu_park(cpu);
    mask = opmask(cpu, m->insn->bytes[m->insn->vector_offset + 3] & 7);
    saved = *mask;
    *mask = 0;
    touches = try_run(m, &byte);
    fpu_park(cpu);
    *mask = saved;
    vector_mark_in_use(cpu);
    return touches;
}

/* An access that reaches beyond the segment, or what is canonical, faults before any page does: is
 * the first one such? `m` is split there. Intel's silicon looks at all of them before any page. */
static bool may_address_first(Masked *m, bool *ret_exceeds)
{
    unsigned element = m->insn->operands[m->insn->memory_operand].element_size;
    uint64_t linear, byte;

    *ret_exceeds = false;
    if (m->split == m->size ||
        access_linear(m->cpu, m->insn->segment, m->address + m->split, 1, m->access, &linear)) {
        return true;
    }
    m->granted[0] = true;
    *ret_exceeds = try_run(m, &byte);
    m->granted[0] = false;
    if (!*ret_exceeds || !m->cpu->model->is_amd) {
        return !*ret_exceeds;
    }
    if (!try_run(m, &byte) || byte >= m->split) {
        return true;
    }
    return byte + element <= m->split && !ignores_mask(m);
}

/* #AC, of which the manuals say nothing here: AMD's silicon wants each element aligned, and nothing
 * when the mask leaves out all of them, and never with VEX. An operand that is touched whatever the
 * mask says is checked like any other. */
static bool is_aligned_on_amd(const Masked *m)
{
    unsigned element = m->insn->operands[m->insn->memory_operand].element_size;
    unsigned whole = m->size < 16 ? m->size : 16, segment = m->insn->segment;
    uint64_t byte, linear;

    if (!(m->cpu->mode & CPU_MODE_AC) || !(m->linear & (whole - 1)) ||
        m->insn->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX) {
        return true;
    }
    if (!try_run(m, &byte)) {
        return true;
    }
    return access_linear(m->cpu, segment, m->address + byte, 1, m->access, &linear) &&
           access_check_alignment(m->cpu, m->linear, ignores_mask(m) ? whole : element, m->access);
}

/* #AC on Intel's silicon: a whole operand of up to eight bytes must be aligned, other than that of
 * half floats, if any of it is touched. */
static bool is_aligned_on_intel(const Masked *m)
{
    uint64_t byte, linear;

    if (!(m->cpu->mode & CPU_MODE_AC) || m->size > 8 || !(m->linear & (m->size - 1)) ||
        m->insn->mnemonic == ZYDIS_MNEMONIC_VCVTPH2PS ||
        m->insn->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH || !try_run(m, &byte)) {
        return true;
    }
    return access_linear(m->cpu, m->insn->segment, m->address + byte, 1, m->access, &linear) &&
           access_check_alignment(m->cpu, m->linear, m->size, m->access);
}

/* There the end of what is canonical comes behind #AC, as it does without a mask, for stores of one
 * element and for what does not heed the mask. */
static bool is_aligned_first(const Masked *m)
{
    const X86Cpu *cpu = m->cpu;

    if (cpu->model->is_amd || !(cpu->mode & CPU_MODE_AC) || !mode_is_64bit(cpu) ||
        !paging_is_canonical(cpu, m->linear)) {
        return true;
    }
    switch (m->insn->mnemonic) {
    case ZYDIS_MNEMONIC_VMOVSS:
    case ZYDIS_MNEMONIC_VMOVSD:
    case ZYDIS_MNEMONIC_VMOVSH:
        if (m->access == ACCESS_WRITE) {
            return is_aligned_on_intel(m);
        }
        break;
    default:
        break;
    }
    return !ignores_mask(m) || is_aligned_on_intel(m);
}

/* Runs until nothing faults in the window any more. */
static InsnResult run_in_window(Masked *m, uint8_t **ret_slot)
{
    for (;;) {
        uint8_t *slot = *ret_slot = place(m);
        InsnResult result = run_at(m, slot, 0);
        uint64_t byte = m->cpu->tcg.fault_address - (uint64_t)(uintptr_t)slot;

        if (result != INSN_FAULT || m->cpu->tcg.fault_trap != HOST_TRAP_PAGE_FAULT) {
            return result;
        }
        if (byte >= m->size || m->granted[part_of(m, (unsigned)byte)]) {
            fpu_park(m->cpu); /* it reaches beyond what is known of it */
            jit_info_not_carried(m->insn);
            fault_ud(m->cpu);
            return INSN_FAULT;
        }
        if (!grant(m, MUTANT(88, (unsigned)byte, 0))) {
            return INSN_FAULT;
        }
    }
}

static bool store_bytes(const Masked *m, const uint8_t *over_zeros, const uint8_t *over_ones)
{
    unsigned i = 0, end;

    while (i < m->size) {
        if (!m->granted[part_of(m, i)] || over_zeros[i] != over_ones[i]) {
            i++;
            continue;
        }
        for (end = i + 1; end < m->size && m->granted[part_of(m, end)] &&
                          part_of(m, end) == part_of(m, i) && over_zeros[end] == over_ones[end];
             end++) {
        }
        if (!access_write(m->cpu, unchecked_linear(m->cpu, m->insn->segment, m->address + i),
                          over_zeros + i, end - i, ACCESS_WRITE)) {
            return false;
        }
        i = end;
    }
    return true;
}

static InsnResult finish_store(const Masked *m, uint8_t *slot)
{
    uint8_t over_zeros[MAX_OPERAND], over_ones[MAX_OPERAND];
    InsnResult result;

    for (unsigned i = 0; i < m->size; i++) {
        over_zeros[i] = m->granted[part_of(m, i)] ? slot[i] : 0;
    }
    result = run_at(m, slot, 0xff);
    for (unsigned i = 0; i < m->size; i++) {
        over_ones[i] = m->granted[part_of(m, i)] ? slot[i] : 0xff;
    }
    return result == INSN_NEXT && !store_bytes(m, over_zeros, over_ones) ? INSN_FAULT : result;
}

/* Both the page and, in the next one, the segment end in the operand, whose bytes beyond `end` it
 * touches: faults in any case. */
static InsnResult run_beyond_segment(Masked *m, unsigned end)
{
    X86Cpu *cpu = m->cpu;
    uint64_t linear;
    uint8_t *slot;

    fpu_park(cpu);
    if (run_in_window(m, &slot) == INSN_NEXT) { /* only vector and opmask registers have changed */
        cpu->fpu_live = false;
        fpu_unpark(cpu);
        access_linear(cpu, m->insn->segment, m->address + end, 1, m->access, &linear);
    }
    return INSN_FAULT;
}

InsnResult exact_masked(X86Cpu *cpu, const Insn *insn)
{
    const InsnOperand *operand = &insn->operands[insn->memory_operand];
    Masked m = {.cpu = cpu, .insn = insn, .size = operand->size};
    unsigned page_end, segment_end;
    bool exceeds;
    uint8_t *slot;
    void *host;
    InsnResult result;

    m.access = operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? ACCESS_WRITE : ACCESS_READ;
    m.address = insn_effective_address(cpu, insn);
    m.linear = unchecked_linear(cpu, insn->segment, m.address);
    page_end = find_page_end(&m);
    m.split = segment_end = find_segment_end(&m);
    if (page_end == m.size && segment_end == m.size &&
        access_linear(cpu, insn->segment, m.address, m.size, m.access, &m.linear)) {
        host = access_host_pointer(cpu, m.linear, m.size, m.access | ACCESS_PEEK);
        if (host) {
            return exact_run_thunk(cpu, insn, host);
        }
    }
    if (!is_aligned_first(&m) || !may_address_first(&m, &exceeds)) {
        return INSN_FAULT;
    }
    m.split = MIN(page_end, segment_end);
    if (!(cpu->model->is_amd ? is_aligned_on_amd(&m) : is_aligned_on_intel(&m))) {
        return INSN_FAULT;
    }
    if (exceeds && page_end < segment_end) {
        return run_beyond_segment(&m, segment_end);
    }
    result = run_in_window(&m, &slot);
    return result == INSN_NEXT && m.access == ACCESS_WRITE ? finish_store(&m, slot) : result;
}

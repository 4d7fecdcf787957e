/* SPDX-License-Identifier: MIT */
/* Segmentation: descriptors, their checks, and loads of data and stack segment registers. Intel SDM
 * vol. 3 ch. 3, 5. */
#include "target/i386/helpers/segments.h"

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/transfer.h"

#define REAL_MODE_LIMIT 0xffffu
#define V8086_ATTRIBUTES (SEG_P | (3u << SEG_DPL_SHIFT) | SEG_S | SEG_WRITABLE | SEG_ACCESSED)

/* Linear address of a descriptor of `size` bytes; false when its table does not hold it. */
static bool descriptor_address(const X86Cpu *cpu, uint16_t selector, unsigned size,
                               uint64_t *ret_linear)
{
    uint64_t base = cpu->gdtr.base;
    uint32_t limit = cpu->gdtr.limit & 0xffff;
    uint32_t offset = selector & 0xfff8u;

    if (selector & 4) {
        if (selector_is_null(cpu->ldtr.selector) || !(cpu->ldtr.attributes & SEG_P)) {
            return false;
        }
        base = cpu->ldtr.base;
        limit = cpu->ldtr.limit;
    }
    if (offset + size - 1 > limit) {
        return false;
    }
    *ret_linear = mode_is_long(cpu) ? base + offset : (uint32_t)(base + offset);
    return true;
}

bool segment_read_descriptor(X86Cpu *cpu, uint16_t selector, unsigned vector, uint32_t *ret_low,
                             uint32_t *ret_high)
{
    uint64_t linear, raw;

    if (!descriptor_address(cpu, selector, 8, &linear)) {
        return fault_selector(cpu, vector, selector);
    }
    if (!access_read_u64(cpu, linear, &raw, ACCESS_SYSTEM)) {
        return false;
    }
    *ret_low = (uint32_t)raw;
    *ret_high = (uint32_t)(raw >> 32);
    return true;
}

bool segment_read_wide_descriptor(X86Cpu *cpu, uint16_t selector, unsigned vector,
                                  uint32_t ret_words[4])
{
    uint64_t linear;

    if (!descriptor_address(cpu, selector, 16, &linear)) {
        return fault_selector(cpu, vector, selector);
    }
    return access_read(cpu, linear, ret_words, 16, ACCESS_SYSTEM);
}

bool segment_try_descriptor(X86Cpu *cpu, uint16_t selector, bool *ret_exists, uint32_t *ret_low,
                            uint32_t *ret_high)
{
    uint64_t linear;

    *ret_exists = !selector_is_null(selector) && descriptor_address(cpu, selector, 8, &linear);
    return !*ret_exists || segment_read_descriptor(cpu, selector, VECTOR_GP, ret_low, ret_high);
}

Segment segment_from_descriptor(uint16_t selector, uint32_t low, uint32_t high)
{
    Segment segment = {.selector = selector};

    segment.attributes = (high >> 8) & 0xf0ffu;
    segment.base = (low >> 16) | (high & 0xffu) << 16 | (high & 0xff000000u);
    segment.limit = (low & 0xffffu) | (high & 0xf0000u);
    if (segment.attributes & SEG_G) {
        segment.limit = segment.limit << 12 | 0xfffu;
    }
    return segment;
}

bool segment_fetch(X86Cpu *cpu, uint16_t selector, unsigned vector, Segment *ret_segment)
{
    uint32_t low, high;

    if (!segment_read_descriptor(cpu, selector, vector, &low, &high)) {
        return false;
    }
    *ret_segment = segment_from_descriptor(selector, low, high);
    return true;
}

bool segment_set_accessed(X86Cpu *cpu, Segment *segment)
{
    uint64_t linear;
    uint8_t type;

    if (selector_is_null(segment->selector) || segment->attributes & SEG_ACCESSED ||
        !descriptor_address(cpu, segment->selector, 8, &linear)) {
        return true;
    }
    segment->attributes |= SEG_ACCESSED;
    type = (uint8_t)segment->attributes;
    return access_write(cpu, linear + 5, &type, 1, ACCESS_WRITE | ACCESS_SYSTEM);
}

bool segment_is_unlimited(const X86Cpu *cpu, const Segment *segment)
{
    return !cpu->model->is_amd && segment->base == 0 && segment->limit == UINT32_MAX;
}

bool segment_holds(const X86Cpu *cpu, const Segment *segment, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;

    if ((segment->attributes & (SEG_S | SEG_CODE | SEG_EXPAND_DOWN)) == (SEG_S | SEG_EXPAND_DOWN)) {
        return offset > segment->limit &&
               last <= (segment->attributes & SEG_DB ? 0xffffffffu : 0xffffu);
    }
    return last <= segment->limit || segment_is_unlimited(cpu, segment);
}

void segment_commit(X86Cpu *cpu, unsigned n, const Segment *segment)
{
    cpu->seg[n] = *segment;
    cpu_update_segment(cpu, n);
}

Segment segment_null_stack(unsigned ring)
{
    return (Segment){.selector = (uint16_t)ring, .attributes = (uint16_t)(ring << SEG_DPL_SHIFT)};
}

void segment_set_real(X86Cpu *cpu, unsigned segment, uint16_t selector)
{
    Segment *target = &cpu->seg[segment];

    /* Real mode leaves limit and attributes of the hidden part alone ("unreal" mode depends on
     * it). */
    target->selector = selector;
    target->base = (uint32_t)selector << 4;
    if (mode_is_v8086(cpu)) {
        target->limit = REAL_MODE_LIMIT;
        target->attributes = V8086_ATTRIBUTES;
    }
    cpu_update_segment(cpu, segment);
}

void segment_set_flat(X86Cpu *cpu, unsigned segment, uint16_t selector, uint16_t attributes)
{
    Segment flat = {.selector = selector, .attributes = attributes, .limit = 0xffffffffu};

    segment_commit(cpu, segment, &flat);
}

static bool load_stack_segment(X86Cpu *cpu, uint16_t selector, Segment *ret_segment)
{
    unsigned rpl = selector & 3;

    if (selector_is_null(selector)) {
        if (!mode_is_64bit(cpu) || cpu->cpl == 3 || rpl != cpu->cpl) {
            return fault_gp(cpu, 0);
        }
        *ret_segment = segment_null_stack(cpu->cpl);
        return true;
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, ret_segment)) {
        return false;
    }
    if (rpl != cpu->cpl || !segment_is_writable(ret_segment) ||
        segment_dpl(ret_segment) != cpu->cpl) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    if (!(ret_segment->attributes & SEG_P)) {
        return fault_selector(cpu, VECTOR_SS, selector);
    }
    return segment_set_accessed(cpu, ret_segment);
}

static bool load_data_segment(X86Cpu *cpu, uint16_t selector, Segment *ret_segment)
{
    unsigned rpl = selector & 3, dpl;

    if (selector_is_null(selector)) {
        *ret_segment = (Segment){.selector = selector};
        return true;
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, ret_segment)) {
        return false;
    }
    if (!(ret_segment->attributes & SEG_S) ||
        (segment_is_code(ret_segment) && !(ret_segment->attributes & SEG_READABLE))) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    dpl = segment_dpl(ret_segment);
    if (!segment_is_conforming(ret_segment) && (rpl > dpl || cpu->cpl > dpl)) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    if (!(ret_segment->attributes & SEG_P)) {
        return fault_selector(cpu, VECTOR_NP, selector);
    }
    return segment_set_accessed(cpu, ret_segment);
}

bool segment_load(X86Cpu *cpu, unsigned segment, uint16_t selector)
{
    Segment loaded;

    if (!mode_is_protected(cpu)) {
        segment_set_real(cpu, segment, selector);
    } else {
        if (!(segment == SEG_SS ? load_stack_segment : load_data_segment)(cpu, selector, &loaded)) {
            return false;
        }
        segment_commit(cpu, segment, &loaded);
    }
    if (segment != SEG_FS && segment != SEG_GS) {
        cpu_update_mode(cpu); /* SS.B, and whether ES, SS and DS are all flat */
    }
    return true;
}

void segments_drop_inner(X86Cpu *cpu, unsigned ring)
{
    static const uint8_t data_segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < sizeof(data_segments); i++) {
        Segment *segment = &cpu->seg[data_segments[i]];

        /* Null ones stay as they are: in long mode their base may have been set by MSR. */
        if (selector_is_null(segment->selector) || segment_is_conforming(segment) ||
            segment_dpl(segment) >= ring) {
            continue;
        }
        segment->selector = 0;
        segment->attributes &= (uint16_t)~SEG_P;
        cpu_update_segment(cpu, data_segments[i]);
    }
}

/* SPDX-License-Identifier: MIT */
/* Descriptors of cases. */
#include "tests/insn/case-segments.h"

#include "target/i386/helpers/segments.h"

uint64_t case_ldt[CASE_LDT_ENTRIES];

uint64_t case_descriptor_make(uint32_t base, uint32_t limit, unsigned type, unsigned flags)
{
    uint64_t raw_limit = flags & SEG_G ? limit >> 12 : limit & 0xfffff;

    return (raw_limit & 0xffff) | (base & 0xffffffull) << 16 | (uint64_t)(type & 0xff) << 40 |
           (raw_limit >> 16) << 48 | (uint64_t)(flags >> 12 & 0xf) << 52 |
           (uint64_t)(base >> 24) << 56;
}

uint64_t case_descriptor(uint16_t selector)
{
    static const uint64_t gdt[CASE_GDT_ENTRIES] = {
        [CASE_CODE_32 >> 3] = 0x00cffb000000ffffull,
        [CASE_DATA_3 >> 3] = 0x00cff3000000ffffull,
        [CASE_CODE_64 >> 3] = 0x00affb000000ffffull,
    };
    unsigned n = selector >> 3;

    if (selector & 4) {
        return n < CASE_LDT_ENTRIES ? case_ldt[n] : 0;
    }
    return n < CASE_GDT_ENTRIES ? gdt[n] : 0;
}

Segment case_segment(uint16_t selector)
{
    uint64_t raw = case_descriptor(selector);
    Segment segment = {.selector = selector};

    return raw ? segment_from_descriptor(selector, (uint32_t)raw, (uint32_t)(raw >> 32)) : segment;
}

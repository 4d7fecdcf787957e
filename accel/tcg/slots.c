/* SPDX-License-Identifier: MIT */
/*
 * Slots: which host memory an access of user code found last, and how far it goes.
 *
 * A slot covers its page and the neighbours that follow each other in host memory too, as far as
 * the TLB knows them with the right that is asked for: an array is mostly in pages that the guest
 * was given in order. Nothing is looked at that translated code could not have used, so no bits
 * are set in page tables. Whatever takes a right away from any page empties all slots.
 *
 * There are fewer slots than accesses in a large program. Accesses that share one take it from each
 * other, which costs several times what the TLB does. So a new one gets a slot that this address
 * space has not filled for long, if ever. If there is none, it does without; only hot=1, which is
 * there to try traces, gives one to all.
 *
 * An access that misses looks into the TLB. When a slot misses again and again within a short time
 * it does not pay to fill it: for `skip` times the access goes on without coming here.
 */
#include "accel/tcg/options.h"
#include "accel/tcg/slots.h"
#include "accel/tcg/tcg-internal.h"

/* A slot pays when its misses are so many cycles apart on average. */
#define GOOD_CYCLES 1000
/* Fills of all slots are so many cycles apart on average, a few percent of the time, but for those
 * that follow each other when all have been emptied. */
#define FILL_CYCLES 7000
#define FILLS_AT_ONCE 1024
#define SKIP_FIRST 63
#define SKIP_MOST 4095
/* Slots that are looked at for one that is not used. */
#define CANDIDATES 8
#define RECENT_CYCLES 0x80000000u /* half a turn of the clock's low half, a second at 2 GHz */
#define NO_CONTEXT 0xffff
/* Neighbours to look at: at each miss, and when coming here is rare. */
#define PAGES_BELOW 16
#define PAGES_ABOVE 64
#define PAGES_MANY 512

/* Slots for reads by size of access, a power of two: a limit holds for one size only. Those for
 * writes, half as many, lie behind. */
#define READ_SLOTS (TLB_SLOTS * 2 / 3)
static const struct {
    uint16_t first, count;
} classes[] = {{0, 256},    {256, 128},  {384, 384},  {768, 640}, {1408, 128},
               {1536, 128}, {1664, 128}, {1792, 128}, {1920, 64}, {1984, 64}};

/* Full, or filled in this address space lately: whoever it belongs to is running.
 * The clock begins anew, so one that is not may look so. */
static bool is_used(const X86Cpu *cpu, unsigned number, uint32_t now)
{
    const TcgCpu *own = cpu->tcg.own;
    const TlbSlot *slot = &cpu->tcg.slots[number];

    return slot->ranges[0].first != TLB_SLOT_EMPTY ||
           (own->slot_contexts[number] == own->slots_key >> 32 && now - slot->time < RECENT_CYCLES);
}

bool slot_choose(const X86Cpu *cpu, unsigned size, bool is_write, TlbSlotUse *ret_use)
{
    static unsigned next[2][sizeof(classes) / sizeof(classes[0])]; /* under the code lock */
    uint32_t now = (uint32_t)__builtin_ia32_rdtsc();
    unsigned log2 = 0, first, count, slot;

    while (1u << log2 < size) {
        log2++;
    }
    if (log2 >= sizeof(classes) / sizeof(classes[0])) {
        return false;
    }
    first = is_write ? READ_SLOTS + classes[log2].first / 2u : classes[log2].first;
    count = is_write ? classes[log2].count / 2u : classes[log2].count;
    for (unsigned tries = 0; tries < CANDIDATES; tries++) {
        slot = first + next[is_write][log2]++ % count;
        if (tcg_options.hot == 1 || !is_used(cpu, slot, now)) {
            *ret_use = (TlbSlotUse){.slot = (uint16_t)slot, .log2 = (uint8_t)log2};
            return true;
        }
    }
    return false;
}

static bool has_right(const TlbEntry *entry, uint64_t page, bool is_write)
{
    return (is_write ? entry->tag_write : entry->tag_read) == page;
}

/* How many pages go on from there, upwards or downwards. No run crosses a multiple of 4 GiB, where
 * 32-bit addresses begin anew. */
static unsigned run_length(const X86Cpu *cpu, uint64_t page, uint64_t host, bool is_write,
                           int64_t step, unsigned most)
{
    unsigned length = 0;

    while (length < most) {
        uint64_t above = step > 0 ? page + (uint64_t)step : page;
        const TlbEntry *entry;
        page += (uint64_t)step;
        host += (uint64_t)step;
        entry = &cpu->tcg.tlb[page >> 12 & (TLB_ENTRIES - 1)];
        if (!(uint32_t)above || !has_right(entry, page, is_write) || entry->host != host) {
            break;
        }
        length++;
    }
    return length;
}

/* How often to go on without a slot now that this one has missed. */
static unsigned times_to_skip(TcgCpu *own, TlbSlot *slot, unsigned number)
{
    uint64_t now = __builtin_ia32_rdtsc(), most = (uint64_t)FILL_CYCLES * FILLS_AT_ONCE;
    uint32_t since = (uint32_t)now - slot->time;
    unsigned skipped = own->slot_skips[number], more = skipped * 2 + SKIP_FIRST;
    bool pays = since >= GOOD_CYCLES * (skipped + 1);

    slot->time = (uint32_t)now;
    own->fill_credit = MIN(own->fill_credit + now - own->fill_time, most);
    own->fill_time = now;
    if (own->fill_credit >= FILL_CYCLES) {
        own->fill_credit -= FILL_CYCLES;
    } else {
        pays = false;
    }
    own->slot_skips[number] = (uint16_t)(pays ? 0 : MIN(more, SKIP_MOST));
    return own->slot_skips[number];
}

/* What the slot has found so far and what it finds now, if one follows the other; else only this.
 */
static void join(TlbRange *range, const TlbRange *old, uint64_t size)
{
    uint64_t end = range->first + range->limit + size, old_end = old->first + old->limit + size;

    if (old->first == TLB_SLOT_EMPTY || old->addend != range->addend) {
        return;
    }
    if (old_end >= range->first && old->first < range->first && (uint32_t)range->first) {
        range->limit += range->first - old->first;
        range->first = old->first;
    } else if (end >= old->first && old_end > end && (uint32_t)old->first) {
        range->limit = old->first + old->limit - range->first;
    }
}

static TlbRange find_range(const X86Cpu *cpu, uint64_t page, uint64_t size, bool is_write,
                           bool is_rare)
{
    uint64_t host = cpu->tcg.tlb[page >> 12 & (TLB_ENTRIES - 1)].host;
    unsigned below = 0, above = 0;

    if (tcg_options.opt_ranges) {
        below = run_length(cpu, page, host, is_write, -(int64_t)TARGET_PAGE_SIZE,
                           is_rare ? PAGES_MANY : PAGES_BELOW);
        above = run_length(cpu, page, host, is_write, (int64_t)TARGET_PAGE_SIZE,
                           is_rare ? PAGES_MANY : PAGES_ABOVE);
    }
    return (TlbRange){
        .first = page - below * (uint64_t)TARGET_PAGE_SIZE,
        .limit = (below + 1 + above) * (uint64_t)TARGET_PAGE_SIZE - size,
        .addend = host - page,
    };
}

/* Beside the new range stays the larger one of those that are no part of it. */
static void keep_other(TlbSlot *slot, const TlbRange *range)
{
    const TlbRange *old = &slot->ranges[0];
    bool is_part =
        range->first <= old->first && range->first + range->limit >= old->first + old->limit;

    if (!is_part &&
        (slot->ranges[1].first == TLB_SLOT_EMPTY || old->limit >= slot->ranges[1].limit)) {
        slot->ranges[1] = *old;
    }
}

void tlb_fill_slot(X86Cpu *cpu, uint64_t linear, unsigned use)
{
    unsigned number = use & 0xffff, skip;
    uint64_t size = 1u << (use >> 16), page = linear & ~(uint64_t)(TARGET_PAGE_SIZE - 1);
    TcgCpu *own = cpu->tcg.own;
    TlbSlot *slot = &cpu->tcg.slots[number];
    TlbRange range;

    if (!has_right(&cpu->tcg.tlb[page >> 12 & (TLB_ENTRIES - 1)], page, number >= READ_SLOTS)) {
        return; /* found in TcgState.once */
    }
    skip = times_to_skip(own, slot, number);
    range = find_range(cpu, page, size, number >= READ_SLOTS, skip);
    if (slot->ranges[0].first == TLB_SLOT_EMPTY) {
        own->slots_list[own->slots_filled++] = (uint16_t)number;
    }
    if (tcg_options.opt_ranges) {
        join(&range, &slot->ranges[1], size);
        join(&range, &slot->ranges[0], size);
    }
    keep_other(slot, &range);
    slot->ranges[0] = range;
    own->slot_contexts[number] = (uint16_t)(own->slots_key >> 32);
    slot->skip = (int32_t)skip;
}

static void slot_empty(TlbSlot *slot)
{
    slot->ranges[0].first = slot->ranges[1].first = TLB_SLOT_EMPTY;
}

void slots_empty(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;

    own->rights_lost++;
    while (own->slots_filled) {
        slot_empty(&cpu->tcg.slots[own->slots_list[--own->slots_filled]]);
    }
}

void slots_init(X86Cpu *cpu)
{
    for (unsigned i = 0; i < TLB_SLOTS; i++) {
        slot_empty(&cpu->tcg.slots[i]);
        cpu->tcg.own->slot_contexts[i] = NO_CONTEXT;
    }
    cpu->tcg.own->slots_filled = 0;
}

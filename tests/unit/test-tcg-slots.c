/* SPDX-License-Identifier: MIT */
/* Slots: the range an access remembers holds only pages that follow each other in the guest and in
 * the host, with the right that is asked for, up to the last byte of an access. */
#include "accel/tcg/options.h"
#include "accel/tcg/slots.h"
#include "accel/tcg/tcg-internal.h"

#define PAGES 64u
#define HOST 0x700000000000ull

static X86Cpu *cpu;
static TlbEntry *entries;
static uint64_t read_host[PAGES], write_host[PAGES]; /* of each page; 0: no right */

static void setup(void)
{
    cpu = g_aligned_alloc0(1, sizeof(X86Cpu), 64);
    cpu->tcg.own = g_new0(TcgCpu, 1);
    cpu->tcg.tlb = entries = g_new0(TlbEntry, TLB_ENTRIES);
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        entries[i].tag_read = entries[i].tag_write = tlb_invalid_tag(i);
    }
    memset(read_host, 0, sizeof(read_host));
    memset(write_host, 0, sizeof(write_host));
    slots_init(cpu);
}

static void teardown(void)
{
    g_free(cpu->tcg.own);
    g_free(entries);
    g_aligned_free(cpu);
}

static void map(uint64_t base, unsigned page, uint64_t host, bool may_write)
{
    uint64_t linear = base + page * TARGET_PAGE_SIZE;
    TlbEntry *entry = &entries[linear >> TARGET_PAGE_BITS & (TLB_ENTRIES - 1)];

    entry->tag_read = linear;
    entry->tag_write = may_write ? linear : tlb_invalid_tag((unsigned)(entry - entries));
    entry->host = host;
    read_host[page] = host;
    write_host[page] = may_write ? host : 0;
}

static TlbSlotUse choose(unsigned size, bool is_write)
{
    TlbSlotUse use;

    g_assert_true(slot_choose(cpu, size, is_write, &use));
    g_assert_cmpuint(1u << use.log2, >=, size);
    return use;
}

static const TlbRange *fill(TlbSlotUse use, uint64_t linear)
{
    tlb_fill_slot(cpu, linear, use.slot | (unsigned)use.log2 << 16);
    return &cpu->tcg.slots[use.slot].ranges[0];
}

#define BASE 0x7fff00000000ull

static void test_run(void)
{
    TlbSlotUse read, write;
    const TlbRange *range;

    setup();
    read = choose(8, false);
    write = choose(8, true);
    for (unsigned i = 0; i < 20; i++) { /* a gap behind page 9, page 5 is read-only */
        map(BASE, i, HOST + i * TARGET_PAGE_SIZE + (i > 9 ? TARGET_PAGE_SIZE : 0), i != 5);
    }
    range = fill(read, BASE + 3 * TARGET_PAGE_SIZE + 77);
    g_assert_cmphex(range->first, ==, BASE);
    g_assert_cmphex(range->limit, ==, 10 * TARGET_PAGE_SIZE - 8);
    g_assert_cmphex(range->first + range->addend, ==, HOST);
    range = fill(write, BASE + 7 * TARGET_PAGE_SIZE);
    g_assert_cmphex(range->first, ==, BASE + 6 * TARGET_PAGE_SIZE);
    g_assert_cmphex(range->limit, ==, 4 * TARGET_PAGE_SIZE - 8);
    slots_empty(cpu);
    g_assert_cmphex(range->first, ==, TLB_SLOT_EMPTY);
    g_assert_cmphex(range[1].first, ==, TLB_SLOT_EMPTY);
    teardown();
}

/* Addresses of 32-bit code begin anew at 4 GiB. */
static void test_four_gib(void)
{
    uint64_t base = (1ull << 32) - 4 * TARGET_PAGE_SIZE;
    const TlbRange *range;
    TlbSlotUse use;

    setup();
    use = choose(4, false);
    for (unsigned i = 0; i < 8; i++) {
        map(base, i, HOST + i * TARGET_PAGE_SIZE, true);
    }
    for (unsigned i = 0; i < 8; i++) { /* in any order; the second may not be joined to the first */
        range = fill(use, base + (i ^ 4) * TARGET_PAGE_SIZE);
        g_assert_cmphex(range->first, ==, i < 4 ? 1ull << 32 : base);
        g_assert_cmphex(range->limit, ==, 4 * TARGET_PAGE_SIZE - 4);
    }
    teardown();
}

static void test_joined(void)
{
    const TlbRange *range;
    TlbSlotUse use;

    setup();
    use = choose(1, false);
    for (unsigned i = 0; i < 40; i++) { /* only ever one page in the TLB */
        map(BASE, i, HOST + i * TARGET_PAGE_SIZE, false);
        range = fill(use, BASE + i * TARGET_PAGE_SIZE);
        g_assert_cmphex(range->first, ==, BASE);
        g_assert_cmphex(range->limit, ==, (i + 1) * TARGET_PAGE_SIZE - 1);
        entries[((BASE >> TARGET_PAGE_BITS) + i) & (TLB_ENTRIES - 1)].tag_read = 1;
    }
    teardown();
}

static void check_range(const TlbRange *range, unsigned size, const uint64_t *hosts)
{
    if (range->first == TLB_SLOT_EMPTY) {
        return;
    }
    for (uint64_t at = range->first; at <= range->first + range->limit + size - 1;
         at += TARGET_PAGE_SIZE) {
        unsigned page = (unsigned)((at - BASE) / TARGET_PAGE_SIZE);
        g_assert_cmpuint(page, <, PAGES);
        g_assert_cmphex(hosts[page], ==, at + range->addend);
    }
}

static void test_random(void)
{
    for (unsigned round = 0; round < 3000; round++) {
        unsigned size = 1u << g_test_rand_int_range(0, 10);
        bool is_write = g_test_rand_bit();
        const uint64_t *hosts = is_write ? write_host : read_host;
        TlbSlotUse use;
        setup();
        use = choose(size, is_write);
        for (unsigned n = 0; n < 60; n++) {
            unsigned page = (unsigned)g_test_rand_int_range(0, PAGES);
            const TlbRange *range;
            if (!read_host[page]) {
                map(BASE, page,
                    HOST + (page + (g_test_rand_int_range(0, 6) ? 0 : 9u)) * TARGET_PAGE_SIZE,
                    g_test_rand_int_range(0, 8));
            }
            if (!hosts[page]) {
                continue;
            }
            range = fill(use, BASE + page * TARGET_PAGE_SIZE + size);
            g_assert_true(BASE + page * TARGET_PAGE_SIZE - range->first <= range->limit);
            check_range(&range[0], size, hosts);
            check_range(&range[1], size, hosts);
        }
        teardown();
    }
}

/* What is larger than any slot has none. */
static void test_sizes(void)
{
    TlbSlotUse use;

    setup();
    g_assert_false(slot_choose(cpu, 513, false, &use));
    for (unsigned n = 0; n < 5000; n++) {
        unsigned size = n % 512 + 1;
        TlbSlotUse read = choose(size, false), write = choose(size, true);
        g_assert_cmpuint(read.slot, <, write.slot);
        g_assert_cmpuint(write.slot, <, TLB_SLOTS);
    }
    teardown();
}

static bool is_given(unsigned number)
{
    TlbSlotUse use;

    for (unsigned n = 0; n < 4 * TLB_SLOTS; n++) {
        if (slot_choose(cpu, 8, false, &use) && use.slot == number) {
            return true;
        }
    }
    return false;
}

/* No access gets a slot that another one uses: while it is full, and for a while in the same
 * address space. */
static void test_used(void)
{
    TlbSlotUse use, other;

    setup();
    map(BASE, 0, HOST, true);
    use = choose(8, false);
    g_assert_true(is_given(use.slot));
    fill(use, BASE);
    g_assert_false(is_given(use.slot));
    cpu->tcg.slots[use.slot].time -= 0x80000000u;
    g_assert_false(is_given(use.slot));
    slots_empty(cpu);
    g_assert_true(is_given(use.slot));
    fill(use, BASE);
    slots_empty(cpu);
    g_assert_false(is_given(use.slot));
    cpu->tcg.own->slots_key = 1ull << 32;
    g_assert_true(is_given(use.slot));
    tcg_options.hot = 1; /* always, to try what traces do */
    fill(use, BASE);
    g_assert_true(is_given(use.slot));
    tcg_options.hot = 0;

    for (unsigned n = 0; n < TLB_SLOTS && slot_choose(cpu, 8, false, &other); n++) {
        fill(other, BASE);
    }
    g_assert_false(slot_choose(cpu, 8, false, &other));
    g_assert_true(slot_choose(cpu, 8, true, &other));
    teardown();
}

/* Filling takes no more than its share of the time: then a slot is passed over. */
static void test_credit(void)
{
    unsigned rounds = 0;

    setup();
    map(BASE, 0, HOST, true);
    for (unsigned passed = 0; passed < 100; rounds++) {
        TlbSlotUse use = {.slot = (uint16_t)(rounds % 256), .log2 = 0};
        g_assert_cmpuint(rounds, <, 1000000);
        cpu->tcg.slots[use.slot].time -= 0x40000000u; /* this one has not missed for long */
        fill(use, BASE);
        passed += cpu->tcg.slots[use.slot].skip > 0;
    }
    g_assert_cmpuint(rounds, >, 1000);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    tcg_options.opt_ranges = true;
    g_test_add_func("/tcg-slots/run", test_run);
    g_test_add_func("/tcg-slots/four-gib", test_four_gib);
    g_test_add_func("/tcg-slots/joined", test_joined);
    g_test_add_func("/tcg-slots/random", test_random);
    g_test_add_func("/tcg-slots/sizes", test_sizes);
    g_test_add_func("/tcg-slots/used", test_used);
    g_test_add_func("/tcg-slots/credit", test_credit);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* The code cache as a ring of regions: what is evicted is found nowhere any more, and its space is
 * used again only when no CPU can be looking at it. */
#include "accel/tcg/block-pool.h"
#include "tcg-machine.h"

#include <string.h>

#define CPUS 2
#define CODE_SIZE 4000u
#define MAX_BLOCKS 4096u /* RIPs of one page, so that all may be chained */

static Block *made[MAX_BLOCKS];
static JumpSlot *slots[MAX_BLOCKS]; /* of block n, leading to block n - 1 */
static const uint8_t *codes[MAX_BLOCKS];
static unsigned made_count;

static X86Cpu *cpu_at(unsigned n)
{
    return vcpu_get(n)->cpu;
}

static Block *find(unsigned n)
{
    return block_lookup(0x1000 + n, n, 0, 0);
}

/* A block without meaning, with a jump to the one made before it; false: no room. */
static bool make_block(void)
{
    Block *block;
    JumpSlot *slot;
    unsigned n = made_count;

    if (!regions_make_room(cpu_at(0))) {
        return false;
    }
    g_assert_cmpuint(n, <, MAX_BLOCKS);
    made_count++;
    block = &code_region->blocks[code_region->count];
    memset(block, 0, sizeof(*block));
    block->rip = n;
    block->ram_address = 0x1000 + n;
    block->second_page = BLOCK_NO_PAGE;
    block->code = block->code_saved = block->code_host = code_cache.execute + code_cache.used;
    block->code_size = CODE_SIZE;
    slot = blocks_arena_alloc(sizeof(*slot));
    *slot = (JumpSlot){.from = block, .target = n - 1};
    slot->place = code_cache.write + code_cache.used + 4;
    slot->stub = slot->place + 100;
    block->slots = slot;
    code_cache.used += CODE_SIZE;
    block_insert(block);
    made[n] = block;
    slots[n] = slot;
    codes[n] = block->code;
    if (n && find(n - 1)) {
        block_link(slot, find(n - 1));
        g_assert_true(slot->to == made[n - 1]);
    }
    return true;
}

static uint8_t *leads_to(const JumpSlot *slot)
{
    int32_t displacement;

    memcpy(&displacement, slot->place, sizeof(displacement));
    return slot->place + 4 + displacement;
}

/* Until the next region is current; returns how many blocks that took. */
static unsigned fill_region(void)
{
    const CodeRegion *before = code_region;
    unsigned count = 0;

    while (code_region == before && make_block()) {
        count++;
    }
    g_assert_true(code_region != before);
    return count;
}

static void start_anew(void)
{
    blocks_flush(false);
    made_count = 0;
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_cmpuint(cpu_at(i)->tcg.own->turns & 1, ==, 0);
    }
}

static void test_ring(void)
{
    uint64_t evictions = block_statistics.evictions;
    unsigned live = 0, first = 0;

    start_anew();
    for (unsigned i = 0; i < 3 * code_region_count; i++) {
        fill_region();
    }
    g_assert_cmpuint(block_statistics.evictions - evictions, >=, 2 * code_region_count);
    while (!find(first)) {
        first++;
    }
    for (unsigned n = first; n < made_count; n++) { /* what is left are the last ones */
        g_assert_true(find(n) == made[n]);
        g_assert_true(block_from_host(codes[n] + CODE_SIZE - 1) == made[n]);
        g_assert_true(n == first || slots[n]->to == made[n - 1]);
        live++;
    }
    g_assert_cmpuint(live, >, made_count / 8);
    g_assert_cmpuint(regions_block_count() - block_statistics.dropped, ==, live);
    g_assert_cmpuint(block_statistics.chained, ==, live - 1);
    g_assert_null(slots[first]->to); /* its target is gone */
    g_assert_true(leads_to(slots[first]) == slots[first]->stub);
    g_assert_true(leads_to(slots[first + 1]) == code_cache_writable(codes[first]));
    g_assert_cmpuint(regions_code_size(), <=, code_cache.size - code_cache.blocks_start);
}

static void test_jump_caches(void)
{
    X86Cpu *cpu = cpu_at(1);
    JumpCacheEntry *entry;
    unsigned n;

    start_anew();
    fill_region(); /* behind it comes the first one that will go */
    for (n = 0; n < 3; n++) {
        entry = &cpu->tcg.jump_cache[n];
        *entry = (JumpCacheEntry){n, 7, codes[n], 0};
    }
    for (unsigned i = 1; i < code_region_count && find(0); i++) {
        g_assert_cmpuint(cpu->tcg.jump_cache[0].key, ==, 7);
        fill_region();
    }
    g_assert_null(find(0));
    for (n = 0; n < 3; n++) {
        g_assert_cmpuint(cpu->tcg.jump_cache[n].key, ==, 0);
    }
}

/* The other CPU is in a turn when the region is retired. */
static void test_waits_for_turn(void)
{
    TcgCpu *own = cpu_at(1)->tcg.own;
    uint64_t flushes, waits = block_statistics.eviction_waits;
    const uint8_t *code;
    Block *block;

    start_anew();
    make_block();
    block = made[0];
    code = codes[0];
    own->turns++;
    flushes = code_cache.flush_count;
    while (find(0)) {
        make_block();
    }
    g_assert_cmpuint(code_cache.flush_count, >, flushes); /* who keeps pointers looks again */
    while (make_block()) {
    }
    g_assert_cmpuint(block_statistics.eviction_waits, >, waits);
    g_assert_true(block_from_host(code + 1) == block); /* all of it is still there */
    g_assert_cmpuint(block->rip, ==, 0);
    g_assert_false(block->valid);
    own->waits_empty = 1; /* for the code lock, with nothing in its hands */
    g_assert_true(region_is_drained(&code_regions[0], cpu_at(0)));
    own->waits_empty = 0;
    g_assert_false(make_block());
    own->turns++;
    g_assert_true(make_block());
    g_assert_true(code_region == &code_regions[0] && made[made_count - 1] == block);
    own->turns++; /* a turn that began later does not matter */
    fill_region();
    own->turns++;
}

/* An idle guest's code goes region by region, and the ring goes on as if it had been evicted. */
static void test_trim(void)
{
    start_anew();
    for (unsigned i = 0; i < code_region_count - 2; i++) {
        fill_region();
    }
    g_assert_nonnull(find(0));
    for (unsigned i = 0; i < code_region_count; i++) {
        size_t before = regions_code_size();
        uint64_t flushes = code_cache.flush_count;
        regions_trim(cpu_at(0));
        g_assert_cmpuint(regions_code_size(), <=, before);
        /* jumps noted before point to what is gone */
        g_assert_true(regions_code_size() == before || code_cache.flush_count > flushes);
    }
    g_assert_null(find(0));
    g_assert_cmpuint(regions_block_count(), ==, code_region->count);
    g_assert_true(find(made_count - 1) == made[made_count - 1]);
    g_assert_null(block_from_host(codes[0] + 1));
    for (unsigned i = 0; i < code_region_count + 1; i++) {
        fill_region();
    }
    g_assert_true(find(made_count - 1) == made[made_count - 1]);
}

int main(int argc, char **argv)
{
    static char accel[] = "tcg,tb-size=1";

    tcg_machine_begin(&argc, &argv, accel, CPUS);
    g_test_add_func("/tcg-regions/ring", test_ring);
    g_test_add_func("/tcg-regions/jump-caches", test_jump_caches);
    g_test_add_func("/tcg-regions/waits-for-turn", test_waits_for_turn);
    g_test_add_func("/tcg-regions/trim", test_trim);
    return tcg_machine_end();
}

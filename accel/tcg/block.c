/* SPDX-License-Identifier: MIT */
/*
 * Blocks: finding them by guest key and by host address, chaining and unchaining.
 *
 * Built without SSE: runs while guest FPU state is live. Blocks are numbered in the order of their
 * code in the cache, so a host address finds its block by binary search, in a signal handler too.
 */
#include "accel/tcg/block-pool.h"
#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"
#include "util/log.h"

Block *block_hash[1u << BLOCK_HASH_BITS];
BlockStatistics block_statistics;

static Block **hash_slot(uint64_t ram_address, uint64_t rip, uint32_t mode)
{
    uint64_t hash = (ram_address ^ rip << 7 ^ mode) * 0x9e3779b97f4a7c15ull;
    return &block_hash[hash >> (64 - BLOCK_HASH_BITS)];
}

Block *block_lookup(uint64_t ram_address, uint64_t rip, uint32_t mode, uint64_t cs_key)
{
    Block *block = *hash_slot(ram_address, rip, mode);

    while (block && !(block->ram_address == ram_address && block->rip == rip &&
                      block->mode == mode && block->cs_key == cs_key)) {
        block = block->next_hash;
    }
    return block;
}

/* Pages with code, for writes beside it: direct mapped, a page not found here may overlap. */
#define KNOWN_PAGES 4096u

static CodePage *known_pages[KNOWN_PAGES];

static CodePage **known_page(uint64_t ram_page)
{
    return &known_pages[(ram_page >> TARGET_PAGE_BITS) % KNOWN_PAGES];
}

void block_remember_page(CodePage *page)
{
    *known_page(page->ram_page) = page;
}

void block_forget_page(const CodePage *page)
{
    if (*known_page(page->ram_page) == page) {
        *known_page(page->ram_page) = NULL;
    }
}

bool blocks_overlap(uint64_t ram_address, unsigned size)
{
    uint64_t ram_page = ram_address & ~(TARGET_PAGE_SIZE - 1);
    unsigned first = (unsigned)(ram_address - ram_page);
    CodePage *page = *known_page(ram_page);

    return !page || page->ram_page != ram_page ||
           page->granules & block_granules(first, first + size - 1) || code_page_grows_hot(page, 1);
}

void block_insert(Block *block)
{
    Block **slot = hash_slot(block->ram_address, block->rip, block->mode);

    block->valid = true;
    __atomic_store_n(&code_region->count, code_region->count + 1, __ATOMIC_RELEASE);
    block->next_hash = *slot;
    *slot = block;
}

/* -- Chaining ---------------------------------------------------------------------------------- */

static void slot_set(JumpSlot *slot, const uint8_t *target_writable)
{
    int32_t displacement = (int32_t)(target_writable - (slot->place + 4));
    __atomic_store_n((int32_t *)slot->place, displacement, __ATOMIC_RELEASE);
}

static uint64_t page_of(const Block *block, uint64_t rip)
{
    return (block->cs_key + rip) >> TARGET_PAGE_BITS;
}

static const uint8_t *entry_for(const JumpSlot *slot, const Block *to)
{
    bool saved = slot->flags == FLAGS_SAVED || (slot->flags == FLAGS_BOTH && to->takes_saved);
    return saved ? to->code_saved : to->code_host;
}

void block_link(JumpSlot *slot, Block *to)
{
    Block *from = slot->from;

    /* an interrupt may have come between the jump and the block that was run next */
    if (!tcg_options.opt_chain || log_enabled(LOG_NOCHAIN) || to->second_page != BLOCK_NO_PAGE ||
        slot->to || !from->valid || !to->valid || to->rip != slot->target ||
        ((from->mode ^ to->mode) & ~BLOCK_CAREFUL) ||
        slot->careful != !!(to->mode & BLOCK_CAREFUL) || from->cs_key != to->cs_key ||
        page_of(from, from->rip) != page_of(to, to->rip)) {
        return;
    }
    slot->to = to;
    slot->next_in = to->incoming;
    to->incoming = slot;
    COUNT_UP(block_statistics.chained);
    slot_set(slot, code_cache_writable(entry_for(slot, MUTANT(73, to, from))));
}

static void slot_unlink(JumpSlot *slot)
{
    JumpSlot **link;

    if (!slot->to) {
        return;
    }
    for (link = &slot->to->incoming; *link != slot; link = &(*link)->next_in) {
    }
    *link = slot->next_in;
    slot->to = NULL;
    COUNT_SET(block_statistics.chained, block_statistics.chained - 1);
    slot_set(slot, MUTANT(74, slot->stub, slot->place + 4));
}

static void forget_in_jump_caches(const Block *block)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *cpu = vcpu_get(i)->cpu;
        JumpCacheEntry *entry = &cpu->tcg.jump_cache[block->rip & (JUMP_CACHE_ENTRIES - 1)];
        if (MUTANT(75, entry->code == block->code, false)) {
            entry->key = 0;
        }
    }
}

void block_detach(Block *block)
{
    Block **link = hash_slot(block->ram_address, block->rip, block->mode);

    __atomic_store_n(&block->valid, false, __ATOMIC_SEQ_CST);
    COUNT_UP(block_statistics.dropped);
    while (*link != block) {
        link = &(*link)->next_hash;
    }
    *link = block->next_hash;
    while (MUTANT(76, block->incoming, NULL)) {
        slot_unlink(block->incoming);
    }
    for (JumpSlot *slot = block->slots; slot; slot = slot->next_out) {
        slot_unlink(slot);
    }
}

void block_drop(Block *block)
{
    block_detach(block);
    forget_in_jump_caches(block);
}

/* -- From a host address ----------------------------------------------------------------------- */

Block *block_from_host(const void *host_pc)
{
    size_t offset = (size_t)((const uint8_t *)host_pc - code_cache.execute);
    size_t index = (offset - code_cache.blocks_start) / code_cache.region_size;
    size_t low = 0, high;
    Block *blocks;

    if (offset < code_cache.blocks_start || index >= code_region_count) {
        return NULL;
    }
    blocks = code_regions[index].blocks;
    high = __atomic_load_n(&code_regions[index].count, __ATOMIC_ACQUIRE);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (blocks[middle].code <= (const uint8_t *)host_pc) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (!low || (const uint8_t *)host_pc >= blocks[low - 1].code + blocks[low - 1].code_size) {
        return NULL;
    }
    return &blocks[low - 1];
}

const InsnMark *block_find_mark(const Block *block, const void *host_pc)
{
    uint32_t offset = (uint32_t)((const uint8_t *)host_pc - block->code);
    uint32_t low = 0, high = block->mark_count;

    while (low + 1 < high) { /* the first one is at the block's start */
        uint32_t middle = (low + high) / 2;
        if (block->marks[middle].host_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &block->marks[low];
}

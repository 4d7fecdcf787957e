/* SPDX-License-Identifier: MIT */
/*
 * Pages with code: making blocks, and dropping them when the guest or a device writes to their
 * bytes.
 *
 * A block belongs to one page of guest RAM and is keyed by its RAM address, RIP, CS base and mode.
 * Space is reused only by a flush of the whole cache: a dropped block keeps its code, which nothing
 * leads to any more except a vCPU that is still in it. A device's write comes from another thread:
 * it is queued, the vCPUs are kicked, and they drop the blocks before they run on.
 */
#include "accel/tcg/block-pool.h"
#include "util/bitmap.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#define MAX_BLOCKS (1u << 20)
#define ARENA_SIZE (1ull << 30)   /* reserved, touched as used */
#define BLOCK_HEADROOM (1u << 16) /* more than one block can take of cache or arena */
#define GRANULE_BITS 6

typedef struct CodePage {
    uint64_t ram_page;
    Block *blocks;
    uint64_t granules; /* a bit per 64 bytes that hold translated code */
} CodePage;

static uint8_t *arena;
static size_t arena_used;
static GHashTable *pages; /* ram_page -> CodePage */
static uint64_t stat_translated, stat_invalidated, stat_flushes, stat_misses_of_granules;

static void *reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void *blocks_arena_alloc(size_t size)
{
    void *memory = arena + arena_used;

    arena_used += (size + 15) & ~(size_t)15;
    return memory;
}

/* -- Making ----------------------------------------------------------------------------------- */

static CodePage *page_get(uint64_t ram_page)
{
    CodePage *page = g_hash_table_lookup(pages, &ram_page);

    if (!page) {
        page = g_new0(CodePage, 1);
        page->ram_page = ram_page;
        g_hash_table_insert(pages, &page->ram_page, page);
    }
    return page;
}

static void page_add(CodePage *page, Block *block)
{
    unsigned offset = block->ram_address & (TARGET_PAGE_SIZE - 1);
    unsigned last = offset + block->guest_size - 1;

    for (unsigned g = offset >> GRANULE_BITS; g <= last >> GRANULE_BITS && g < 64; g++) {
        page->granules |= 1ull << g;
    }
    block->next_page = page->blocks;
    page->blocks = block;
}

/* Withdraws write permission first, so that the bytes cannot change unseen after they were read. */
static void page_protect(const FlatRange *range, uint64_t ram_page)
{
    RamBlock *ram = range->region->ram;
    size_t page = (ram_page - ram->ram_address) >> TARGET_PAGE_BITS;

    if (bitmap_test_and_clear_atomic(ram->dirty[DIRTY_CODE], page)) {
        for (unsigned i = 0; i < vcpu_count(); i++) {
            tlb_protect_page(vcpu_get(i)->cpu, ram_page);
        }
    }
}

Block *block_translate(X86Cpu *cpu, const PageTarget *target, const FlatRange *range)
{
    unsigned offset = target->physical & (TARGET_PAGE_SIZE - 1);
    Emitter e;
    Block *block;
    bool full = false;

    page_protect(range, target->ram_page);
    if (block_pool_count == MAX_BLOCKS || code_cache.used + BLOCK_HEADROOM > code_cache.size ||
        arena_used + BLOCK_HEADROOM > ARENA_SIZE) {
        blocks_flush();
    }
    block = &block_pool[block_pool_count];
    memset(block, 0, sizeof(*block));
    block->rip = cpu->rip;
    block->ram_address = target->ram_page + offset;
    block->cs_base = cpu->seg[SEG_CS].base;
    block->mode = cpu->mode;
    e = (Emitter){code_cache.write + code_cache.used, code_cache.write + code_cache.size,
                  code_cache.execute - code_cache.write};
    if (!target_translate(cpu, block, target->host, (unsigned)TARGET_PAGE_SIZE - offset, &e,
                          &full)) {
        return NULL;
    }
    code_cache.used = ((size_t)(e.p - code_cache.write) + 15) & ~(size_t)15;
    block_insert(block);
    page_add(page_get(target->ram_page), block);
    stat_translated++;
    return block;
}

/* -- Dropping --------------------------------------------------------------------------------- */

static uint64_t granules_of(unsigned first, unsigned last)
{
    uint64_t mask = 0;

    for (unsigned g = first >> GRANULE_BITS; g <= last >> GRANULE_BITS; g++) {
        mask |= 1ull << g;
    }
    return mask;
}

/* Drops the blocks of a page that overlap [first, last]; the page may be written freely again when
 * none is left. */
static void page_invalidate(CodePage *page, unsigned first, unsigned last)
{
    Block **link = &page->blocks;
    uint64_t granules = 0;

    if (!(page->granules & granules_of(first, last))) {
        stat_misses_of_granules++;
        return;
    }
    while (*link) {
        Block *block = *link;
        unsigned start = block->ram_address & (TARGET_PAGE_SIZE - 1);
        unsigned end = start + block->guest_size - 1;
        if (start <= last && end >= first) {
            block_drop(block);
            stat_invalidated++;
            *link = block->next_page;
        } else {
            granules |= granules_of(start, MIN(end, (unsigned)TARGET_PAGE_SIZE - 1));
            link = &block->next_page;
        }
    }
    page->granules = granules;
}

void blocks_invalidate(uint64_t ram_address, uint64_t size)
{
    uint64_t end = ram_address + size;

    while (ram_address < end) {
        uint64_t ram_page = ram_address & ~(TARGET_PAGE_SIZE - 1);
        uint64_t stop = MIN(end, ram_page + TARGET_PAGE_SIZE);
        CodePage *page = g_hash_table_lookup(pages, &ram_page);
        if (page) {
            page_invalidate(page, (unsigned)(ram_address - ram_page),
                            (unsigned)(stop - 1 - ram_page));
        }
        ram_address = stop;
    }
}

bool blocks_page_is_clear(uint64_t ram_address)
{
    uint64_t ram_page = ram_address & ~(TARGET_PAGE_SIZE - 1);
    CodePage *page = g_hash_table_lookup(pages, &ram_page);
    return !page || !page->blocks;
}

void blocks_flush(void)
{
    g_hash_table_remove_all(pages);
    memset(block_hash, 0, sizeof(block_hash));
    __atomic_store_n(&block_pool_count, 0, __ATOMIC_RELEASE);
    arena_used = 0;
    code_cache.used = code_cache.blocks_start;
    code_cache.flush_count++;
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *cpu = vcpu_get(i)->cpu;
        memset(cpu->tcg.jump_cache, 0, sizeof(cpu->tcg.jump_cache));
    }
    stat_flushes++;
}

/* -- Writes ----------------------------------------------------------------------------------- */

typedef struct CodeWrite {
    RamBlock *ram;
    uint64_t offset, size;
} CodeWrite;

static GMutex queue_lock; /* a leaf of the lock order */
static GArray *queue;     /* of CodeWrite */
int code_writes_pending;

static void code_written_now(const CodeWrite *write)
{
    uint64_t first = write->offset & ~(TARGET_PAGE_SIZE - 1);

    blocks_invalidate(write->ram->ram_address + write->offset, write->size);
    for (uint64_t page = first; page < write->offset + write->size; page += TARGET_PAGE_SIZE) {
        if (blocks_page_is_clear(write->ram->ram_address + page)) {
            bitmap_test_and_set_atomic(write->ram->dirty[DIRTY_CODE], page >> TARGET_PAGE_BITS);
        }
    }
}

static void code_written(RamBlock *ram, uint64_t offset, uint64_t size)
{
    CodeWrite write = {ram, offset, size};

    if (vcpu_self() && vcpu_count() == 1) {
        code_written_now(&write);
        return;
    }
    g_mutex_lock(&queue_lock);
    g_array_append_val(queue, write);
    g_mutex_unlock(&queue_lock);
    __atomic_store_n(&code_writes_pending, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        vcpu_kick(vcpu_get(i));
    }
}

void code_writes_process(void)
{
    GArray *writes;

    __atomic_store_n(&code_writes_pending, 0, __ATOMIC_SEQ_CST);
    g_mutex_lock(&queue_lock);
    writes = queue;
    queue = g_array_new(FALSE, FALSE, sizeof(CodeWrite));
    g_mutex_unlock(&queue_lock);
    for (unsigned i = 0; i < writes->len; i++) {
        code_written_now(&g_array_index(writes, CodeWrite, i));
    }
    g_array_free(writes, TRUE);
}

bool blocks_init(Error **err)
{
    block_pool = reserve(sizeof(Block) * (size_t)MAX_BLOCKS);
    arena = reserve(ARENA_SIZE);
    if (!block_pool || !arena) {
        return error_set_errno(err, errno, "cannot reserve memory for translated blocks");
    }
    pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    queue = g_array_new(FALSE, FALSE, sizeof(CodeWrite));
    ram_code_written = code_written;
    return true;
}

char *blocks_info_text(void)
{
    return g_strdup_printf("Translation buffer state:\n"
                           "gen code size       %zu/%zu\n"
                           "TB count            %zu\n"
                           "\nStatistics:\n"
                           "TB flush count      %" PRIu64 "\n"
                           "TB invalidate count %" PRIu64 "\n"
                           "TB translated       %" PRIu64 "\n"
                           "writes beside code  %" PRIu64 "\n",
                           code_cache.used, code_cache.size, block_pool_count, stat_flushes,
                           stat_invalidated, stat_translated, stat_misses_of_granules);
}

/* SPDX-License-Identifier: MIT */
/*
 * Pages with code: making blocks, and dropping them when the guest or a device writes to their
 * bytes.
 *
 * A block belongs to one page of guest RAM and is keyed by its RAM address, RIP, CS base and mode.
 * A dropped block keeps its code, which nothing leads to any more except a vCPU that is still in
 * it, until its region is reused (regions.c). A device's write comes from another thread: it is
 * queued, the vCPUs are kicked, and they drop the blocks before they run on.
 */
#include "accel/tcg/checked-pages.h"
#include "accel/tcg/jit-dump.h"
#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"
#include "accel/tcg/perf-map.h"
#include "target/i386/helpers/access.h"
#include "util/bitmap.h"
#include "util/trace.h"

#include <limits.h>
#include <pthread.h>

#define INSN_MAX_BYTES 15

static GHashTable *pages; /* ram_page -> CodePage */

/* -- Making ------------------------------------------------------------------------------------ */

CodePage *block_page_find(uint64_t ram_page)
{
    return g_hash_table_lookup(pages, &ram_page);
}

static CodePage *page_get(uint64_t ram_page)
{
    CodePage *page = g_hash_table_lookup(pages, &ram_page);

    if (!page) {
        page = g_new0(CodePage, 1);
        page->ram_page = ram_page;
        page->blocks = g_ptr_array_new();
        g_hash_table_insert(pages, &page->ram_page, page);
        block_remember_page(page);
    }
    return page;
}

static void page_free(void *opaque)
{
    CodePage *page = opaque;

    block_forget_page(page);
    checked_page_end(page);
    g_ptr_array_free(page->blocks, TRUE);
    g_free(page);
}

/* First and last byte of the block in one of its pages. */
static void block_extent(const Block *block, uint64_t ram_page, unsigned *ret_first,
                         unsigned *ret_last)
{
    unsigned start =
        (unsigned)(block->ram_address + (uint64_t)block->guest_begin) & (TARGET_PAGE_SIZE - 1);
    unsigned last = start + MUTANT(77, block->guest_size, 1u) - 1;

    if (ram_page != (block->ram_address & ~(TARGET_PAGE_SIZE - 1))) { /* the tail of a straddler */
        *ret_first = 0;
        *ret_last = last - (unsigned)TARGET_PAGE_SIZE;
        return;
    }
    *ret_first = start;
    *ret_last = MIN(last, (unsigned)TARGET_PAGE_SIZE - 1);
}

static void page_add(uint64_t ram_page, Block *block)
{
    CodePage *page = page_get(ram_page);
    unsigned first, last;

    block_extent(block, ram_page, &first, &last);
    page->granules |= block_granules(first, MUTANT(78, last, first));
    g_ptr_array_add(page->blocks, block);
}

/* Withdraws write permission first, so that the bytes cannot change unseen after they were read. */
static void page_protect(X86Cpu *cpu, const FlatRange *range, uint64_t ram_page)
{
    RamBlock *ram = range->region->ram;
    size_t page = (ram_page - ram->ram_address) >> TARGET_PAGE_BITS;

    if (bitmap_test(ram->dirty[DIRTY_CODE], page)) {
        exclusive_begin(cpu);
        bitmap_test_and_clear_atomic(ram->dirty[DIRTY_CODE], page);
        for (unsigned i = 0; i < vcpu_count(); i++) {
            tlb_protect_pages(vcpu_get(i)->cpu, ram_page, TARGET_PAGE_SIZE);
        }
        exclusive_end();
    }
}

static Block *block_begin(const X86Cpu *cpu, uint64_t ram_address)
{
    Block *block = &code_region->blocks[code_region->count];

    memset(block, 0, sizeof(*block));
    block->rip = cpu->rip;
    block->ram_address = ram_address;
    block->second_page = BLOCK_NO_PAGE;
    block->cs_key = cpu_code_key(cpu);
    block->mode = cpu->mode | (cpu->tcg.own->careful ? BLOCK_CAREFUL : 0);
    block->heat = (uint32_t)tcg_options.hot;
    block->is_trace = !cpu->tcg.own->careful && tcg_options.hot &&
                      (tcg_options.hot == 1 || cpu->tcg.own->hot_rip == cpu->rip);
    return block;
}

static bool block_fill(X86Cpu *cpu, Block *block, const uint8_t *bytes, unsigned size,
                       unsigned max_insns)
{
    Emitter e = {code_cache.write + code_cache.used, code_cache.write + code_region->end,
                 code_cache.execute - code_cache.write};
    size_t arena_before = code_region->arena_used;

    if (!target_translate(cpu, block, bytes, size, max_insns, &e)) {
        return false;
    }
    g_assert(block->code_size <= REGION_HEADROOM &&
             code_region->arena_used - arena_before <= REGION_HEADROOM);
    code_cache.used = ((size_t)(e.p - code_cache.write) + 15) & ~(size_t)15;
    COUNT_SET(code_region->used, code_cache.used);
    block_insert(block);
    perf_map_add(cpu, block);
    jit_dump_add(cpu, block);
    COUNT_UP(block_statistics.translated);
    COUNT_ADD(block_statistics.guest_insns, block->insn_count);
    COUNT_ADD(block_statistics.guest_bytes, block->guest_size);
    COUNT_ADD(block_statistics.host_bytes, block->code_size);
    return true;
}

/* An instruction that begins in the last bytes of one page and ends in the next is a block of its
 * own; who finds it checks that the next page is still the same. */
static Block *translate_straddler(X86Cpu *cpu, const PageTarget *target, unsigned offset)
{
    unsigned room = (unsigned)TARGET_PAGE_SIZE - offset;
    uint64_t next = cpu_code_linear(cpu, cpu->rip + room);
    uint8_t bytes[16];
    PageTarget second;
    CodePage *page;
    Block *block;

    if (room >= INSN_MAX_BYTES) {
        return NULL;
    }
    if (!tlb_resolve(cpu, next, ACCESS_EXEC, &second) || !second.host ||
        ((page = block_page_find(second.ram_page)) && page->is_checked)) {
        return NULL;
    }
    page_protect(cpu, address_space_lookup(cpu_code_space(cpu), second.physical), second.ram_page);
    memcpy(bytes, target->host, room);
    memcpy(bytes + room, second.host, INSN_MAX_BYTES - room);
    block = block_begin(cpu, target->ram_page + offset);
    block->second_page = second.ram_page;
    if (!block_fill(cpu, block, bytes, INSN_MAX_BYTES, 1)) {
        return NULL;
    }
    page_add(target->ram_page, block);
    page_add(MUTANT(79, second.ram_page, target->ram_page), block);
    return block;
}

/* What crosses into the next page is left to exact mode. */
static Block *translate_checked(X86Cpu *cpu, const PageTarget *target, const CodePage *page,
                                unsigned offset)
{
    unsigned size = MIN((unsigned)TARGET_PAGE_SIZE - offset, CHECKED_MAX_BYTES);
    Block *block = block_begin(cpu, target->ram_page + offset);
    CheckedCode checked;

    checked_block_begin(block, &checked, page, target->host, size);
    if (!block_fill(cpu, block, checked.bytes, size, UINT_MAX)) {
        return NULL;
    }
    block->checked = blocks_arena_alloc(sizeof(checked));
    *block->checked = checked;
    page_add(target->ram_page, block);
    return block;
}

Block *block_translate(X86Cpu *cpu, const PageTarget *target, const FlatRange *range)
{
    unsigned offset = target->physical & (TARGET_PAGE_SIZE - 1);
    CodePage *page;
    Block *block;

    if (!regions_make_room(cpu)) {
        return NULL;
    }
    page = page_get(target->ram_page);
    if (tcg_options.check == CHECK_ALL && !page->is_checked) {
        checked_page_begin(page);
    }
    if (page->is_checked) {
        return translate_checked(cpu, target, page, offset);
    }
    page_protect(cpu, range, target->ram_page);
    block = block_begin(cpu, target->ram_page + offset);
    if (!block_fill(cpu, block, target->host, (unsigned)TARGET_PAGE_SIZE - offset, UINT_MAX)) {
        return translate_straddler(cpu, target, offset);
    }
    page_add(target->ram_page, block);
    return block;
}

/* -- Dropping ---------------------------------------------------------------------------------- */

static void page_grows_hot(CodePage *page, unsigned heat)
{
    if (!page->is_checked && code_page_grows_hot(page, heat)) {
        checked_page_begin(page);
    }
}

/* Drops the blocks of a page that overlap [first, last]. */
static void page_invalidate(CodePage *page, unsigned first, unsigned last)
{
    uint64_t granules = 0;
    unsigned kept = 0;

    if (!(page->granules & block_granules(first, last))) {
        COUNT_UP(block_statistics.beside_code);
        page_grows_hot(page, 1);
        return;
    }
    page_grows_hot(page, HEAT_OF_DROP);
    for (unsigned i = 0; i < page->blocks->len; i++) {
        Block *block = page->blocks->pdata[i];
        unsigned block_first, block_last;
        if (!block->valid) {
            continue; /* dropped through its other page */
        }
        block_extent(block, page->ram_page, &block_first, &block_last);
        if (block_first <= last && MUTANT(80, block_last >= first, block_last > first)) {
            block_drop(block);
            COUNT_UP(block_statistics.invalidated);
        } else {
            granules |= block_granules(block_first, block_last);
            page->blocks->pdata[kept++] = block;
        }
    }
    g_ptr_array_set_size(page->blocks, (int)kept);
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

static void drop_at(CodeRegion *region, uint64_t linear)
{
    for (size_t i = 0; i < region->count; i++) {
        Block *block = &region->blocks[i];
        uint64_t from_start = linear - (block->cs_key + block->rip + (uint64_t)block->guest_begin);
        if (!(block->mode & CPU_MODE_CS_L)) {
            from_start = (uint32_t)from_start;
        }
        if (block->valid && from_start < block->guest_size) {
            block_drop(block);
            COUNT_UP(block_statistics.invalidated);
        }
    }
}

/* By their own addresses: a page may be mapped in more places than one can find. */
void tcg_drop_code_at(uint64_t linear)
{
    for (unsigned i = 0; i < code_region_count; i++) {
        drop_at(&code_regions[i], linear);
    }
}

/* What is dropped goes; so nothing is left to do when its neighbour in the page is asked for in the
 * same pass. A page may have tens of thousands of blocks. */
static void page_forget_dropped(uint64_t ram_page, uint64_t pass)
{
    CodePage *page = g_hash_table_lookup(pages, &ram_page);
    uint64_t granules = 0;
    unsigned kept = 0;

    if (!page || page->forgot == pass) {
        return;
    }
    page->forgot = pass;
    for (unsigned i = 0; i < page->blocks->len; i++) {
        Block *block = page->blocks->pdata[i];
        unsigned first, last;
        if (block->valid) {
            block_extent(block, ram_page, &first, &last);
            granules |= block_granules(first, last);
            page->blocks->pdata[kept++] = block;
        }
    }
    g_ptr_array_set_size(page->blocks, (int)kept);
    page->granules = granules;
    page->stale_count = 0;
}

void blocks_forget_in_pages(const Block *block, uint64_t pass)
{
    page_forget_dropped(block->ram_address & ~(TARGET_PAGE_SIZE - 1), pass);
    if (block->second_page != BLOCK_NO_PAGE) {
        page_forget_dropped(block->second_page, pass);
    }
}

bool blocks_page_is_clear(uint64_t ram_address)
{
    uint64_t ram_page = ram_address & ~(TARGET_PAGE_SIZE - 1);
    CodePage *page = g_hash_table_lookup(pages, &ram_page);
    return !page || page->is_checked || !page->blocks->len;
}

void blocks_flush(bool release)
{
    LOG(LOG_MMU, "mmu: all translated code is dropped\n");
    TRACE(tcg_flush, "blocks %zu bytes %zu", regions_block_count(), regions_code_size());
    g_hash_table_remove_all(pages);
    memset(block_hash, 0, sizeof(block_hash));
    regions_reset(release);
    code_cache.flush_count++;
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *cpu = vcpu_get(i)->cpu;
        memset(cpu->tcg.jump_cache, 0, sizeof(cpu->tcg.jump_cache));
    }
    COUNT_SET(block_statistics.dropped, 0);
    COUNT_SET(block_statistics.chained, 0);
}

/* -- Writes ------------------------------------------------------------------------------------ */

typedef struct CodeWrite {
    RamBlock *ram;
    uint64_t offset, size;
} CodeWrite;

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf of the lock order */
static GArray *queue;                                          /* of CodeWrite */
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

static void queue_write(const CodeWrite *write)
{
    pthread_mutex_lock(&queue_lock);
    g_array_append_val(queue, *write);
    __atomic_store_n(&code_writes_pending, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&queue_lock);
}

static void code_written(RamBlock *ram, uint64_t offset, uint64_t size)
{
    CodeWrite write = {ram, offset, size};

    if (vcpu_self() && !tcg_parallel) {
        code_written_now(&write);
        return;
    }
    queue_write(&write);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        vcpu_kick(vcpu_get(i));
    }
}

/* Never at once: the walk may serve a block that is being translated, or looked up. CPUs that are
 * halted need no kick, they look when they wake. */
void code_written_by_walk(RamBlock *ram, uint64_t offset, uint64_t size)
{
    CodeWrite write = {ram, offset, size};

    queue_write(&write);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        Vcpu *vcpu = vcpu_get(i);
        vcpu->ops->kick(vcpu);
    }
}

void code_writes_process(void)
{
    GArray *writes;

    pthread_mutex_lock(&queue_lock);
    writes = queue;
    queue = g_array_new(FALSE, FALSE, sizeof(CodeWrite));
    pthread_mutex_unlock(&queue_lock);
    for (unsigned i = 0; i < writes->len; i++) {
        code_written_now(&g_array_index(writes, CodeWrite, i));
    }
    g_array_free(writes, TRUE);
    /* Only now: who finds nothing pending runs on without the code lock. */
    pthread_mutex_lock(&queue_lock);
    __atomic_store_n(&code_writes_pending, queue->len > 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&queue_lock);
}

bool blocks_init(Error **err)
{
    if (!regions_init(err)) {
        return false;
    }
    pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, page_free);
    queue = g_array_new(FALSE, FALSE, sizeof(CodeWrite));
    ram_code_written = code_written;
    return true;
}

void blocks_fini(void)
{
    g_hash_table_destroy(pages);
    g_array_free(queue, TRUE);
    code_writes_pending = 0;
    memset(block_hash, 0, sizeof(block_hash));
    regions_fini();
}

/* SPDX-License-Identifier: MIT */
/*
 * Pages whose code is written all the time: a guest that makes code as it runs, data beside code.
 *
 * Translated code is mostly protected: its page may not be written without asking, each write drops
 * the blocks it hits, and the next translation withdraws the right again. A page where that happens
 * too often becomes a checked one. It may be written freely, and its blocks compare their own bytes
 * with those they were made from whenever they are entered. So that a block never runs on in bytes
 * it has just changed, it ends behind its first write. Nobody has to stand still for translating a
 * checked page, because blocks are made from a copy of its bytes.
 *
 * Where only an immediate or a displacement was found changed, its bytes become loose: the next
 * block made of them reads the value when it runs.
 *
 * A page does not stay checked: after a second or two it is protected again, and what it costs to
 * find out once more that it is written all the time is small beside that.
 */
#include "accel/tcg/checked-pages.h"

#include <glib.h>
#include <string.h>

#define CALM_SHIFT 32 /* of time stamps: a second or two */

static CodePage *checked_pages;
uint16_t checked_page_counts[CHECKED_COUNTS];
uint64_t checked_until = UINT64_MAX;

static void drop_all(CodePage *page)
{
    for (unsigned i = 0; i < page->blocks->len; i++) {
        Block *block = page->blocks->pdata[i];
        if (block->valid) {
            block_drop(block);
        }
    }
    g_ptr_array_set_size(page->blocks, 0);
    page->granules = 0;
}

void checked_page_begin(CodePage *page)
{
    drop_all(page);
    if (!checked_pages && tcg_options.check != CHECK_ALL) {
        checked_until = __builtin_ia32_rdtsc() + (1ull << CALM_SHIFT);
    }
    page->is_checked = true;
    __atomic_add_fetch(checked_page_count(page->ram_page), 1, __ATOMIC_RELAXED);
    page->loose = g_new0(uint64_t, TARGET_PAGE_SIZE / 64);
    page->next_checked = checked_pages;
    checked_pages = page;
    COUNT_UP(block_statistics.checked_pages);
}

void checked_page_end(CodePage *page)
{
    CodePage **link = &checked_pages;

    if (!page->is_checked) {
        return;
    }
    while (*link != page) {
        link = &(*link)->next_checked;
    }
    *link = page->next_checked;
    page->is_checked = false;
    __atomic_sub_fetch(checked_page_count(page->ram_page), 1, __ATOMIC_RELAXED);
    page->heat = 0;
    g_clear_pointer(&page->loose, g_free);
    if (!checked_pages) {
        checked_until = UINT64_MAX;
    }
}

void checked_pages_calm(X86Cpu *cpu)
{
    code_lock(cpu);
    while (checked_pages) {
        drop_all(checked_pages);
        checked_page_end(checked_pages);
    }
    code_unlock();
}

void checked_block_begin(Block *block, CheckedCode *checked, const CodePage *page,
                         const uint8_t *host, unsigned size)
{
    memcpy(checked->bytes, host, size);
    checked->host = host;
    checked->loose = 0;
    checked->page_loose = page->loose;
    block->checked = checked;
    block->is_trace = false;
}

static void forget_dropped(CodePage *page)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < page->blocks->len; i++) {
        Block *block = page->blocks->pdata[i];
        if (block->valid) {
            page->blocks->pdata[kept++] = block;
        }
    }
    g_ptr_array_set_size(page->blocks, (int)kept);
    page->stale_count = 0;
}

void checked_block_stale(X86Cpu *cpu, Block *block)
{
    uint64_t flushes = code_cache.flush_count;
    uint64_t ram_page = block->ram_address & ~(TARGET_PAGE_SIZE - 1);
    uint8_t now[CHECKED_MAX_BYTES];
    CodePage *page;

    code_lock(cpu);
    if (flushes == code_cache.flush_count && block->valid) {
        page = block_page_find(ram_page);
        memcpy(now, block->checked->host, block->guest_size);
        target_find_loose(block, now, page->loose);
        block_drop(block);
        if (++page->stale_count > page->blocks->len / 2) {
            forget_dropped(page);
        }
        COUNT_UP(block_statistics.stale_blocks);
    }
    code_unlock();
}

/* SPDX-License-Identifier: MIT */
/* `info jit`: what was translated, why it was thrown away, and what leaves translated code. The
 * first lines have the names that users of QEMU know; then come sums over all CPUs, a counter a
 * line. Numbers are read while the CPUs go on. */
#include "accel/tcg/block-pool.h"

#include <inttypes.h>

typedef struct Row {
    const char *name;
    size_t offset; /* of a uint64_t in TcgStatistics */
} Row;

#define ROW(name, member)                                                                          \
    {                                                                                              \
        name, offsetof(TcgStatistics, member)                                                      \
    }

static const Row rows[] = {
    ROW("TLB refills", refills),
    ROW("TLB flushes, all", tlb_flushes[TLB_FLUSH_ALL]),
    ROW("TLB flushes, map changed", map_changes),
    ROW("TLB flushes, not global", tlb_flushes[TLB_FLUSH_NON_GLOBAL]),
    ROW("TLB flushes, only proved", proved),
    ROW("TLB flushes, page", tlb_flushes[TLB_FLUSH_PAGE]),
    ROW("TLB flushes, large page", tlb_flushes[TLB_FLUSH_LARGE_PAGE]),
    ROW("TLB flushes, context reused", tlb_flushes[TLB_FLUSH_REPLACED]),
    ROW("lookups", lookups),
    ROW("lookups from code", light_lookups),
    ROW("exits, jump to be chained", exits[EXIT_CHAIN]),
    ROW("exits, jump not in cache", exits[EXIT_LOOKUP]),
    ROW("exits, indirect not in cache", exits[EXIT_BRANCH]),
    ROW("exits, instruction for C", exits[EXIT_INSN]),
    ROW("exits, access for exact mode", exits[EXIT_EXACT]),
    ROW("exits, host fault", exits[EXIT_FAULT]),
    ROW("exits, block is hot", exits[EXIT_HOT]),
    ROW("exits, block is stale", exits[EXIT_STALE]),
    ROW("exits, kick", exits[EXIT_POLL]),
    ROW("naps of waiting loops", naps),
    ROW("shared checks that failed", windows_left),
    ROW("slow accesses, device", slow[SLOW_DEVICE]),
    ROW("slow accesses, page crossing", slow[SLOW_CROSSING]),
    ROW("crossing, or beside code", found_once),
    ROW("slow accesses, beside code", slow[SLOW_CODE]),
    ROW("slow accesses, read-only", slow[SLOW_ROM]),
    ROW("slow accesses, page fault", slow[SLOW_FAULT]),
    ROW("slow accesses, page walk", slow[SLOW_WALK]),
    ROW("locked in two cache lines", locked_lines),
    ROW("exact steps", exact_steps),
    ROW("exact steps, no block", steps[STEP_NO_BLOCK]),
    ROW("exact steps, trap", steps[STEP_TRAP]),
    ROW("exact steps, alignment", steps[STEP_ALIGNMENT]),
    ROW("exact steps, shadow", steps[STEP_SHADOW]),
};

static const TcgStatistics *statistics_of(unsigned cpu_index)
{
    const TcgCpu *own = ((X86Cpu *)vcpu_get(cpu_index)->cpu)->tcg.own;
    return own ? &own->statistics : NULL;
}

static uint64_t sum_of(size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < vcpu_count(); i++) {
        const TcgStatistics *statistics = statistics_of(i);
        if (statistics) {
            sum += COUNTED(*(const uint64_t *)((const uint8_t *)statistics + offset));
        }
    }
    return sum;
}

/* Segment limits, masks that leave bytes out: accesses that asked for no refill. */
static uint64_t other_slow_accesses(void)
{
    uint64_t other = sum_of(offsetof(TcgStatistics, exits[EXIT_EXACT]));

    for (unsigned cause = 0; cause < SLOW_COUNT; cause++) {
        uint64_t known = sum_of(offsetof(TcgStatistics, slow[0]) + cause * sizeof(uint64_t));
        other = other > known ? other - known : 0;
    }
    return other;
}

/* The CPUs count on meanwhile. */
static BlockStatistics count_blocks(void)
{
    BlockStatistics now;
    const uint64_t *from = (const uint64_t *)&block_statistics;
    uint64_t *to = (uint64_t *)&now;

    for (size_t i = 0; i < sizeof(now) / sizeof(*to); i++) {
        to[i] = COUNTED(from[i]);
    }
    return now;
}

static void append_blocks(GString *text)
{
    const BlockStatistics now = count_blocks(), *s = &now;
    uint64_t made = MAX(s->translated, 1), kept = regions_block_count();

    g_string_append_printf(text,
                           "Translation buffer state:\n"
                           "gen code size       %zu/%zu\n"
                           "TB count            %" PRIu64 "\n"
                           "TB avg target size  %" PRIu64 " bytes, %.1f instructions\n"
                           "TB avg host size    %" PRIu64 " bytes (expansion ratio: %.1f)\n"
                           "direct jump count   %" PRIu64 " chained\n",
                           regions_code_size(), code_cache.size - code_cache.blocks_start,
                           kept - MIN(kept, s->dropped), s->guest_bytes / made,
                           (double)s->guest_insns / (double)made, s->host_bytes / made,
                           (double)s->host_bytes / (double)MAX(s->guest_bytes, 1), s->chained);
    g_string_append_printf(
        text,
        "\nStatistics:\n"
        "TB flush count      %" PRIu64 "\n"
        "TB eviction count   %" PRIu64 " regions of %u, %" PRIu64 " blocks, waited %" PRIu64 "\n"
        "TB invalidate count %" PRIu64 "\n"
        "TB translated       %" PRIu64 "\n"
        "writes beside code  %" PRIu64 "\n"
        "pages made checked  %" PRIu64 ", blocks found stale %" PRIu64 "\n",
        s->flushes, s->evictions, code_region_count, s->evicted, s->eviction_waits, s->invalidated,
        s->translated, s->beside_code, s->checked_pages, s->stale_blocks);
}

static void append_row(GString *text, const char *name, uint64_t value)
{
    g_string_append_printf(text, "%-31s %" PRIu64 "\n", name, value);
}

void tcg_count(AccelCountFn *fn, void *opaque)
{
    const BlockStatistics now = count_blocks(), *s = &now;

    fn("blocks translated", s->translated, opaque);
    fn("guest instructions translated", s->guest_insns, opaque);
    fn("blocks invalidated", s->invalidated, opaque);
    fn("blocks evicted", s->evicted, opaque);
    fn("code cache flushes", s->flushes, opaque);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        fn(rows[i].name, sum_of(rows[i].offset), opaque);
    }
}

char *tcg_info_jit(void)
{
    GString *text = g_string_new(NULL);

    append_blocks(text);
    g_string_append(text, "\nAll CPUs:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        append_row(text, rows[i].name, sum_of(rows[i].offset));
        if (rows[i].offset == offsetof(TcgStatistics, slow[SLOW_COUNT - 1])) {
            append_row(text, "slow accesses, other", other_slow_accesses());
        }
    }
    for (unsigned i = 0; vcpu_count() > 1 && i < vcpu_count(); i++) {
        const TcgStatistics *s = statistics_of(i);
        if (s) {
            g_string_append_printf(
                text,
                "CPU %u: TLB refills %" PRIu64 ", exact steps %" PRIu64 ", lookups %" PRIu64 "\n",
                i, COUNTED(s->refills), COUNTED(s->exact_steps), COUNTED(s->lookups));
        }
    }
    target_append_jit_info(text);
    return g_string_free(text, FALSE);
}

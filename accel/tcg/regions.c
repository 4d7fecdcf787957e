/* SPDX-License-Identifier: MIT */
/*
 * Eviction without a stop. The cache is a ring of regions, filled one after the other. When one
 * becomes current, the one behind it, the oldest, is retired: its blocks leave the hash, the
 * chains, the jump caches and the lists of pages, so that nothing leads to them any more, but their
 * code and their data stay. By the time the current region is full every CPU has long ended the
 * turn in which it may have found one of them, and the space is used again. Only a CPU that has
 * stayed in one turn all that time is kicked and waited for.
 *
 * A CPU counts its turns at their begin and end: an odd number is one inside of a turn. It counts
 * before it looks for blocks, and a retiring CPU drops blocks before it looks at the counts: either
 * the one does not find them or the other sees that it has to wait. A pointer that outlives a turn
 * (the jump that is to be chained) or a wait for the code lock is good only while flush_count is
 * the same, which retiring a region changes.
 */
#include "accel/tcg/regions.h"
#include "accel/tcg/block-pool.h"
#include "util/trace.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#define MIN_CODE_BYTES 128 /* of a block on average, at least: for the size of what is reserved */
#define ARENA_FACTOR 4     /* bytes of arena for one of code, at most */

CodeRegion code_regions[REGIONS_MAX];
unsigned code_region_count;
CodeRegion *code_region;

static void *reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void make_current(CodeRegion *region)
{
    code_region = region;
    code_cache.used = region->start;
}

bool regions_init(Error **err)
{
    size_t all = code_cache.size - code_cache.blocks_start;
    size_t count = MIN(MAX(all / REGION_SIZE, REGIONS_MIN), REGIONS_MAX);
    size_t size = all / count & ~(size_t)(TARGET_PAGE_SIZE - 1);

    code_region_count = (unsigned)count;
    code_cache.region_size = size;
    for (unsigned i = 0; i < count; i++) {
        CodeRegion *region = &code_regions[i];
        *region = (CodeRegion){.start = code_cache.blocks_start + i * size,
                               .max_count = size / MIN_CODE_BYTES,
                               .arena_size = size * ARENA_FACTOR};
        region->used = region->start;
        region->end = region->start + size;
        region->blocks = reserve(region->max_count * sizeof(Block));
        region->arena = reserve(region->arena_size);
        if (!region->blocks || !region->arena) {
            return error_set_errno(err, errno, "cannot reserve memory for translated blocks");
        }
    }
    make_current(&code_regions[0]);
    return true;
}

void regions_fini(void)
{
    for (unsigned i = 0; i < code_region_count; i++) {
        munmap(code_regions[i].blocks, code_regions[i].max_count * sizeof(Block));
        munmap(code_regions[i].arena, code_regions[i].arena_size);
    }
    code_region_count = 0;
}

void *blocks_arena_alloc(size_t size)
{
    void *memory = code_region->arena + code_region->arena_used;

    code_region->arena_used += (size + 15) & ~(size_t)15;
    return memory;
}

static bool has_room(const CodeRegion *region)
{
    return region->count < region->max_count && code_cache.used + REGION_HEADROOM <= region->end &&
           region->arena_used + REGION_HEADROOM <= region->arena_size;
}

static CodeRegion *behind(const CodeRegion *region)
{
    return &code_regions[(size_t)(region - code_regions + 1) % code_region_count];
}

/* -- Retiring ---------------------------------------------------------------------------------- */

static void forget_in_jump_cache(X86Cpu *cpu, const CodeRegion *region)
{
    const uint8_t *first = code_cache.execute + region->start;
    size_t size = region->end - region->start;

    for (unsigned i = 0; i < JUMP_CACHE_ENTRIES; i++) {
        JumpCacheEntry *entry = &cpu->tcg.jump_cache[i];
        if ((size_t)((const uint8_t *)entry->code - first) < size) {
            entry->key = 0;
            entry->block = NULL;
        }
    }
}

static void retire(CodeRegion *region)
{
    size_t count = region->count;

    if (!count) {
        return;
    }
    TRACE(tcg_evict, "region %u blocks %zu", (unsigned)(region - code_regions), count);
    COUNT_UP(block_statistics.evictions);
    for (size_t i = 0; i < count; i++) {
        if (region->blocks[i].valid) {
            COUNT_UP(block_statistics.evicted);
            block_detach(&region->blocks[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        blocks_forget_in_pages(&region->blocks[i], code_cache.flush_count + 1);
    }
    /* a full barrier, which the thread sanitizer understands: all that was withdrawn above is
     * seen before the turns are read */
    __atomic_fetch_add(&code_cache.flush_count, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        X86Cpu *cpu = vcpu_get(i)->cpu;
        forget_in_jump_cache(cpu, region);
        region->turns[i] =
            cpu->tcg.own ? __atomic_load_n(&cpu->tcg.own->turns, __ATOMIC_SEQ_CST) : 0;
    }
    region->is_retired = true;
}

bool region_is_drained(const CodeRegion *region, const X86Cpu *cpu)
{
    for (unsigned i = 0; region->is_retired && i < vcpu_count(); i++) {
        const X86Cpu *other = vcpu_get(i)->cpu;
        TcgCpu *own = other->tcg.own;
        if (other != cpu && own && region->turns[i] & 1 &&
            __atomic_load_n(&own->turns, __ATOMIC_SEQ_CST) == region->turns[i] &&
            !__atomic_load_n(&own->waits_empty, __ATOMIC_SEQ_CST)) {
            return false;
        }
    }
    return true;
}

static bool drain(const CodeRegion *region, X86Cpu *cpu)
{
    if (!region_is_drained(region, cpu)) {
        COUNT_UP(block_statistics.eviction_waits);
        exclusive_begin(cpu); /* kicks them and waits until they stand still */
        exclusive_end();
    }
    return region_is_drained(region, cpu); /* not so if one stands still inside of its turn */
}

/* Nothing is in it any more. Who ran its code to the end of his turn may still hold a jump of it,
 * noted after it was retired: that is old only now. */
static void reset(CodeRegion *region)
{
    __atomic_fetch_add(&code_cache.flush_count, 1, __ATOMIC_SEQ_CST);
    COUNT_SET(block_statistics.dropped,
              block_statistics.dropped - MIN(block_statistics.dropped, region->count));
    __atomic_store_n(&region->count, 0, __ATOMIC_RELEASE);
    region->arena_used = 0;
    COUNT_SET(region->used, region->start);
    region->is_retired = false;
}

/* A host that refuses keeps the memory: the next blocks use it again. */
static void release_memory(const CodeRegion *region, size_t code_end)
{
    madvise(region->blocks, region->count * sizeof(Block), MADV_DONTNEED);
    madvise(region->arena, region->arena_used, MADV_DONTNEED);
    code_end = (code_end + TARGET_PAGE_SIZE - 1) & ~(size_t)(TARGET_PAGE_SIZE - 1);
    if (code_end > region->start) {
        madvise(code_cache.write + region->start, code_end - region->start, MADV_REMOVE);
    }
}

/* A page that both views have mapped counts twice as resident. This one comes back by itself where
 * a jump is patched; what it holds stays. */
static void unmap_writable(const CodeRegion *region)
{
    madvise(code_cache.write + region->start, region->end - region->start, MADV_DONTNEED);
}

bool regions_make_room(X86Cpu *cpu)
{
    CodeRegion *next = behind(code_region);

    if (has_room(code_region)) {
        return true;
    }
    if (!drain(next, cpu)) {
        return false;
    }
    reset(next);
    unmap_writable(code_region);
    make_current(next);
    retire(behind(next));
    return true;
}

/* -- Idle guests ------------------------------------------------------------------------------- */

#define TRIM_NS 1000000000ll /* between two looks */
#define TRIM_CPU_SHARE 8     /* idle: the thread ran for less than one in so many... */
#define TRIM_BLOCKS 1000     /* ... and fewer blocks were made */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

void regions_trim(X86Cpu *cpu)
{
    CodeRegion *region = behind(code_region);

    for (; region != code_region; region = behind(region)) {
        if (region->is_retired && region_is_drained(region, cpu)) {
            release_memory(region, region->used);
            reset(region);
        } else if (region->count && !region->is_retired) {
            retire(region);
            return;
        }
    }
}

void regions_trim_idle(X86Cpu *cpu)
{
    static __thread int64_t last, last_cpu;
    static uint64_t last_translated; /* under the code lock */
    int64_t now = clock_ns(CLOCK_MONOTONIC_COARSE), on_cpu;
    bool is_idle;

    if (now - last < TRIM_NS) {
        return;
    }
    on_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    is_idle = on_cpu - last_cpu < (now - last) / TRIM_CPU_SHARE;
    last = now;
    last_cpu = on_cpu;
    code_lock(cpu);
    if (is_idle && block_statistics.translated - last_translated < TRIM_BLOCKS) {
        regions_trim(cpu);
    }
    last_translated = block_statistics.translated;
    code_unlock();
}

/* -- All of them ------------------------------------------------------------------------------- */

void regions_reset(bool release)
{
    for (unsigned i = 0; i < code_region_count; i++) {
        CodeRegion *region = &code_regions[i];
        if (release && region->count) {
            release_memory(region, region->used);
        }
        reset(region);
    }
    make_current(&code_regions[0]);
}

size_t regions_block_count(void)
{
    size_t count = 0;

    for (unsigned i = 0; i < code_region_count; i++) {
        count += COUNTED(code_regions[i].count);
    }
    return count;
}

size_t regions_code_size(void)
{
    size_t size = 0;

    for (unsigned i = 0; i < code_region_count; i++) {
        size += COUNTED(code_regions[i].used) - code_regions[i].start;
    }
    return size;
}

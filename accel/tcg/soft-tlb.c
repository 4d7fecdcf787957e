/* SPDX-License-Identifier: MIT */
/*
 * Soft TLB: one table per address-space context, filled by page walks, read by translated code.
 *
 * Built without SSE: it runs while the guest's FPU state is in the registers. A context is what the
 * target's key says (PCID, user or supervisor, AC under SMAP, SMM), and without PCID the root of
 * the page tables. A flush that takes the right to execute a page bumps the context's epoch, and
 * with it the jump key, so that jump-cache entries of the old mapping no longer match; nothing has
 * to walk the jump cache. Flushes walk the list of filled entries only.
 */
#include "accel/tcg/tcg-internal.h"
#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"
#include "accel/tcg/slots.h"
#include "target/i386/helpers/paging.h"
#include "util/bitmap.h"
#include "util/log.h"

#include <inttypes.h>

/* For -d mmu. The guest's FPU state may be live, and translated code may come next. */
#define TLB_LOG(cpu, ...)                                                                          \
    do {                                                                                           \
        if (log_enabled(LOG_MMU)) {                                                                \
            bool was_live = (cpu)->fpu_live;                                                       \
            fpu_park(cpu);                                                                         \
            log_printf(__VA_ARGS__);                                                               \
            if (was_live) {                                                                        \
                fpu_unpark(cpu);                                                                   \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static unsigned tlb_index(uint64_t linear)
{
    return linear >> TARGET_PAGE_BITS & (TLB_ENTRIES - 1);
}

#define UNCOUNTED UINT8_MAX

static uint8_t *writers_of(TlbTable *table, uint64_t ram_page)
{
    return &table->writers[ram_page >> TARGET_PAGE_BITS & (TLB_WRITER_COUNTS - 1)];
}

/* Gives the entry another write tag and keeps the count of those that may write, which once it is
 * full stays so. */
static void set_write_tag(TlbTable *table, unsigned i, uint64_t tag)
{
    uint64_t old = table->entries[i].tag_write, invalid = tlb_invalid_tag(i);
    uint8_t *writers = writers_of(table, table->ram_page[i]);

    if (*writers != UNCOUNTED) {
        *writers += (uint8_t)((tag != invalid) - (old != invalid));
    }
    table->entries[i].tag_write = tag;
}

static void entry_invalidate(TlbTable *table, unsigned i)
{
    TlbEntry *entry = &table->entries[i];

    entry->tag_read = entry->tag_exec = tlb_invalid_tag(i);
    set_write_tag(table, i, tlb_invalid_tag(i));
}

/* On the first use: a table that is never used costs no memory. */
static void table_begin(TlbTable *table)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++) {
        TlbEntry *entry = &table->entries[i];
        entry->tag_read = entry->tag_write = entry->tag_exec = tlb_invalid_tag(i);
    }
}

static void table_flush(TlbTable *table, bool keep_global)
{
    unsigned kept = 0;

    for (unsigned n = 0; n < table->filled_count; n++) {
        unsigned i = table->filled[n];
        if (keep_global && table->flags[i] & TLB_FLAG_GLOBAL) {
            table->filled[kept++] = (uint16_t)i;
        } else {
            entry_invalidate(table, i);
            table->flags[i] = 0;
        }
    }
    table->filled_count = kept;
    proof_forget(&table->proof);
}

static bool entry_is_empty(const TlbEntry *entry, unsigned i)
{
    uint64_t invalid = tlb_invalid_tag(i);

    return entry->tag_read == invalid && entry->tag_write == invalid && entry->tag_exec == invalid;
}

/* Drops what page tables do not say any more. True: the right to execute a page was among it. */
static bool table_prove(TlbTable *table)
{
    unsigned kept = 0;
    bool lost_code = false;

    for (unsigned n = 0; n < table->filled_count; n++) {
        unsigned i = table->filled[n];
        if ((table->flags[i] & TLB_FLAG_GLOBAL && tcg_options.opt_global) ||
            (!entry_is_empty(&table->entries[i], i) && proof_holds_for(&table->proof, i))) {
            table->filled[kept++] = (uint16_t)i;
            continue;
        }
        lost_code |= table->entries[i].tag_exec != tlb_invalid_tag(i);
        entry_invalidate(table, i);
        table->flags[i] = 0;
    }
    table->filled_count = kept;
    return lost_code;
}

/* -- Contexts and jump keys -------------------------------------------------------------------- */

/* Tells the global epoch from a context's number and epoch. */
#define GLOBAL_EPOCH (UINT64_C(1) << 63)
/* Of a context's key: the PCID, or the number of the address space. */
#define CONTEXT_PCID UINT64_C(0xfff)
/* Bounds of global_lead, so that it follows a change soon. */
#define GREATEST_LEAD 64

/* Jumps that the jump cache knows in this context are forgotten. */
static void new_epoch(TcgCpu *own, TlbContext *context)
{
    context->epoch = ++own->next_epoch;
    for (unsigned i = 0; i < 16; i++) {
        context->lost_exec[i] = 0;
    }
}

/* Only user code uses slots, so they may outlive a visit to the kernel. */
static void slots_select(X86Cpu *cpu, uint64_t context_epoch)
{
    if ((cpu->mode & CPU_MODE_CPL_MASK) == CPU_MODE_CPL_MASK &&
        cpu->tcg.own->slots_key != context_epoch) {
        slots_empty(cpu);
        cpu->tcg.own->slots_key = context_epoch;
    }
}

static void context_flush(TcgCpu *own, TlbContext *context, bool keep_global)
{
    table_flush(context->table, keep_global);
    if (!keep_global) {
        for (unsigned i = 0; i < 16; i++) {
            context->large_2m[i] = 0;
        }
        for (unsigned i = 0; i < 4; i++) {
            context->large_1g[i] = 0;
        }
    }
    new_epoch(own, context);
}

/* The jump cache may know code of pages that have left the table, and were not proved. */
static void context_prove(TcgCpu *own, TlbContext *context)
{
    bool lost_code = table_prove(context->table);

    for (unsigned i = 0; i < 16; i++) {
        lost_code |= context->lost_exec[i] != 0;
    }
    if (lost_code) {
        new_epoch(own, context);
    }
}

uint64_t tlb_context_key(const X86Cpu *cpu)
{
    uint64_t key = target_context_key(cpu);

    return cpu->cr4 & CR4_PCIDE ? key : key | cpu->tcg.own->space;
}

static unsigned context_select(TcgCpu *own, uint64_t key)
{
    unsigned oldest = 0, count = tcg_options.opt_contexts ? TLB_CONTEXTS : 1;

    if (own->contexts[own->previous].valid && own->contexts[own->previous].key == key) {
        return own->previous; /* back from a system call */
    }
    for (unsigned i = 0; i < count; i++) {
        TlbContext *context = &own->contexts[i];
        if (context->valid && context->key == key) {
            return i;
        }
        if (!context->valid ||
            (own->contexts[oldest].valid && context->last_use < own->contexts[oldest].last_use)) {
            oldest = i;
        }
    }
    if (own->contexts[oldest].valid) {
        COUNT_UP(own->statistics.tlb_flushes[TLB_FLUSH_REPLACED]);
    } else {
        table_begin(own->contexts[oldest].table);
    }
    context_flush(own, &own->contexts[oldest], false);
    own->contexts[oldest].key = key;
    own->contexts[oldest].valid = true;
    return oldest;
}

static bool is_key_of(const JumpKeySlot *slot, uint64_t mode, uint64_t cs_key,
                      uint64_t context_epoch)
{
    return slot->key && slot->mode == mode && slot->cs_key == cs_key &&
           slot->context_epoch == context_epoch;
}

static uint64_t find_jump_key(TcgCpu *own, uint64_t mode, uint64_t cs_key, uint64_t context_epoch)
{
    uint64_t hash = (mode ^ mode >> 7 ^ cs_key >> 4 ^ context_epoch ^ context_epoch >> 32) *
                    0x9e3779b97f4a7c15ull;
    JumpKeySlot *slot = &own->jump_keys[hash >> 58];

    if (!is_key_of(slot, mode, cs_key, context_epoch)) {
        *slot = (JumpKeySlot){mode, cs_key, context_epoch, ++own->next_jump_key};
    }
    return slot->key;
}

static uint64_t jump_key_for(TcgCpu *own, uint64_t mode, uint64_t cs_key, uint64_t context_epoch)
{
    JumpKeySlot *recent = &own->recent_keys[(mode & CPU_MODE_CPL_MASK) >> CPU_MODE_CPL_SHIFT];

    if (!is_key_of(recent, mode, cs_key, context_epoch)) {
        uint64_t key = find_jump_key(own, mode, cs_key, context_epoch);
        *recent = (JumpKeySlot){mode, cs_key, context_epoch, key};
    }
    return recent->key;
}

/* The context without the bits of rights; implicit accesses do without the TLB while there is none.
 */
static void select_system(TcgCpu *own, uint64_t key)
{
    key &= ~(uint64_t)(TLB_KEY_USER | TLB_KEY_AC);
    if (own->system < TLB_CONTEXTS && own->contexts[own->system].valid &&
        own->contexts[own->system].key == key) {
        return;
    }
    own->system = 0;
    while (own->system < TLB_CONTEXTS &&
           !(own->contexts[own->system].valid && own->contexts[own->system].key == key)) {
        own->system++;
    }
}

static void new_global_epoch(TcgCpu *own)
{
    own->global_epoch++;
    own->global_exec_1g = false;
    for (unsigned i = 0; i < GLOBAL_EXEC_BITS / 64; i++) {
        own->global_exec[i] = 0;
    }
}

void tcg_context_changed(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;
    TlbContext *context;
    uint64_t key;

    if (!own) {
        return; /* another accelerator runs this CPU */
    }
    key = tlb_context_key(cpu);
    if (!own->contexts[own->current].valid || own->contexts[own->current].key != key) {
        unsigned previous = own->current;
        own->current = context_select(own, key);
        own->previous = previous;
    }
    select_system(own, key);
    context = &own->contexts[own->current];
    context->last_use = ++own->turn;
    cpu->tcg.tlb = context->table->entries;
    own->key_is_global = own->global_lead > 0 && cpu->cpl < 3;
    cpu->tcg.jump_key =
        jump_key_for(own, cpu->mode, cpu_code_key(cpu),
                     own->key_is_global ? own->global_epoch | GLOBAL_EPOCH
                                        : (uint64_t)own->current << 32 | context->epoch);
    slots_select(cpu, (uint64_t)own->current << 32 | context->epoch);
}

void tcg_flush_tlb(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;

    if (!own) {
        return;
    }
    COUNT_UP(own->statistics.tlb_flushes[TLB_FLUSH_ALL]);
    TLB_LOG(cpu, "mmu: CPU %u flushes its TLB\n", cpu->vcpu.index);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        if (own->contexts[i].valid) {
            context_flush(own, &own->contexts[i], false);
        }
    }
    new_global_epoch(own);
    tcg_context_changed(cpu);
}

void tcg_flush_tlb_non_global(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;
    uint64_t pcid;

    if (!own) {
        return;
    }
    own->space = spaces_are_kept(cpu) ? space_find(cpu, own->spaces, ++own->turn) : 0;
    pcid = tlb_context_key(cpu) & CONTEXT_PCID;
    TLB_LOG(cpu, "mmu: CPU %u flushes what is not global, PCID %" PRIu64 ", CR3 0x%" PRIx64 "\n",
            cpu->vcpu.index, pcid, cpu->cr3);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        TlbContext *context = &own->contexts[i];
        if (!context->valid || (context->key & CONTEXT_PCID) != pcid) {
            continue;
        }
        if (proof_holds(cpu, &context->table->proof)) {
            COUNT_UP(own->statistics.proved);
            context_prove(own, context);
        } else {
            COUNT_UP(own->statistics.tlb_flushes[TLB_FLUSH_NON_GLOBAL]);
            context_flush(own, context, tcg_options.opt_global);
        }
    }
    slots_empty(cpu); /* they may know pages that have left a table */
    tcg_context_changed(cpu);
}

/* -- Large pages ------------------------------------------------------------------------------- */

static unsigned region_hash(uint64_t linear, unsigned bits, unsigned size)
{
    return (unsigned)((linear >> bits) * 0x9e3779b97f4a7c15ull >> 32) % size;
}

static void remember_large(TlbContext *context, uint64_t linear, unsigned page_bits)
{
    if (page_bits >= 30) {
        bitmap_set(context->large_1g, region_hash(linear, 30, 256));
    } else if (page_bits > TARGET_PAGE_BITS) {
        bitmap_set(context->large_2m, region_hash(linear, 21, 1024));
        if (page_bits == 22) {
            bitmap_set(context->large_2m, region_hash(linear ^ 1u << 21, 21, 1024));
        }
    }
}

static bool may_be_large(const TlbContext *context, uint64_t linear)
{
    return bitmap_test(context->large_1g, region_hash(linear, 30, 256)) ||
           bitmap_test(context->large_2m, region_hash(linear, 21, 1024));
}

/* Which key the jump cache's entry for code at `linear` gets: where jumps go by the global key, one
 * of another page never matches and is proved anew each time. */
uint64_t tlb_jump_key(X86Cpu *cpu, uint64_t linear)
{
    TcgCpu *own = cpu->tcg.own;
    const TlbContext *context = &own->contexts[own->current];
    unsigned i = tlb_index(linear), region = region_hash(linear, 21, GLOBAL_EXEC_BITS);
    bool is_global = context->table->flags[i] & TLB_FLAG_GLOBAL && tcg_options.opt_global &&
                     context->table->entries[i].tag_exec == (linear & ~(TARGET_PAGE_SIZE - 1));

    if (cpu->cpl == 3) {
        return cpu->tcg.jump_key;
    }
    if (is_global && own->global_lead < GREATEST_LEAD) {
        own->global_lead++;
    } else if (!is_global && own->global_lead > -GREATEST_LEAD) {
        own->global_lead--;
    }
    if (own->key_is_global != (own->global_lead > 0)) {
        tcg_context_changed(cpu);
    }
    if (!own->key_is_global) {
        return cpu->tcg.jump_key;
    }
    if (!is_global) {
        return 0;
    }
    bitmap_set(own->global_exec, region);
    bitmap_set(own->global_exec, region_hash(linear ^ 1u << 21, 21, GLOBAL_EXEC_BITS));
    own->global_exec_1g |= bitmap_test(context->large_1g, region_hash(linear, 30, 256));
    return cpu->tcg.jump_key;
}

static bool exec_was_lost(const TlbContext *context, uint64_t page)
{
    return bitmap_test(context->lost_exec, region_hash(page, TARGET_PAGE_BITS, 1024));
}

void tcg_flush_tlb_page(X86Cpu *cpu, uint64_t linear)
{
    TcgCpu *own = cpu->tcg.own;
    unsigned i = tlb_index(linear);

    if (!own) {
        return;
    }
    COUNT_UP(own->statistics.tlb_flushes[TLB_FLUSH_PAGE]);
    TLB_LOG(cpu, "mmu: CPU %u flushes page 0x%" PRIx64 "\n", cpu->vcpu.index, linear);
    for (unsigned c = 0; c < TLB_CONTEXTS; c++) {
        TlbContext *context = &own->contexts[c];
        uint64_t page = linear & ~(TARGET_PAGE_SIZE - 1);
        TlbEntry *entry = &context->table->entries[i];
        if (!context->valid) {
            continue;
        }
        if (may_be_large(context, linear)) {
            COUNT_UP(own->statistics.tlb_flushes[TLB_FLUSH_LARGE_PAGE]);
            context_flush(own, context, false);
            continue;
        }
        if (entry->tag_exec == page || exec_was_lost(context, page)) {
            new_epoch(own, context); /* code of that page may be chained or cached */
        }
        if (entry->tag_read == page || entry->tag_write == page || entry->tag_exec == page) {
            entry_invalidate(context->table, i);
        }
    }
    slots_empty(cpu);
    if (own->global_exec_1g ||
        bitmap_test(own->global_exec, region_hash(linear, 21, GLOBAL_EXEC_BITS))) {
        new_global_epoch(own);
    }
    tcg_context_changed(cpu);
}

/* -- Filling ----------------------------------------------------------------------------------- */

static void entry_fill(TlbContext *context, uint64_t linear, const PageWalk *walk,
                       const PageTarget *target, bool may_write)
{
    TlbTable *table = context->table;
    unsigned i = tlb_index(linear);
    TlbEntry *entry = &table->entries[i];
    uint64_t page = linear & ~(TARGET_PAGE_SIZE - 1), invalid = tlb_invalid_tag(i);

    if (!(table->flags[i] & TLB_FLAG_LISTED)) {
        table->filled[table->filled_count++] = (uint16_t)i;
    }
    if (entry->tag_exec != invalid &&
        (entry->tag_exec != page || !walk->may_execute || table->ram_page[i] != target->ram_page)) {
        bitmap_set(context->lost_exec, region_hash(entry->tag_exec, TARGET_PAGE_BITS, 1024));
    }
    entry->tag_read = MUTANT(72, walk->may_read ? page : invalid,
                             entry_is_empty(entry, i) ? page : entry->tag_read);
    entry->tag_exec = walk->may_execute ? page : invalid;
    entry->host = (uint64_t)target->host - (linear & (TARGET_PAGE_SIZE - 1));
    set_write_tag(table, i, invalid);
    table->ram_page[i] = target->ram_page;
    set_write_tag(table, i, MUTANT(68, walk->may_write, true) && may_write ? page : invalid);
    table->flags[i] = TLB_FLAG_LISTED | (walk->global ? TLB_FLAG_GLOBAL : 0);
    remember_large(context, linear, walk->page_bits);
}

bool tlb_page_has_code(const RamBlock *block, uint64_t ram_offset)
{
    return !bitmap_test(block->dirty[DIRTY_CODE], ram_offset >> TARGET_PAGE_BITS);
}

void tlb_mark_written(RamBlock *block, uint64_t ram_offset)
{
    size_t page = ram_offset >> TARGET_PAGE_BITS;

    for (unsigned client = 0; client < DIRTY_CODE; client++) {
        if (block->dirty[client] && !bitmap_test(block->dirty[client], page)) {
            bitmap_test_and_set_atomic(block->dirty[client], page);
        }
    }
}

/* Code that the table has no entry for: the jump cache may know it all the same. */
static void remember_apart(TlbContext *context, uint64_t linear, unsigned page_bits)
{
    bitmap_set(context->lost_exec, region_hash(linear, TARGET_PAGE_BITS, 1024));
    remember_large(context, linear, page_bits);
}

/* SMRAM closed to data: code and data differ there, and no entry of the TLB can stand for both. */
static bool code_lies_apart(const X86Cpu *cpu, uint64_t page)
{
    const FlatRange *code, *data;

    if (!cpu->smm) {
        return false;
    }
    code = address_space_lookup(cpu_code_space(cpu), page);
    data = address_space_lookup(cpu_address_space(cpu), page);
    return !code || !data || code->region != data->region;
}

bool tlb_resolve(X86Cpu *cpu, uint64_t linear, unsigned access, PageTarget *ret_target)
{
    TcgCpu *own = cpu->tcg.own;
    const FlatRange *range;
    PageWalk walk;
    uint64_t page, ram_offset;
    unsigned context;
    bool may_write;

    if (!paging_walk(cpu, linear, access, &walk)) {
        return false;
    }
    COUNT_UP(own->statistics.refills);
    TLB_LOG(cpu, "mmu: CPU %u fills 0x%" PRIx64 " -> 0x%" PRIx64 ", access %u\n", cpu->vcpu.index,
            linear, walk.physical, access);
    page = walk.physical & ~(TARGET_PAGE_SIZE - 1);
    *ret_target = (PageTarget){.physical = walk.physical, .ram_page = UINT64_MAX};
    range = address_space_lookup(
        access & ACCESS_EXEC ? cpu_code_space(cpu) : cpu_address_space(cpu), page);
    if (!range || !range->host || range->start > page ||
        range->start + range->size < page + TARGET_PAGE_SIZE) {
        return true;
    }
    ram_offset = range->region->ram_offset + range->region_offset + (page - range->start);
    ret_target->host = range->host + (walk.physical - range->start);
    ret_target->ram_page = range->region->ram->ram_address + ram_offset;
    may_write =
        !range->read_only && MUTANT(69, !tlb_page_has_code(range->region->ram, ram_offset), true);
    if (!range->read_only && MUTANT(70, walk.may_write, false)) {
        tlb_mark_written(range->region->ram, ram_offset);
    }
    context = access & ACCESS_SYSTEM ? own->system : own->current;
    if (context < TLB_CONTEXTS && !code_lies_apart(cpu, page)) {
        entry_fill(&own->contexts[context], linear, &walk, ret_target, may_write);
        proof_note(cpu, &own->contexts[context].table->proof, tlb_index(linear), &walk);
    } else if (access & ACCESS_EXEC) {
        remember_apart(&own->contexts[own->current], linear, walk.page_bits);
    }
    if (access & ACCESS_WRITE && !may_write) {
        ret_target->beside_code = range->read_only ? NULL : ret_target->host;
        ret_target->host = NULL;
    }
    return true;
}

static bool entry_permits(const TlbEntry *entry, uint64_t page, unsigned access)
{
    return (!(access & 1) || entry->tag_read == page) &&
           (!(access & 2) || entry->tag_write == page);
}

static SlowAccess why_not_permitted(const PageTarget *target, unsigned access)
{
    return target->ram_page == UINT64_MAX ? SLOW_DEVICE
           : !(access & 2)                ? SLOW_FAULT
           : target->beside_code          ? SLOW_CODE
                                          : SLOW_ROM;
}

#define LAST_PAGE_32 0xfffff000u

/* SLOW_COUNT: filled; else why exact mode has to do the access, and SLOW_CODE to which RAM. */
static SlowAccess refill(X86Cpu *cpu, uint64_t linear, unsigned access, PageTarget *ret_target)
{
    const TlbEntry *entry = &cpu->tcg.tlb[tlb_index(linear)];
    uint64_t page = linear & ~(TARGET_PAGE_SIZE - 1);

    /* An entry that was there already means that the operand crosses into the next page. */
    if (entry_permits(entry, page, access)) {
        return SLOW_CROSSING;
    }
    /* One that reaches beyond the last byte of 4 GiB faults before its page is marked as used. */
    if (page == LAST_PAGE_32 && !(cpu->mode & CPU_MODE_CS_L)) {
        return SLOW_CROSSING;
    }
    if (!paging_is_canonical(cpu, linear) ||
        !tlb_resolve(cpu, linear, access & 2 ? ACCESS_WRITE : ACCESS_READ, ret_target)) {
        return SLOW_FAULT; /* exact mode finds the same fault again and delivers it */
    }
    if (!entry_permits(entry, page, access)) {
        return why_not_permitted(ret_target, access);
    }
    /* Parked: the walk went to a device, or set bits in code that may be this very block. */
    return cpu->fpu_live ? SLOW_COUNT : SLOW_WALK;
}

/* -- Accesses that no entry stands for --------------------------------------------------------- */

/* Lets the access find its host address in TcgState.once. */
static TlbRefill find_once(X86Cpu *cpu, uint64_t linear, uint64_t host)
{
    cpu->tcg.once = (TlbEntry){.tag_read = linear, .tag_write = linear, .host = host};
    COUNT_UP(cpu->tcg.own->statistics.found_once);
    return TLB_ONCE;
}

static bool fill_page(X86Cpu *cpu, uint64_t linear, unsigned access)
{
    PageTarget target;

    return entry_permits(&cpu->tcg.tlb[tlb_index(linear)], linear & ~(TARGET_PAGE_SIZE - 1),
                         access) ||
           refill(cpu, linear, access, &target) == SLOW_COUNT;
}

static bool crosses(uint64_t linear, unsigned size)
{
    return (linear & (TARGET_PAGE_SIZE - 1)) + size > TARGET_PAGE_SIZE;
}

/* Two pages that follow each other in host memory, too. */
static bool may_cross(X86Cpu *cpu, uint64_t linear, unsigned access)
{
    uint64_t second = (linear | (TARGET_PAGE_SIZE - 1)) + 1;

    return tcg_options.opt_crossing && (uint32_t)second && fill_page(cpu, linear, access) &&
           fill_page(cpu, second, access) &&
           cpu->tcg.tlb[tlb_index(second)].host ==
               cpu->tcg.tlb[tlb_index(linear)].host + TARGET_PAGE_SIZE;
}

static BesidePage *beside_page(X86Cpu *cpu, uint64_t linear)
{
    return &cpu->tcg.own->beside[linear >> TARGET_PAGE_BITS & (BESIDE_PAGES - 1)];
}

static uint64_t current_epoch(const TcgCpu *own)
{
    return (uint64_t)own->current << 32 | own->contexts[own->current].epoch;
}

/* A store to a page with code; with several CPUs another one may be translating these very bytes.
 */
static bool may_store_beside(const X86Cpu *cpu, unsigned access)
{
    return tcg_options.opt_beside && access & 2 && !tcg_parallel && !cpu->smm;
}

static bool is_known_beside(X86Cpu *cpu, uint64_t linear)
{
    const TcgCpu *own = cpu->tcg.own;
    const BesidePage *beside = beside_page(cpu, linear);

    return beside->page == (linear & ~(TARGET_PAGE_SIZE - 1)) &&
           beside->context_epoch == current_epoch(own) && beside->rights_lost == own->rights_lost;
}

static void remember_beside(X86Cpu *cpu, uint64_t linear, const PageTarget *target)
{
    uint64_t offset = linear & (TARGET_PAGE_SIZE - 1);

    *beside_page(cpu, linear) = (BesidePage){
        .page = linear - offset,
        .context_epoch = current_epoch(cpu->tcg.own),
        .rights_lost = cpu->tcg.own->rights_lost,
        .host = (uint64_t)target->beside_code - offset,
        .ram_page = target->ram_page,
    };
}

/* False: the store hits code. */
static bool is_beside(X86Cpu *cpu, uint64_t linear, unsigned size, uint64_t *ret_host)
{
    const BesidePage *beside = beside_page(cpu, linear);
    uint64_t offset = linear & (TARGET_PAGE_SIZE - 1);

    *ret_host = beside->host + offset;
    return !blocks_overlap(beside->ram_page + offset, size);
}

TlbRefill tlb_refill(X86Cpu *cpu, uint64_t linear, unsigned access)
{
    unsigned size = access >> 8;
    PageTarget target;
    uint64_t host;
    SlowAccess why;

    access &= 3;
    if (size && crosses(linear, size)) {
        if (may_cross(cpu, linear, access)) {
            return find_once(cpu, linear,
                             cpu->tcg.tlb[tlb_index(linear)].host +
                                 (linear & (TARGET_PAGE_SIZE - 1)));
        }
        COUNT_UP(cpu->tcg.own->statistics.slow[SLOW_CROSSING]);
        return TLB_NOT_FILLED;
    }
    if (size && may_store_beside(cpu, access) && is_known_beside(cpu, linear) &&
        is_beside(cpu, linear, size, &host)) {
        return find_once(cpu, linear, host);
    }
    why = refill(cpu, linear, access, &target);
    if (why == SLOW_COUNT) {
        return TLB_FILLED;
    }
    if (why == SLOW_CODE && size && may_store_beside(cpu, access) && cpu->fpu_live) {
        remember_beside(cpu, linear, &target);
        if (is_beside(cpu, linear, size, &host)) {
            return find_once(cpu, linear, host);
        }
    }
    COUNT_UP(cpu->tcg.own->statistics.slow[why]);
    return TLB_NOT_FILLED;
}

WindowRefill tlb_refill_window(X86Cpu *cpu, uint64_t linear, unsigned access)
{
    TcgStatistics *statistics = &cpu->tcg.own->statistics;
    PageTarget target;

    if ((linear & (TARGET_PAGE_SIZE - 1)) <= cpu->tcg.scratch[4] &&
        refill(cpu, linear, access, &target) == SLOW_COUNT) {
        return WINDOW_FILLED;
    }
    if (!cpu->fpu_live) {
        COUNT_UP(statistics->slow[SLOW_WALK]);
        return WINDOW_LEAVE;
    }
    COUNT_UP(statistics->windows_left);
    return WINDOW_NOT_SHARED;
}

static void entry_protect(TlbTable *table, unsigned i, uint64_t ram_first, uint64_t size)
{
    if (table->ram_page[i] - ram_first < size) {
        set_write_tag(table, i, MUTANT(71, tlb_invalid_tag(i), table->entries[i].tag_write));
    }
}

/* Of one page the count says whether, and how often, the table has it; `likely` is looked at first.
 */
static void table_protect(TlbTable *table, uint64_t ram_first, uint64_t size, unsigned likely)
{
    const uint8_t *writers = writers_of(table, ram_first);

    if (*writers) {
        entry_protect(table, likely, ram_first, size);
    }
    for (unsigned n = 0; n < table->filled_count && (*writers || size != TARGET_PAGE_SIZE); n++) {
        entry_protect(table, table->filled[n], ram_first, size);
    }
}

void tlb_protect_pages(X86Cpu *cpu, uint64_t ram_first, uint64_t size)
{
    TcgCpu *own = cpu->tcg.own;
    unsigned likely = tlb_index(cpu_code_linear(cpu, cpu->rip)); /* what is run was written there */

    for (unsigned c = 0; c < TLB_CONTEXTS; c++) {
        table_protect(own->contexts[c].table, ram_first, size, likely);
    }
    slots_empty(cpu);
}

bool tlb_init(X86Cpu *cpu)
{
    cpu->tcg.poll = &cpu->tcg.poll_word;
    slots_init(cpu);
    tcg_context_changed(cpu);
    return true;
}

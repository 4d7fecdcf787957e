/* SPDX-License-Identifier: MIT */
/*
 * The execution loop of a vCPU: events, lookup, translated code, and what its exits ask for.
 *
 * Built without SSE: guest FPU state stays in the registers from block to block. Translated code is
 * left for four reasons: a jump not yet chained, an instruction that plain C carries, one that
 * needs exact mode, and a kick, which makes the poll at some block head fault.
 */
#include "accel/tcg/checked-pages.h"
#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"
#include "target/i386/debug.h"
#include "target/i386/helpers/paging.h"
#include "util/log.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>

/* Turns of the loop between two safe points for replaced flat views. */
#define QUIESCENT_TURNS 64
/* ... and between two looks at how long pages have been checked ones. */
#define CALM_TURNS 64

/* A host fault may find the arithmetic flags in the host's; all others are in eflags at any time.
 */
static void merge_flags(X86Cpu *cpu)
{
    cpu->eflags =
        (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) |
        (cpu->tcg.host_flags & MUTANT(82, EFLAGS_ARITHMETIC, (EFLAGS_ARITHMETIC & ~EFLAGS_AF)));
}

static bool uses_jump_cache(void)
{
    return tcg_options.opt_jump_cache && !log_enabled(LOG_NOCHAIN);
}

static uint64_t second_linear(const X86Cpu *cpu, uint64_t linear)
{
    uint64_t second = (linear | (TARGET_PAGE_SIZE - 1)) + 1;

    return cpu->mode & CPU_MODE_CS_L ? second : (uint32_t)second;
}

/* Does a straddler's other page lie where it did, as the TLB has it? */
static bool tail_is_known(const X86Cpu *cpu, const Block *block, uint64_t linear)
{
    const TlbTable *table = cpu->tcg.own->contexts[cpu->tcg.own->current].table;
    uint64_t second = second_linear(cpu, linear);
    unsigned i = second >> TARGET_PAGE_BITS & (TLB_ENTRIES - 1);

    return block->second_page == BLOCK_NO_PAGE ||
           (tcg_options.opt_straddle && table->entries[i].tag_exec == second &&
            table->ram_page[i] == block->second_page);
}

/* 0: none. Of a straddler it must stand for both pages, which the TLB knows. */
static uint64_t key_for(X86Cpu *cpu, const Block *block)
{
    uint64_t linear = cpu_code_linear(cpu, cpu->rip), second = 0;

    if (block->second_page == BLOCK_NO_PAGE) {
        return tlb_jump_key(cpu, linear);
    }
    if (!tail_is_known(cpu, block, linear)) {
        return 0;
    }
    second = tlb_jump_key(cpu, second_linear(cpu, linear));
    return tlb_jump_key(cpu, linear) == second ? second : 0;
}

/* Another CPU may drop the block at this moment: it marks the block first and then clears entries,
 * we write the entry first and then look at the mark. */
static void remember(X86Cpu *cpu, const Block *block)
{
    JumpCacheEntry *entry = &cpu->tcg.jump_cache[cpu->rip & (JUMP_CACHE_ENTRIES - 1)];

    if (!uses_jump_cache()) {
        return;
    }
    entry->rip = cpu->rip;
    entry->code = block->code;
    entry->block = block;
    __atomic_store_n(&entry->key, key_for(cpu, block), __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&block->valid, __ATOMIC_SEQ_CST)) {
        entry->key = 0;
        entry->block = NULL;
    }
}

static bool is_block_at(const X86Cpu *cpu, const Block *block, uint64_t ram_address)
{
    return block && block->ram_address == ram_address && block->rip == cpu->rip &&
           block->mode == cpu->mode && block->cs_key == cpu_code_key(cpu) &&
           __atomic_load_n(&block->valid, __ATOMIC_ACQUIRE);
}

/* A block is where it was although the key has changed, if RIP still leads to the same RAM. */
const void *tcg_find_code(X86Cpu *cpu)
{
    const JumpCacheEntry *entry = &cpu->tcg.jump_cache[cpu->rip & (JUMP_CACHE_ENTRIES - 1)];
    uint64_t linear = cpu_code_linear(cpu, cpu->rip), offset = linear & (TARGET_PAGE_SIZE - 1);
    const TlbTable *table = cpu->tcg.own->contexts[cpu->tcg.own->current].table;
    unsigned i = linear >> TARGET_PAGE_BITS & (TLB_ENTRIES - 1);
    const Block *block = entry->block;

    if (!uses_jump_cache() || table->entries[i].tag_exec != linear - offset) {
        return NULL;
    }
    if (!is_block_at(cpu, block, table->ram_page[i] + offset)) {
        block = block_lookup(table->ram_page[i] + offset, cpu->rip, cpu->mode, cpu_code_key(cpu));
    }
    if (!block || !tail_is_known(cpu, block, linear)) {
        return NULL;
    }
    COUNT_UP(cpu->tcg.own->statistics.light_lookups);
    remember(cpu, block);
    return block->code;
}

/* The same whether the TLB has it or not. */
static bool tail_is_same(X86Cpu *cpu, const Block *block, uint64_t linear)
{
    uint64_t second = second_linear(cpu, linear);
    PageTarget target;

    return tail_is_known(cpu, block, linear) ||
           (paging_is_canonical(cpu, second) && tlb_resolve(cpu, second, ACCESS_EXEC, &target) &&
            target.ram_page == block->second_page);
}

static Block *find_block(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;
    uint64_t linear = cpu_code_linear(cpu, cpu->rip), page = linear & ~(TARGET_PAGE_SIZE - 1);
    unsigned i = linear >> TARGET_PAGE_BITS & (TLB_ENTRIES - 1);
    const TlbTable *table = own->contexts[own->current].table;
    uint64_t ram_page = table->ram_page[i];
    const FlatRange *range;
    PageTarget target;
    uint32_t mode = cpu->mode | (own->careful ? BLOCK_CAREFUL : 0);
    Block *block;

    COUNT_UP(own->statistics.lookups);
    if (table->entries[i].tag_exec != page) {
        if (!paging_is_canonical(cpu, linear) || !tlb_resolve(cpu, linear, ACCESS_EXEC, &target) ||
            !target.host) {
            return NULL;
        }
        ram_page = target.ram_page;
    }
    block = block_lookup(ram_page + (linear - page), cpu->rip, mode, cpu_code_key(cpu));
    if (!block) {
        if (!tlb_resolve(cpu, linear, ACCESS_EXEC, &target) || !target.host) {
            return NULL;
        }
        range = address_space_lookup(cpu_code_space(cpu), target.physical);
        fpu_park(cpu);
        code_lock(cpu);
        block = block_lookup(target.ram_page + (linear - page), cpu->rip, mode, cpu_code_key(cpu));
        if (!block) {
            block = block_translate(cpu, &target, range);
        }
        code_unlock();
    }
    if (block && !tail_is_same(cpu, block, linear)) {
        return NULL;
    }
    if (block && !own->careful) {
        remember(cpu, block);
    }
    return block;
}

/* Registers that a trace has exchanged change places again. */
static void leave_homes(X86Cpu *cpu, const Block *block)
{
    for (unsigned i = 0; i < sizeof(block->homes); i++) {
        uint64_t *own = &cpu->gpr[R_R13 + i], *home = &cpu->gpr[block->homes[i] & 15], value = *own;
        if (block->homes[i] != BLOCK_NO_HOME) {
            *own = *home;
            *home = value;
        }
    }
}

/* At a guest instruction of the block that holds `host_pc`: sets RIP and completes the flags. */
static void recover_instruction(X86Cpu *cpu, const void *host_pc)
{
    const Block *block = block_from_host(host_pc);
    const InsnMark *mark = block_find_mark(block, host_pc);

    cpu->rip = block->rip + (uint64_t)mark->guest_offset;
    if (mark->flags == FLAGS_RECIPE) {
        target_make_flags(cpu, &mark->recipe);
    } else if (MUTANT(81, mark->flags == FLAGS_SAVED, false)) {
        target_restore_saved_flags(cpu);
    } else {
        merge_flags(cpu);
    }
    if (MUTANT(108, mark->at_home, false)) {
        leave_homes(cpu, block);
    }
}

/* An indirect branch found no block. That its target is not canonical is its own fault. */
static void leave_branch(X86Cpu *cpu)
{
    if (paging_is_canonical(cpu, cpu->rip)) {
        target_restore_saved_flags(cpu);
    } else {
        recover_instruction(cpu, (const uint8_t *)cpu->tcg.exit_value - 1);
        target_branch_fault(cpu);
    }
}

/* A block has been entered often: the next one translated at its RIP is a trace. */
static void retire_hot(X86Cpu *cpu, Block *block)
{
    uint64_t flushes = code_cache.flush_count;

    fpu_park(cpu);
    code_lock(cpu);
    if (flushes == code_cache.flush_count && block->valid) {
        block_drop(block);
    }
    code_unlock();
    cpu->tcg.own->hot_rip = cpu->rip;
}

/* The place a block has in the jump cache, for jumps that need no chaining. */
static const void *find_in_jump_cache(const X86Cpu *cpu)
{
    const JumpCacheEntry *entry = &cpu->tcg.jump_cache[cpu->rip & (JUMP_CACHE_ENTRIES - 1)];

    return entry->rip == cpu->rip && entry->key == cpu->tcg.jump_key ? entry->code : NULL;
}

/* Does nothing wait that the execution loop has to look at before the next block? */
static bool may_go_on(const X86Cpu *cpu)
{
    return cpu->fpu_live &&
           __atomic_load_n(&cpu->tcg.poll, __ATOMIC_RELAXED) == &cpu->tcg.poll_word &&
           !(cpu->mode & (CPU_MODE_TF | CPU_MODE_BREAKPOINTS | CPU_MODE_AC)) &&
           !cpu->interrupt_shadow && !cpu->halted &&
           !__atomic_load_n(&cpu->events, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&cpu->vcpu.exit_request, __ATOMIC_RELAXED) &&
           !__atomic_load_n(&code_writes_pending, __ATOMIC_RELAXED) &&
           cpu->tcg.own->seen_flushes == code_cache.flush_count &&
           !log_enabled(LOG_EXEC | LOG_CPU | LOG_NOCHAIN);
}

const void *tcg_run_insn(X86Cpu *cpu, const void *insn)
{
    const void *code;

    COUNT_UP(cpu->tcg.own->statistics.exits[EXIT_INSN]);
    target_restore_saved_flags(cpu);
    target_run_insn(cpu, insn);
    if (!tcg_options.opt_return || !may_go_on(cpu)) {
        return NULL;
    }
    code = find_in_jump_cache(cpu);
    if (!code && !(code = tcg_find_code(cpu))) {
        return NULL;
    }
    target_save_flags(cpu);
    return code;
}

/* Runs translated code once; returns the slot to chain when a direct jump led out. */
static JumpSlot *run_code(X86Cpu *cpu, const void *code)
{
    unsigned reason;

    fpu_unpark(cpu);
    target_save_flags(cpu);
    reason = stubs.enter(cpu, code);
    COUNT_ADD(cpu->tcg.own->statistics.exits[reason], reason != EXIT_DONE);
    switch (reason) {
    case EXIT_CHAIN:
        target_restore_saved_flags(cpu);
        return (JumpSlot *)cpu->tcg.exit_value;
    case EXIT_BRANCH:
        leave_branch(cpu);
        return NULL;
    case EXIT_DONE:
        return NULL;
    case EXIT_EXACT:
        /* the return address lies behind the call */
        recover_instruction(cpu, (const uint8_t *)cpu->tcg.exit_value - 1);
        target_exact_step(cpu);
        return NULL;
    case EXIT_FAULT:
        recover_instruction(cpu, (const void *)cpu->tcg.fault_pc);
        target_native_fault(cpu, cpu->tcg.fault_trap, cpu->tcg.fault_address);
        return NULL;
    case EXIT_STALE:
        target_restore_saved_flags(cpu);
        fpu_park(cpu);
        checked_block_stale(cpu, (Block *)cpu->tcg.exit_value);
        return NULL;
    case EXIT_HOT:
        target_restore_saved_flags(cpu);
        retire_hot(cpu, (Block *)cpu->tcg.exit_value);
        return NULL;
    case EXIT_POLL:
        recover_instruction(cpu, (const void *)cpu->tcg.fault_pc);
        return NULL;
    default:
        target_restore_saved_flags(cpu);
        return NULL;
    }
}

/* What was asked for from outside. True when the loop has to be left. */
static bool handle_requests(Vcpu *vcpu, X86Cpu *cpu)
{
    if (__atomic_load_n(&vcpu->exit_request, __ATOMIC_SEQ_CST)) {
        return true;
    }
    if (__atomic_load_n(&code_writes_pending, __ATOMIC_SEQ_CST)) {
        fpu_park(cpu);
        code_lock(cpu);
        code_writes_process();
        code_unlock();
    }
    if (__atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST)) {
        target_process_events(cpu);
    }
    return cpu->halted;
}

/* Single steps, breakpoints, and an instruction in an interrupt shadow while something waits: the
 * next look must come right behind it. Without anything waiting the shadow ends unseen. */
static bool needs_exact_step(X86Cpu *cpu)
{
    bool waiting = cpu->interrupt_shadow && __atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST);

    if (waiting || cpu->mode & (CPU_MODE_TF | CPU_MODE_BREAKPOINTS | CPU_MODE_AC)) {
        SlowStep why = waiting ? STEP_SHADOW : cpu->mode & CPU_MODE_AC ? STEP_ALIGNMENT : STEP_TRAP;
        COUNT_UP(cpu->tcg.own->statistics.steps[why]);
        return true;
    }
    cpu->interrupt_shadow = false;
    return false;
}

/* One instruction by exact mode, unless a debugger stops before it. */
static void exact_step(X86Cpu *cpu)
{
    if (!debug_stops_before(cpu)) {
        target_exact_step(cpu);
        debug_stop_after(cpu);
    }
}

void stand_still(X86Cpu *cpu)
{
    long result;

    __atomic_store_n(&cpu->tcg.own->running, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&exclusive_wanted, __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&stood_still, 1, __ATOMIC_SEQ_CST);
        /* straight to the kernel: guest FPU state may be live */
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "0"((long)SYS_futex), "D"(&stood_still), "S"(FUTEX_WAKE_PRIVATE),
                           "d"((long)INT_MAX)
                         : "rcx", "r11", "memory");
    }
}

/* A kick is disarmed before `running` is said and before looking at what was asked for. */
void turn_begin(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;

    if (__atomic_load_n(&cpu->tcg.poll, __ATOMIC_RELAXED) != &cpu->tcg.poll_word) {
        __atomic_store_n(&cpu->tcg.poll, (const void *)&cpu->tcg.poll_word, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&own->turns, own->turns + 1, __ATOMIC_RELAXED);
    if (tcg_parallel) {
        __atomic_store_n(&own->running, 1, __ATOMIC_SEQ_CST);
        if (exclusive_is_wanted()) {
            fpu_park(cpu);
            turn_wait(cpu);
        }
    }
    if (own->seen_flushes != code_cache.flush_count) {
        fpu_park(cpu); /* its instruction pointer may be in a block that is about to go */
        own->seen_flushes = code_cache.flush_count;
    }
}

void turn_end(X86Cpu *cpu)
{
    TcgCpu *own = cpu->tcg.own;

    __atomic_store_n(&own->turns, own->turns + 1, __ATOMIC_RELEASE);
    if (tcg_parallel) {
        stand_still(cpu);
    }
}

/* A direct jump that waits for its target, and the flush count it belongs to. */
typedef struct Pending {
    JumpSlot *slot;
    uint64_t flush_count;
} Pending;

static void link_pending(X86Cpu *cpu, const Pending *pending, Block *to)
{
    if (tcg_parallel) {
        fpu_park(cpu);
    }
    code_lock(cpu);
    if (pending->flush_count == code_cache.flush_count) {
        block_link(pending->slot, to);
    }
    code_unlock();
}

/* One turn: finds code for RIP, chains what led here, runs it. */
static void turn(X86Cpu *cpu, Pending *pending)
{
    const void *code = pending->slot ? NULL : find_in_jump_cache(cpu);
    TcgCpu *own = cpu->tcg.own;

    uint64_t flushes = code_cache.flush_count;
    Block *block;

    if (!code) {
        own->careful = pending->slot && pending->slot->careful && pending->slot->target == cpu->rip;
        block = find_block(cpu);
        if (!block) {
            COUNT_UP(cpu->tcg.own->statistics.steps[STEP_NO_BLOCK]);
            exact_step(cpu);
            pending->slot = NULL;
            return;
        }
        if (__atomic_load_n(&code_writes_pending, __ATOMIC_RELAXED)) {
            pending->slot = NULL; /* the way here may have set bits in what was found */
            return;
        }
        if (pending->slot && block->second_page == BLOCK_NO_PAGE) {
            link_pending(cpu, pending, block);
        }
        if (flushes != code_cache.flush_count && !(block = find_block(cpu))) {
            pending->slot = NULL;
            return;
        }
        code = block->code_saved;
    }
    if (log_enabled(LOG_EXEC | LOG_CPU)) {
        fpu_park(cpu);
        exec_log(cpu);
    }
    pending->slot = run_code(cpu, code);
    pending->flush_count = code_cache.flush_count;
}

void tcg_exec(Vcpu *vcpu)
{
    X86Cpu *cpu = vcpu->cpu;
    Pending pending = {0};
    unsigned turns = 0;

    turn_begin(cpu); /* FPU parked */
    regions_trim_idle(cpu);
    turn_end(cpu);
    for (;;) {
        turn_begin(cpu);
        if (handle_requests(vcpu, cpu)) {
            break;
        }
        if (turns % CALM_TURNS == 0 && checked_pages_are_old()) {
            fpu_park(cpu);
            checked_pages_calm(cpu);
        }
        if (needs_exact_step(cpu)) {
            exact_step(cpu);
            pending.slot = NULL;
        } else {
            turn(cpu, &pending);
        }
        turn_end(cpu);
        if (++turns % QUIESCENT_TURNS == 0) {
            vcpu_quiescent(vcpu);
        }
    }
    turn_end(cpu);
    vcpu->halted = cpu->halted;
    fpu_park(cpu);
}

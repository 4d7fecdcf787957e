/* SPDX-License-Identifier: MIT */
/* The tcg accelerator: start, per-CPU set-up, what a machine asks of it. */
#include "accel/tcg/guest-symbols.h"
#include "accel/tcg/jit-dump.h"
#include "accel/tcg/options.h"
#include "accel/tcg/perf-map.h"
#include "accel/tcg/profile.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/helpers/access.h"
#include "target/i386/tsc.h"

#include <asm/prctl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool tcg_single_thread;
uint64_t tcg_ticks_per_us = 1000; /* until a CPU runs */

typedef struct PageRange {
    uint64_t ram_first, size;
} PageRange;

static void protect_range(Vcpu *vcpu, void *opaque)
{
    const PageRange *range = opaque;
    X86Cpu *cpu = vcpu->cpu;

    if (cpu->tcg.own) {
        tlb_protect_pages(cpu, range->ram_first, range->size);
    }
}

/* A CPU that has found the bits set before they were cleared fills its entry within the same turn,
 * so before its safe point, where write permission is withdrawn. */
static void on_dirty_cleared(RamBlock *block, uint64_t offset, uint64_t size)
{
    uint64_t first = offset & ~(TARGET_PAGE_SIZE - 1);
    uint64_t end = (offset + size + TARGET_PAGE_SIZE - 1) & ~(TARGET_PAGE_SIZE - 1);
    PageRange range = {block->ram_address + first, end - first};

    vcpu_run_on_all(protect_range, &range);
}

/* Code of a machine that was taken down. */
static void forget_last_machine(void)
{
    if (code_cache.execute) {
        blocks_fini();
        code_cache_fini();
    }
    tcg_parallel = tcg_overcommitted = false;
}

static bool tcg_init(Error **err)
{
    forget_last_machine();
    if (!tcg_options.split_wx) {
        return error_set(err, "split-wx=off: translated code is never writable and executable");
    }
    if ((tcg_options.symbols && !guest_symbols_load(tcg_options.symbols, err)) ||
        (tcg_options.perfmap && !perf_map_enable(err)) ||
        (tcg_options.jitdump && !jit_dump_enable(err)) ||
        (tcg_options.profile && !profile_control("start", err))) {
        return false;
    }
    if (!tcg_options.cache_mib) {
        tcg_options.cache_mib = TCG_DEFAULT_CACHE_MIB;
    }
    tcg_single_thread = tcg_options.thread == TCG_THREAD_SINGLE;
    ram_dirty_cleared = on_dirty_cleared;
    if (!code_cache_init(tcg_options.cache_mib << 20, err) || !blocks_init(err) ||
        !host_signals_init(err)) {
        return false;
    }
    perf_map_add_stubs();
    return true;
}

static void flush_posted(Vcpu *vcpu, void *opaque)
{
    X86Cpu *cpu = vcpu->cpu;

    if (cpu->tcg.own) {
        COUNT_UP(cpu->tcg.own->statistics.map_changes);
    }
    tcg_flush_tlb(cpu);
}

/* The map of guest memory changed: entries point at what was there before. */
static void on_map_changed(AddressSpace *as, void *opaque)
{
    Vcpu *vcpu = opaque;

    if (vcpu_self() == vcpu) {
        flush_posted(vcpu, NULL);
    } else {
        vcpu_post(vcpu, flush_posted, NULL);
    }
}

static void listen_to_map(Vcpu *vcpu, bool listen)
{
    bool held = machine_lock_held();

    if (!held) {
        machine_lock();
    }
    if (listen) {
        address_space_listen(&address_space_memory, on_map_changed, vcpu);
        if (address_space_smm.root) {
            address_space_listen(&address_space_smm, on_map_changed, vcpu);
        }
        if (address_space_smm_code.root) {
            address_space_listen(&address_space_smm_code, on_map_changed, vcpu);
        }
    } else {
        address_space_unlisten(&address_space_memory, vcpu);
        address_space_unlisten(&address_space_smm, vcpu);
        address_space_unlisten(&address_space_smm_code, vcpu);
    }
    if (!held) {
        machine_unlock();
    }
}

/* Pages that say which of them an instruction touches: TcgState.window. */
static uint8_t *make_window(void)
{
    uint8_t *window =
        mmap(NULL, WINDOW_PAGES * TARGET_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (window == MAP_FAILED ||
        mprotect(window + TARGET_PAGE_SIZE, TARGET_PAGE_SIZE, PROT_READ | PROT_WRITE) < 0) {
        return NULL;
    }
    return window;
}

/* Translated code and the signal handler find the CPU by its thread. */
static void select_cpu(X86Cpu *cpu)
{
    static __thread const X86Cpu *selected;

    if (selected != cpu) {
        syscall(SYS_arch_prctl, ARCH_SET_GS, cpu);
        host_signals_select(cpu);
        selected = cpu;
    }
}

/* What translated code and signal handlers need must be there before the first fault. */
static bool tcg_cpu_init(Vcpu *vcpu, Error **err)
{
    X86Cpu *cpu = vcpu->cpu;
    size_t tables = sizeof(TlbTable) * TLB_CONTEXTS;
    uint8_t *memory;
    TcgCpu *own;

    if (vcpu->index >= TCG_MAX_CPUS) {
        return error_set(err, "tcg runs at most %u CPUs: use a smaller -smp", TCG_MAX_CPUS);
    }
    if (!host_signals_init_thread(err)) {
        return false;
    }
    cpu->tcg.window = make_window();
    if (!cpu->tcg.window) {
        return error_set(err, "cannot allocate a CPU's pages without rights");
    }
    memory = mmap(NULL, tables, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return error_set(err, "cannot allocate a TLB");
    }
    own = g_new0(TcgCpu, 1);
    for (unsigned i = 0; i < TLB_CONTEXTS; i++) {
        own->contexts[i].table = (TlbTable *)(memory + i * sizeof(TlbTable));
    }
    if (tcg_single_thread) {
        tcg_overcommitted |= vcpu->index > 0;
    } else {
        tcg_parallel |= vcpu->index > 0;
        tcg_overcommitted |= vcpu->index >= g_get_num_processors();
    }
    if (cpu->tcg.self) { /* it was a CPU of another machine */
        memset(cpu->tcg.jump_cache, 0, sizeof(cpu->tcg.jump_cache));
    }
    cpu->tcg.own = own;
    cpu->tcg.self = cpu;
    cpu->tcg.thunks = g_malloc0(target_thunk_cache_size());
    cpu->tcg.kept_insns = g_malloc0(target_kept_insns_size());
    cpu->tcg.insn_counts = g_malloc0(target_insn_counts_size());
    prctl(PR_SET_TIMERSLACK, 1); /* ns: PAUSE sleeps for microseconds */
    select_cpu(cpu);
    listen_to_map(vcpu, true);
    profile_cpu_begin();
    return tlb_init(cpu);
}

static void tcg_cpu_fini(Vcpu *vcpu)
{
    X86Cpu *cpu = vcpu->cpu;
    TcgCpu *own = cpu->tcg.own;

    listen_to_map(vcpu, false);
    profile_cpu_end();
    cpu->tcg.own = NULL;
    g_clear_pointer(&cpu->tcg.kept_insns, g_free);
    g_clear_pointer(&cpu->tcg.insn_counts, g_free);
    g_clear_pointer(&cpu->tcg.thunks, g_free);
    munmap(cpu->tcg.window, WINDOW_PAGES * TARGET_PAGE_SIZE);
    munmap(own->contexts[0].table, sizeof(TlbTable) * TLB_CONTEXTS);
    g_free(own);
    host_signals_end_thread();
}

static bool tcg_shares_thread(void)
{
    return tcg_single_thread;
}

static void tcg_run(Vcpu *vcpu)
{
    select_cpu(vcpu->cpu);
    cpu_tsc_resume();
    __atomic_store_n(&tcg_ticks_per_us, tsc_host_frequency_hz() / 1000000, __ATOMIC_RELAXED);
    tcg_exec(vcpu);
}

static void tcg_kick(Vcpu *vcpu)
{
    X86Cpu *cpu = vcpu->cpu;
    __atomic_store_n(&cpu->tcg.poll, (const void *)POLL_TRAP_ADDRESS, __ATOMIC_SEQ_CST);
    if (__atomic_exchange_n(&cpu->tcg.dozing, 0, __ATOMIC_SEQ_CST)) {
        syscall(SYS_futex, &cpu->tcg.dozing, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

/* What ran before is rarely what runs now, and only a flush frees it. */
static void tcg_machine_reset(void)
{
    if (flush_is_safe()) {
        COUNT_UP(block_statistics.flushes);
        blocks_flush(true);
    }
}

static bool tcg_set_one_insn(bool on, Error **err)
{
    if (on == tcg_options.one_insn) {
        return true;
    }
    if (!flush_is_safe()) {
        return error_set(err, "a CPU is in the midst of an access: try again");
    }
    tcg_options.one_insn = on;
    COUNT_UP(block_statistics.flushes);
    blocks_flush(false);
    return true;
}

static bool tcg_has_one_insn(void)
{
    return tcg_options.one_insn;
}

static const VcpuOps tcg_vcpu_ops = {
    .name = "tcg",
    .shares_thread = tcg_shares_thread,
    .init = tcg_cpu_init,
    .fini = tcg_cpu_fini,
    .run = tcg_run,
    .kick = tcg_kick,
    .machine_reset = tcg_machine_reset,
    .wait_begin = standing_wait_begin,
    .wait_end = standing_wait_end,
};

static const Accel tcg_accel = {
    .name = "tcg",
    .desc = "same-architecture translator; needs nothing of the host",
    .options = tcg_option_rows,
    .init = tcg_init,
    .use_kernel = guest_symbols_offer,
    .vcpu_ops = &tcg_vcpu_ops,
    .info_jit = tcg_info_jit,
    .count = tcg_count,
    .info_hot = profile_text,
    .set_one_insn = tcg_set_one_insn,
    .has_one_insn = tcg_has_one_insn,
    .control_profile = profile_control,
};

ACCEL(tcg_accel);

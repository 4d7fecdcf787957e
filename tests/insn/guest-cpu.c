/* SPDX-License-Identifier: MIT */
/*
 * The guest of a case. The case runs in ring 3 with selectors as Linux has them; an exception ends
 * it in a stub of ring 0, where the frame on the stack says the rest.
 */
#include "tests/insn/guest-cpu.h"

#include "accel/accel.h"
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/access.h"
#include "tests/insn/case-segments.h"
#include "util/bitmap.h"

#include <string.h>

#define EXACT_STEPS 4000000u

static struct {
    const char *model, *tcg;
    GuestPaging paging;
    X86Cpu *cpu;
    void (*fn)(void *opaque);
    void *opaque;
    bool done;
    MachineCond done_cond;
    volatile int interrupted;
} guest = {.tcg = ""};

void guest_choose_model(const char *name)
{
    guest.model = name;
}

void guest_choose_tcg(const char *options)
{
    guest.tcg = options;
}

X86Cpu *guest_cpu(void)
{
    return guest.cpu;
}

/* -- Memory of the case ----------------------------------------------------------------------- */

static uint8_t *page_host(unsigned n)
{
    return guest_ram->host + guest_case_physical[n];
}

static void set_code_page(unsigned n, const uint8_t *bytes)
{
    uint8_t *host = page_host(n);
    unsigned first = 0, last = (unsigned)CASE_PAGE;

    if (!memcmp(host, bytes, CASE_PAGE)) {
        return;
    }
    while (host[first] == bytes[first]) {
        first++;
    }
    while (host[last - 1] == bytes[last - 1]) {
        last--;
    }
    memcpy(host + first, bytes + first, last - first);
    ram_block_mark_dirty(guest_ram, guest_case_physical[n] + first, last - first);
}

void guest_set_memory(const CaseMemory *image)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_execute) {
            set_code_page(i, image->page[i]);
        } else {
            memcpy(page_host(i), image->page[i], CASE_PAGE);
        }
    }
}

void guest_get_memory(CaseMemory *ret_memory)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        memcpy(ret_memory->page[i], page_host(i), CASE_PAGE);
    }
}

uint64_t guest_page_entry(unsigned n)
{
    uint32_t low;

    memcpy(&low, guest_tables[guest.paging].entry[n], sizeof(low));
    return low;
}

bool guest_page_is_dirty(unsigned n)
{
    return bitmap_test(guest_ram->dirty[DIRTY_MIGRATION], guest_case_physical[n] / CASE_PAGE);
}

void guest_clear_dirty(void)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        ram_block_test_and_clear_dirty(guest_ram, DIRTY_MIGRATION, guest_case_physical[i],
                                       CASE_PAGE);
    }
}

void guest_flush_tlb(bool forget_use)
{
    for (unsigned i = 0; forget_use && i < CASE_PAGES; i++) {
        *guest_tables[guest.paging].entry[i] &= (uint8_t) ~(PTE_A | PTE_D);
    }
    tcg_flush_tlb(guest.cpu);
}

void guest_forget_code(void)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_execute) {
            ram_block_mark_dirty(guest_ram, guest_case_physical[i], CASE_PAGE);
        }
    }
}

unsigned guest_fetch(uint64_t linear, uint8_t bytes[16])
{
    unsigned size = 0;

    for (; size < 15; size++) {
        unsigned n = 0;
        while (n < CASE_PAGES && linear + size - case_pages[n].linear >= CASE_PAGE) {
            n++;
        }
        if (n == CASE_PAGES || !case_pages[n].may_execute) {
            break;
        }
        bytes[size] = page_host(n)[linear + size - case_pages[n].linear];
    }
    return size;
}

/* -- Running ---------------------------------------------------------------------------------- */

void guest_use(GuestPaging paging)
{
    if (paging != guest.paging) {
        guest.paging = paging;
        guest_paging_enter(guest.cpu, paging);
    }
}

void guest_load(const CaseState *state)
{
    X86Cpu *cpu = guest.cpu;

    memcpy(cpu->gpr, state->gpr, sizeof(cpu->gpr));
    cpu->rip = state->rip;
    cpu->eflags = state->eflags | EFLAGS_FIXED | EFLAGS_IF;
    cpu->cr2 = 0;
    cpu->halted = cpu->vcpu.halted = false;
    cpu->interrupt_shadow = false;
    cpu->debug_pending = 0;
    cpu->dr[6] = 0xffff0ff0;
    cpu->fpu_live = false;
    memset(cpu->fpu, 0, 4096);
    case_fpu_to_image(&state->fpu, cpu->fpu);
    cpu->guest_fip = cpu->guest_fdp = cpu->guest_fop = 0;
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu->seg[i] = case_segment(state->selector[i]);
    }
    cpu->seg[SEG_FS].base = state->fs_base;
    cpu->seg[SEG_GS].base = state->gs_base;
    cpu_update_mode(cpu);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        cpu_update_segment(cpu, i);
    }
}

bool guest_step(void)
{
    X86Cpu *cpu = guest.cpu;

    target_exact_step(cpu);
    fpu_park(cpu);
    if (code_writes_pending) {
        code_writes_process();
    }
    return cpu->halted;
}

static bool pushes_error_code(unsigned vector)
{
    return vector == VECTOR_DF || (vector >= VECTOR_TS && vector <= VECTOR_PF) ||
           vector == VECTOR_AC;
}

/* Doublewords or quadwords from the top of ring 0's stack. */
static bool read_frame(uint64_t *words, unsigned count)
{
    const GuestTables *t = &guest_tables[guest.paging];
    unsigned size = guest.paging == GUEST_LONG ? 8 : 4;
    uint64_t offset = guest.cpu->gpr[R_RSP] - t->kernel;

    for (unsigned i = 0; i < count; i++, offset += size) {
        words[i] = 0;
        if (offset < KERNEL_STUBS + CASE_PAGE || offset >= KERNEL_STACK_TOP) {
            return false;
        }
        memcpy(&words[i], t->kernel_page[offset / CASE_PAGE] + offset % CASE_PAGE, size);
    }
    return true;
}

static void read_segments(CaseState *state)
{
    const X86Cpu *cpu = guest.cpu;

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        state->selector[i] = cpu->seg[i].selector;
    }
    state->fs_base = cpu->seg[SEG_FS].base;
    state->gs_base = cpu->seg[SEG_GS].base;
}

/* Reads what the exception left: an error code, RIP, CS, RFLAGS, RSP, SS. */
static void read_outcome(CaseOutcome *outcome)
{
    const X86Cpu *cpu = guest.cpu;
    uint64_t frame[6], *from = frame;
    uint64_t stub = cpu->rip - 1 - guest_tables[guest.paging].kernel - KERNEL_STUBS;
    bool has_code;

    memset(outcome, 0, sizeof(*outcome));
    memcpy(outcome->state.gpr, cpu->gpr, sizeof(cpu->gpr));
    case_fpu_from_image(&outcome->state.fpu, cpu->fpu);
    read_segments(&outcome->state);
    outcome->state.rip = cpu->rip;
    outcome->vector = (unsigned)(stub / 16);
    has_code = pushes_error_code(outcome->vector);
    if (guest.interrupted || !cpu->halted || stub >= CASE_PAGE || stub % 16 ||
        !read_frame(frame, has_code ? 6 : 5)) {
        outcome->end = CASE_TIMEOUT;
        return;
    }
    if (has_code) {
        outcome->error_code = (uint32_t)*from++;
    }
    outcome->cr2 = outcome->vector == VECTOR_PF ? cpu->cr2 : 0;
    outcome->state.rip = from[0];
    outcome->state.selector[SEG_CS] = (uint16_t)from[1];
    outcome->state.eflags = from[2] & CASE_EFLAGS_SEEN;
    outcome->state.gpr[R_RSP] = from[3];
    outcome->state.selector[SEG_SS] = (uint16_t)from[4];
}

void guest_run(GuestHow how, const CaseState *state, CaseOutcome *ret_outcome)
{
    X86Cpu *cpu = guest.cpu;

    guest.interrupted = 0;
    guest_load(state);
    if (how == GUEST_EXACT) {
        unsigned left = EXACT_STEPS;
        while (!guest_step() && --left && !guest.interrupted) {
        }
    } else {
        while (!cpu->halted && !guest.interrupted) {
            cpu->vcpu.exit_request = 0;
            cpu->vcpu.ops->run(&cpu->vcpu);
        }
    }
    read_outcome(ret_outcome);
}

void guest_interrupt(void)
{
    guest.interrupted = 1;
    __atomic_store_n(&guest.cpu->vcpu.exit_request, 1, __ATOMIC_SEQ_CST);
    guest.cpu->vcpu.ops->kick(&guest.cpu->vcpu);
}

/* -- Making it -------------------------------------------------------------------------------- */

static bool no_interrupt(void *apic)
{
    return false;
}

static int nothing_to_acknowledge(void *apic)
{
    return -1;
}

static const CpuApicOps apic_ops = {.has_interrupt = no_interrupt,
                                    .acknowledge = nothing_to_acknowledge};

static bool make_cpus(unsigned count, Error **err)
{
    for (unsigned i = 0; i < count; i++) {
        X86Cpu *cpu = cpu_new(i, err);
        if (!cpu) {
            return false;
        }
        cpu->apic_ops = &apic_ops;
        if (!vcpu_start(&cpu->vcpu, err)) {
            return false;
        }
    }
    guest.cpu = cpu_get(0);
    return true;
}

static void run_on_cpu(Vcpu *vcpu, void *opaque)
{
    machine_unlock();
    guest_paging_enter(guest.cpu, guest.paging);
    guest.fn(guest.opaque);
    machine_lock();
    guest.done = true;
    machine_cond_wake_all(&guest.done_cond);
}

bool guest_main(unsigned cpus, unsigned cache_mib, uint64_t shuffle, void (*fn)(void *opaque),
                void *opaque, Error **err)
{
    g_autofree char *accel = g_strdup_printf("tcg,tb-size=%u,%s", cache_mib, guest.tcg);
    const char *of_host = __builtin_cpu_is("intel") ? "max,vendor=GenuineIntel" : "max";
    bool ok;

    guest.fn = fn;
    guest.opaque = opaque;
    tcg_options.check = 0; /* else, written before each case, code would never become a trace */
    machine_lock();
    ok = accel_select(&accel, 1, err) &&
         cpu_model_select(guest.model ? guest.model : of_host, err) &&
         guest_paging_init(shuffle, err) && make_cpus(cpus, err);
    if (ok) {
        vcpu_post(&guest.cpu->vcpu, run_on_cpu, NULL);
        while (!guest.done) {
            machine_cond_wait(&guest.done_cond);
        }
        vcpus_destroy();
    }
    machine_unlock();
    return ok;
}

/* SPDX-License-Identifier: MIT */
/*
 * The machine of fuzz-system: a whole pc of 2 MiB in process, its CPU run by the translator. A case
 * begins with a machine reset; then memory and registers are set while the CPU is parked, and the
 * CPU's thread runs it by one of the engines. The virtual clock stands still unless the case is one
 * with interrupts at random times. Resets and power-offs end a case.
 */
#include "tests/fuzz/fuzz-system.h"

#include "accel/accel.h"
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"
#include "hw/machine.h"
#include "softmmu/run/internal.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/translate/decode.h"
#include "tests/insn/details.h"
#include "util/loop.h"

#include <inttypes.h>
#include <string.h>

#define EXACT_STEPS 3000u
#define TICKS_PER_SECOND 500u
#define MAX_TICKS 5u /* of a run */
#define TRACED_STEPS 40u

static struct {
    Machine *pc;
    X86Cpu *cpu;
    RamBlock *ram;
    const SysCase *c;
    SysResult *result;
    SysEngine engine;
    bool trace;
    GPtrArray *lines;
    bool done;
    MachineCond done_cond;
    volatile int running, ticks, timed_out;
} machine;

X86Cpu *sys_machine_cpu(void)
{
    return machine.cpu;
}

/* -- Time ------------------------------------------------------------------------------------- */

unsigned sys_machine_tick(void)
{
    X86Cpu *cpu = machine.cpu;

    if (!machine.running) {
        return 0;
    }
    machine.ticks++;
    if ((unsigned)machine.ticks >= MAX_TICKS) {
        machine.timed_out = 1;
        __atomic_store_n(&cpu->vcpu.exit_request, 1, __ATOMIC_SEQ_CST);
        cpu->vcpu.ops->kick(&cpu->vcpu);
    }
    return (unsigned)machine.ticks / TICKS_PER_SECOND;
}

/* -- Engines, on the CPU's thread -------------------------------------------------------------- */

/* The first and the last steps, printed at the end. */
static void note_line(char *line)
{
    if (machine.lines->len == TRACED_STEPS) {
        g_ptr_array_remove_index(machine.lines, TRACED_STEPS / 2);
    }
    g_ptr_array_add(machine.lines, line);
}

static void print_lines(void)
{
    for (guint i = 0; i < machine.lines->len; i++) {
        fputs(g_ptr_array_index(machine.lines, i), details());
    }
    g_ptr_array_set_size(machine.lines, 0);
}

static void note_step(X86Cpu *cpu)
{
    uint64_t linear = cpu->seg[SEG_CS].base + cpu->rip;
    PendingFault kept = cpu->fault;
    uint8_t bytes[15] = {0};
    unsigned size = 0;
    bool too_long;
    Insn insn;
    g_autofree char *text = NULL;

    linear = cpu->mode & CPU_MODE_CS_L ? linear : (uint32_t)linear;
    while (size < 15 &&
           access_read(cpu, linear + size, bytes + size, 1, ACCESS_EXEC | ACCESS_PEEK)) {
        size++;
    }
    cpu->fault = kept;
    fpu_park(cpu);
    if (size && decode_insn(cpu->mode, cpu->rip, bytes, size, &insn, &too_long) == DECODE_OK) {
        text = decode_format(&insn, cpu->mode);
    } else {
        GString *hex = g_string_new("?");
        for (unsigned i = 0; i < size; i++) {
            g_string_append_printf(hex, " %02x", bytes[i]);
        }
        text = g_string_free(hex, FALSE);
    }
    if (g_str_has_prefix(text, "nop")) {
        return; /* what minimising leaves */
    }
    note_line(g_strdup_printf("  %04x:%08" PRIx64 " cpl %u mode %06x fl %06" PRIx64
                              " ss:sp %04x:%" PRIx64 " ax %" PRIx64 " cx %" PRIx64 " ev %x  %s\n",
                              cpu->seg[SEG_CS].selector, cpu->rip, cpu->cpl, cpu->mode, cpu->eflags,
                              cpu->seg[SEG_SS].selector, cpu->gpr[R_RSP], cpu->gpr[R_RAX],
                              cpu->gpr[R_RCX], cpu->events, text));
}

static bool must_leave(const X86Cpu *cpu)
{
    return machine.timed_out || cpu->vcpu.stop_requested;
}

static bool sleeps(X86Cpu *cpu)
{
    bool sleeping;

    machine_lock();
    sleeping = cpu->halted && !cpu->vcpu.has_work(&cpu->vcpu);
    machine_unlock();
    return sleeping;
}

/* Of the instruction that was at `linear`, now that its page has been used. */
static bool is_undecided(X86Cpu *cpu, uint64_t linear)
{
    PendingFault kept = cpu->fault;
    PageWalk walk;
    bool found = paging_walk(cpu, linear, ACCESS_EXEC | ACCESS_PEEK | ACCESS_SYSTEM, &walk);
    const uint8_t *at;

    cpu->fault = kept;
    if (!found || walk.physical > SYS_RAM_SIZE - 16) {
        return false;
    }
    at = machine.ram->host + walk.physical;
    for (unsigned i = 0; i < 4; i++) { /* behind prefixes */
        if (at[i] == 0x0f && (at[i + 1] == 0x31 || (at[i + 1] == 1 && at[i + 2] == 0xf9))) {
            return true;
        }
    }
    return walk.physical - (SYS_TABLES - 16) < SYS_TABLE_COUNT * SYS_PAGE + 16;
}

static void step(X86Cpu *cpu)
{
    uint64_t linear;

    if (code_writes_pending) {
        code_writes_process();
    }
    if (__atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST)) {
        target_process_events(cpu);
    }
    if (!cpu->halted) {
        if (machine.engine == SYS_EXACT_FLUSHED) {
            tcg_flush_tlb(cpu);
        }
        if (machine.trace) {
            note_step(cpu);
        }
        linear = cpu_code_linear(cpu, cpu->rip);
        target_exact_step(cpu);
        fpu_park(cpu);
        machine.result->undecided |= cpu->events & ~CPU_EVENT_SMI || is_undecided(cpu, linear);
    }
    machine.result->cr3_changed |= cpu->cr3 != machine.c->cr3;
    fpu_park(cpu);
}

static void run_exact(X86Cpu *cpu)
{
    unsigned steps = 0;

    while (!must_leave(cpu) && !sleeps(cpu)) {
        if (++steps > EXACT_STEPS) {
            machine.timed_out = 1;
            break;
        }
        step(cpu);
    }
    machine.result->steps = steps;
}

static void run_translated(X86Cpu *cpu)
{
    while (!must_leave(cpu) && !sleeps(cpu)) {
        cpu->vcpu.exit_request = 0;
        cpu->vcpu.ops->run(&cpu->vcpu);
    }
}

static void run_on_cpu(Vcpu *vcpu, void *opaque)
{
    X86Cpu *cpu = machine.cpu;

    vcpu->stop_requested = false;
    vcpu->stopped = false;
    vcpu_quiescent(vcpu);
    machine_unlock();
    if (machine.engine == SYS_TRANSLATED) {
        run_translated(cpu);
    } else {
        run_exact(cpu);
    }
    fpu_park(cpu);
    safe_point_leave_run(vcpu);
    machine_lock();
    safe_point_check();
    if (code_writes_pending) {
        code_writes_process();
    }
    machine.result->end = machine.timed_out      ? SYS_TIMEOUT
                          : vcpu->stop_requested ? SYS_STOPPED
                                                 : SYS_HALTED;
    vcpu->stop_requested = true;
    vcpu->stopped = true;
    machine.done = true;
    machine_cond_wake_all(&machine.done_cond);
}

/* -- A case, on the main thread ---------------------------------------------------------------- */

/* Only what differs is written, so that translated code outlives its case where it can. */
static void set_memory(const uint8_t *image)
{
    for (uint32_t at = 0; at < SYS_RAM_SIZE; at += SYS_PAGE) {
        if (memcmp(machine.ram->host + at, image + at, SYS_PAGE) != 0) {
            memcpy(machine.ram->host + at, image + at, SYS_PAGE);
            ram_block_mark_dirty(machine.ram, at, SYS_PAGE);
        }
    }
}

/* A timer of the local APIC, by the registers of x2APIC mode. */
static void start_timer(X86Cpu *cpu, Random *r)
{
    const CpuApicOps *ops = cpu->apic_ops;
    uint64_t base = ops->get_base(cpu->apic);

    if (!ops->set_base(cpu->apic, base | APIC_BASE_X2APIC)) {
        return;
    }
    ops->msr_write(cpu->apic, 0x80f, 0x1ff);
    ops->msr_write(cpu->apic, 0x83e, random_below(r, 16) & 0xb);
    ops->msr_write(cpu->apic, 0x832, (random_next(r) & 0x2000f) | 0x20);
    ops->msr_write(cpu->apic, 0x838, 1 + random_below(r, 100000));
}

static void disturb(X86Cpu *cpu, Random *r)
{
    static const int events[] = {CPU_EVENT_NMI, CPU_EVENT_SMI, CPU_EVENT_NMI, CPU_EVENT_INIT};

    clock_virtual_advance_ns(main_loop(), (int64_t)random_below(r, 20000));
    main_loop_wait(false);
    if (random_chance(r, 10)) {
        cpu_raise_event(cpu, events[random_below(r, G_N_ELEMENTS(events))]);
    }
}

/* With the clock going, or until it is done. */
static void wait_for_end(const SysCase *c, Random *r)
{
    while (!machine.done) {
        if (!c->is_async) {
            machine_cond_wait(&machine.done_cond);
            continue;
        }
        disturb(machine.cpu, r);
        machine_unlock();
        g_usleep(random_below(r, 50));
        machine_lock();
    }
}

static void ignore_reset(void *opaque)
{
}

void sys_machine_run(const SysCase *c, SysEngine engine, bool trace, SysResult *ret_result)
{
    X86Cpu *cpu = machine.cpu;
    int status;
    Random r;

    random_seed(&r, c->seed + 1);
    machine_reset(machine.pc);
    set_memory(c->image);
    sys_case_load(c, cpu);
    if (c->is_async) {
        start_timer(cpu, &r);
    }
    machine.c = c;
    machine.engine = engine;
    machine.trace = trace;
    machine.result = ret_result;
    ret_result->steps = 0;
    ret_result->cr3_changed = ret_result->undecided = false;
    machine.done = false;
    machine.ticks = machine.timed_out = 0;
    machine.running = 1;
    vcpu_post(&cpu->vcpu, run_on_cpu, NULL);
    wait_for_end(c, &r);
    machine.running = 0;
    print_lines();
    ret_result->cpu = *cpu;
    memcpy(ret_result->ram, machine.ram->host, SYS_RAM_SIZE);
    main_loop_wait(false);
    run_handle_requests(&status);
}

/* -- Making it --------------------------------------------------------------------------------- */

static bool make_pc(Error **err)
{
    const Type *type = machine_find("pc");

    machine.pc = (Machine *)object_new(type);
    if (!object_set(&machine.pc->obj, "memory.size", "2M", err)) {
        return false;
    }
    object_add_child(object_root(), "machine", &machine.pc->obj);
    for (const char *const *dir = machine_default_firmware_dirs; *dir; dir++) {
        g_ptr_array_add(machine.pc->firmware_dirs, g_strdup(*dir));
    }
    return object_realize(&machine.pc->obj, err);
}

bool sys_machine_init(const char *tcg, Error **err)
{
    g_autofree char *accel = g_strdup_printf("tcg,tb-size=32,%s", tcg);

    tcg_options.check = 0; /* as in tests/insn/guest-cpu.c */
    machine_lock();
    machine.lines = g_ptr_array_new_with_free_func(g_free);
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    clock_virtual_take_over(0);
    if (!accel_select(&accel, 1, err) || !cpu_model_select("max", err) || !make_pc(err)) {
        return false;
    }
    system_set_reset_handler(ignore_reset, NULL);
    machine_reset(machine.pc);
    machine.cpu = cpu_get(0);
    machine.ram = address_space_lookup(&address_space_memory, 0)->region->ram;
    return true;
}

void sys_machine_fini(void)
{
    g_ptr_array_free(machine.lines, TRUE);
    vcpus_destroy();
    object_unrealize(&machine.pc->obj);
    object_free(&machine.pc->obj);
    main_loop_wait(false);
    machine_unlock();
}

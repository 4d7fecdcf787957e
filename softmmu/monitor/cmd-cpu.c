/* SPDX-License-Identifier: MIT */
/* Commands about CPUs: which one, registers, address mappings, the translator. */
#include "accel/accel.h"
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/cpu.h"

#include <inttypes.h>

static unsigned chosen_cpu(void)
{
    return monitor_speaker() ? monitor_speaker()->cpu : 0;
}

X86Cpu *monitor_cpu(Error **err)
{
    X86Cpu *cpu = chosen_cpu() < vcpu_count() ? cpu_get(chosen_cpu()) : NULL;

    if (!cpu) {
        error_set(err, "this machine has no CPU");
    }
    return cpu;
}

typedef struct OnCpu {
    void (*fn)(X86Cpu *cpu, void *opaque);
    void *opaque;
} OnCpu;

static void call_on_cpu(Vcpu *vcpu, void *opaque)
{
    OnCpu *call = opaque;

    call->fn(vcpu->cpu, call->opaque);
}

void monitor_on_cpu(X86Cpu *cpu, void (*fn)(X86Cpu *cpu, void *opaque), void *opaque)
{
    OnCpu call = {fn, opaque};

    vcpu_run_on(&cpu->vcpu, call_on_cpu, &call);
}

bool monitor_select_cpu(int64_t index, Error **err)
{
    if (index < 0 || index >= vcpu_count()) {
        return error_set(err, "there is no CPU %" PRId64 ": this machine has %u", index,
                         vcpu_count());
    }
    monitor_speaker()->cpu = (unsigned)index;
    return true;
}

static bool run_cpu(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return monitor_select_cpu(values[0].number, err);
}

static const MonitorCommand cpu_command = {
    .name = "cpu",
    .help = "choose the CPU that registers and addresses are of",
    .args = {{"index", MONITOR_ARG_INT}},
    .run = run_cpu,
};
MONITOR_COMMAND(cpu_command);

/* -- info registers, mem, tlb: a text made on the CPU's thread --------------------------------- */

static void make_registers(X86Cpu *cpu, void *opaque)
{
    *(char **)opaque = cpu_registers_text(cpu);
}

static void make_ranges(X86Cpu *cpu, void *opaque)
{
    *(char **)opaque = cpu_mappings_text(cpu, false);
}

static void make_pages(X86Cpu *cpu, void *opaque)
{
    *(char **)opaque = cpu_mappings_text(cpu, true);
}

static bool print_of_cpu(Monitor *monitor, X86Cpu *cpu, void (*make)(X86Cpu *cpu, void *opaque))
{
    char *text = NULL;

    monitor_on_cpu(cpu, make, &text);
    monitor_printf(monitor, "%s", text);
    g_free(text);
    return true;
}

static bool run_info_registers(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (values[0].present) {
        for (unsigned i = 0; i < vcpu_count(); i++) {
            monitor_printf(monitor, "\nCPU#%u\n", i);
            print_of_cpu(monitor, cpu_get(i), make_registers);
        }
        return true;
    }
    int64_t index = values[1].present ? values[1].number : chosen_cpu();
    if (index < 0 || index >= vcpu_count()) {
        return vcpu_count() ? error_set(err, "there is no CPU %" PRId64, index)
                            : monitor_cpu(err) != NULL;
    }
    monitor_printf(monitor, "\nCPU#%" PRId64 "\n", index);
    return print_of_cpu(monitor, cpu_get((unsigned)index), make_registers);
}

static const MonitorCommand info_registers_command = {
    .name = "info registers",
    .help = "show the registers of the current CPU or that one (-a: of all)",
    .args = {{"all", MONITOR_ARG_FLAG, .flag = 'a'}, {"vcpu", MONITOR_ARG_INT, .optional = true}},
    .run = run_info_registers,
};
MONITOR_COMMAND(info_registers_command);

static bool run_info_mem(Monitor *monitor, const MonitorValue *values, Error **err)
{
    X86Cpu *cpu = monitor_cpu(err);

    return cpu && print_of_cpu(monitor, cpu, make_ranges);
}

static const MonitorCommand info_mem_command = {
    .name = "info mem",
    .help = "show the mapped ranges of linear memory",
    .run = run_info_mem,
};
MONITOR_COMMAND(info_mem_command);

static bool run_info_tlb(Monitor *monitor, const MonitorValue *values, Error **err)
{
    X86Cpu *cpu = monitor_cpu(err);

    return cpu && print_of_cpu(monitor, cpu, make_pages);
}

static const MonitorCommand info_tlb_command = {
    .name = "info tlb",
    .help = "show each mapped page of linear memory",
    .run = run_info_tlb,
};
MONITOR_COMMAND(info_tlb_command);

/* -- info cpus, jit ---------------------------------------------------------------------------- */

/* Linux puts the thread's id into the name of its clock: (~id << 3) and three flag bits. */
static int thread_id(const Vcpu *vcpu)
{
    clockid_t clock;

    return vcpu->created && pthread_getcpuclockid(vcpu->thread, &clock) == 0 ? ~(clock >> 3) : 0;
}

static bool run_info_cpus(Monitor *monitor, const MonitorValue *values, Error **err)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const Vcpu *vcpu = vcpu_get(i);
        monitor_printf(monitor, "%c CPU #%u: thread_id=%d%s\n", i == chosen_cpu() ? '*' : ' ', i,
                       thread_id(vcpu), vcpu->halted ? " (halted)" : "");
    }
    return true;
}

static const MonitorCommand info_cpus_command = {
    .name = "info cpus",
    .help = "list the CPUs",
    .run = run_info_cpus,
};
MONITOR_COMMAND(info_cpus_command);

static bool run_info_cpu_models(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autofree char *text = cpu_models_missing_text(values[0].present ? values[0].text : NULL, err);

    if (text) {
        monitor_printf(monitor, "%s", text);
    }
    return text;
}

static const MonitorCommand info_cpu_models_command = {
    .name = "info cpu-models",
    .help = "show what CPU models have and this host cannot offer",
    .args = {{"model", MONITOR_ARG_WORD, .optional = true}},
    .run = run_info_cpu_models,
};
MONITOR_COMMAND(info_cpu_models_command);

static bool run_info_jit(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Accel *accel = accel_current();

    if (!accel || !accel->info_jit) {
        return error_set(err, "nothing is translated: that needs accel=tcg");
    }
    g_autofree char *text = accel->info_jit();
    monitor_printf(monitor, "%s", text);
    return true;
}

static const MonitorCommand info_jit_command = {
    .name = "info jit",
    .help = "show what the translator has made",
    .run = run_info_jit,
};
MONITOR_COMMAND(info_jit_command);

static bool run_info_kvm(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Accel *accel = accel_current();

    if (!accel || !accel->info_kvm) {
        monitor_printf(monitor, "kvm support: disabled\n");
        return true;
    }
    g_autofree char *text = accel->info_kvm();
    monitor_printf(monitor, "%s", text);
    return true;
}

static const MonitorCommand info_kvm_command = {
    .name = "info kvm",
    .help = "show whether KVM is in use, and why its guest has left guest mode",
    .run = run_info_kvm,
};
MONITOR_COMMAND(info_kvm_command);

#define HOT_LINES 20
#define HOT_LINES_MAX 10000

static bool run_info_hot(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Accel *accel = accel_current();
    int64_t lines = values[0].present ? values[0].number : HOT_LINES;

    if (!accel || !accel->info_hot) {
        return error_set(err, "a profile is only available with accel=tcg");
    }
    if (lines < 1 || lines > HOT_LINES_MAX) {
        return error_set(err, "lines: 1 to %d", HOT_LINES_MAX);
    }
    g_autofree char *text = accel->info_hot((unsigned)lines, err);
    if (text) {
        monitor_printf(monitor, "%s", text);
    }
    return text;
}

static const MonitorCommand info_hot_command = {
    .name = "info hot",
    .help = "show the guest code that takes most time, after 'hot start'",
    .args = {{"lines", MONITOR_ARG_INT, .optional = true}},
    .run = run_info_hot,
};
MONITOR_COMMAND(info_hot_command);

static bool run_hot(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const Accel *accel = accel_current();

    if (!accel || !accel->control_profile) {
        return error_set(err, "a profile is only available with accel=tcg");
    }
    return accel->control_profile(values[0].text, err);
}

static const MonitorCommand hot_command = {
    .name = "hot",
    .help = "start, stop or clear the profile of guest code",
    .args = {{"start|stop|clear", MONITOR_ARG_WORD}},
    .run = run_hot,
};
MONITOR_COMMAND(hot_command);

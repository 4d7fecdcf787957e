/* SPDX-License-Identifier: MIT */
/* mce: lets a CPU find an error of the hardware, to see what the guest makes of it. */
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/machine-check.h"

#include <inttypes.h>

typedef struct Injection {
    const MachineCheck *check; /* NULL: it joins another CPU's */
    MachineCheckResult result;
} Injection;

static void inject_here(X86Cpu *cpu, void *opaque)
{
    Injection *injection = opaque;

    injection->result =
        injection->check ? machine_check_inject(cpu, injection->check) : machine_check_join(cpu);
}

static MachineCheckResult inject(Monitor *monitor, X86Cpu *cpu, const MachineCheck *check)
{
    Injection injection = {check, MACHINE_CHECK_OFF};

    monitor_on_cpu(cpu, inject_here, &injection);
    if (injection.result == MACHINE_CHECK_LOST) {
        monitor_printf(monitor, "CPU %u cannot take a machine check now and shuts down\n",
                       cpu->vcpu.index);
    } else if (injection.result == MACHINE_CHECK_OFF && check) {
        monitor_printf(monitor,
                       "CPU %u: the guest has not switched on that errors of bank %u are "
                       "reported\n",
                       cpu->vcpu.index, check->bank);
    }
    return injection.result;
}

static bool run_mce(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const MachineCheck check = {.bank = (unsigned)MIN((uint64_t)values[2].number, UINT32_MAX),
                                .status = (uint64_t)values[3].number,
                                .global = (uint64_t)values[4].number,
                                .address = (uint64_t)values[5].number,
                                .misc = (uint64_t)values[6].number};
    int64_t index = values[1].number;

    if (index < 0 || index >= vcpu_count()) {
        return error_set(err, "there is no CPU %" PRId64 ": this machine has %u", index,
                         vcpu_count());
    }
    X86Cpu *cpu = cpu_get((unsigned)index);
    if (!machine_check_is_possible(cpu, &check, err)) {
        return false;
    }
    if (values[0].present && !machine_check_is_broadcast(cpu)) {
        return error_set(err, "-b: CPUs of this model do not hear of each other's machine checks");
    }
    if (inject(monitor, cpu, &check) != MACHINE_CHECK_RAISED || !values[0].present) {
        return true;
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (i != index) {
            inject(monitor, cpu_get(i), NULL);
        }
    }
    return true;
}

static const MonitorCommand mce_command = {
    .name = "mce",
    .help = "have a CPU report an error of the hardware (-b: and the others hear of it): registers "
            "of the bank and MCG_STATUS",
    .args = {{"broadcast", MONITOR_ARG_FLAG, .flag = 'b'},
             {"cpu", MONITOR_ARG_INT},
             {"bank", MONITOR_ARG_INT},
             {"status", MONITOR_ARG_INT},
             {"mcgstatus", MONITOR_ARG_INT},
             {"addr", MONITOR_ARG_INT},
             {"misc", MONITOR_ARG_INT}},
    .run = run_mce,
};
MONITOR_COMMAND(mce_command);

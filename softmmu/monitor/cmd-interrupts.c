/* SPDX-License-Identifier: MIT */
/* Commands about interrupts: info pic, ioapic, irq, lapic; nmi. */
#include "hw/interrupt-info.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/watchdog.h"
#include "target/i386/cpu.h"

#include <inttypes.h>

LINKER_SET_DECLARE(const InterruptInfo, interrupt_infos);

/* -- Controllers ------------------------------------------------------------------------------- */

typedef void ControllerVisit(const InterruptInfo *info, Object *obj, void *opaque);

static const InterruptInfo *info_of(const Object *obj)
{
    LINKER_SET_FOREACH(const InterruptInfo, info, interrupt_infos)
    {
        if (obj->type == (*info)->type) {
            return *info;
        }
    }
    return NULL;
}

static void foreach_controller(Object *obj, ControllerVisit *visit, void *opaque)
{
    const InterruptInfo *info = info_of(obj);

    if (info) {
        visit(info, obj, opaque);
    }
    for (guint i = 0; i < obj->children->len; i++) {
        foreach_controller(obj->children->pdata[i], visit, opaque);
    }
}

typedef struct Listing {
    GString *text;
    const char *command; /* NULL: all */
} Listing;

static void print_controller(const InterruptInfo *info, Object *obj, void *opaque)
{
    const Listing *listing = opaque;

    if (!listing->command || g_strcmp0(info->command, listing->command) == 0) {
        info->print(obj, listing->text);
    }
}

static bool print_controllers(Monitor *monitor, const char *command, Error **err)
{
    g_autoptr(GString) text = g_string_new(NULL);

    foreach_controller(object_root(), print_controller, &(Listing){text, command});
    if (text->len == 0) {
        return error_set(err, "this machine has no %s", command ? command : "PIC");
    }
    monitor_printf(monitor, "%s", text->str);
    return true;
}

static bool run_info_pic(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return print_controllers(monitor, NULL, err);
}

static const MonitorCommand info_pic_command = {
    .name = "info pic",
    .help = "show the state of the interrupt controllers",
    .run = run_info_pic,
};
MONITOR_COMMAND(info_pic_command);

static bool run_info_ioapic(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return print_controllers(monitor, "ioapic", err);
}

static const MonitorCommand info_ioapic_command = {
    .name = "info ioapic",
    .help = "show the state of the I/O APIC",
    .run = run_info_ioapic,
};
MONITOR_COMMAND(info_ioapic_command);

static void print_counts(const InterruptInfo *info, Object *obj, void *opaque)
{
    unsigned count = 0;
    const uint64_t *counts = info->counts ? info->counts(obj, &count) : NULL;

    if (counts && count == 0) {
        return;
    }
    if (!counts) {
        monitor_printf(opaque, "IRQ statistics not available for %s.\n", obj->type->name);
        return;
    }
    monitor_printf(opaque, "IRQ statistics for %s:\n", obj->type->name);
    for (unsigned i = 0; i < count; i++) {
        if (counts[i]) {
            monitor_printf(opaque, "%2u: %" PRIu64 "\n", i, counts[i]);
        }
    }
}

static bool run_info_irq(Monitor *monitor, const MonitorValue *values, Error **err)
{
    foreach_controller(object_root(), print_counts, monitor);
    return true;
}

static const MonitorCommand info_irq_command = {
    .name = "info irq",
    .help = "show how often each interrupt line has asked",
    .run = run_info_irq,
};
MONITOR_COMMAND(info_irq_command);

/* -- CPUs -------------------------------------------------------------------------------------- */

static X86Cpu *cpu_of_apic_id(int64_t id, Error **err)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (cpu_get(i)->apic_id == id) {
            return cpu_get(i);
        }
    }
    error_set(err, "there is no local APIC with id %" PRId64, id);
    return NULL;
}

static bool run_info_lapic(Monitor *monitor, const MonitorValue *values, Error **err)
{
    X86Cpu *cpu = values[0].present ? cpu_of_apic_id(values[0].number, err) : monitor_cpu(err);

    if (!cpu) {
        return false;
    }
    if (!cpu->apic_ops || !cpu->apic_ops->text) {
        return error_set(err, "CPU %u has no local APIC", cpu->vcpu.index);
    }
    g_autofree char *text = cpu->apic_ops->text(cpu->apic);
    monitor_printf(monitor, "%s", text);
    return true;
}

static const MonitorCommand info_lapic_command = {
    .name = "info lapic",
    .help = "show the state of a local APIC, by default of the current CPU's",
    .args = {{"apic-id", MONITOR_ARG_INT, .optional = true}},
    .run = run_info_lapic,
};
MONITOR_COMMAND(info_lapic_command);

static bool run_nmi(Monitor *monitor, const MonitorValue *values, Error **err)
{
    if (!monitor_cpu(err)) {
        return false;
    }
    if (system_inject_nmi()) {
        return true;
    }
    for (unsigned i = 0; i < vcpu_count(); i++) { /* a board without local APICs */
        cpu_raise_event(cpu_get(i), CPU_EVENT_NMI);
    }
    return true;
}

static const MonitorCommand nmi_command = {
    .name = "nmi",
    .qmp = "inject-nmi",
    .help = "inject a non-maskable interrupt into all CPUs",
    .run = run_nmi,
};
MONITOR_COMMAND(nmi_command);

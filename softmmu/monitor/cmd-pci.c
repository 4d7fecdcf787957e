/* SPDX-License-Identifier: MIT */
/* info pci. */
#include "hw/pci.h"
#include "softmmu/monitor/monitor-private.h"

static bool run_info_pci(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autofree char *text = pci_info_text();

    if (!text) {
        return error_set(err, "No PCI devices found");
    }
    monitor_printf(monitor, "%s", text);
    return true;
}

static const MonitorCommand info_pci_command = {
    .name = "info pci",
    .help = "show the PCI devices and where they are mapped",
    .run = run_info_pci,
};
MONITOR_COMMAND(info_pci_command);

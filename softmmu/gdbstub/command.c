/* SPDX-License-Identifier: MIT */
/* The monitor's gdbserver command. */
#include "softmmu/gdbstub.h"
#include "softmmu/monitor.h"

#include <string.h>

#define DEFAULT_DEVICE "tcp::1234"

static bool run_gdbserver(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const char *device = values[0].present ? values[0].text : DEFAULT_DEVICE;

    if (!gdbstub_start(device, err)) {
        error_prefix(err, "No debugger can connect by '%s': ", device);
        return false;
    }
    if (strcmp(device, "none") == 0) {
        monitor_printf(monitor, "Disabled gdbserver\n");
    } else {
        monitor_printf(monitor, "Waiting for gdb connection on device '%s'\n", device);
    }
    return true;
}

static const MonitorCommand gdbserver_command = {
    .name = "gdbserver",
    .help = "serve gdb on a character device (tcp::1234), or stop it by none",
    .args = {{"device", MONITOR_ARG_REST, .optional = true}},
    .run = run_gdbserver,
};
MONITOR_COMMAND(gdbserver_command);

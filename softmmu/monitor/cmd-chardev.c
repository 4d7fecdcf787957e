/* SPDX-License-Identifier: MIT */
/* info chardev. */
#include "softmmu/monitor/monitor-private.h"

static void print_chardev(const Chardev *chardev, void *opaque)
{
    monitor_printf(opaque, "%s: filename=%s\n", chardev->label, chardev_filename(chardev));
}

static bool run_info_chardev(Monitor *monitor, const MonitorValue *values, Error **err)
{
    chardev_foreach(print_chardev, monitor);
    return true;
}

static const MonitorCommand info_chardev_command = {
    .name = "info chardev",
    .help = "list the character devices and what is behind them",
    .run = run_info_chardev,
};
MONITOR_COMMAND(info_chardev_command);

/* SPDX-License-Identifier: MIT */
/* info chardev. */
#include "softmmu/monitor/monitor-private.h"

static bool run_info_chardev(Monitor *monitor, const MonitorValue *values, Error **err)
{
    GPtrArray *all = object_container("/chardevs")->children;

    for (guint i = 0; i < all->len; i++) {
        const Chardev *chardev = all->pdata[i];
        monitor_printf(monitor, "%s: filename=%s%s\n", chardev->label,
                       chardev->connected ? "" : "disconnected:", chardev->filename);
    }
    return true;
}

static const MonitorCommand info_chardev_command = {
    .name = "info chardev",
    .help = "list the character devices and what is behind them",
    .run = run_info_chardev,
};
MONITOR_COMMAND(info_chardev_command);

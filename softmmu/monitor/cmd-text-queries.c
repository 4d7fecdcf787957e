/* SPDX-License-Identifier: MIT */
/* QMP's x-query-NAME: what `info NAME` prints, for a person behind a program. */
#include "softmmu/monitor/monitor-private.h"

#include <string.h>

static const JsonMember text_members[] = {{"human-readable-text", &json_type_string}, {NULL}};
static const JsonType text_type = {.kind = JSON_KIND_OBJECT, .members = text_members};

static bool run_text_query(Monitor *monitor, const MonitorValue *values, Error **err)
{
    const char *name = monitor->command->qmp + strlen("x-query-");
    g_autofree char *line = g_strconcat("info ", name, NULL);
    g_autofree char *text = monitor_run_hmp(line);
    g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
    g_autofree char *plain = g_strjoinv("\n", lines);

    monitor_return(monitor, json_pack("{s:o}", "human-readable-text", json_text(plain)));
    return true;
}

#define TEXT_QUERY(variable, name)                                                                 \
    static const MonitorCommand variable = {.qmp = "x-query-" name,                                \
                                            .help = "give the text of info " name,                 \
                                            .returns = &text_type,                                 \
                                            .run = run_text_query};                                \
    MONITOR_COMMAND(variable)

TEXT_QUERY(irq_query, "irq");
TEXT_QUERY(jit_query, "jit");
TEXT_QUERY(numa_query, "numa");
TEXT_QUERY(ramblock_query, "ramblock");
TEXT_QUERY(roms_query, "roms");

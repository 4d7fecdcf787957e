/* SPDX-License-Identifier: MIT */
/* Monitor: one table row per command, with typed arguments, serves HMP now and QMP later. Main
 * thread, under the lock. */
#ifndef SOFTMMU_MONITOR_H
#define SOFTMMU_MONITOR_H

#include "util/error.h"
#include "util/linker-set.h"

#include <stdint.h>

typedef struct Monitor Monitor;
typedef struct Chardev Chardev;

typedef enum MonitorArgKind {
    MONITOR_ARG_END,
    MONITOR_ARG_WORD,   /* one token; may be quoted */
    MONITOR_ARG_REST,   /* the rest of the line */
    MONITOR_ARG_INT,    /* expression: numbers, $rip-like registers, + - * / ( ) */
    MONITOR_ARG_FORMAT, /* gdb-like /COUNTfmtSIZE of x and xp */
    MONITOR_ARG_FLAG    /* -x */
} MonitorArgKind;

typedef struct MonitorArg {
    const char *name;
    MonitorArgKind kind;
    bool optional;
    char flag; /* of MONITOR_ARG_FLAG */
} MonitorArg;

typedef struct MonitorValue {
    bool present;
    const char *text;  /* WORD, REST */
    int64_t number;    /* INT; FLAG: 1 */
    int count;         /* FORMAT */
    char format, size; /* FORMAT: x d u o c i; b h w g */
} MonitorValue;

#define MONITOR_MAX_ARGS 6

typedef struct MonitorCommand {
    const char *name; /* "stop|s": name and aliases; "info mem": a sub-command of info */
    const char *help; /* one sentence */
    MonitorArg args[MONITOR_MAX_ARGS + 1];
    /* Prints by monitor_printf(); on failure the error's text is shown. values[i] belongs to
     * args[i]. */
    bool (*run)(Monitor *monitor, const MonitorValue *values, Error **err);
} MonitorCommand;

#define MONITOR_COMMAND(variable) LINKER_SET_ENTRY(monitor_commands, variable)

void monitor_printf(Monitor *monitor, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* An HMP session on a character device, readline mode for terminals and sockets; lives as long
 * as the chardev. */
bool monitor_new_hmp(Chardev *chardev, Error **err);

/* Runs one HMP line and returns its output; caller frees.
 * Used by tests and human-monitor-command. */
char *monitor_run_hmp(const char *line);

#endif

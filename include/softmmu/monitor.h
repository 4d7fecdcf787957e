/* SPDX-License-Identifier: MIT */
/* Monitor: one table row per command, with typed arguments, serves HMP, QMP, the schema and the
 * manual. Main thread, under the lock; docs/design/monitor.md. */
#ifndef SOFTMMU_MONITOR_H
#define SOFTMMU_MONITOR_H

#include "util/json-type.h"
#include "util/linker-set.h"

#include <stdint.h>

typedef struct Monitor Monitor;
typedef struct Chardev Chardev;

typedef enum MonitorArgKind {
    MONITOR_ARG_END,
    MONITOR_ARG_WORD,   /* one token; may be quoted. QMP: a string */
    MONITOR_ARG_REST,   /* the rest of the line. QMP: a string */
    MONITOR_ARG_INT,    /* expression: numbers, $rip-like registers, + - * / ( ). QMP: an integer */
    MONITOR_ARG_SIZE,   /* bytes; a bare number in HMP counts MiB, else K M G T. QMP: bytes */
    MONITOR_ARG_BOOL,   /* on or off. QMP: a boolean */
    MONITOR_ARG_FLAG,   /* -x. QMP: a boolean */
    MONITOR_ARG_FORMAT, /* gdb-like /COUNTfmtSIZE of x and xp; HMP only */
    MONITOR_ARG_JSON    /* any shape; QMP only */
} MonitorArgKind;

typedef struct MonitorArg {
    const char *name;
    MonitorArgKind kind;
    bool optional;
    char flag; /* of MONITOR_ARG_FLAG */
    /* Shape of a JSON argument; of a WORD the strings it takes (JSON_KIND_ENUM), or NULL. */
    const JsonType *type;
    /* Adds words that begin with `prefix` (g_strdup'ed); NULL: those of `type`, or paths. */
    void (*complete)(const char *prefix, GPtrArray *words);
} MonitorArg;

typedef struct MonitorValue {
    bool present;
    const char *text;   /* WORD, REST */
    int64_t number;     /* INT; SIZE: bytes; BOOL, FLAG: 0 or 1 */
    const json_t *json; /* JSON: borrowed */
    int count;          /* FORMAT */
    char format, size;  /* FORMAT: x d u o c i; b h w g */
    bool has_size;      /* FORMAT: the size was given, not left as it was last */
} MonitorValue;

#define MONITOR_MAX_ARGS 12

enum {
    MONITOR_OOB = 1 << 0,        /* harmless at any time: exec-oob may run it before others */
    MONITOR_OPEN_ARGS = 1 << 1,  /* QMP: members besides `args` belong to it: monitor_arguments() */
    MONITOR_NEGOTIATION = 1 << 2 /* qmp_capabilities: before all others */
};

typedef struct MonitorCommand {
    const char *name; /* HMP: "stop|s": name and aliases; "info mem". NULL: QMP only */
    const char *qmp;  /* QMP: "query-status". NULL: HMP only */
    const char *help; /* one sentence */
    MonitorArg args[MONITOR_MAX_ARGS + 1]; /* in the order of HMP; values[i] belongs to args[i] */
    /* Shape of all arguments as the schema tells it, where it depends on their values; NULL: that
     * of `args`. */
    const JsonType *(*arguments)(void);
    const JsonType *returns;     /* shape of the result; NULL: none */
    const char *const *features; /* words of the schema, NULL-terminated; NULL: none */
    unsigned flags;              /* MONITOR_OOB... */
    /* Does it. HMP-only rows print by monitor_printf(); others give their result, if they have
     * one, to monitor_return(). On failure the error's text (and class) is shown. */
    bool (*run)(Monitor *monitor, const MonitorValue *values, Error **err);
    /* Prints that result for HMP; NULL: nothing is printed. */
    void (*print)(Monitor *monitor, const json_t *result);
} MonitorCommand;

#define MONITOR_COMMAND(variable) LINKER_SET_ENTRY(monitor_commands, variable)

void monitor_printf(Monitor *monitor, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The result of the command that runs; taken over. */
void monitor_return(Monitor *monitor, json_t *result);
/*
 * A command that takes long does so elsewhere: run() defers its answer, if the caller can wait, and
 * returns true. Until monitor_finish(), which comes in a later turn, the session takes no further
 * command; others do. The session may be gone by then.
 */
typedef struct MonitorPending MonitorPending;
bool monitor_can_wait(const Monitor *monitor);
MonitorPending *monitor_defer(Monitor *monitor);
/* `result` (may be NULL) or `error` are taken over. */
void monitor_finish(MonitorPending *pending, json_t *result, Error *error);

/* All arguments of a QMP command, borrowed; NULL for HMP. */
const json_t *monitor_arguments(const Monitor *monitor);

/* Sessions on a character device: HMP in readline mode, QMP (`pretty`: indented). They live as
 * long as the chardev. */
bool monitor_new_hmp(Chardev *chardev, Error **err);
bool monitor_new_qmp(Chardev *chardev, bool pretty, Error **err);

/* What makes the answer to query-command-line-options; options are known above this layer. */
void monitor_set_options(json_t *(*make)(void));

/* Runs one HMP line and returns its output; caller frees.
 * Used by tests and human-monitor-command. */
char *monitor_run_hmp(const char *line);

#endif

/* SPDX-License-Identifier: MIT */
/* What the files of the monitor share. */
#ifndef SOFTMMU_MONITOR_PRIVATE_H
#define SOFTMMU_MONITOR_PRIVATE_H

#include "softmmu/monitor.h"
#include "softmmu/monitor/readline.h"
#include "ui/chardev.h"

typedef struct X86Cpu X86Cpu;

struct Monitor {
    GString *text;    /* printed and not yet sent */
    Chardev *chardev; /* NULL: the text is the result */
    Readline *readline;
    Timer flush_timer; /* the client is slower than a long answer */
    BottomHalf *show;  /* prints greeting or prompt, once it is clear who has the focus */
    bool is_open, has_focus;
    bool was_greeted;
    bool is_ending;    /* quit: no further prompt */
    char format, size; /* x and xp: what was given last */
};

/* command.c: runs one line; errors are printed. */
void monitor_run_line(Monitor *monitor, const char *line);
/* Prints the help of a command ("info mem"), of a group ("info") or of all (NULL). */
bool monitor_print_help(Monitor *monitor, const char *name, Error **err);
/* See ReadlineOps.complete. */
size_t monitor_complete(const char *text, GPtrArray *words);

/* hmp.c: sends what was printed; commands that end the process do it before. */
void monitor_flush(Monitor *monitor);

/* expression.c: evaluates at *text up to the first character that cannot belong to it. */
bool monitor_evaluate(const char **text, int64_t *ret_value, Error **err);

/* cmd-cpu.c: the CPU that registers and addresses are of. NULL and *err: the machine has none. */
X86Cpu *monitor_cpu(Error **err);
/* Runs fn where the CPU's registers are in memory: on its thread, or here when it is parked. */
void monitor_on_cpu(X86Cpu *cpu, void (*fn)(X86Cpu *cpu, void *opaque), void *opaque);

#endif

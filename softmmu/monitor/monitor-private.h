/* SPDX-License-Identifier: MIT */
/* What the files of the monitor share. */
#ifndef SOFTMMU_MONITOR_PRIVATE_H
#define SOFTMMU_MONITOR_PRIVATE_H

#include "softmmu/monitor.h"
#include "softmmu/monitor/readline.h"
#include "ui/chardev.h"
#include "util/loop.h"

typedef struct X86Cpu X86Cpu;
typedef struct QmpSession QmpSession;
typedef struct Object Object;

struct Monitor {
    GString *text;     /* printed and not yet sent */
    Chardev *chardev;  /* NULL: the text is the result */
    Timer flush_timer; /* the client is slower than a long answer */
    bool is_open;
    bool is_ending; /* quit: no further prompt */

    json_t *result;                /* of the command that runs */
    const MonitorCommand *command; /* that runs */
    MonitorPending *pending;       /* a command whose answer was deferred */
    bool is_nested;                /* another command runs while one is pending: out of band */
    /* The answer of `pending`, taken over. NULL: whoever runs commands here cannot wait. */
    void (*finished)(Monitor *monitor, const MonitorCommand *command, json_t *result, Error *error);
    const json_t *arguments; /* of the QMP command that runs */

    Readline *readline; /* HMP */
    BottomHalf *show;   /* HMP: prints greeting or prompt, once it is clear who has the focus */
    bool has_focus;
    bool was_greeted;
    GString *unread;                        /* typed while a command was pending */
    void (*then)(char *text, void *opaque); /* see monitor_run_hmp_then() */
    void *then_opaque;
    char format, size; /* x and xp: what was given last */
    unsigned cpu;      /* that `cpu` chose */

    QmpSession *qmp; /* QMP */
};

LINKER_SET_DECLARE(const MonitorCommand, monitor_commands);
#define MONITOR_FOREACH_COMMAND(variable)                                                          \
    LINKER_SET_FOREACH(const MonitorCommand, variable, monitor_commands)

/* -- monitor.c: what sessions of both kinds do ------------------------------------------------- */

Monitor *monitor_new(void);
void monitor_free(void *monitor);
/* The one whose line or request is worked on; NULL: nobody's. Setting it returns who was before. */
Monitor *monitor_speaker(void);
Monitor *monitor_set_speaker(Monitor *monitor);
/* Adds to what will be sent, each newline as CR LF. monitor_printf() does so in HMP only: text that
 * a command prints is nothing for a program. */
void monitor_append(Monitor *monitor, const char *text);
/* Sends what was printed; commands that end the process do it before. */
void monitor_flush(Monitor *monitor);
/* A client that does not read its answers is not asked for more questions. */
bool monitor_is_behind(const Monitor *monitor);
/* Attaches to the chardev; on failure frees the monitor. `frontend->opaque` is the monitor. */
bool monitor_attach(Monitor *monitor, Chardev *chardev, const ChardevFrontend *frontend,
                    Error **err);
/* Nobody waits for the pending command any more. */
void monitor_abandon(Monitor *monitor);
/* Calls the command; *ret_result (may be NULL inside) belongs to the caller. */
bool monitor_call(Monitor *monitor, const MonitorCommand *command, const MonitorValue *values,
                  json_t **ret_result, Error **err);

/* -- command.c: names ---------------------------------------------------------------------------*/

/* Finds the HMP command at *text and moves behind its name; *ret_command is NULL for a bare
 * "info". */
bool monitor_find_command(const char **text, const MonitorCommand **ret_command, Error **err);
const MonitorCommand *monitor_find_qmp(const char *name);
/* Prints the help of a command ("info mem"), of a group ("info") or of all (NULL). */
bool monitor_print_help(Monitor *monitor, const char *name, Error **err);

/* -- complete.c -------------------------------------------------------------------------------- */

/* See ReadlineOps.complete. */
size_t monitor_complete(const char *text, GPtrArray *words);
/* Adds names (of the group of info, or of the others) that begin with `prefix`; command.c. */
void monitor_list_names(bool sub, const char *prefix, GPtrArray *words);

/* For MonitorArg.complete: a word that begins with the prefix is added. */
typedef struct MonitorOffer {
    const char *prefix;
    GPtrArray *words;
} MonitorOffer;
void monitor_offer(MonitorOffer *offer, const char *word);
/* Paths of objects. */
void monitor_complete_path(const char *prefix, GPtrArray *words);
/* Files and folders of the host. */
void monitor_complete_file(const char *prefix, GPtrArray *words);
/* chardev-backend.c: as chardev-add takes a back end. */
extern const JsonType monitor_chardev_backend_type;
/* object-schema.c: as object-add takes its arguments. */
const JsonType *monitor_object_add_type(void);
/* The ids of character devices. */
void monitor_complete_chardev(const char *prefix, GPtrArray *words);
/* What stands on the line for that argument of the command; NULL: nothing yet. */
const char *monitor_completed_argument(unsigned index);

/* -- hmp-line.c, qmp-arguments.c --------------------------------------------------------------- */

/* Runs one line; errors are printed. Afterwards monitor->pending may be set. */
void monitor_run_line(Monitor *monitor, const char *line);
/* The message and below it the hint; takes the error over. */
void monitor_print_error(Monitor *monitor, const char *before, Error *error);
/* Prints what a command has given: a result, or an error. Takes both over. */
void monitor_show_answer(Monitor *monitor, const MonitorCommand *command, json_t *result,
                         Error *error);
/* Runs one line and gives then() what it printed, to keep, before this returns or later. */
void monitor_run_hmp_then(const char *line, void (*then)(char *text, void *opaque), void *opaque);
/* Reads the arguments of a QMP command; values borrow from `arguments` (NULL: none). */
bool monitor_read_arguments(const MonitorCommand *command, const json_t *arguments,
                            MonitorValue *values, Error **err);
/* Shape of an argument in QMP; NULL: HMP has it alone. */
const JsonType *monitor_arg_type(const MonitorArg *arg);

/* expression.c: evaluates at *text up to the first character that cannot belong to it. */
bool monitor_evaluate(const char **text, int64_t *ret_value, Error **err);

/* cmd-dump.c: fails while a dump is written, for which the machine stands still. */
bool monitor_check_no_dump(Error **err);

/* cmd-pci.c: what configuration space says of a PCI device: class, place, ids, mappings. */
void monitor_print_pci(Monitor *monitor, const Object *obj, int indent);
/* cmd-block.c: the device that has the drive; NULL: none. */
const Object *monitor_drive_device(const Object *drive);
/* cmd-media.c: the drive that the first two arguments, `device` and `id`, name. */
struct Drive *monitor_which_drive(const MonitorValue *values, Error **err);

/* cmd-run.c: what the greeting and query-version say. */
json_t *monitor_version_json(void);

/* -- cmd-cpu.c --------------------------------------------------------------------------------- */

/* The CPU that registers and addresses are of, as the speaker has chosen it.
 * NULL and *err: the machine has none. */
X86Cpu *monitor_cpu(Error **err);
bool monitor_select_cpu(int64_t index, Error **err);
/* Runs fn where the CPU's registers are in memory: on its thread, or here when it is parked. */
void monitor_on_cpu(X86Cpu *cpu, void (*fn)(X86Cpu *cpu, void *opaque), void *opaque);

#endif

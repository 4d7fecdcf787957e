/* SPDX-License-Identifier: MIT */
/* The command line: a table of options, what a user typed turned into canonical items, help. */
#ifndef SOFTMMU_MAIN_OPTIONS_H
#define SOFTMMU_MAIN_OPTIONS_H

#include "util/keyval.h"

/* Canonical options; every other one is rewritten to these (aliases.c). */
typedef enum OptionId {
    OPT_NONE, /* rewritten or refused */
    OPT_HELP,
    OPT_VERSION,
    OPT_DUMP_CONFIG,
    OPT_MACHINE,
    OPT_ACCEL,
    OPT_SINGLESTEP,
    OPT_PERFMAP,
    OPT_JITDUMP,
    OPT_CPU,
    OPT_DEVICE,
    OPT_OBJECT,
    OPT_GLOBAL,
    OPT_DRIVE,
    OPT_CHARDEV,
    OPT_ADD_FD,
    OPT_SERIAL,
    OPT_PARALLEL,
    OPT_MONITOR,
    OPT_MON,
    OPT_QMP,
    OPT_QMP_PRETTY,
    OPT_DEBUGCON,
    OPT_GDB,
    OPT_DISPLAY,
    OPT_NET,
    OPT_NIC,
    OPT_FW_CFG,
    OPT_SMBIOS,
    OPT_ACPI_TABLE,
    OPT_NUMA,
    OPT_OPTION_ROM,
    OPT_COMPAT,
    OPT_ESCAPE,
    OPT_RUN_WITH,
    OPT_SANDBOX,
    OPT_OVERCOMMIT,
    OPT_FIRMWARE_DIR,
    OPT_ACTION,
    OPT_OUTCOME,
    OPT_NODEFAULTS,
    OPT_PAUSED,
    OPT_DAEMONIZE,
    OPT_PIDFILE,
    OPT_LOG,
    OPT_LOG_FILE,
    OPT_TRACE,
    OPT_MSG,
    OPT_KEYMAP,
    OPT_NO_USER_CONFIG
} OptionId;

typedef struct Config Config;
typedef struct OptionRow OptionRow;

struct OptionRow {
    const char *name;
    const char *arg;  /* how help calls its argument; NULL: it takes none */
    const char *help; /* lines, separated by \n; NULL: another name of the row before */
    OptionId id;      /* canonical, or OPT_NONE */
    /* Rewriting. `to`: canonical option; its text is `text` with %s standing for the argument
     * (commas doubled), or the keys of the argument with `prefix` before each, or `rewrite`. */
    const char *to, *text;
    const char *prefix, *implied_key;
    bool (*rewrite)(Config *config, const char *argument, const char *origin, Error **err);
    const char *refused; /* why it cannot be used: what is missing */
};

typedef struct ConfigItem {
    const OptionRow *row; /* canonical */
    char *text;           /* argument or NULL */
    char *origin;         /* as the user typed it: "-kernel vmlinuz"; for errors */
} ConfigItem;

/* Where a file of -readconfig says a key. */
typedef struct ConfigLine {
    char *origin; /* of the item: "FILE:LINE" of its header */
    char *key;
    char *place; /* "FILE:LINE" of this line */
} ConfigLine;

struct Config {
    GPtrArray *items; /* of ConfigItem *, in the order of the command line */
    GPtrArray *lines; /* of ConfigLine * */
};

extern const OptionRow option_rows[], alias_rows[], refused_rows[]; /* end with a NULL name */

Config *config_new(void);
void config_free(Config *config);

/* Parses and rewrites the whole command line; opens and changes nothing.
 * -help and -version end it. */
bool config_parse(Config *config, int argc, char **argv, Error **err);

/* Adds option `name` (canonical or alias) as if it had been typed. `origin` is what errors name. */
bool config_add(Config *config, const char *name, const char *text, const char *origin,
                Error **err);

/* -readconfig: adds the options of a file; and -set GROUP.ID.KEY=VALUE: changes one that is there
 * (config-file.c). */
bool config_read_file(Config *config, const char *path, Error **err);
bool config_set(Config *config, const char *text, Error **err);

/* What to name before an error of the item of that origin: the line of the key that the error's
 * text quotes, where that came from a file, else the origin. */
const char *config_error_place(const Config *config, const char *origin, Error *const *err);

/* Last item of that kind, or NULL. */
const ConfigItem *config_last(const Config *config, OptionId id);

/* Calls fn for each item of that kind in order until one fails; the error is prefixed with the
 * item's origin. */
bool config_foreach(const Config *config, OptionId id,
                    bool (*fn)(const ConfigItem *item, void *opaque, Error **err), void *opaque,
                    Error **err);

/* The canonical command line, an option a line (--dump-config); caller frees. */
char *config_text(const Config *config);

/* Text of -help; caller frees. */
char *options_help(void);
/* What -help says of one option. */
char *options_help_of(const char *name);
char *options_version(void);

/* Prints the answer to the first item that asks for help (-device help, -machine pc,help...); false
 * when none does. */
bool help_answer(const Config *config);

/* Adds the default devices a user did not replace: the first serial port and the monitor. */
bool config_add_defaults(Config *config, Error **err);
/* Whether nothing was said about IDE drives that keeps the default CD drive away; its place may
 * still be taken by -drive. */
bool config_wants_cdrom(const Config *config);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

#endif

/* SPDX-License-Identifier: MIT */
/* Accelerators: the table, `-accel a -accel b` in order, and what each offers to a machine. */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include "softmmu/run.h"
#include "util/keyval.h"
#include "util/linker-set.h"

typedef enum AccelOptionKind {
    ACCEL_OPTION_BOOL,
    ACCEL_OPTION_NUMBER,
    ACCEL_OPTION_CHOICE,
    ACCEL_OPTION_TEXT
} AccelOptionKind;

/* A parameter of `-accel NAME,...`: one row reads it, checks it and explains it. */
typedef struct AccelOption {
    const char *name; /* NULL ends the table */
    AccelOptionKind kind;
    const char *values; /* what may be given, for the help: "MIB"; of a choice "single|multi" */
    const char *help;
    /* Holds the default before and the user's choice after: bool, uint64_t, unsigned (which of
     * `values`), char * (owned). */
    void *value;
    uint64_t min, max; /* of a number */
} AccelOption;

typedef void AccelCountFn(const char *name, uint64_t value, void *opaque);

typedef struct Accel {
    const char *name; /* "tcg" */
    const char *desc;
    const AccelOption *options; /* may be NULL */
    /* Asked first where another one may be used instead: false, and why, if that is the better
     * choice on this host. May be NULL. */
    bool (*suits)(Error **err);
    /* Options are read already; fails when the host cannot; before the machine is made. */
    bool (*init)(Error **err);
    /* Hears of -kernel, whose symbols may be of use; may be NULL. */
    void (*use_kernel)(const char *path);
    const VcpuOps *vcpu_ops;
    /* Text of `info kvm`, the caller frees it. May be NULL. */
    char *(*info_kvm)(void);
    /* May be NULL. Text of `info jit`, and of `info hot` with so many lines, the caller frees it;
     * "start", "stop", "clear" of `hot`. */
    char *(*info_jit)(void);
    char *(*info_hot)(unsigned lines, Error **err);
    /* Whether each instruction is translated by itself; every CPU is parked. May be NULL. */
    bool (*set_one_insn)(bool on, Error **err);
    bool (*has_one_insn)(void);
    bool (*control_profile)(const char *what, Error **err);
    /* Calls fn for each counter of the run so far; may be NULL. Before the vCPUs are destroyed. */
    void (*count)(AccelCountFn *fn, void *opaque);
} Accel;

/* Reads what is given and refuses what is not in the table, naming the nearest. */
bool accel_options_read(const AccelOption *options, KeyVal *given, Error **err);
/* Text of -accel NAME,help; caller frees. */
char *accel_options_help(const Accel *accel);

#define ACCEL(variable) LINKER_SET_ENTRY(accels, variable)

const Accel *accel_find(const char *name);
void accel_foreach(void (*fn)(const Accel *accel, void *opaque), void *opaque);
/* The one in use, after accel_select(). */
const Accel *accel_current(void);

/* What -cpu says, for those that are asked whether they suit; NULL: nothing. Set before. */
extern const char *accel_cpu_text;

/* Tries each "NAME,options" text in order; says on stderr which one failed, or would do worse than
 * the next, and why before going on to that. */
bool accel_select(char *const *texts, size_t count, Error **err);

/* Text of -accel help; caller frees. */
char *accel_help(void);

#endif

/* SPDX-License-Identifier: MIT */
/* Accelerators: the table, `-accel a -accel b` in order, and what each offers to a machine. */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include "softmmu/run.h"
#include "util/keyval.h"
#include "util/linker-set.h"

typedef struct Accel {
    const char *name; /* "tcg" */
    const char *desc;
    const char *const *options; /* NULL-terminated names of its parameters, for errors and help */
    const char *options_help;   /* lines for -accel NAME,help */
    bool (*init)(KeyVal *options,
                 Error **err); /* fails when the host cannot; before the machine is made */
    const VcpuOps *vcpu_ops;
    char *(*info_jit)(void); /* text of `info jit`, caller frees; may be NULL */
} Accel;

#define ACCEL(variable) LINKER_SET_ENTRY(accels, variable)

const Accel *accel_find(const char *name);
/* The one in use, after accel_select(). */
const Accel *accel_current(void);

/* Tries each "NAME,options" text in order; says on stderr which one failed and why before going on
 * to the next. */
bool accel_select(char *const *texts, size_t count, Error **err);

/* Text of -accel help; caller frees. */
char *accel_help(void);

#endif

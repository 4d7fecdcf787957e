/* SPDX-License-Identifier: MIT */
/* The record of -outcome: how the run ended and what it used. docs/outcome.md has its fields. */
#ifndef SOFTMMU_MAIN_OUTCOME_H
#define SOFTMMU_MAIN_OUTCOME_H

#include "softmmu/main/options.h"

#include <jansson.h>

/* Reads the option and removes an old record; ending signals wait from here on, so that none is
 * without its record. Fine when there is no -outcome. */
bool outcome_begin(const Config *config, Error **err);
/* Of a command line that cannot be parsed: looks for -outcome all the same. */
void outcome_begin_words(int argc, char **argv);
/* Listens to consoles, looks for hangs; once there is a main loop. */
void outcome_watch(void);
/* After run_main_loop(): what take_down() takes away. Under the machine lock. */
void outcome_collect(void);
/* Writes the one record. `error`: why the run failed, or NULL. False: it could not be written,
 * which has been said. */
bool outcome_write(int status, const Error *error);

/* -- outcome-console.c: what the guest's consoles said ----------------------------------------- */

void outcome_console_watch(void);
/* Listens no more; adds "console" and "console_bytes". */
void outcome_console_report(json_t *record);
/* Line in which Linux said that it panicked, since the last reset; NULL: none. */
const char *outcome_console_panic(void);
/* Of all consoles. */
uint64_t outcome_console_bytes(void);

#endif

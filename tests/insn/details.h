/* SPDX-License-Identifier: MIT */
/* What a TAP program says beside its results. */
#ifndef TESTS_INSN_DETAILS_H
#define TESTS_INSN_DETAILS_H

#include <stdio.h>

/* A stream to stdout that makes each line a comment: "# " in front of it. One for the program,
 * never closed; a whole line comes out at once. */
FILE *details(void);

#endif

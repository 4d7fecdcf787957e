/* SPDX-License-Identifier: MIT */
/* The command line of a fuzzer: words with a number, words with a text, words alone. */
#ifndef TESTS_FUZZ_OPTIONS_H
#define TESTS_FUZZ_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* One word; one of the three pointers says what it sets. */
typedef struct FuzzOption {
    const char *name; /* "--seed" */
    uint64_t *number; /* decimal, or hexadecimal behind 0x */
    const char **text;
    bool *flag;
} FuzzOption;

/* Stores what the arguments say; `options` ends with an entry without a name. False: said on stderr
 * what was wrong. */
bool fuzz_parse_options(char **argv, const FuzzOption *options);

#endif

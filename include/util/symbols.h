/* SPDX-License-Identifier: MIT */
/* Symbols: names of code addresses out of an ELF file or a list as System.map and /proc/kallsyms
 * have it. */
#ifndef UTIL_SYMBOLS_H
#define UTIL_SYMBOLS_H

#include "util/error.h"

#include <stdint.h>

typedef struct Symbols Symbols;

/* Reads the table of an ELF file (32 or 64 bits) or lines "ADDRESS TYPE NAME"; fails when the file
 * has none. The caller frees it. */
Symbols *symbols_load(const char *path, Error **err);
void symbols_free(Symbols *symbols);

/* The symbol an address lies in or shortly behind, and how far; NULL: none. Owned by `symbols`. */
const char *symbols_find(const Symbols *symbols, uint64_t address, uint64_t *ret_offset);
/* The address of a name; false: there is none. */
bool symbols_address(const Symbols *symbols, const char *name, uint64_t *ret_address);
size_t symbols_count(const Symbols *symbols);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Symbols, symbols_free)

#endif

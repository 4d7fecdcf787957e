/* SPDX-License-Identifier: MIT */
/* Names of guest code, for profiles and logs: -accel tcg,symbols=FILE, or -kernel's own. */
#ifndef ACCEL_TCG_GUEST_SYMBOLS_H
#define ACCEL_TCG_GUEST_SYMBOLS_H

#include "accel/tcg/block.h"

/* At start: the file the user names. */
bool guest_symbols_load(const char *path, Error **err);
/* -kernel, which counts when it is an ELF file with symbols and the user has named none. */
void guest_symbols_offer(const char *kernel);
bool guest_symbols_known(void);
/* "name+0x12", or NULL: no symbols, or none near. `cpu` says where its kernel has put itself.
 * The caller frees it. */
char *guest_symbols_name(const X86Cpu *cpu, uint64_t rip);

#endif

/* SPDX-License-Identifier: MIT */
/* Decoding: Zydis into Insn, and the gates that make an instruction
 * #UD or #NM in the current mode. */
#ifndef TARGET_I386_TRANSLATE_DECODE_H
#define TARGET_I386_TRANSLATE_DECODE_H

#include "target/i386/cpu.h"
#include "target/i386/translate/insn.h"

typedef enum DecodeResult {
    DECODE_OK,
    DECODE_SHORT,  /* more bytes are needed than `size` */
    DECODE_INVALID /* #UD, or longer than 15 bytes: #GP, which *ret_too_long says */
} DecodeResult;

/*
 * Decodes at `bytes` (`size` 1 to 15 of them are readable) for the modes in CPU_MODE_CS_L/D and
 * SS_B of `mode`. `rip` is the instruction's offset in CS. Uses Zydis: guest FPU state must be
 * parked.
 */
DecodeResult decode_insn(uint32_t mode, uint64_t rip, const uint8_t *bytes, unsigned size,
                         Insn *ret_insn, bool *ret_too_long);

/* Name of a mnemonic, for logs. */
const char *decode_mnemonic_name(const Insn *insn);

/* Intel-syntax text of the instruction; caller frees. */
char *decode_format(const Insn *insn, uint32_t mode);

#endif

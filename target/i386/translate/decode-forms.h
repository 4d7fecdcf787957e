/* SPDX-License-Identifier: MIT */
/* Decoding for the translator, which meets the same forms of instructions again and again. */
#ifndef TARGET_I386_TRANSLATE_DECODE_FORMS_H
#define TARGET_I386_TRANSLATE_DECODE_FORMS_H

#include "target/i386/translate/decode.h"

/* As decode_insn(), mostly without asking Zydis. With the code lock, FPU parked. */
DecodeResult decode_insn_by_form(uint32_t mode, uint64_t rip, const uint8_t *bytes, unsigned size,
                                 Insn *ret_insn, bool *ret_too_long);

#endif

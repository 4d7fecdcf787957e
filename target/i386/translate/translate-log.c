/* SPDX-License-Identifier: MIT */
/* The stages of a translation in the log, each in the order of the code. */
#include "target/i386/translate/translate-log.h"

#include "target/i386/translate/decode.h"
#include "util/log.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>

static const char *carry_name(const Insn *insn)
{
    static const char *const names[] = {
        [CARRY_NATIVE] = "native",         [CARRY_NOTHING] = "nothing", [CARRY_LEA] = "address",
        [CARRY_BRANCH] = "branch",         [CARRY_STACK] = "stack",     [CARRY_STRING] = "string",
        [CARRY_BIT_STRING] = "bit string", [CARRY_HELPER] = "helper"};

    return insn->row ? names[insn->row->carry] : "not carried";
}

static const char *flags_name(FlagsPlace place)
{
    static const char *const names[] = {[FLAGS_HOST] = "host",
                                        [FLAGS_SAVED] = "saved",
                                        [FLAGS_BOTH] = "both",
                                        [FLAGS_RECIPE] = "recipe"};

    return names[place];
}

void translate_log_insn(const Translator *t)
{
    if (log_enabled(LOG_IN_ASM)) {
        g_autofree char *text = decode_format(t->insn, t->mode);

        if (!t->block->insn_count) {
            log_printf("----------------\nIN: mode 0x%x, RAM 0x%" PRIx64 "\n", t->mode,
                       t->block->ram_address);
        }
        log_printf("0x%08" PRIx64 ":  %s\n", t->insn->rip, text);
    }
    LOG(LOG_OP, "op: 0x%" PRIx64 " %s: %s, flags %s\n", t->insn->rip, decode_mnemonic_name(t->insn),
        carry_name(t->insn), flags_name(t->flags));
}

void translate_log_block(const Block *block)
{
    const uint8_t *at = block->code, *end = block->code + block->code_size;
    ZydisDisassembledInstruction insn;

    if (!log_enabled(LOG_OUT_ASM)) {
        return;
    }
    log_printf("OUT: [size=%u] for 0x%" PRIx64 "%s\n", block->code_size, block->rip,
               block->is_trace ? " (trace)" : "");
    while (at < end && ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, (uintptr_t)at,
                                                          at, (ZyanUSize)(end - at), &insn))) {
        log_printf("%p:  %s\n", (const void *)at, insn.text);
        at += insn.info.length;
    }
}

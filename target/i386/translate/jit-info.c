/* SPDX-License-Identifier: MIT */
/* Instructions the translator does not carry: counted, named once in the log and in `info jit`. */
#include "target/i386/translate/jit-info.h"

#include "accel/tcg/tcg-internal.h"
#include "util/log.h"

#include <Zydis/Mnemonic.h>

static uint32_t not_carried[ZYDIS_MNEMONIC_MAX_VALUE + 1];

void jit_info_not_carried(const Insn *insn)
{
    if (__atomic_fetch_add(&not_carried[insn->mnemonic], 1, __ATOMIC_RELAXED) == 0) {
        LOG(LOG_UNIMP, "tcg: instruction %s is not carried: #UD\n",
            ZydisMnemonicGetString((ZydisMnemonic)insn->mnemonic));
    }
}

void target_append_jit_info(GString *text)
{
    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
        if (not_carried[i]) {
            g_string_append_printf(text, "not carried: %s, %u times\n",
                                   ZydisMnemonicGetString((ZydisMnemonic)i), not_carried[i]);
        }
    }
}

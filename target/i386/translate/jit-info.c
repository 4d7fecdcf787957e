/* SPDX-License-Identifier: MIT */
/* Instructions for which a block is left, or which are not carried at all; those are named once in
 * the log, both with their counts in `info jit`. */
#include "target/i386/translate/jit-info.h"

#include "accel/tcg/tcg-internal.h"
#include "util/log.h"

#include <Zydis/Mnemonic.h>
#include <inttypes.h>

static uint32_t not_carried[ZYDIS_MNEMONIC_MAX_VALUE + 1];

void jit_info_not_carried(const Insn *insn)
{
    if (__atomic_fetch_add(&not_carried[insn->mnemonic], 1, __ATOMIC_RELAXED) == 0) {
        LOG(LOG_UNIMP, "tcg: instruction %s is not carried: #UD\n",
            ZydisMnemonicGetString((ZydisMnemonic)insn->mnemonic));
    }
}

/* -- Run by C ---------------------------------------------------------------------------------- */

#define SHOWN 16 /* the most frequent of them */

typedef struct InsnCount {
    unsigned mnemonic;
    uint64_t count;
} InsnCount;

size_t target_insn_counts_size(void)
{
    return (ZYDIS_MNEMONIC_MAX_VALUE + 1) * sizeof(uint64_t);
}

static gint compare_counts(gconstpointer a, gconstpointer b)
{
    const InsnCount *one = a, *other = b;

    return one->count != other->count ? (one->count < other->count ? 1 : -1)
                                      : (int)one->mnemonic - (int)other->mnemonic;
}

static void append_run_by_c(GString *text)
{
    g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(InsnCount));

    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
        InsnCount entry = {i, 0};
        for (unsigned n = 0; n < vcpu_count(); n++) {
            const uint64_t *counts = ((X86Cpu *)vcpu_get(n)->cpu)->tcg.insn_counts;
            entry.count += counts ? COUNTED(counts[i]) : 0;
        }
        if (entry.count) {
            g_array_append_val(found, entry);
        }
    }
    g_array_sort(found, compare_counts);
    for (unsigned i = 0; i < MIN(found->len, SHOWN); i++) {
        const InsnCount *entry = &g_array_index(found, InsnCount, i);
        g_string_append_printf(text, "instructions by C, %-12s %" PRIu64 "\n",
                               ZydisMnemonicGetString((ZydisMnemonic)entry->mnemonic),
                               entry->count);
    }
}

void target_append_jit_info(GString *text)
{
    append_run_by_c(text);
    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
        if (COUNTED(not_carried[i])) {
            g_string_append_printf(text, "not carried: %s, %u times\n",
                                   ZydisMnemonicGetString((ZydisMnemonic)i),
                                   COUNTED(not_carried[i]));
        }
    }
}

/* SPDX-License-Identifier: MIT */
/* What `info lapic` shows: the registers of a local APIC in words. */
#include "hw/intc/lapic-internal.h"

static const char *const mode_names[] = {"Fixed", "LowPri", "SMI",  "...",
                                         "NMI",   "INIT",   "SIPI", "ExtINT"};

static void print_lvt(GString *out, const char *name, uint32_t lvt, bool is_timer)
{
    static const char *const timer_modes[] = {"one-shot", "periodic", "tsc-deadline", "..."};
    unsigned mode = lvt >> 8 & 7;
    /* The timer's and the error's entries have no mode: always fixed. */
    g_string_append_printf(out, "%s\t 0x%08x %s %-5s %-6s %-12s %-12s %-6s", name, lvt,
                           lvt & 1 << 13 ? "active-lo" : "active-hi",
                           lvt & LVT_LEVEL ? "level" : "edge", lvt & LVT_MASKED ? "masked" : "",
                           lvt & LVT_REMOTE_IRR ? "remote-irr" : "",
                           is_timer ? timer_modes[lvt >> 17 & 3] : "", mode_names[mode]);
    if (mode == APIC_FIXED) {
        g_string_append_printf(out, " (vec %u)", lvt & 0xff);
    }
    g_string_append_c(out, '\n');
}

static void print_vectors(GString *out, const char *name, const uint32_t *words,
                          const uint32_t *level)
{
    bool any = false;

    g_string_append_printf(out, "%s\t", name);
    for (unsigned vector = 0; vector < 32 * APIC_VECTOR_WORDS; vector++) {
        if (words[vector / 32] >> vector % 32 & 1) {
            bool is_level = level && level[vector / 32] >> vector % 32 & 1;
            g_string_append_printf(out, " %u%s", vector, is_level ? "(level)" : "");
            any = true;
        }
    }
    g_string_append(out, any ? "\n" : " (none)\n");
}

static void print_icr(GString *out, const Apic *apic)
{
    static const char *const shorthands[] = {"no-shorthand", "self", "all-self", "all"};
    uint32_t low = (uint32_t)apic->icr;
    uint32_t high = (uint32_t)(apic->icr >> 32);

    g_string_append_printf(out, "ICR\t 0x%08x %s %s %s %s\n", low,
                           low & 1 << 11 ? "logical" : "physical", low & 1 << 15 ? "level" : "edge",
                           low & 1 << 14 ? "assert" : "de-assert", shorthands[low >> 18 & 3]);
    g_string_append_printf(out, "ICR2\t 0x%08x", high);
    if (!(low >> 18 & 3)) {
        uint32_t destination = apic_is_x2apic(apic) ? high : high >> 24;
        g_string_append_printf(out, low & 1 << 11 ? " mask %x" : " cpu %u", destination);
        g_string_append(out, low & 1 << 11 ? "" : " (APIC ID)");
    }
    g_string_append_c(out, '\n');
}

char *apic_text(void *opaque)
{
    Apic *apic = opaque;

    apic_sync_now(apic); /* the timer's count follows from the time of the last look */
    return apic_registers_text(apic, apic_timer_current_count(apic));
}

char *apic_registers_text(const Apic *apic, uint32_t current_count)
{
    GString *out = g_string_new(NULL);
    unsigned shift = ((apic->divide >> 1 & 4) + (apic->divide & 3) + 1) & 7;

    g_string_append_printf(out, "dumping local APIC state for CPU %u\n\n", apic->cpu->vcpu.index);
    print_lvt(out, "LVT0", apic->lvt[LVT_LINT0], false);
    print_lvt(out, "LVT1", apic->lvt[LVT_LINT1], false);
    print_lvt(out, "LVTPC", apic->lvt[LVT_PERFORMANCE], false);
    print_lvt(out, "LVTERR", apic->lvt[LVT_ERROR], false);
    print_lvt(out, "LVTTHMR", apic->lvt[LVT_THERMAL], false);
    print_lvt(out, "LVTT", apic->lvt[LVT_TIMER], true);
    g_string_append_printf(
        out, "Timer\t DCR=0x%x (divide by %u) initial_count = %u current_count = %u\n",
        apic->divide, 1u << shift, apic->initial_count, current_count);
    g_string_append_printf(out, "SPIV\t 0x%08x APIC %s, focus=off, spurious vec %u\n", apic->svr,
                           apic->svr & SVR_ENABLE ? "enabled" : "disabled", apic->svr & 0xff);
    print_icr(out, apic);
    g_string_append_printf(out, "ESR\t 0x%08x\n", apic->esr);
    print_vectors(out, "ISR", apic->isr, apic->tmr);
    print_vectors(out, "IRR", apic->irr, apic->tmr);
    g_string_append_printf(out, "\nAPR 0x%02x TPR 0x%02x DFR 0x%02x LDR 0x%02x PPR 0x%02x", 0,
                           apic->tpr, apic->dfr >> 28, apic_logical_id(apic) >> 24,
                           apic_processor_priority(apic));
    if (apic_is_x2apic(apic)) {
        g_string_append_printf(out, "\nx2APIC: id 0x%x logical id 0x%08x", apic_id(apic),
                               apic_logical_id(apic));
    }
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

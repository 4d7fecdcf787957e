/* SPDX-License-Identifier: MIT */
/* Text of `info registers`, in QEMU's layout. */
#include "target/i386/helpers/access.h"

static void append_row(GString *text, const X86Cpu *cpu, const char *const *names,
                       const uint8_t *registers, unsigned count)
{
    bool wide = cpu->mode & CPU_MODE_CS_L;

    for (unsigned i = 0; i < count; i++) {
        uint64_t value = cpu->gpr[registers[i]];

        g_string_append_printf(
            text, wide ? "%s=%016" G_GINT64_MODIFIER "x%c" : "%s=%08" G_GINT64_MODIFIER "x%c",
            names[i], wide ? value : (uint32_t)value, i + 1 < count ? ' ' : '\n');
    }
}

static void append_general(GString *text, const X86Cpu *cpu)
{
    static const uint8_t order[] = {R_RAX, R_RBX, R_RCX, R_RDX, R_RSI, R_RDI, R_RBP, R_RSP,
                                    R_R8,  R_R9,  R_R10, R_R11, R_R12, R_R13, R_R14, R_R15};
    static const char *const names64[] = {"RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP",
                                          "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
    static const char *const names32[] = {"EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "ESP"};
    bool wide = cpu->mode & CPU_MODE_CS_L;

    for (unsigned row = 0; row < (wide ? 16 : 8); row += 4) {
        append_row(text, cpu, (wide ? names64 : names32) + row, order + row, 4);
    }
}

static void append_flags(GString *text, const X86Cpu *cpu)
{
    uint64_t flags = cpu->eflags;
    bool wide = cpu->mode & CPU_MODE_CS_L;

    if (wide) {
        g_string_append_printf(text, "RIP=%016" G_GINT64_MODIFIER "x RFL=", cpu->rip);
    } else {
        g_string_append_printf(text, "EIP=%08x EFL=", (unsigned)cpu->rip);
    }
    g_string_append_printf(text, "%08x [%c%c%c%c%c%c%c] CPL=%d II=%d A20=%d SMM=%d HLT=%d\n",
                           (unsigned)flags, flags & EFLAGS_DF ? 'D' : '-',
                           flags & EFLAGS_OF ? 'O' : '-', flags & EFLAGS_SF ? 'S' : '-',
                           flags & EFLAGS_ZF ? 'Z' : '-', flags & EFLAGS_AF ? 'A' : '-',
                           flags & EFLAGS_PF ? 'P' : '-', flags & EFLAGS_CF ? 'C' : '-', cpu->cpl,
                           cpu->interrupt_shadow, !cpu->a20_disabled, cpu->smm, cpu->halted);
}

/* "DS   [-WA]", "CS64 [-RA]", "TSS64-busy": type of a descriptor. */
static void append_descriptor_type(GString *text, const X86Cpu *cpu, const Segment *segment)
{
    static const char *const system_names[2][16] = {
        {"Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16",
         "TrapGate16", "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved",
         "IntGate32", "TrapGate32"},
        {"<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved",
         "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64", "Reserved", "IntGate64",
         "TrapGate64"},
    };
    unsigned attributes = segment->attributes;
    bool is_code = attributes & SEG_CODE;

    g_string_append_printf(text, " DPL=%d ", attributes >> SEG_DPL_SHIFT & 3);
    if (!(attributes & SEG_S)) {
        g_string_append(text, system_names[!!(cpu->efer & EFER_LMA)][attributes & SEG_TYPE_MASK]);
        return;
    }
    if (is_code) {
        g_string_append(text, attributes & SEG_L ? "CS64" : attributes & SEG_DB ? "CS32" : "CS16");
    } else {
        g_string_append(text, attributes & SEG_DB ? "DS  " : "DS16");
    }
    g_string_append_printf(text, " [%c%c%c]",
                           attributes & SEG_EXPAND_DOWN ? (is_code ? 'C' : 'E') : '-',
                           attributes & SEG_WRITABLE ? (is_code ? 'R' : 'W') : '-',
                           attributes & SEG_ACCESSED ? 'A' : '-');
}

static void append_segment(GString *text, const X86Cpu *cpu, const char *name,
                           const Segment *segment)
{
    uint32_t attributes = (uint32_t)segment->attributes << 8;

    if (cpu->mode & CPU_MODE_CS_L) {
        g_string_append_printf(text, "%-3s=%04x %016" G_GINT64_MODIFIER "x %08x %08x", name,
                               segment->selector, segment->base, segment->limit, attributes);
    } else {
        g_string_append_printf(text, "%-3s=%04x %08x %08x %08x", name, segment->selector,
                               (unsigned)segment->base, segment->limit, attributes);
    }
    if ((cpu->cr0 & CR0_PE) && (segment->attributes & SEG_P)) {
        append_descriptor_type(text, cpu, segment);
    }
    g_string_append_c(text, '\n');
}

static void append_segments(GString *text, const X86Cpu *cpu)
{
    static const char *const names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    bool wide = cpu->mode & CPU_MODE_CS_L;
    const char *table_format = wide ? "%s=     %016" G_GINT64_MODIFIER "x %08x\n"
                                    : "%s=     %08" G_GINT64_MODIFIER "x %08x\n";

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        append_segment(text, cpu, names[i], &cpu->seg[i]);
    }
    append_segment(text, cpu, "LDT", &cpu->ldtr);
    append_segment(text, cpu, "TR", &cpu->tr);
    g_string_append_printf(text, table_format, "GDT", cpu->gdtr.base, cpu->gdtr.limit);
    g_string_append_printf(text, table_format, "IDT", cpu->idtr.base, cpu->idtr.limit);
}

static void append_control(GString *text, const X86Cpu *cpu)
{
    bool wide = cpu->mode & CPU_MODE_CS_L;

    g_string_append_printf(
        text,
        wide ? "CR0=%08x CR2=%016" G_GINT64_MODIFIER "x CR3=%016" G_GINT64_MODIFIER "x CR4=%08x\n"
             : "CR0=%08x CR2=%08" G_GINT64_MODIFIER "x CR3=%08" G_GINT64_MODIFIER "x CR4=%08x\n",
        (unsigned)cpu->cr0, cpu->cr2, cpu->cr3, (unsigned)cpu->cr4);
    for (unsigned i = 0; i < 4; i++) {
        g_string_append_printf(text, "DR%u=%016" G_GINT64_MODIFIER "x ", i, cpu->dr[i]);
    }
    g_string_append_printf(text,
                           "\nDR6=%016" G_GINT64_MODIFIER "x DR7=%016" G_GINT64_MODIFIER
                           "x\nEFER=%016" G_GINT64_MODIFIER "x\n",
                           cpu->dr[6], cpu->dr[7], cpu->efer);
}

static uint64_t fpu_word(const X86Cpu *cpu, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)cpu->fpu[offset + i] << (i * 8);
    }
    return value;
}

/* x87 registers in physical order, as QEMU has them; the saved ones are in stack order. */
static void append_fpu(GString *text, const X86Cpu *cpu)
{
    unsigned fsw = (unsigned)fpu_word(cpu, 2, 2), top = fsw >> 11 & 7;
    unsigned xmm_count = cpu->mode & CPU_MODE_CS_L ? 16 : 8;

    g_string_append_printf(text, "FCW=%04x FSW=%04x [ST=%d] FTW=%02x MXCSR=%08x\n",
                           (unsigned)fpu_word(cpu, 0, 2), fsw, top, (unsigned)fpu_word(cpu, 4, 1),
                           (unsigned)fpu_word(cpu, 24, 4));
    for (unsigned i = 0; i < 8; i++) {
        unsigned offset = 32 + ((i - top) & 7) * 16;

        g_string_append_printf(text, "FPR%u=%016" G_GINT64_MODIFIER "x %04x%c", i,
                               fpu_word(cpu, offset, 8), (unsigned)fpu_word(cpu, offset + 8, 2),
                               i & 1 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < xmm_count; i++) {
        unsigned offset = 160 + i * 16;

        g_string_append_printf(
            text, "XMM%02u=%016" G_GINT64_MODIFIER "x %016" G_GINT64_MODIFIER "x%c", i,
            fpu_word(cpu, offset + 8, 8), fpu_word(cpu, offset, 8), i & 1 ? '\n' : ' ');
    }
}

char *cpu_registers_text(X86Cpu *cpu)
{
    GString *text = g_string_new(NULL);

    fpu_park(cpu);
    append_general(text, cpu);
    append_flags(text, cpu);
    append_segments(text, cpu);
    append_control(text, cpu);
    append_fpu(text, cpu);
    return g_string_free(text, FALSE);
}

/* SPDX-License-Identifier: MIT */
/* Registers and memory of the guest, and the description of the registers that gdb asks for. */
#include "softmmu/gdbstub/session.h"
#include "softmmu/memory.h"

#include <string.h>

/* -- Description ------------------------------------------------------------------------------- */

#define DOCTYPE(root) "<?xml version=\"1.0\"?><!DOCTYPE " root " SYSTEM \"gdb-target.dtd\">"

static const struct {
    const char *annex, *name;
} features[DEBUG_FEATURE_COUNT] = {
    [DEBUG_FEATURE_CORE] = {"i386-64bit.xml", "org.gnu.gdb.i386.core"},
    [DEBUG_FEATURE_SSE] = {"i386-64bit-sse.xml", "org.gnu.gdb.i386.sse"},
    [DEBUG_FEATURE_AVX] = {"i386-64bit-avx.xml", "org.gnu.gdb.i386.avx"},
    [DEBUG_FEATURE_AVX512] = {"i386-64bit-avx512.xml", "org.gnu.gdb.i386.avx512"},
};

/* Names of bits from 0 on; an empty one leaves a bit out. */
static const char *const eflags_bits[] = {"CF", "",   "PF", "",    "AF",  "",   "ZF", "SF",
                                          "TF", "IF", "DF", "OF",  "",    "",   "NT", "",
                                          "RF", "VM", "AC", "VIF", "VIP", "ID", NULL};
static const char *const mxcsr_bits[] = {"IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM", "DM",
                                         "ZM", "OM", "UM", "PM", "",   "",   "FZ",  NULL};

static const char *const cr0_bits[] = {
    "PE", "MP", "EM", "TS", "ET", "NE", "", "", "", "", "", "", "",   "",   "",   "",  "WP",
    "",   "AM", "",   "",   "",   "",   "", "", "", "", "", "", "NW", "CD", "PG", NULL};
static const char *const cr4_bits[] = {
    "VME",     "PVI",        "TSD",  "DE",   "PSE", "PAE", "MCE", "PGE",      "PCE",
    "OSFXSR",  "OSXMMEXCPT", "UMIP", "LA57", "",    "",    "",    "FSGSBASE", "PCIDE",
    "OSXSAVE", "",           "SMEP", "SMAP", "PKE", "",    "PKS", NULL};
static const char *const efer_bits[] = {"SCE", "",    "",    "",     "", "",      "",    "",  "LME",
                                        "",    "LMA", "NXE", "SVME", "", "FFXSR", "TCE", NULL};

static void append_flags(GString *xml, const char *id, unsigned size, const char *const *names)
{
    g_string_append_printf(xml, "<flags id=\"%s\" size=\"%u\">", id, size);
    for (unsigned bit = 0; names[bit]; bit++) {
        if (*names[bit]) {
            g_string_append_printf(xml, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", names[bit],
                                   bit, bit);
        }
    }
    g_string_append(xml, "</flags>\n");
}

/* An SSE register seen as vectors of each element type. */
static void append_vector_types(GString *xml)
{
    static const struct {
        const char *id, *type;
        unsigned count;
    } rows[] = {
        {"v4_float", "ieee_single", 4}, {"v2_double", "ieee_double", 2}, {"v16_int8", "int8", 16},
        {"v8_int16", "int16", 8},       {"v4_int32", "int32", 4},        {"v2_int64", "int64", 2},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_string_append_printf(xml, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>\n", rows[i].id,
                               rows[i].type, rows[i].count);
    }
    g_string_append(xml, "<union id=\"vec128\">");
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_string_append_printf(xml, "<field name=\"%s\" type=\"%s\"/>", rows[i].id, rows[i].id);
    }
    g_string_append(xml, "<field name=\"uint128\" type=\"uint128\"/></union>\n");
}

/* The types that the registers of a feature have beside gdb's own; gdb knows types by feature. */
static void append_types(GString *xml, unsigned feature)
{
    switch (feature) {
    case DEBUG_FEATURE_CORE:
        append_flags(xml, "i386_eflags", 4, eflags_bits);
        append_flags(xml, "i386_cr0", 8, cr0_bits);
        append_flags(xml, "i386_cr4", 8, cr4_bits);
        append_flags(xml, "i386_efer", 8, efer_bits);
        break;
    case DEBUG_FEATURE_SSE:
        append_vector_types(xml);
        append_flags(xml, "i386_mxcsr", 4, mxcsr_bits);
        break;
    case DEBUG_FEATURE_AVX512:
        append_vector_types(xml);
        g_string_append(xml, "<vector id=\"v2ui128\" type=\"uint128\" count=\"2\"/>\n");
        break;
    default:
        break;
    }
}

static char *feature_text(const X86Cpu *cpu, unsigned feature)
{
    GString *xml = g_string_new(DOCTYPE("feature") "\n");

    g_string_append_printf(xml, "<feature name=\"%s\">\n", features[feature].name);
    append_types(xml, feature);
    for (unsigned i = 0; i < debug_register_count(cpu); i++) {
        const DebugRegister *r = debug_register(i);
        if (r->feature == feature) {
            g_string_append_printf(xml, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>\n", r->name,
                                   r->bits, r->type);
        }
    }
    return g_string_free(g_string_append(xml, "</feature>\n"), FALSE);
}

/* The last register is of the last feature. */
static unsigned feature_count(const X86Cpu *cpu)
{
    return debug_register(debug_register_count(cpu) - 1)->feature + 1u;
}

static char *target_text(const X86Cpu *cpu)
{
    GString *xml = g_string_new(DOCTYPE("target"));

    g_string_append(xml, "<target><architecture>i386:x86-64</architecture>");
    for (unsigned i = 0; i < feature_count(cpu); i++) {
        g_string_append_printf(xml, "<xi:include href=\"%s\"/>", features[i].annex);
    }
    return g_string_free(g_string_append(xml, "</target>"), FALSE);
}

char *gdb_features_text(const X86Cpu *cpu, const char *annex)
{
    if (strcmp(annex, "target.xml") == 0) {
        return target_text(cpu);
    }
    for (unsigned i = 0; i < feature_count(cpu); i++) {
        if (strcmp(annex, features[i].annex) == 0) {
            return feature_text(cpu, i);
        }
    }
    return NULL;
}

/* -- Registers --------------------------------------------------------------------------------- */

static void append_register(GString *text, const X86Cpu *cpu, unsigned number)
{
    uint8_t bytes[DEBUG_REGISTER_MAX_BYTES];

    debug_register_read(cpu, number, bytes);
    packet_append_bytes(text, bytes, debug_register(number)->bits / 8);
}

void gdb_read_registers(GdbSession *session, const char *text)
{
    const X86Cpu *cpu = gdb_cpu(session->current);
    GString *values = g_string_new(NULL);

    for (unsigned i = 0; i < debug_register_count(cpu); i++) {
        append_register(values, cpu, i);
    }
    gdb_send(session, values->str);
    g_string_free(values, TRUE);
}

/* Takes as many registers as the packet holds. */
void gdb_write_registers(GdbSession *session, const char *text)
{
    uint8_t bytes[DEBUG_REGISTER_MAX_BYTES];
    X86Cpu *cpu = gdb_cpu(session->current);

    for (unsigned i = 0; i < debug_register_count(cpu) && *text; i++) {
        size_t size = debug_register(i)->bits / 8;
        if (!packet_bytes(text, bytes, size)) {
            gdb_send(session, GDB_ERROR_ARGUMENT);
            return;
        }
        debug_register_write(cpu, i, bytes);
        text += 2 * size;
    }
    gdb_send(session, "OK");
}

void gdb_read_register(GdbSession *session, const char *text)
{
    const X86Cpu *cpu = gdb_cpu(session->current);
    GString *value;
    uint64_t number;

    if (!packet_number(&text, &number) || number >= debug_register_count(cpu)) {
        gdb_send(session, GDB_ERROR_FAULT);
        return;
    }
    value = g_string_new(NULL);
    append_register(value, cpu, (unsigned)number);
    gdb_send(session, value->str);
    g_string_free(value, TRUE);
}

void gdb_write_register(GdbSession *session, const char *text)
{
    uint8_t bytes[DEBUG_REGISTER_MAX_BYTES];
    X86Cpu *cpu = gdb_cpu(session->current);
    uint64_t number;

    if (!packet_number(&text, &number) || *text != '=' || number >= debug_register_count(cpu) ||
        !packet_bytes(text + 1, bytes, debug_register((unsigned)number)->bits / 8)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    debug_register_write(cpu, (unsigned)number, bytes);
    gdb_send(session, "OK");
}

/* -- Memory ------------------------------------------------------------------------------------ */

/* Page by page through the current CPU's tables; false: some of it is not mapped. */
static bool transfer(GdbSession *session, uint64_t address, uint8_t *bytes, uint64_t size,
                     bool is_write)
{
    uint64_t physical = address;

    while (size) {
        uint64_t part = TARGET_PAGE_SIZE - (address & (TARGET_PAGE_SIZE - 1));

        part = MIN(part, size);
        if (!session->physical_memory) {
            if (!cpu_debug_translate(gdb_cpu(session->current), address, &physical)) {
                return false;
            }
        } else {
            physical = address;
        }
        if (is_write) {
            address_space_write(&address_space_memory, physical, bytes, part);
        } else {
            address_space_read(&address_space_memory, physical, bytes, part);
        }
        address += part;
        bytes += part;
        size -= part;
    }
    return true;
}

static bool parse_range(const char **text, uint64_t *ret_address, uint64_t *ret_size)
{
    if (!packet_number(text, ret_address) || **text != ',') {
        return false;
    }
    (*text)++;
    return packet_number(text, ret_size) && *ret_size <= PACKET_MAX / 2;
}

void gdb_read_memory(GdbSession *session, const char *text)
{
    uint8_t bytes[PACKET_MAX / 2];
    uint64_t address, size;
    GString *reply;

    if (!parse_range(&text, &address, &size)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    if (!transfer(session, address, bytes, size, false)) {
        gdb_send(session, GDB_ERROR_FAULT);
        return;
    }
    reply = g_string_new(NULL);
    packet_append_bytes(reply, bytes, size);
    gdb_send(session, reply->str);
    g_string_free(reply, TRUE);
}

void gdb_write_memory(GdbSession *session, const char *text)
{
    uint8_t bytes[PACKET_MAX / 2];
    uint64_t address, size;

    if (!parse_range(&text, &address, &size) || *text != ':' ||
        !packet_bytes(text + 1, bytes, size)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    gdb_send(session, transfer(session, address, bytes, size, true) ? "OK" : GDB_ERROR_FAULT);
}

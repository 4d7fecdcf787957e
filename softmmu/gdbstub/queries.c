/* SPDX-License-Identifier: MIT */
/* General queries: what the server can do, threads, register descriptions, monitor commands, and
 * how to step. */
#include "softmmu/gdbstub/session.h"
#include "softmmu/monitor.h"

#include <string.h>

static void send_freed(GdbSession *session, GString *text)
{
    gdb_send_bytes(session, text->str, text->len);
    g_string_free(text, TRUE);
}

static void query_supported(GdbSession *session, const char *text)
{
    session->multiprocess = strstr(text, "multiprocess+") != NULL;
    gdb_send(session, "PacketSize=2000;qXfer:features:read+;vContSupported+;multiprocess+");
}

G_STATIC_ASSERT(PACKET_MAX == 0x2000);

/* -- Threads ----------------------------------------------------------------------------------- */

static void query_attached(GdbSession *session, const char *text)
{
    bool other = *text == ':' && strcmp(text, ":1") != 0;

    gdb_send(session, other ? GDB_ERROR_ARGUMENT : "1");
}

static void query_current_thread(GdbSession *session, const char *text)
{
    GString *reply = g_string_new("QC");

    gdb_append_thread(session, reply, session->current);
    send_freed(session, reply);
}

static void query_next_thread(GdbSession *session, const char *text)
{
    GString *reply = g_string_new(NULL);

    if (session->listed < vcpu_count()) {
        g_string_append_c(reply, 'm');
        gdb_append_thread(session, reply, session->listed++);
    } else {
        g_string_append_c(reply, 'l');
    }
    send_freed(session, reply);
}

static void query_first_thread(GdbSession *session, const char *text)
{
    session->listed = 0;
    query_next_thread(session, text);
}

static void query_thread_text(GdbSession *session, const char *text)
{
    g_autofree char *about = NULL;
    unsigned first, last;
    GString *reply;

    if (!gdb_parse_thread(&text, &first, &last)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    about = g_strdup_printf("CPU#%u [%s]", first, gdb_cpu(first)->halted ? "halted " : "running");
    reply = g_string_new(NULL);
    packet_append_bytes(reply, about, strlen(about));
    send_freed(session, reply);
}

/* -- Features ---------------------------------------------------------------------------------- */

/* ANNEX:OFFSET,LENGTH */
static void query_features(GdbSession *session, const char *text)
{
    const char *colon = strchr(text, ':'), *numbers = colon ? colon + 1 : text;
    g_autofree char *annex = g_strndup(text, colon ? (gsize)(colon - text) : 0);
    g_autofree char *xml = gdb_features_text(gdb_cpu(session->current), annex);
    uint64_t offset, length, size = xml ? strlen(xml) : 0;
    GString *reply;

    if (!xml) {
        gdb_send(session, "E00");
        return;
    }
    if (!packet_number(&numbers, &offset) || *numbers++ != ',' ||
        !packet_number(&numbers, &length) || offset > size) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    length = MIN(length, (PACKET_MAX - 5) / 2); /* room for escapes */
    reply = g_string_new(length < size - offset ? "m" : "l");
    g_string_append_len(reply, xml + offset, (gssize)MIN(length, size - offset));
    send_freed(session, reply);
}

/* -- Monitor ----------------------------------------------------------------------------------- */

#define OUTPUT_BYTES ((PACKET_MAX - 2) / 2)

static void query_command(GdbSession *session, const char *text)
{
    size_t size = strlen(text) / 2;
    g_autofree char *line = g_malloc0(size + 1);
    g_autofree char *output = NULL;

    if (!packet_bytes(text, (uint8_t *)line, size)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    output = monitor_run_hmp(line);
    for (size_t at = 0, left = strlen(output); left;) {
        size_t part = MIN(left, OUTPUT_BYTES);
        GString *packet = g_string_new("O");

        packet_append_bytes(packet, output + at, part);
        send_freed(session, packet);
        at += part;
        left -= part;
    }
    gdb_send(session, "OK");
}

/* -- Stepping and physical memory -------------------------------------------------------------- */

static void query_step_bits(GdbSession *session, const char *text)
{
    gdb_send(session, "ENABLE=1,NOIRQ=2,NOTIMER=4");
}

static void query_step(GdbSession *session, const char *text)
{
    g_autofree char *reply = g_strdup_printf("0x%x", session->sstep);

    gdb_send(session, reply);
}

static void set_step(GdbSession *session, const char *text)
{
    uint64_t value;

    text += g_str_has_prefix(text, "0x") ? 2 : 0;
    if (!packet_number(&text, &value) ||
        value & ~(uint64_t)(GDB_SSTEP_ENABLE | GDB_SSTEP_NO_INTERRUPTS | GDB_SSTEP_NO_TIMERS)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    session->sstep = (unsigned)value;
    gdb_send(session, "OK");
}

static void query_physical(GdbSession *session, const char *text)
{
    gdb_send(session, session->physical_memory ? "1" : "0");
}

static void set_physical(GdbSession *session, const char *text)
{
    session->physical_memory = *text != '0';
    gdb_send(session, "OK");
}

/* -- Table ------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool is_whole; /* nothing may follow the name */
    void (*run)(GdbSession *session, const char *text);
} rows[] = {
    {"qSupported", false, query_supported},
    {"qAttached", false, query_attached},
    {"qC", true, query_current_thread},
    {"qfThreadInfo", true, query_first_thread},
    {"qsThreadInfo", true, query_next_thread},
    {"qThreadExtraInfo,", false, query_thread_text},
    {"qXfer:features:read:", false, query_features},
    {"qRcmd,", false, query_command},
    {"qqemu.sstepbits", true, query_step_bits},
    {"qqemu.sstep", true, query_step},
    {"Qqemu.sstep=", false, set_step},
    {"qqemu.PhyMemMode", true, query_physical},
    {"Qqemu.PhyMemMode:", false, set_physical},
};

void gdb_query(GdbSession *session, const char *text)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (rows[i].is_whole ? strcmp(text, rows[i].name) == 0
                             : g_str_has_prefix(text, rows[i].name)) {
            rows[i].run(session, text + strlen(rows[i].name));
            return;
        }
    }
    gdb_send(session, "");
}

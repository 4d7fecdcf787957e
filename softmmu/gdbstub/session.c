/* SPDX-License-Identifier: MIT */
/*
 * The gdb server: a client that connects stops the machine and owns it until it detaches.
 *
 * One process (the machine), one thread a CPU. While the machine runs the client is silent but for
 * Ctrl-C; anything else it sends stops the machine, so that every packet finds all CPUs parked. A
 * client that goes away takes its points with it and leaves the machine as it is.
 */
#include "softmmu/gdbstub.h"

#include "softmmu/gdbstub/session.h"

#include <stdio.h>
#include <string.h>

static GdbSession the_session;
static bool is_listening;   /* to the run state */
static bool is_own_chardev; /* made here, freed here */
static unsigned receives;   /* depth of session_receive() */
static unsigned next_label; /* names of our character devices */

/* -- Sending ----------------------------------------------------------------------------------- */

void gdb_send_bytes(GdbSession *session, const void *bytes, size_t size)
{
    if (session->last_packet) {
        g_string_free(session->last_packet, TRUE);
    }
    session->last_packet = packet_encode(bytes, size);
    chardev_write(session->chardev, session->last_packet->str, session->last_packet->len);
}

void gdb_send(GdbSession *session, const char *text)
{
    gdb_send_bytes(session, text, strlen(text));
}

/* -- Threads ----------------------------------------------------------------------------------- */

X86Cpu *gdb_cpu(unsigned index)
{
    return vcpu_get(index)->cpu;
}

void gdb_append_thread(const GdbSession *session, GString *text, unsigned cpu_index)
{
    g_string_append_printf(text, session->multiprocess ? "p01.%02x" : "%02x", cpu_index + 1);
}

/* A number or -1 for all. */
static bool parse_id(const char **text, uint64_t *ret_id, bool *ret_all)
{
    *ret_all = g_str_has_prefix(*text, "-1");
    if (*ret_all) {
        *text += 2;
        *ret_id = 0;
        return true;
    }
    return packet_number(text, ret_id);
}

bool gdb_parse_thread(const char **text, unsigned *ret_first, unsigned *ret_last)
{
    uint64_t process = 0, thread = 0;
    bool all = false, all_processes = false;

    if (**text == 'p') {
        (*text)++;
        if (!parse_id(text, &process, &all_processes) || process > 1) {
            return false;
        }
        all = **text != '.';
        *text += !all;
    }
    if (!all && !parse_id(text, &thread, &all)) {
        return false;
    }
    if (thread > vcpu_count() || !vcpu_count()) {
        return false;
    }
    /* 0 means any of them: the first */
    *ret_first = thread ? (unsigned)thread - 1 : 0;
    *ret_last = all ? vcpu_count() : *ret_first + 1;
    return true;
}

/* -- Single packets ---------------------------------------------------------------------------- */

static void set_thread(GdbSession *session, const char *text)
{
    char what = *text;
    unsigned first, last;

    text += what != 0;
    if ((what != 'g' && what != 'c') || !gdb_parse_thread(&text, &first, &last)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    if (last - first == 1) {
        *(what == 'g' ? &session->current : &session->stepping) = first;
    }
    gdb_send(session, "OK");
}

static void test_thread(GdbSession *session, const char *text)
{
    unsigned first, last;

    gdb_send(session, gdb_parse_thread(&text, &first, &last) ? "OK" : GDB_ERROR_ARGUMENT);
}

static void query_stop(GdbSession *session, const char *text)
{
    debug_point_remove_all(); /* a client asks this when it begins */
    gdb_send_stop(session, GDB_SIGNAL_TRAP, NULL);
}

static void let_go(GdbSession *session)
{
    session->attached = false;
    session->awaits_stop = false;
    debug_point_remove_all();
    gdb_resume_end();
}

static void detach(GdbSession *session, const char *text)
{
    let_go(session);
    gdb_send(session, "OK");
    if (!run_state_needs_reset()) {
        vm_start();
    }
}

static void end_machine(GdbSession *session, const char *text)
{
    fprintf(stderr, "%s: Terminated via GDBstub\n", g_get_prgname());
    system_exit_request(0, SHUTDOWN_CAUSE_HOST_QUIT);
}

static void multi_letter(GdbSession *session, const char *text)
{
    if (strcmp(text, "vCont?") == 0) {
        gdb_send(session, "vCont;c;C;s;S");
    } else if (g_str_has_prefix(text, "vCont;")) {
        gdb_resume_each(session, text + strlen("vCont"));
    } else if (strcmp(text, "vKill;1") == 0) {
        gdb_send(session, "OK");
        end_machine(session, text);
    } else if (strcmp(text, "vAttach;1") == 0) {
        session->attached = true;
        query_stop(session, text);
    } else if (g_str_has_prefix(text, "vKill;") || g_str_has_prefix(text, "vAttach;")) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
    } else {
        gdb_send(session, "");
    }
}

/* Behind the signal number of C and S: an address, or nothing. */
static const char *after_signal(const char *text)
{
    const char *semicolon = strchr(text, ';');

    return semicolon ? semicolon + 1 : "";
}

static void continue_at(GdbSession *session, const char *text)
{
    gdb_resume(session, text, false);
}

static void continue_signal(GdbSession *session, const char *text)
{
    gdb_resume(session, after_signal(text), false);
}

static void step_at(GdbSession *session, const char *text)
{
    gdb_resume(session, text, true);
}

static void step_signal(GdbSession *session, const char *text)
{
    gdb_resume(session, after_signal(text), true);
}

static void insert_point(GdbSession *session, const char *text)
{
    gdb_change_point(session, text, true);
}

static void remove_point(GdbSession *session, const char *text)
{
    gdb_change_point(session, text, false);
}

static void extended_mode(GdbSession *session, const char *text)
{
    gdb_send(session, "OK");
}

/* By first letter; the handler gets what follows it. */
static const struct {
    char letter;
    void (*run)(GdbSession *session, const char *text);
} packets[] = {
    {'!', extended_mode},
    {'?', query_stop},
    {'C', continue_signal},
    {'D', detach},
    {'G', gdb_write_registers},
    {'H', set_thread},
    {'M', gdb_write_memory},
    {'P', gdb_write_register},
    {'S', step_signal},
    {'T', test_thread},
    {'Z', insert_point},
    {'c', continue_at},
    {'g', gdb_read_registers},
    {'k', end_machine},
    {'m', gdb_read_memory},
    {'p', gdb_read_register},
    {'s', step_at},
    {'z', remove_point},
};

static void handle_packet(GdbSession *session, const char *text)
{
    if (*text == 'q' || *text == 'Q') {
        gdb_query(session, text);
        return;
    }
    if (*text == 'v') {
        multi_letter(session, text);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(packets); i++) {
        if (packets[i].letter == *text) {
            packets[i].run(session, text + 1);
            return;
        }
    }
    gdb_send(session, "");
}

/* -- Connection -------------------------------------------------------------------------------- */

static void handle_byte(GdbSession *session, uint8_t byte)
{
    PacketEvent event = packet_feed(&session->parser, byte);

    if (run_state_is_running() && session->parser.state == PACKET_DATA) {
        vm_stop(RUN_STATE_PAUSED);
    }
    switch (event) {
    case PACKET_COMPLETE:
        chardev_write(session->chardev, "+", 1);
        handle_packet(session, (const char *)session->parser.data);
        break;
    case PACKET_BAD:
        chardev_write(session->chardev, "-", 1);
        break;
    case PACKET_NAK:
        if (session->last_packet) {
            chardev_write(session->chardev, session->last_packet->str, session->last_packet->len);
        }
        break;
    case PACKET_INTERRUPT:
        if (run_state_is_running()) {
            vm_stop(RUN_STATE_PAUSED);
        }
        break;
    default:
        break;
    }
}

static size_t session_can_receive(void *opaque)
{
    return PACKET_MAX;
}

static void session_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    GdbSession *session = opaque;
    const Chardev *from = session->chardev;

    receives++;
    for (size_t i = 0; i < count && session->chardev == from; i++) {
        handle_byte(session, bytes[i]);
    }
    receives--;
}

static void session_reset(GdbSession *session)
{
    Chardev *chardev = session->chardev;

    if (session->last_packet) {
        g_string_free(session->last_packet, TRUE);
    }
    *session =
        (GdbSession){.chardev = chardev,
                     .sstep = GDB_SSTEP_ENABLE | GDB_SSTEP_NO_INTERRUPTS | GDB_SSTEP_NO_TIMERS};
}

static void session_event(void *opaque, ChardevEvent event)
{
    GdbSession *session = opaque;

    if (event == CHARDEV_OPENED) {
        session_reset(session);
        session->attached = true;
        if (run_state_is_running()) {
            vm_stop(RUN_STATE_PAUSED);
        }
    } else if (event == CHARDEV_CLOSED && session->attached) {
        if (run_state_is_running()) { /* points change while all CPUs are parked */
            session->awaits_stop = false;
            vm_stop(RUN_STATE_PAUSED);
            let_go(session);
            vm_start();
        } else {
            let_go(session);
        }
    }
}

static void session_released(void *opaque)
{
    ((GdbSession *)opaque)->chardev = NULL;
}

static void run_state_changed(void *opaque)
{
    if (!run_state_is_running()) {
        gdb_machine_stopped(opaque);
    }
}

/* -- Service ----------------------------------------------------------------------------------- */

static void free_chardev(void *opaque)
{
    object_free(opaque);
}

static void stop_service(GdbSession *session)
{
    Chardev *chardev = session->chardev;

    if (!chardev) {
        return;
    }
    session_event(session, CHARDEV_CLOSED);
    chardev_detach(chardev);
    session->chardev = NULL;
    if (!is_own_chardev) {
        return;
    }
    if (receives) { /* its own client asked for it */
        loop_post(main_loop(), free_chardev, chardev);
    } else {
        free_chardev(chardev);
    }
}

/* Servers by themselves: a client that is not there yet holds nothing up. */
static char *with_server_options(const char *device)
{
    bool is_socket = g_str_has_prefix(device, "tcp:") || g_str_has_prefix(device, "unix:");

    if (!is_socket || strstr(device, "server")) {
        return g_strdup(device);
    }
    return g_strconcat(device, ",server=on,wait=off",
                       g_str_has_prefix(device, "tcp:") ? ",nodelay=on" : "", NULL);
}

bool gdbstub_start(const char *device, Error **err)
{
    static const ChardevFrontend frontend = {
        .can_receive = session_can_receive,
        .receive = session_receive,
        .event = session_event,
        .released = session_released,
        .opaque = &the_session,
    };
    g_autofree char *text = with_server_options(device);
    g_autofree char *label = g_strdup_printf(next_label ? "gdb%u" : "gdb", next_label);
    Error *failure = NULL;
    Chardev *chardev;

    stop_service(&the_session);
    if (!is_listening) {
        run_state_listen(run_state_changed, &the_session);
        is_listening = true;
    }
    if (!vcpu_count() && strcmp(device, "none") != 0) {
        return error_set(err, "this machine has no CPU to debug");
    }
    chardev = chardev_new_short(label, text, &failure);
    if (!chardev) {
        if (failure) {
            *err = failure;
        }
        return !failure;
    }
    next_label++;
    is_own_chardev = !g_str_has_prefix(device, "chardev:");
    session_reset(&the_session);
    the_session.chardev = chardev;
    the_session.chardev = chardev_attach(chardev, &frontend, err);
    return the_session.chardev != NULL;
}

void gdbstub_exit(int status)
{
    if (the_session.chardev && the_session.attached) {
        g_autofree char *text = g_strdup_printf("W%02x", (unsigned)status & 0xff);

        gdb_send(&the_session, text);
    }
}

/* SPDX-License-Identifier: MIT */
/* Points, running on, and why the machine stopped. */
#include "softmmu/gdbstub/session.h"

/* -- Points ------------------------------------------------------------------------------------ */

/* Z and z TYPE,ADDRESS,KIND; the kind is a length for watchpoints only. */
void gdb_change_point(GdbSession *session, const char *text, bool insert)
{
    static const DebugKind kinds[] = {DEBUG_BREAK_SOFTWARE, DEBUG_BREAK_HARDWARE, DEBUG_WATCH_WRITE,
                                      DEBUG_WATCH_READ, DEBUG_WATCH_ACCESS};
    uint64_t type, address, size;

    if (!packet_number(&text, &type) || *text++ != ',' || !packet_number(&text, &address) ||
        *text++ != ',' || !packet_number(&text, &size)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
        return;
    }
    if (type >= G_N_ELEMENTS(kinds)) {
        gdb_send(session, "");
        return;
    }
    if (type >= 2 && (size == 0 || address + size - 1 < address)) {
        gdb_send(session, GDB_ERROR_ARGUMENT);
    } else if (insert) {
        debug_point_insert(kinds[type], address, size);
        gdb_send(session, "OK");
    } else {
        gdb_send(session, debug_point_remove(kinds[type], address, size) ? "OK" : "E02");
    }
}

/* -- Running ----------------------------------------------------------------------------------- */

/* What a CPU does until the next stop. */
typedef enum Action { ACTION_HOLD, ACTION_CONTINUE, ACTION_STEP } Action;

/* A halted CPU steps when an interrupt ends the halt, so it may not be masked then, nor the timers
 * stand still. True: they shall. */
static bool prepare(const GdbSession *session, unsigned index, Action action)
{
    X86Cpu *cpu = gdb_cpu(index);
    bool masks = session->sstep & GDB_SSTEP_NO_INTERRUPTS && !cpu->halted;

    cpu->vcpu.held = action == ACTION_HOLD;
    if (action != ACTION_STEP) {
        debug_set_step(cpu, 0);
        return false;
    }
    debug_set_step(cpu, DEBUGGER_STEP | (masks ? DEBUGGER_NO_INTERRUPTS : 0));
    return session->sstep & GDB_SSTEP_NO_TIMERS && !cpu->halted;
}

static void run(GdbSession *session, const Action *actions)
{
    bool timers_stand = false;
    DebugHit old;

    if (run_state_needs_reset()) { /* it cannot run: it is where it was */
        gdb_send_stop(session, GDB_SIGNAL_TRAP, NULL);
        return;
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        timers_stand |= prepare(session, i, actions[i]);
    }
    debug_take_hit(&old); /* of a stop that came too late */
    session->awaits_stop = true;
    vm_start();
    if (timers_stand) {
        clock_virtual_set_running(false);
    }
}

void gdb_resume(GdbSession *session, const char *text, bool step)
{
    g_autofree Action *actions = g_new(Action, vcpu_count());
    uint64_t address;

    if (packet_number(&text, &address)) {
        gdb_cpu(session->stepping)->rip = address;
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        actions[i] = step && i == session->stepping ? ACTION_STEP : ACTION_CONTINUE;
    }
    run(session, actions);
}

/* One ";ACTION[SIGNAL][:THREAD]"; the first that names a CPU counts. */
static bool parse_action(const char **text, Action *actions, bool *is_set)
{
    unsigned first = 0, last = vcpu_count();
    uint64_t signal_number;
    Action action;
    char letter;

    if (*(*text)++ != ';' || !(letter = *(*text)++) || !strchr("cCsS", letter)) {
        return false;
    }
    action = g_ascii_tolower(letter) == 's' ? ACTION_STEP : ACTION_CONTINUE;
    if (g_ascii_isupper(letter) && !packet_number(text, &signal_number)) {
        return false;
    }
    if (**text == ':') {
        (*text)++;
        if (!gdb_parse_thread(text, &first, &last)) {
            return false;
        }
    }
    for (unsigned i = first; i < last; i++) {
        if (!is_set[i]) {
            actions[i] = action;
            is_set[i] = true;
        }
    }
    return true;
}

void gdb_resume_each(GdbSession *session, const char *text)
{
    g_autofree Action *actions = g_new0(Action, vcpu_count());
    g_autofree bool *is_set = g_new0(bool, vcpu_count());

    do {
        if (!parse_action(&text, actions, is_set)) {
            gdb_send(session, GDB_ERROR_ARGUMENT);
            return;
        }
    } while (*text);
    run(session, actions);
}

void gdb_resume_end(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        gdb_cpu(i)->vcpu.held = false;
        debug_set_step(gdb_cpu(i), 0);
    }
}

/* -- Stopping ---------------------------------------------------------------------------------- */

void gdb_send_stop(GdbSession *session, unsigned signal_number, const DebugHit *hit)
{
    GString *text = g_string_new(NULL);
    const char *watch = !hit                              ? NULL
                        : hit->kind == DEBUG_WATCH_WRITE  ? "watch"
                        : hit->kind == DEBUG_WATCH_READ   ? "rwatch"
                        : hit->kind == DEBUG_WATCH_ACCESS ? "awatch"
                                                          : NULL;

    g_string_append_printf(text, "T%02xthread:", signal_number);
    gdb_append_thread(session, text, session->current);
    g_string_append_c(text, ';');
    if (watch) {
        g_string_append_printf(text, "%s:%016" G_GINT64_MODIFIER "x;", watch, hit->linear);
    }
    gdb_send(session, text->str);
    g_string_free(text, TRUE);
}

/* gdb's numbers, as QEMU chooses them. */
static unsigned signal_of(RunState state)
{
    switch (state) {
    case RUN_STATE_DEBUG:
        return GDB_SIGNAL_TRAP;
    case RUN_STATE_PAUSED:
        return GDB_SIGNAL_INT;
    case RUN_STATE_SHUTDOWN:
        return 3; /* SIGQUIT */
    case RUN_STATE_INTERNAL_ERROR:
        return 6; /* SIGABRT */
    case RUN_STATE_WATCHDOG:
        return 14; /* SIGALRM */
    default:
        return 24; /* SIGXCPU */
    }
}

void gdb_machine_stopped(GdbSession *session)
{
    RunState state = run_state_get();
    DebugHit hit;
    X86Cpu *cpu = debug_take_hit(&hit);
    bool is_hit = cpu && state == RUN_STATE_DEBUG;

    gdb_resume_end();
    if (!session->awaits_stop ||
        (state == RUN_STATE_SHUTDOWN && run_shutdown_action != SHUTDOWN_ACTION_PAUSE)) {
        return; /* the second: the process ends, which gdbstub_exit() tells */
    }
    session->awaits_stop = false;
    session->current = is_hit ? cpu->vcpu.index : session->stepping;
    session->stepping = session->current;
    gdb_send_stop(session, signal_of(state), is_hit ? &hit : NULL);
}

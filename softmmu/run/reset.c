/* SPDX-License-Identifier: MIT */
/* Requests to stop, reset, power down and end:
 * noted by whoever asks, acted upon by the main loop. */
#include "softmmu/run-end.h"
#include "softmmu/run/internal.h"
#include "softmmu/watchdog.h"
#include "util/event.h"

RebootAction run_reboot_action = REBOOT_ACTION_RESET;
ShutdownAction run_shutdown_action = SHUTDOWN_ACTION_POWEROFF;
PanicAction run_panic_action = PANIC_ACTION_SHUTDOWN;

static struct {
    RunEnd shutdown, reset;
    bool powerdown;
    bool stop;
    RunState stop_state;
    bool exit;
    int exit_status;
} requests;

/* -- Events ------------------------------------------------------------------------------------ */

static const char *const cause_names[] = {
    "none",        "host-error",     "host-qmp-quit", "host-qmp-system-reset",
    "host-signal", "guest-shutdown", "guest-reset",   "guest-panic",
    NULL};
static const JsonType cause_type = {.kind = JSON_KIND_ENUM, .values = cause_names};
static const JsonMember cause_members[] = {
    {"guest", &json_type_bool}, {"reason", &cause_type}, {NULL}};
static const JsonType cause_data = {.kind = JSON_KIND_OBJECT, .members = cause_members};

static const EventType shutdown_event = {"SHUTDOWN", "the machine has ended, or waits to be ended",
                                         &cause_data};
EVENT(shutdown_event);
static const EventType reset_event = {"RESET", "the machine was reset", &cause_data};
EVENT(reset_event);
static const EventType powerdown_event = {"POWERDOWN", "the power button was pressed"};
EVENT(powerdown_event);

static const char *const panic_names[] = {"pause", "poweroff", "run", NULL};
static const JsonType panic_type = {.kind = JSON_KIND_ENUM, .values = panic_names};
static const JsonMember panic_members[] = {{"action", &panic_type}, {NULL}};
static const JsonType panic_data = {.kind = JSON_KIND_OBJECT, .members = panic_members};
static const EventType panicked_event = {"GUEST_PANICKED", "the guest says that it has panicked",
                                         &panic_data};
EVENT(panicked_event);
static const EventType crash_loaded_event = {
    "GUEST_CRASHLOADED", "the guest has panicked and starts its crash kernel", &panic_data};
EVENT(crash_loaded_event);

static void emit_with_action(const EventType *event, const char *action)
{
    event_emit(event, json_pack("{s:s}", "action", action));
}

static void emit_with_cause(const EventType *event, ShutdownCause cause)
{
    event_emit(event, json_pack("{s:b, s:s}", "guest", cause >= SHUTDOWN_CAUSE_GUEST_SHUTDOWN,
                                "reason", cause_names[cause]));
}

/* -- Requests ---------------------------------------------------------------------------------- */

static void (*reset_handler)(void *opaque);
static void *reset_opaque;
static void (*powerdown_notify)(void *opaque);
static void *powerdown_opaque;
static uint64_t reset_count;
static RunEnd end, last_triple_fault;
static uint64_t triple_fault_count;
static bool has_panicked; /* since the last reset */

/* A vCPU that asks goes no further before the main loop has acted, which lets it go on if that is
 * what comes out. */
static void requested(bool parks)
{
    Vcpu *self = vcpu_self();

    if (self && parks) {
        self->stop_requested = true;
        vcpu_exit(self);
    }
    if (main_loop()) {
        loop_wake(main_loop());
    }
}

void vm_stop_request(RunState state)
{
    requests.stop = true;
    requests.stop_state = state;
    requested(true);
}

static RunEnd end_by(ShutdownCause cause)
{
    static const RunEndKind kinds[SHUTDOWN_CAUSE_COUNT] = {
        [SHUTDOWN_CAUSE_HOST_ERROR] = RUN_END_ERROR,
        [SHUTDOWN_CAUSE_HOST_QUIT] = RUN_END_QUIT,
        [SHUTDOWN_CAUSE_HOST_RESET] = RUN_END_HOST_RESET,
        [SHUTDOWN_CAUSE_HOST_SIGNAL] = RUN_END_HOST_SIGNAL,
        [SHUTDOWN_CAUSE_GUEST_SHUTDOWN] = RUN_END_GUEST_SHUTDOWN,
        [SHUTDOWN_CAUSE_GUEST_RESET] = RUN_END_GUEST_RESET,
        [SHUTDOWN_CAUSE_GUEST_PANIC] = RUN_END_PANIC,
    };

    return (RunEnd){.cause = cause, .kind = kinds[cause]};
}

static void request_shutdown(RunEnd by)
{
    requests.shutdown = by;
    requested(true);
}

static void request_reset(RunEnd by)
{
    if (run_reboot_action == REBOOT_ACTION_SHUTDOWN) {
        request_shutdown(by);
        return;
    }
    requests.reset = by;
    requested(true);
}

static void request_exit(int status, RunEnd by)
{
    requests.exit = true;
    requests.exit_status = status;
    request_shutdown(by);
}

void system_shutdown_request(ShutdownCause cause)
{
    request_shutdown(end_by(cause));
}

void system_reset_request(ShutdownCause cause)
{
    request_reset(end_by(cause));
}

void system_exit_request(int status, ShutdownCause cause)
{
    request_exit(status, end_by(cause));
}

void system_triple_fault(unsigned cpu, uint64_t rip)
{
    last_triple_fault = (RunEnd){
        .cause = SHUTDOWN_CAUSE_GUEST_RESET, .kind = RUN_END_TRIPLE_FAULT, .cpu = cpu, .rip = rip};
    triple_fault_count++;
    request_reset(last_triple_fault);
}

void system_debug_exit(uint64_t value)
{
    RunEnd by = {
        .cause = SHUTDOWN_CAUSE_GUEST_SHUTDOWN, .kind = RUN_END_DEBUG_EXIT, .value = value};

    request_exit((int)((value << 1 | 1) & 0xff), by);
}

void system_kill(int signal, int sender)
{
    RunEnd by = end_by(SHUTDOWN_CAUSE_HOST_SIGNAL);

    by.signal = signal;
    by.sender = sender;
    request_shutdown(by);
}

void system_give_up(RunEndKind kind, const char *found)
{
    RunEnd by = {.cause = SHUTDOWN_CAUSE_HOST_ERROR, .kind = kind, .found = found};

    request_exit(1, by);
}

/* A watchdog: a reset, or the end of the process. */
void run_request_after_hang(bool ends)
{
    RunEnd by = {.cause = SHUTDOWN_CAUSE_GUEST_RESET, .kind = RUN_END_HANG, .found = "watchdog"};

    if (ends) {
        request_exit(0, by);
    } else {
        request_reset(by);
    }
}

void system_guest_panicked(void)
{
    RunEnd by = end_by(SHUTDOWN_CAUSE_GUEST_PANIC);

    by.found = "pvpanic";
    has_panicked = true;
    request_shutdown(by);
}

void system_guest_crash_loaded(void)
{
    emit_with_action(&crash_loaded_event, "run");
}

bool run_guest_panicked(void)
{
    return has_panicked;
}

const RunEnd *run_end(void)
{
    return &end;
}

const RunEnd *run_last_triple_fault(void)
{
    return &last_triple_fault;
}

uint64_t run_triple_fault_count(void)
{
    return triple_fault_count;
}

void system_powerdown_request(void)
{
    requests.powerdown = true;
    requested(false);
}

void system_set_powerdown_notify(void (*fn)(void *opaque), void *opaque)
{
    powerdown_notify = fn;
    powerdown_opaque = opaque;
}

void system_set_reset_handler(void (*fn)(void *opaque), void *opaque)
{
    reset_handler = fn;
    reset_opaque = opaque;
}

uint64_t system_reset_count(void)
{
    return reset_count;
}

static void reset_machine(ShutdownCause cause)
{
    vcpus_park();
    if (reset_handler) {
        reset_handler(reset_opaque);
    }
    if (vcpu_count() && vcpu_get(0)->ops->machine_reset) {
        vcpu_get(0)->ops->machine_reset();
    }
    reset_count++;
    has_panicked = false;
    emit_with_cause(&reset_event, cause);
    if (!run_state_is_running()) {
        run_state_set(RUN_STATE_PRELAUNCH);
    }
}

/* True: the process should end. */
static bool handle_panic(int *ret_status)
{
    bool stays = run_shutdown_action == SHUTDOWN_ACTION_PAUSE;
    bool pauses = run_panic_action == PANIC_ACTION_PAUSE ||
                  (run_panic_action == PANIC_ACTION_SHUTDOWN && stays);

    if (run_panic_action == PANIC_ACTION_NONE) {
        emit_with_action(&panicked_event, "run");
        return false;
    }
    emit_with_action(&panicked_event, pauses ? "pause" : "poweroff");
    if (pauses) {
        vm_stop(RUN_STATE_GUEST_PANICKED);
        return false;
    }
    emit_with_cause(&shutdown_event, SHUTDOWN_CAUSE_GUEST_PANIC);
    if (stays) {
        vm_stop(RUN_STATE_SHUTDOWN);
        return false;
    }
    vm_stop_to_end(RUN_STATE_GUEST_PANICKED);
    *ret_status = run_panic_action == PANIC_ACTION_EXIT_FAILURE;
    return true;
}

static bool handle_shutdown(ShutdownCause cause, int *ret_status)
{
    bool from_host = cause == SHUTDOWN_CAUSE_HOST_SIGNAL || cause == SHUTDOWN_CAUSE_HOST_QUIT;

    if (cause == SHUTDOWN_CAUSE_GUEST_PANIC) {
        return handle_panic(ret_status);
    }
    emit_with_cause(&shutdown_event, cause);
    if (run_shutdown_action == SHUTDOWN_ACTION_PAUSE && !from_host) {
        vm_stop(RUN_STATE_SHUTDOWN);
        return false;
    }
    *ret_status = cause == SHUTDOWN_CAUSE_HOST_ERROR ? 1 : 0;
    return true;
}

/* One pass over a snapshot: what is asked for while it waits for vCPUs comes in the next one. */
static bool handle_pending(int *ret_status)
{
    typeof(requests) now = requests;

    memset(&requests, 0, sizeof(requests));
    if (now.exit) {
        emit_with_cause(&shutdown_event, now.shutdown.cause);
        *ret_status = now.exit_status;
        end = now.shutdown;
        return true;
    }
    if (now.shutdown.cause != SHUTDOWN_CAUSE_NONE &&
        handle_shutdown(now.shutdown.cause, ret_status)) {
        end = now.shutdown;
        return true;
    }
    if (now.reset.cause != SHUTDOWN_CAUSE_NONE) {
        reset_machine(now.reset.cause);
    }
    if (now.powerdown) {
        event_emit(&powerdown_event, NULL);
        if (powerdown_notify) {
            powerdown_notify(powerdown_opaque);
        }
    }
    if (now.stop) {
        vm_stop(now.stop_state);
    }
    if (run_state_is_running()) {
        vcpus_resume();
    }
    return false;
}

static bool any_pending(void)
{
    return requests.exit || requests.shutdown.cause != SHUTDOWN_CAUSE_NONE ||
           requests.reset.cause != SHUTDOWN_CAUSE_NONE || requests.powerdown || requests.stop;
}

bool run_handle_requests(int *ret_status)
{
    while (any_pending()) {
        if (handle_pending(ret_status)) {
            end.state = run_state_get();
            vm_stop_to_end(RUN_STATE_SHUTDOWN);
            return true;
        }
    }
    return false;
}

int run_main_loop(void)
{
    int status = 0;

    while (!run_handle_requests(&status)) {
        main_loop_wait(true);
    }
    return status;
}

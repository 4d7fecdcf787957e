/* SPDX-License-Identifier: MIT */
/*
 * -outcome: one JSON record per run, written when it ends, however it ends; what no process can
 * survive (SIGKILL, a crash) leaves none. A record is there as a whole or not at all: a file is
 * written beside its name and renamed. An old one is removed at start, so that whoever finds a
 * record knows that it is of this run.
 */
#include "softmmu/main/outcome.h"

#include "accel/accel.h"
#include "accel/kvm.h"
#include "softmmu/run-end.h"
#include "softmmu/watchdog.h"
#include "target/i386/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD_VERSION 1
#define HANG_MAX_SECONDS 1000000

static struct {
    char *path; /* absolute; NULL: stdout */
    bool wanted, is_plain_file;
    uint64_t hang_seconds; /* 0: do not look */
    int64_t started_ns;    /* realtime clock */
    json_t *record;        /* what was collected */
    Timer hang_timer;
    int64_t quiet_since_ns; /* virtual clock: since then the guest looks dead */
    uint64_t quiet_bytes;   /* ...and its consoles have said so much */
} outcome;

/* -- Start ------------------------------------------------------------------------------------- */

static void set_path(const char *path)
{
    struct stat info;

    outcome.wanted = true;
    outcome.is_plain_file = false;
    g_clear_pointer(&outcome.path, g_free);
    if (strcmp(path, "stdio") != 0) {
        outcome.path = g_canonicalize_filename(path, NULL);
        outcome.is_plain_file = stat(path, &info) < 0 || S_ISREG(info.st_mode);
    }
    if (outcome.is_plain_file) {
        unlink(outcome.path);
    }
}

static bool begin(const char *text, Error **err)
{
    static const char *const known[] = {"file", "hang", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(text, "file", err);

    if (!kv) {
        return false;
    }
    const char *path = keyval_get(kv, "file");
    if (!path || !*path) {
        return error_set(err, "a file or 'stdio' is needed");
    }
    set_path(path);
    if (!keyval_get_u64(kv, "hang", &outcome.hang_seconds, err) ||
        !keyval_check_unused(kv, known, err)) {
        return false;
    }
    if (keyval_get(kv, "hang") &&
        (outcome.hang_seconds < 1 || outcome.hang_seconds > HANG_MAX_SECONDS)) {
        return error_set(err, "hang=%s is not between 1 and %d seconds", keyval_get(kv, "hang"),
                         HANG_MAX_SECONDS);
    }
    if (outcome.is_plain_file) {
        g_autofree char *folder = g_path_get_dirname(outcome.path);
        outcome.wanted = access(folder, W_OK) == 0;
        return outcome.wanted || error_set_errno(err, errno, "cannot write into '%s'", folder);
    }
    return true;
}

bool outcome_begin(const Config *config, Error **err)
{
    const ConfigItem *item = config_last(config, OPT_OUTCOME);

    if (!item) {
        return true;
    }
    outcome.started_ns = clock_now_ns(CLOCK_TYPE_REALTIME);
    signals_hold();
    if (!begin(item->text, err)) {
        error_prefix(err, "%s: ", item->origin);
        return false;
    }
    if (!outcome.path && config_last(config, OPT_DAEMONIZE)) {
        outcome.wanted = false;
        return error_set(err, "%s: with -daemonize there is no terminal to use", item->origin);
    }
    return true;
}

void outcome_begin_words(int argc, char **argv)
{
    outcome.started_ns = clock_now_ns(CLOCK_TYPE_REALTIME);
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "-outcome") == 0 || strcmp(argv[i], "--outcome") == 0) {
            begin(argv[i + 1], NULL);
        }
    }
}

/* -- A guest that is dead ---------------------------------------------------------------------- */

/* Where the kernel has the local APICs, CPUs halt, and wait for their SIPI, inside it. Known when
 * the vCPU's state has been saved. */
static bool is_halted(const Vcpu *vcpu)
{
    const X86Cpu *cpu = vcpu->cpu;

    return vcpu->halted || (kvm_has_kernel_apic() && (cpu->halted || cpu->wait_for_sipi));
}

/* On its own thread. */
static void look_at_cpu(Vcpu *vcpu, void *opaque)
{
    *(bool *)opaque = is_halted(vcpu) && !(((const X86Cpu *)vcpu->cpu)->eflags & EFLAGS_IF);
}

/* Halted with interrupts off: nothing a device does in the usual way wakes it. */
static bool is_dead(Vcpu *vcpu)
{
    const X86Cpu *cpu = vcpu->cpu;
    bool found = false;

    if (!vcpu->halted && kvm_has_kernel_apic()) {
        vcpu_run_on(vcpu, look_at_cpu, &found);
        return found;
    }
    return vcpu->halted && !(cpu->eflags & EFLAGS_IF) && !vcpu->has_work(vcpu);
}

static bool all_dead(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        if (!is_dead(vcpu_get(i))) {
            return false;
        }
    }
    return vcpu_count() > 0;
}

/* Once a second of guest time. */
static void look_for_hang(void *opaque)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    uint64_t bytes = outcome_console_bytes();
    const char *panic = outcome_console_panic();

    if (bytes != outcome.quiet_bytes || !(panic || all_dead())) {
        outcome.quiet_bytes = bytes;
        outcome.quiet_since_ns = now;
    } else if (now - outcome.quiet_since_ns >= (int64_t)outcome.hang_seconds * NS_PER_SECOND) {
        system_give_up(panic ? RUN_END_PANIC : RUN_END_HANG, panic ? "console" : "halted");
        return;
    }
    timer_mod_ns(&outcome.hang_timer, now + NS_PER_SECOND);
}

void outcome_watch(void)
{
    if (!outcome.wanted) {
        return;
    }
    outcome_console_watch();
    if (outcome.hang_seconds) {
        timer_init(&outcome.hang_timer, main_loop(), CLOCK_TYPE_VIRTUAL, look_for_hang, NULL);
        timer_mod_ns(&outcome.hang_timer, NS_PER_SECOND);
    }
}

/* -- The record -------------------------------------------------------------------------------- */

static void put_text(json_t *object, const char *key, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    json_object_set_new(object, key, json_string(valid));
}

static void put_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Seconds with microseconds: more digits say nothing. */
static void put_seconds(json_t *object, const char *key, int64_t ns)
{
    json_object_set_new(object, key, json_real((double)(ns / 1000) / 1e6));
}

static void put_hex(json_t *object, const char *key, uint64_t value)
{
    char text[32];

    g_snprintf(text, sizeof(text), "0x%" G_GINT64_MODIFIER "x", (guint64)value);
    json_object_set_new(object, key, json_string(text));
}

static int64_t thread_ns(pthread_t thread)
{
    struct timespec time;
    clockid_t clock;

    if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) < 0) {
        return 0;
    }
    return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

/* A thread that runs all CPUs in turn counts once, for its first one. */
static json_t *vcpu_list(void)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < vcpu_count(); i++) {
        const Vcpu *vcpu = vcpu_get(i);
        bool is_shared = i > 0 && pthread_equal(vcpu->thread, vcpu_get(i - 1)->thread);
        json_t *entry = json_object();

        put_number(entry, "cpu", i);
        put_seconds(entry, "cpu_seconds", is_shared ? 0 : thread_ns(vcpu->thread));
        put_hex(entry, "rip", ((const X86Cpu *)vcpu->cpu)->rip);
        json_object_set_new(entry, "halted", json_boolean(is_halted(vcpu)));
        json_array_append_new(list, entry);
    }
    return list;
}

static void put_counter(const char *name, uint64_t value, void *opaque)
{
    put_number(opaque, name, value);
}

static json_t *accelerator(void)
{
    const Accel *accel = accel_current();
    json_t *object = json_object(), *counters = json_object();

    put_text(object, "name", accel->name);
    if (accel->count) {
        accel->count(put_counter, counters);
    }
    json_object_set_new(object, "counters", counters);
    return object;
}

static void put_triple_fault(json_t *record)
{
    json_t *object = json_object();

    put_number(object, "cpu", run_last_triple_fault()->cpu);
    put_hex(object, "rip", run_last_triple_fault()->rip);
    put_number(object, "count", run_triple_fault_count());
    json_object_set_new(record, "triple_fault", object);
}

static bool has_panicked(void)
{
    return outcome_console_panic() || run_guest_panicked();
}

static void put_panic(json_t *record)
{
    const char *text = outcome_console_panic();
    json_t *object = json_object();

    put_text(object, "found", run_guest_panicked() ? "pvpanic" : "console");
    if (text) {
        put_text(object, "text", text);
    }
    json_object_set_new(record, "panic", object);
}

static void put_signal(json_t *record, const RunEnd *end)
{
    g_autofree char *name = g_strconcat("SIG", sigabbrev_np(end->signal), NULL);
    json_t *object = json_object();

    put_number(object, "number", (uint64_t)end->signal);
    put_text(object, "name", name);
    put_number(object, "sender", (uint64_t)end->sender);
    json_object_set_new(record, "signal", object);
}

/* What made a Linux that has panicked end is of no interest. */
static bool is_after_panic(RunEndKind kind)
{
    return kind == RUN_END_GUEST_RESET || kind == RUN_END_TRIPLE_FAULT || kind == RUN_END_HANG;
}

static void put_end(json_t *record)
{
    static const char *const names[] = {
        [RUN_END_NONE] = "error",
        [RUN_END_GUEST_SHUTDOWN] = "guest-shutdown",
        [RUN_END_GUEST_RESET] = "guest-reset",
        [RUN_END_HOST_RESET] = "host-reset",
        [RUN_END_TRIPLE_FAULT] = "triple-fault",
        [RUN_END_PANIC] = "panic",
        [RUN_END_HANG] = "hang",
        [RUN_END_HOST_SIGNAL] = "host-signal",
        [RUN_END_QUIT] = "quit",
        [RUN_END_DEBUG_EXIT] = "debug-exit",
        [RUN_END_ERROR] = "error",
    };
    const RunEnd *end = run_end();
    bool panicked = has_panicked() && is_after_panic(end->kind);

    put_text(record, "outcome", panicked ? "panic" : names[end->kind]);
    if (has_panicked()) {
        put_panic(record);
    }
    if (run_triple_fault_count()) {
        put_triple_fault(record);
    }
    if (end->kind == RUN_END_HANG) {
        put_text(record, "hang", end->found);
    }
    if (end->kind == RUN_END_HOST_SIGNAL) {
        put_signal(record, end);
    }
    if (end->kind == RUN_END_DEBUG_EXIT) {
        put_number(record, "debug_exit", end->value);
    }
}

void outcome_collect(void)
{
    if (!outcome.wanted) {
        return;
    }
    timer_del(&outcome.hang_timer);
    outcome.record = json_object();
    put_end(outcome.record);
    put_text(outcome.record, "state", run_state_name(run_end()->state));
    put_seconds(outcome.record, "guest_seconds", clock_now_ns(CLOCK_TYPE_VIRTUAL));
    put_number(outcome.record, "resets", system_reset_count());
    outcome_console_report(outcome.record);
    json_object_set_new(outcome.record, "vcpus", vcpu_list());
    json_object_set_new(outcome.record, "accelerator", accelerator());
}

static json_t *used(void)
{
    json_t *object = json_object();
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    put_seconds(object, "wall_seconds", clock_now_ns(CLOCK_TYPE_REALTIME) - outcome.started_ns);
    put_seconds(object, "user_seconds",
                usage.ru_utime.tv_sec * NS_PER_SECOND + usage.ru_utime.tv_usec * 1000);
    put_seconds(object, "system_seconds",
                usage.ru_stime.tv_sec * NS_PER_SECOND + usage.ru_stime.tv_usec * 1000);
    put_number(object, "peak_memory_bytes", (uint64_t)usage.ru_maxrss * 1024);
    return object;
}

static json_t *whole_record(int status, const Error *error)
{
    json_t *record = json_object();

    put_number(record, "version", RECORD_VERSION);
    if (error) {
        put_text(record, "outcome", "error");
        put_text(record, "error", error_message(error));
    }
    if (outcome.record) {
        json_object_update_missing(record, outcome.record);
        json_decref(outcome.record);
        outcome.record = NULL;
    }
    put_number(record, "status", (uint64_t)status);
    json_object_set_new(record, "used", used());
    return record;
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* All of it, also into a pipe that does not block. */
static bool write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t count = write(fd, text, length);
        if (count < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        if (count < 0) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
            continue;
        }
        text += count;
        length -= (size_t)count;
    }
    return true;
}

static bool write_open_file(int fd, const char *text, const char *path, Error **err)
{
    bool fine = write_all(fd, text, strlen(text));
    int os_error = errno;

    if (close(fd) < 0 && fine) {
        fine = false;
        os_error = errno;
    }
    return fine || error_set_errno(err, os_error, "cannot write '%s'", path);
}

static bool write_file(const char *text, Error **err)
{
    g_autofree char *beside = outcome.is_plain_file
                                  ? g_strdup_printf("%s.%d", outcome.path, (int)getpid())
                                  : g_strdup(outcome.path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0) {
        return error_set_errno(err, errno, "cannot write '%s'", beside);
    }
    if (!write_open_file(fd, text, beside, err)) {
        if (outcome.is_plain_file) {
            unlink(beside);
        }
        return false;
    }
    if (outcome.is_plain_file && rename(beside, outcome.path) < 0) {
        int os_error = errno;
        unlink(beside);
        return error_set_errno(err, os_error, "cannot write '%s'", outcome.path);
    }
    return true;
}

/* On a line of its own, whatever the guest has left there. */
static bool write_stdout(const char *text, Error **err)
{
    const char *start = outcome_console_bytes() ? "\n" : "";
    g_autofree char *line = g_strconcat(start, text, NULL);

    return write_all(STDOUT_FILENO, line, strlen(line)) ||
           error_set_errno(err, errno, "cannot write to stdout");
}

bool outcome_write(int status, const Error *error)
{
    Error *failure = NULL;

    if (!outcome.wanted) {
        return true;
    }
    outcome.wanted = false;
    json_t *record = whole_record(status, error);
    char *json = json_dumps(record, JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
    g_autofree char *line = g_strconcat(json, "\n", NULL);
    bool fine = outcome.path ? write_file(line, &failure) : write_stdout(line, &failure);

    free(json);
    json_decref(record);
    g_clear_pointer(&outcome.path, g_free);
    if (!fine) {
        error_prefix(&failure, "-outcome: ");
        error_report_free(failure);
    }
    return fine;
}

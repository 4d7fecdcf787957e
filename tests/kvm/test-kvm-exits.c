/* SPDX-License-Identifier: MIT */
/* Every reason for which KVM_RUN may come back, also those that no KVM at hand gives: the test
 * answers one KVM_RUN instead of the kernel. What has to stop the machine does, says where the
 * guest was and why, and the machine starts again; after anything else the guest goes on. And kicks
 * that come between the last look and the entry. Skipped without /dev/kvm. */
#include "accel/kvm/kvm-internal.h"
#include "softmmu/run-end.h"
#include "tests/kvm/ioctl-spy.h"
#include "tests/kvm/kvm-machine.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VECTOR 0x51
#define BYTES "0f 0b cc"

/* -- An answer in the kernel's place ----------------------------------------------------------- */

typedef struct Answer {
    const char *name;
    int result; /* of KVM_RUN */
    uint32_t reason;
    void (*fill)(struct kvm_run *run);
    const char *says; /* stops the machine as `state`, and the report holds this; NULL: goes on */
    RunState state;
} Answer;

static const Answer *pending; /* atomic: for the first CPU's next KVM_RUN */
static unsigned entries;      /* atomic: of KVM_RUN since the last answer */
static uint8_t seen_error;    /* of an MSR exit, as the entry after the answer found it... */
static uint8_t seen_data[8];  /* ...and of memory */

static void give(const Answer *answer)
{
    __atomic_store_n(&entries, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&pending, answer, __ATOMIC_SEQ_CST);
}

static bool answer_run(int fd, unsigned long request, void *argument, int *ret_result)
{
    const KvmVcpu *kv = vcpu_get(0) ? kvm_of(vcpu_get(0)) : NULL;
    const Answer *answer;

    if (request != KVM_RUN || !kv || kv->fd != fd) {
        return false;
    }
    answer = __atomic_load_n(&pending, __ATOMIC_SEQ_CST);
    if (!answer) {
        if (__atomic_load_n(&entries, __ATOMIC_SEQ_CST) == 0) {
            seen_error = kv->run->msr.error;
            memcpy(seen_data, kv->run->mmio.data, sizeof(seen_data));
        }
        __atomic_fetch_add(&entries, 1, __ATOMIC_SEQ_CST);
        return false;
    }
    kv->run->exit_reason = answer->reason;
    if (answer->fill) {
        answer->fill(kv->run);
    }
    *ret_result = answer->result;
    __atomic_store_n(&pending, NULL, __ATOMIC_SEQ_CST);
    return true;
}

/* -- What the kernel would tell ---------------------------------------------------------------- */

static void with_hardware_reason(struct kvm_run *run)
{
    run->hw.hardware_exit_reason = 0x1234;
}

static void with_entry_reason(struct kvm_run *run)
{
    run->fail_entry.hardware_entry_failure_reason = 0x80000021;
}

static void with_emulation_failure(struct kvm_run *run)
{
    static const uint8_t bytes[] = {0x0f, 0x0b, 0xcc};

    run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
    run->emulation_failure.ndata = 3;
    run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
    run->emulation_failure.insn_size = sizeof(bytes);
    memcpy(run->emulation_failure.insn_bytes, bytes, sizeof(bytes));
}

static void with_simultaneous_exceptions(struct kvm_run *run)
{
    run->internal.suberror = KVM_INTERNAL_ERROR_SIMUL_EX;
    run->internal.ndata = 0;
}

static void with_exit_in_delivery(struct kvm_run *run)
{
    run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
    run->internal.ndata = 0;
}

static void with_unexpected_exit(struct kvm_run *run)
{
    run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
    run->internal.ndata = 0;
}

static void with_other_error(struct kvm_run *run)
{
    run->internal.suberror = 99;
    run->internal.ndata = 0;
}

static void with_lost_context(struct kvm_run *run)
{
    run->notify.flags = KVM_NOTIFY_CONTEXT_INVALID;
}

static void with_context(struct kvm_run *run)
{
    run->notify.flags = 0;
}

static void with_end_of_interrupt(struct kvm_run *run)
{
    run->eoi.vector = VECTOR;
}

static void with_panic(struct kvm_run *run)
{
    run->system_event.type = KVM_SYSTEM_EVENT_CRASH;
}

static void with_shutdown(struct kvm_run *run)
{
    run->system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
}

static void with_unknown_event(struct kvm_run *run)
{
    run->system_event.type = 99;
}

#define STOPS(text) .says = text, .state = RUN_STATE_INTERNAL_ERROR

static const Answer answers[] = {
    {"unknown", 0, KVM_EXIT_UNKNOWN, with_hardware_reason, STOPS("hardware exit reason 0x1234")},
    {"exception", 0, KVM_EXIT_EXCEPTION, NULL, STOPS("an exception that was not asked for")},
    {"fail-entry", 0, KVM_EXIT_FAIL_ENTRY, with_entry_reason, STOPS("reason 0x80000021")},
    {"emulation", 0, KVM_EXIT_INTERNAL_ERROR, with_emulation_failure, STOPS("(" BYTES " ")},
    {"two-exceptions", 0, KVM_EXIT_INTERNAL_ERROR, with_simultaneous_exceptions,
     STOPS("two exceptions at once")},
    {"delivery", 0, KVM_EXIT_INTERNAL_ERROR, with_exit_in_delivery,
     STOPS("while an event was delivered")},
    {"unexpected-exit", 0, KVM_EXIT_INTERNAL_ERROR, with_unexpected_exit,
     STOPS("that the kernel does not know")},
    {"other-error", 0, KVM_EXIT_INTERNAL_ERROR, with_other_error,
     STOPS("an internal error of the kernel")},
    {"lost-context", 0, KVM_EXIT_NOTIFY, with_lost_context, STOPS("lets no interrupt through")},
    {"not-for-this-cpu", 0, KVM_EXIT_S390_RESET, NULL, STOPS("an exit of unknown reason")},
    {"of-the-future", 0, 1000, NULL, STOPS("an exit of unknown reason 1000")},
    {"fault", -EFAULT, KVM_EXIT_UNKNOWN, NULL, STOPS("(code not readable)")}, /* not looked at */
    {"not-root", -EPERM, KVM_EXIT_UNKNOWN, NULL, STOPS("KVM_RUN failed: Operation not permitted")},
    {"io-error", -EIO, KVM_EXIT_UNKNOWN, NULL, STOPS("KVM_RUN failed: Input/output error")},
    {"panic", 0, KVM_EXIT_SYSTEM_EVENT, with_panic, "", RUN_STATE_GUEST_PANICKED},
    {"shutdown", 0, KVM_EXIT_SYSTEM_EVENT, with_shutdown, "", RUN_STATE_SHUTDOWN},
    {"unknown-event", 0, KVM_EXIT_SYSTEM_EVENT, with_unknown_event},
    {"interrupted", -EINTR, KVM_EXIT_INTR},
    {"again", -EAGAIN, KVM_EXIT_INTR},
    {"intr", 0, KVM_EXIT_INTR},
    {"nmi", 0, KVM_EXIT_NMI},
    {"hypercall", 0, KVM_EXIT_HYPERCALL},
    {"irq-window", 0, KVM_EXIT_IRQ_WINDOW_OPEN},
    {"set-tpr", 0, KVM_EXIT_SET_TPR},
    {"tpr-access", 0, KVM_EXIT_TPR_ACCESS},
    {"bus-lock", 0, KVM_EXIT_X86_BUS_LOCK},
    {"notify", 0, KVM_EXIT_NOTIFY, with_context},
    {"rdmsr", 0, KVM_EXIT_X86_RDMSR},
    {"wrmsr", 0, KVM_EXIT_X86_WRMSR},
    {"ioapic-eoi", 0, KVM_EXIT_IOAPIC_EOI, with_end_of_interrupt},
};

/* -- The machine ------------------------------------------------------------------------------- */

static int eoi_vector;

static void note_eoi(uint8_t vector)
{
    eoi_vector = vector;
}

static void start(const Answer *answer)
{
    cpu_reset(cpu_get(0), false);
    load_code(0, count_code, count_end);
    give(answer);
    vm_start();
}

/* Until what was asked of the main loop is done and the machine has come to the state. */
static void wait_for_state(RunState state)
{
    int status;

    for (unsigned i = 0; run_state_get() != state; i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
        g_assert_false(run_handle_requests(&status));
    }
}

static void wait_for_entries(unsigned count)
{
    for (unsigned i = 0; __atomic_load_n(&entries, __ATOMIC_SEQ_CST) < count ||
                         __atomic_load_n(&pending, __ATOMIC_SEQ_CST);
         i++) {
        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
        vcpu_exit(vcpu_get(0));
    }
}

/* Messages go to a file between these. */
static int saved_stderr = -1, messages = -1;

static void catch_messages(void)
{
    saved_stderr = dup(STDERR_FILENO);
    messages = memfd_create("messages", 0);
    dup2(messages, STDERR_FILENO);
}

static char *caught_messages(void)
{
    char *text = g_malloc0(65536);

    g_assert_cmpint(pread(messages, text, 65535, 0), >=, 0);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(messages);
    return text;
}

static void check_stop(const Answer *answer)
{
    g_autofree char *text = NULL;
    int status;

    catch_messages();
    start(answer);
    wait_for_state(answer->state);
    text = caught_messages();
    if (*answer->says) {
        g_autofree char *place = g_strdup_printf("on CPU 0 at %04x:", 0);

        g_assert_nonnull(strstr(text, answer->says));
        g_assert_nonnull(strstr(text, place));
        g_assert_nonnull(strstr(text, "; the machine is paused"));
    }
    g_assert_true(run_state_needs_reset());
    g_assert_true(vcpu_get(0)->stopped && vcpu_get(1)->stopped);
    system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
    g_assert_false(run_handle_requests(&status));
    start(NULL);
    wait_for_count(1);
    vm_stop(RUN_STATE_PAUSED);
}

static void check_going_on(const Answer *answer)
{
    uint32_t count;

    start(answer);
    wait_for_entries(1);
    count = __atomic_load_n(counter_of(0), __ATOMIC_SEQ_CST);
    wait_for_count(count + 1);
    g_assert_true(run_state_is_running());
    vm_stop(RUN_STATE_PAUSED);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void begin_answering(const char *accel)
{
    begin(accel);
    run_shutdown_action = SHUTDOWN_ACTION_PAUSE;
    run_panic_action = PANIC_ACTION_PAUSE;
    kvm_end_of_interrupt = note_eoi;
    ioctl_spy_set(answer_run);
}

static void end_answering(void)
{
    ioctl_spy_set(NULL);
    end();
}

static void check_all(const char *accel)
{
    begin_answering(accel);
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_test_message("%s", answers[i].name);
        if (answers[i].says) {
            check_stop(&answers[i]);
        } else {
            check_going_on(&answers[i]);
        }
        if (answers[i].reason == KVM_EXIT_X86_RDMSR || answers[i].reason == KVM_EXIT_X86_WRMSR) {
            g_assert_cmpuint(seen_error, ==, 1);
        }
    }
    g_assert_cmpint(eoi_vector, ==, VECTOR);
    g_assert_cmpuint(counted("exits, fail-entry"), ==, 1);
    g_assert_cmpuint(counted("exits, bus-lock"), ==, 1);
    g_assert_cmpuint(counted("exits, other"), ==, 2);
    end_answering();
}

static void test_all(void)
{
    if (!skipped()) {
        check_all("kvm,kernel-irqchip=off");
    }
}

static void test_all_with_kernel_apics(void)
{
    if (!skipped()) {
        check_all("kvm,kernel-irqchip=on");
    }
}

/* A triple fault, and a reset that the kernel asks for, start the machine again. */
static void test_resets(void)
{
    static const Answer triple_fault = {"shutdown", 0, KVM_EXIT_SHUTDOWN};
    uint64_t before, faults;

    if (skipped()) {
        return;
    }
    begin_answering("kvm,kernel-irqchip=off");
    before = system_reset_count();
    faults = run_triple_fault_count();
    start(&triple_fault);
    for (unsigned i = 0; system_reset_count() == before; i++) {
        int status;

        g_assert_cmpuint(i, <, 60000);
        let_run(1000);
        g_assert_false(run_handle_requests(&status));
    }
    g_assert_cmpuint(run_triple_fault_count(), ==, faults + 1);
    vm_stop(RUN_STATE_PAUSED);
    end_answering();
}

/* notify-vmexit=internal-error stops what it lets go on else. */
static void test_notify_option(void)
{
    static const Answer notify = {"notify", 0, KVM_EXIT_NOTIFY, with_context,
                                  STOPS("lets no interrupt through")};

    if (skipped()) {
        return;
    }
    begin_answering("kvm,kernel-irqchip=off,notify-vmexit=internal-error");
    check_stop(&notify);
    end_answering();
    kvm_options.notify_vmexit = KVM_NOTIFY_RUN;
}

/* -- Accesses ---------------------------------------------------------------------------------- */

#define WINDOW 0xd0000000u
#define PORT 0x500

static Region window, ports;
static uint8_t stored[16]; /* of the window */
static GString *port_log;

static uint64_t read_byte(void *opaque, uint64_t offset, unsigned size)
{
    return 0xa0 + offset;
}

static void write_byte(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    stored[offset] = (uint8_t)value;
}

static uint64_t read_port(void *opaque, uint64_t offset, unsigned size)
{
    return 0x1111u * port_log->len;
}

static void write_port(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    g_string_append_printf(port_log, "%x:%u ", (unsigned)value, size);
}

static void odd_write(struct kvm_run *run)
{
    run->mmio.phys_addr = WINDOW + 1;
    run->mmio.len = 6;
    run->mmio.is_write = 1;
    memcpy(run->mmio.data, "\1\2\3\4\5\6", 6);
}

static void odd_read(struct kvm_run *run)
{
    run->mmio.phys_addr = WINDOW + 2;
    run->mmio.len = 3;
    run->mmio.is_write = 0;
    memset(run->mmio.data, 0, sizeof(run->mmio.data));
}

static void string_to_port(struct kvm_run *run)
{
    run->io.direction = KVM_EXIT_IO_OUT;
    run->io.size = 2;
    run->io.port = PORT;
    run->io.count = 3;
    run->io.data_offset = TARGET_PAGE_SIZE;
    memcpy((uint8_t *)run + TARGET_PAGE_SIZE, "\1\0\2\0\3\0", 6);
}

static void string_from_port(struct kvm_run *run)
{
    string_to_port(run);
    run->io.direction = KVM_EXIT_IO_IN;
}

/* Parts of accesses, as the kernel cuts those that cross pages, and strings. */
static void test_accesses(void)
{
    static const RegionOps byte_ops = {
        .read = read_byte, .write = write_byte, .impl_min = 1, .impl_max = 1};
    static const RegionOps port_ops = {.read = read_port, .write = write_port, .impl_min = 2};
    static const Answer write = {"odd-write", 0, KVM_EXIT_MMIO, odd_write};
    static const Answer read = {"odd-read", 0, KVM_EXIT_MMIO, odd_read};
    static const Answer out = {"outs", 0, KVM_EXIT_IO, string_to_port};
    static const Answer in = {"ins", 0, KVM_EXIT_IO, string_from_port};
    RegionDesc desc = {.name = "window", .kind = REGION_IO, .size = 16, .ops = &byte_ops};
    const uint16_t *read_words;

    if (skipped()) {
        return;
    }
    port_log = g_string_new(NULL);
    begin_answering("kvm,kernel-irqchip=off");
    region_init(&window, &desc);
    region_add(&root, WINDOW, &window, 0);
    desc.ops = &port_ops;
    desc.size = 4;
    region_init(&ports, &desc);
    region_add(&io_root, PORT, &ports, 0);

    check_going_on(&write);
    g_assert_cmpmem(stored, 8, "\0\1\2\3\4\5\6\0", 8);
    check_going_on(&read);
    g_assert_cmpmem(seen_data, 4, "\xa2\xa3\xa4\0", 4);
    check_going_on(&out);
    g_assert_cmpstr(port_log->str, ==, "1:2 2:2 3:2 ");
    check_going_on(&in);
    read_words = (const uint16_t *)((uint8_t *)kvm_of(vcpu_get(0))->run + TARGET_PAGE_SIZE);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(read_words[i], ==, 0x1111 * port_log->len);
    }
    region_fini(&window);
    region_fini(&ports);
    end_answering();
    g_string_free(port_log, TRUE);
}

/* -- A debugger -------------------------------------------------------------------------------- */

#define WATCHED 0x20100u
#define DR7_WATCH_WRITE_4 0xd0602u /* the first register: four bytes, written; LE, GE, the one */

static struct kvm_guest_debug wanted_debug;

static bool note_debug(int fd, unsigned long request, void *argument, int *ret_result)
{
    if (request == KVM_SET_GUEST_DEBUG) {
        wanted_debug = *(const struct kvm_guest_debug *)argument;
    }
    return answer_run(fd, request, argument, ret_result);
}

static void hit_first(struct kvm_run *run)
{
    run->debug.arch = (struct kvm_debug_exit_arch){.exception = 1, .pc = CODE, .dr6 = 0xffff0ff1};
}

static void hit_nothing(struct kvm_run *run)
{
    run->debug.arch = (struct kvm_debug_exit_arch){.exception = 1, .pc = CODE, .dr6 = 0xffff0ff0};
}

/* Watchpoints are in the registers as they should be, and their hits stop with what was hit. */
static void test_watchpoint(void)
{
    static const Answer hit = {"hit", 0, KVM_EXIT_DEBUG, hit_first};
    static const Answer other = {"other", 0, KVM_EXIT_DEBUG, hit_nothing};
    DebugHit found = {0};

    if (skipped()) {
        return;
    }
    begin_answering("kvm,kernel-irqchip=off");
    ioctl_spy_set(note_debug);
    debug_point_insert(DEBUG_WATCH_WRITE, WATCHED, 4);
    check_going_on(&other); /* the guest's own business */
    g_assert_cmphex(wanted_debug.control, ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
    g_assert_cmphex(wanted_debug.arch.debugreg[0], ==, WATCHED);
    g_assert_cmphex(wanted_debug.arch.debugreg[7], ==, DR7_WATCH_WRITE_4);
    start(&hit);
    wait_for_state(RUN_STATE_DEBUG);
    g_assert_true(debug_take_hit(&found) == cpu_get(0));
    g_assert_cmpint(found.kind, ==, DEBUG_WATCH_WRITE);
    g_assert_cmphex(found.linear, ==, WATCHED);
    debug_point_remove_all();
    start(NULL);
    wait_for_count(1);
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmphex(wanted_debug.control, ==, 0);
    end_answering();
}

/* -- Kicks ------------------------------------------------------------------------------------- */

/* The entry comes late after the last look, and now and then the way back takes its time, too. */
static bool enter_late(int fd, unsigned long request, void *argument, int *ret_result)
{
    static unsigned count;
    unsigned n;

    if (request != KVM_RUN) {
        return false;
    }
    n = __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    if (n % 3) {
        usleep(n % 7 * 100);
    }
    *ret_result = ioctl_spy_ask_kernel(fd, request, argument);
    if (n % 5 == 0) {
        usleep(n % 11 * 50);
    }
    return true;
}

static void check_kicks(const char *accel)
{
    begin(accel);
    for (unsigned i = 0; i < CPUS; i++) {
        load_code(i, count_code, count_end);
    }
    ioctl_spy_set(enter_late);
    for (unsigned round = 0; round < 300; round++) {
        vm_start();
        if (round % 4) {
            let_run(round % 9 * 70);
        }
        vm_stop(RUN_STATE_PAUSED); /* a kick that is lost is waited for without end */
    }
    vm_start();
    wait_for_count(1);
    end_answering();
}

static void test_kicks(void)
{
    if (!skipped()) {
        check_kicks("kvm,kernel-irqchip=off");
    }
}

static void test_kicks_with_kernel_apics(void)
{
    if (!skipped()) {
        check_kicks("kvm,kernel-irqchip=on");
    }
}

/* -- Threads ----------------------------------------------------------------------------------- */

static unsigned own_calls, foreign_calls; /* atomic */

static bool check_thread(int fd, unsigned long request, void *argument, int *ret_result)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const KvmVcpu *kv = kvm_of(vcpu_get(i));

        if (kv && kv->fd == fd) {
            bool is_own = vcpu_get(i)->thread_id == gettid();

            __atomic_fetch_add(is_own ? &own_calls : &foreign_calls, 1, __ATOMIC_RELAXED);
        }
    }
    return false;
}

static void nothing(Vcpu *vcpu, void *opaque)
{
}

/* Whoever asks for a CPU's state: its ioctls are made by its own thread. */
static void test_threads(void)
{
    int status;

    if (skipped()) {
        return;
    }
    for (unsigned n = 0; n < 2; n++) {
        begin(n ? "kvm,kernel-irqchip=on" : "kvm,kernel-irqchip=off,dirty-ring-size=4096");
        ioctl_spy_set(check_thread);
        load_code(0, count_code, count_end);
        for (unsigned round = 0; round < 20; round++) {
            vm_start();
            wait_for_count(round % 4);
            vcpu_run_on_all(nothing, NULL);
            region_set_enabled(&hole, round % 2);
            vm_stop(RUN_STATE_PAUSED);
            system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
            g_assert_false(run_handle_requests(&status));
            load_code(0, count_code, count_end);
        }
        region_set_enabled(&hole, false);
        end_answering();
    }
    g_assert_cmpuint(own_calls, >, 500);
    g_assert_cmpuint(foreign_calls, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_init(true);
    g_test_add_func("/kvm-exits/all", test_all);
    g_test_add_func("/kvm-exits/all-with-kernel-apics", test_all_with_kernel_apics);
    g_test_add_func("/kvm-exits/resets", test_resets);
    g_test_add_func("/kvm-exits/notify-option", test_notify_option);
    g_test_add_func("/kvm-exits/accesses", test_accesses);
    g_test_add_func("/kvm-exits/watchpoint", test_watchpoint);
    g_test_add_func("/kvm-exits/kicks", test_kicks);
    g_test_add_func("/kvm-exits/kicks-with-kernel-apics", test_kicks_with_kernel_apics);
    g_test_add_func("/kvm-exits/threads", test_threads);
    return g_test_run();
}

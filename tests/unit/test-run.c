/* SPDX-License-Identifier: MIT */
/* softmmu/run: the lock's fairness, vCPU threads with a dummy guest, safe points, requests. */
#include "softmmu/run-end.h"

#include <string.h>
#include <unistd.h>

/* -- The dummy guest: counts, and does once what the test asks for ----------------------------- */

typedef enum Act { ACT_NONE, ACT_RESET, ACT_EXIT, ACT_STOP, ACT_HALT, ACT_POST, ACT_WAIT } Act;

typedef struct Dummy {
    Vcpu vcpu;
    Act act;        /* atomic */
    unsigned runs;  /* atomic: entries of run() */
    unsigned loops; /* atomic */
    bool event;     /* ends a halt */
    bool fail, ended;
    bool deaf; /* atomic: does not leave run(), nor pass a safe point */
    bool busy; /* atomic: never sleeps */
} Dummy;

#define DUMMY_COUNT 2

static Dummy dummies[DUMMY_COUNT];

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define STORE(x, v) __atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)

static bool dummy_init(Vcpu *vcpu, Error **err)
{
    g_assert_false(machine_lock_held());
    g_assert_true(vcpu_self() == vcpu);
    return !((Dummy *)vcpu->cpu)->fail || error_set(err, "no such luck");
}

static void dummy_fini(Vcpu *vcpu)
{
    ((Dummy *)vcpu->cpu)->ended = true;
}

static void dummy_work(Vcpu *vcpu, void *opaque)
{
    g_assert_true(machine_lock_held());
    g_assert_true(vcpu_self() == vcpu || vcpu->stopped);
    *(Vcpu **)opaque = vcpu_self();
}

/* True: the instruction ends run(), as a halt does. */
static bool dummy_act(Dummy *dummy)
{
    static Vcpu *other;
    Act act = __atomic_exchange_n(&dummy->act, ACT_NONE, __ATOMIC_SEQ_CST);

    if (act == ACT_NONE) {
        return false;
    }
    machine_lock();
    switch (act) {
    case ACT_RESET:
        system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        break;
    case ACT_EXIT:
        system_exit_request(33, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        break;
    case ACT_STOP:
        vm_stop_request(RUN_STATE_DEBUG);
        break;
    case ACT_HALT:
        dummy->vcpu.halted = true;
        break;
    case ACT_WAIT:
        vcpu_wait_safe_points();
        break;
    default:
        vcpu_run_on(&dummies[!dummy->vcpu.index].vcpu, dummy_work, &other);
        break;
    }
    machine_unlock();
    return act == ACT_HALT;
}

static void dummy_run(Vcpu *vcpu)
{
    Dummy *dummy = vcpu->cpu;

    g_assert_false(machine_lock_held());
    __atomic_add_fetch(&dummy->runs, 1, __ATOMIC_SEQ_CST);
    machine_lock();
    if (dummy->event) {
        dummy->event = false;
        vcpu->halted = false;
    }
    machine_unlock();
    while (LOAD(dummy->deaf) || !LOAD(vcpu->exit_request)) {
        __atomic_add_fetch(&dummy->loops, 1, __ATOMIC_SEQ_CST);
        if (dummy_act(dummy)) {
            return;
        }
        if (!LOAD(dummy->busy)) {
            usleep(20);
        }
    }
}

static bool dummy_has_work(Vcpu *vcpu)
{
    g_assert_true(machine_lock_held());
    return ((Dummy *)vcpu->cpu)->event;
}

static const VcpuOps dummy_ops = {
    .name = "dummy", .init = dummy_init, .fini = dummy_fini, .run = dummy_run};

static bool always(void)
{
    return true;
}

static const VcpuOps shared_ops = {.name = "shared",
                                   .shares_thread = always,
                                   .init = dummy_init,
                                   .fini = dummy_fini,
                                   .run = dummy_run};

static void start_with(const VcpuOps *ops)
{
    memset(dummies, 0, sizeof(dummies));
    for (unsigned i = 0; i < DUMMY_COUNT; i++) {
        dummies[i].vcpu = (Vcpu){.cpu = &dummies[i], .ops = ops, .has_work = dummy_has_work};
        g_assert_true(vcpu_start(&dummies[i].vcpu, NULL));
        g_assert_true(vcpu_get(i) == &dummies[i].vcpu);
    }
}

static void start_dummies(void)
{
    start_with(&dummy_ops);
}

static void end_dummies(void)
{
    vm_stop(RUN_STATE_PRELAUNCH);
    vcpus_destroy();
    g_assert_cmpuint(vcpu_count(), ==, 0);
    for (unsigned i = 0; i < DUMMY_COUNT; i++) {
        g_assert_true(dummies[i].ended);
    }
}

/* Lets the vCPUs have the lock until the expression holds; 10 s at most. */
#define WAIT_FOR(expression)                                                                       \
    do {                                                                                           \
        for (unsigned wait_ = 0; !(expression); wait_++) {                                         \
            g_assert_cmpuint(wait_, <, 100000);                                                    \
            machine_unlock();                                                                      \
            usleep(100);                                                                           \
            machine_lock();                                                                        \
        }                                                                                          \
    } while (0)

/* Main loop turns instead. */
#define LOOP_UNTIL(expression)                                                                     \
    do {                                                                                           \
        int status_;                                                                               \
        for (unsigned wait_ = 0; !(expression); wait_++) {                                         \
            g_assert_cmpuint(wait_, <, 100000);                                                    \
            main_loop_wait(false);                                                                 \
            g_assert_false(run_handle_requests(&status_));                                         \
            machine_unlock();                                                                      \
            usleep(100);                                                                           \
            machine_lock();                                                                        \
        }                                                                                          \
    } while (0)

/* -- The lock ---------------------------------------------------------------------------------- */

static unsigned long acquisitions; /* under the lock */
static unsigned hogs_running;      /* atomic */
static bool hogs_end;              /* atomic */

#define HOLD_US 30

static gpointer hog(gpointer opaque)
{
    __atomic_add_fetch(&hogs_running, 1, __ATOMIC_SEQ_CST);
    while (!LOAD(hogs_end)) {
        machine_lock();
        __atomic_add_fetch(&acquisitions, 1, __ATOMIC_RELAXED);
        for (int64_t end = g_get_monotonic_time() + HOLD_US; g_get_monotonic_time() < end;) {
        }
        machine_unlock(); /* and at once again: an unfair lock lets it */
    }
    return NULL;
}

#define HOGS 3
#define TURNS 100

static void test_lock_is_fair(void)
{
    GThread *threads[HOGS];
    unsigned long before, overtaken = 0;

    acquisitions = 0;
    STORE(hogs_end, false);
    for (unsigned i = 0; i < HOGS; i++) {
        threads[i] = g_thread_new("hog", hog, NULL);
    }
    WAIT_FOR(LOAD(hogs_running) == HOGS && acquisitions > HOGS);
    for (unsigned i = 0; i < TURNS; i++) {
        machine_unlock();
        usleep(HOLD_US); /* comes back while another holds it and the rest wait */
        before = LOAD(acquisitions);
        machine_lock();
        overtaken += acquisitions - before;
    }
    STORE(hogs_end, true);
    machine_unlock();
    for (unsigned i = 0; i < HOGS; i++) {
        g_thread_join(threads[i]);
    }
    machine_lock();
    /* One turn of each other thread before ours; four times that leaves room for being preempted
     * between the reading and the ticket. */
    g_test_message("%lu overtook in %u turns", overtaken, TURNS);
    g_assert_cmpuint(acquisitions, >, TURNS / 2); /* they were there */
    g_assert_cmpuint(overtaken, <, TURNS * HOGS * 4);
}

static gpointer held_elsewhere(gpointer opaque)
{
    return GINT_TO_POINTER(machine_lock_held());
}

static void test_lock_owner(void)
{
    g_assert_true(machine_lock_held());
    g_assert_null(g_thread_join(g_thread_new("other", held_elsewhere, NULL)));
    machine_unlock();
    g_assert_false(machine_lock_held());
    machine_lock();
}

static unsigned turn; /* under the lock */
static MachineCond turn_changed;

static gpointer ping(gpointer opaque)
{
    unsigned own = GPOINTER_TO_UINT(opaque);

    machine_lock();
    for (unsigned i = 0; i < 2000; i++) {
        while (turn % 2 != own) {
            machine_cond_wait(&turn_changed);
        }
        turn++;
        machine_cond_wake_all(&turn_changed);
    }
    machine_unlock();
    return NULL;
}

static void test_cond(void)
{
    GThread *threads[2];

    for (unsigned i = 0; i < 2; i++) {
        threads[i] = g_thread_new("ping", ping, GUINT_TO_POINTER(i));
    }
    machine_unlock();
    for (unsigned i = 0; i < 2; i++) {
        g_thread_join(threads[i]);
    }
    machine_lock();
    g_assert_cmpuint(turn, ==, 4000);
}

/* -- vCPUs ------------------------------------------------------------------------------------- */

static void test_start_stop(void)
{
    start_dummies();
    g_assert_cmpuint(LOAD(dummies[0].runs), ==, 0);
    g_assert_false(clock_virtual_is_running());
    for (unsigned round = 0; round < 50; round++) {
        unsigned before = LOAD(dummies[1].loops);

        vm_start();
        g_assert_true(run_state_is_running());
        g_assert_true(clock_virtual_is_running());
        WAIT_FOR(LOAD(dummies[1].loops) > before);
        vm_stop(RUN_STATE_PAUSED);
        g_assert_cmpstr(run_state_name(run_state_get()), ==, "paused");
        g_assert_false(clock_virtual_is_running());
        g_assert_true(dummies[0].vcpu.stopped && dummies[1].vcpu.stopped);
        before = LOAD(dummies[1].loops);
        machine_unlock();
        usleep(200);
        machine_lock();
        g_assert_cmpuint(LOAD(dummies[1].loops), ==, before);
    }
    end_dummies();
}

static void test_init_fails(void)
{
    Dummy dummy = {.fail = true};
    g_autoptr(Error) err = NULL;

    dummy.vcpu = (Vcpu){.cpu = &dummy, .ops = &dummy_ops};
    g_assert_false(vcpu_start(&dummy.vcpu, &err));
    g_assert_cmpstr(error_message(err), ==, "no such luck");
    g_assert_cmpuint(vcpu_count(), ==, 0);
}

static void test_run_on(void)
{
    Vcpu *where;

    start_dummies();
    vcpu_run_on(&dummies[0].vcpu, dummy_work, &where); /* parked: here and now */
    g_assert_null(where);
    vm_start();
    WAIT_FOR(LOAD(dummies[0].runs) > 0 && LOAD(dummies[1].runs) > 0);
    vcpu_run_on(&dummies[0].vcpu, dummy_work, &where);
    g_assert_true(where == &dummies[0].vcpu);

    for (unsigned i = 0; i < 20; i++) { /* each of the other, at the same time */
        STORE(dummies[0].act, ACT_POST);
        STORE(dummies[1].act, ACT_POST);
        WAIT_FOR(LOAD(dummies[0].act) == ACT_NONE && LOAD(dummies[1].act) == ACT_NONE);
    }
    where = NULL;
    vcpu_post(&dummies[1].vcpu, dummy_work, &where);
    g_assert_null(where);
    WAIT_FOR(where == &dummies[1].vcpu);

    vm_stop(RUN_STATE_PAUSED);
    where = NULL;
    vcpu_post(&dummies[1].vcpu, dummy_work, &where); /* parked: by its own thread all the same */
    WAIT_FOR(where == &dummies[1].vcpu);
    end_dummies();
}

static void test_halt(void)
{
    start_dummies();
    vm_start();
    STORE(dummies[0].act, ACT_HALT);
    WAIT_FOR(dummies[0].vcpu.halted);
    WAIT_FOR(LOAD(dummies[0].act) == ACT_NONE);
    machine_unlock();
    usleep(2000);
    machine_lock();
    unsigned runs = LOAD(dummies[0].runs);

    vcpu_kick(&dummies[0].vcpu); /* nothing to do: stays asleep */
    machine_unlock();
    usleep(2000);
    machine_lock();
    g_assert_cmpuint(LOAD(dummies[0].runs), ==, runs);
    vm_stop(RUN_STATE_PAUSED); /* a sleeping one parks too */
    vm_start();
    dummies[0].event = true;
    vcpu_kick(&dummies[0].vcpu);
    WAIT_FOR(LOAD(dummies[0].runs) == runs + 1);
    g_assert_false(dummies[0].vcpu.halted);
    end_dummies();
}

/* How much a busy thread runs is up to the host, but it gets a millisecond at some time. */
static void test_starved(void)
{
    start_dummies();
    g_assert_true(vcpu_is_starved(&dummies[0].vcpu));
    vm_start();
    STORE(dummies[0].busy, true);
    WAIT_FOR(!vcpu_is_starved(&dummies[0].vcpu));
    STORE(dummies[0].busy, false);
    STORE(dummies[0].act, ACT_HALT);
    WAIT_FOR(dummies[0].vcpu.halted);
    WAIT_FOR(LOAD(dummies[0].act) == ACT_NONE);
    WAIT_FOR(vcpu_is_starved(&dummies[0].vcpu));
    end_dummies();
    g_assert_false(vcpu_is_starved(&dummies[0].vcpu)); /* no thread */
}

static unsigned released;

static void note_release(void *opaque)
{
    g_assert_true(machine_lock_held());
    released++;
}

static void loop_some(void)
{
    for (unsigned i = 0; i < 20; i++) {
        main_loop_wait(false);
        machine_unlock();
        usleep(100);
        machine_lock();
    }
}

static void test_safe_points(void)
{
    released = 0;
    vcpu_defer(note_release, NULL);
    g_assert_cmpuint(released, ==, 0);
    LOOP_UNTIL(released == 1); /* no vCPU */

    start_dummies();
    vcpu_defer(note_release, NULL);
    LOOP_UNTIL(released == 2); /* parked ones look at nothing */
    STORE(dummies[0].deaf, true);
    vm_start();
    WAIT_FOR(LOAD(dummies[0].loops) > 0);
    vcpu_defer(note_release, NULL);
    loop_some();
    g_assert_cmpuint(released, ==, 2);
    vcpu_quiescent(&dummies[0].vcpu); /* in its place */
    vcpu_defer(note_release, NULL);
    LOOP_UNTIL(released >= 3);
    loop_some();
    g_assert_cmpuint(released, ==, 3); /* the later one must wait for the next safe point */
    STORE(dummies[0].deaf, false);
    LOOP_UNTIL(released == 4);
    end_dummies();
}

static void test_wait_safe_points(void)
{
    start_dummies();
    vcpu_wait_safe_points(); /* parked ones are no reason to wait */
    vm_start();
    WAIT_FOR(LOAD(dummies[0].runs) > 0 && LOAD(dummies[1].runs) > 0);
    for (unsigned i = 0; i < 50; i++) {
        unsigned runs = LOAD(dummies[0].runs) + LOAD(dummies[1].runs);

        vcpu_wait_safe_points();
        WAIT_FOR(LOAD(dummies[0].runs) + LOAD(dummies[1].runs) >= runs + 2); /* both left run() */
    }
    for (unsigned i = 0; i < 50; i++) { /* each for the other, at the same time */
        STORE(dummies[0].act, ACT_WAIT);
        STORE(dummies[1].act, ACT_WAIT);
        vcpu_wait_safe_points();
        WAIT_FOR(LOAD(dummies[0].act) == ACT_NONE && LOAD(dummies[1].act) == ACT_NONE);
    }
    for (unsigned i = 0; i < 50; i++) { /* one waits for the other, which waits for its work */
        STORE(dummies[0].act, ACT_WAIT);
        STORE(dummies[1].act, ACT_POST);
        WAIT_FOR(LOAD(dummies[0].act) == ACT_NONE && LOAD(dummies[1].act) == ACT_NONE);
    }
    end_dummies();
}

/* One thread for both. */
static void test_shared_thread(void)
{
    Vcpu *where = NULL;

    start_with(&shared_ops);
    g_assert_true(pthread_equal(dummies[0].vcpu.thread, dummies[1].vcpu.thread));
    vm_start();
    for (unsigned i = 0; i < 20; i++) { /* neither gives way by itself: time slices */
        unsigned loops[2] = {LOAD(dummies[0].loops), LOAD(dummies[1].loops)};

        LOOP_UNTIL(LOAD(dummies[0].loops) > loops[0] && LOAD(dummies[1].loops) > loops[1]);
    }
    for (unsigned i = 0; i < 2; i++) {
        vcpu_run_on(&dummies[i].vcpu, dummy_work, &where);
        g_assert_true(where == &dummies[i].vcpu);
        STORE(dummies[i].act, ACT_POST); /* to the other one, which this thread runs too */
        LOOP_UNTIL(LOAD(dummies[i].act) == ACT_NONE);
        STORE(dummies[i].act, ACT_WAIT);
        LOOP_UNTIL(LOAD(dummies[i].act) == ACT_NONE);
    }
    STORE(dummies[0].act, ACT_HALT);
    LOOP_UNTIL(dummies[0].vcpu.halted);
    unsigned runs = LOAD(dummies[0].runs), loops = LOAD(dummies[1].loops);

    loop_some();
    g_assert_cmpuint(LOAD(dummies[0].runs), ==, runs); /* costs nothing */
    LOOP_UNTIL(LOAD(dummies[1].loops) > loops);
    dummies[0].event = true;
    vcpu_kick(&dummies[0].vcpu); /* the other one leaves run() for it, with no slice ending */
    WAIT_FOR(!dummies[0].vcpu.halted);
    vm_stop(RUN_STATE_PAUSED);
    g_assert_true(dummies[0].vcpu.stopped && dummies[1].vcpu.stopped);
    end_dummies();
}

static void test_shared_init_fails(void)
{
    Dummy more = {.fail = true};
    g_autoptr(Error) err = NULL;

    start_with(&shared_ops);
    more.vcpu = (Vcpu){.cpu = &more, .ops = &shared_ops, .has_work = dummy_has_work};
    g_assert_false(vcpu_start(&more.vcpu, &err));
    g_assert_cmpuint(vcpu_count(), ==, 2);
    vm_start();
    LOOP_UNTIL(LOAD(dummies[0].loops) > 0 && LOAD(dummies[1].loops) > 0);
    end_dummies();
}

static unsigned visited; /* under the lock */

static void note_visit(Vcpu *vcpu, void *opaque)
{
    g_assert_true(machine_lock_held());
    visited |= 1u << vcpu->index;
}

static void test_run_on_all(void)
{
    start_dummies();
    vcpu_run_on_all(note_visit, NULL); /* parked: here */
    g_assert_cmpuint(visited, ==, 3);
    vm_start();
    WAIT_FOR(LOAD(dummies[0].runs) > 0 && LOAD(dummies[1].runs) > 0);
    STORE(dummies[0].act, ACT_HALT);
    WAIT_FOR(dummies[0].vcpu.halted);
    for (unsigned i = 0; i < 20; i++) { /* one asleep, one running */
        visited = 0;
        vcpu_run_on_all(note_visit, NULL);
        g_assert_cmpuint(visited, ==, 3);
        STORE(dummies[1].act, ACT_WAIT);
    }
    end_dummies();
}

/* -- Requests ---------------------------------------------------------------------------------- */

static unsigned resets;

static void note_reset(void *opaque)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        g_assert_true(vcpu_get(i)->stopped);
    }
    resets++;
}

static void test_reset(void)
{
    uint64_t before = system_reset_count();

    resets = 0;
    system_set_reset_handler(note_reset, NULL);
    start_dummies();
    vm_start();
    WAIT_FOR(LOAD(dummies[0].runs) > 0);
    for (unsigned i = 0; i < 20; i++) {
        STORE(dummies[i % 2].act, ACT_RESET);
        LOOP_UNTIL(resets == i + 1);
    }
    unsigned loops = LOAD(dummies[1].loops);

    WAIT_FOR(LOAD(dummies[1].loops) > loops + 2); /* goes on */
    g_assert_true(run_state_is_running());
    vm_stop(RUN_STATE_SHUTDOWN);
    g_assert_true(run_state_needs_reset());
    system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
    LOOP_UNTIL(resets == 21);
    g_assert_cmpint(run_state_get(), ==, RUN_STATE_PRELAUNCH);
    g_assert_cmpuint(system_reset_count(), ==, before + 21);
    end_dummies();
    system_set_reset_handler(NULL, NULL);
}

static void test_exit(void)
{
    start_dummies();
    vm_start();
    STORE(dummies[1].act, ACT_EXIT);
    g_assert_cmpint(run_main_loop(), ==, 33);
    g_assert_true(dummies[0].vcpu.stopped);
    end_dummies();
}

static void test_stop_request(void)
{
    start_dummies();
    vm_start();
    STORE(dummies[1].act, ACT_STOP);
    LOOP_UNTIL(!run_state_is_running());
    g_assert_cmpint(run_state_get(), ==, RUN_STATE_DEBUG);
    vm_start();
    unsigned loops = LOAD(dummies[1].loops);

    WAIT_FOR(LOAD(dummies[1].loops) > loops);
    end_dummies();
}

static void test_actions(void)
{
    int status = -1;

    run_shutdown_action = SHUTDOWN_ACTION_PAUSE;
    vm_start();
    system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    g_assert_false(run_handle_requests(&status));
    g_assert_cmpint(run_state_get(), ==, RUN_STATE_SHUTDOWN);
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_SIGNAL);
    g_assert_true(run_handle_requests(&status));
    g_assert_cmpint(status, ==, 0);
    run_shutdown_action = SHUTDOWN_ACTION_POWEROFF;

    run_reboot_action = REBOOT_ACTION_SHUTDOWN;
    system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    g_assert_true(run_handle_requests(&status));
    run_reboot_action = REBOOT_ACTION_RESET;

    vm_start();
    run_panic_action = PANIC_ACTION_PAUSE;
    system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
    g_assert_false(run_handle_requests(&status));
    g_assert_cmpint(run_state_get(), ==, RUN_STATE_GUEST_PANICKED);
    run_panic_action = PANIC_ACTION_EXIT_FAILURE;
    system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
    g_assert_true(run_handle_requests(&status));
    g_assert_cmpint(status, ==, 1);
    run_panic_action = PANIC_ACTION_SHUTDOWN;
    g_assert_false(run_handle_requests(&status));
    run_shutdown_action = SHUTDOWN_ACTION_PAUSE;
    vm_start();
    system_shutdown_request(SHUTDOWN_CAUSE_GUEST_PANIC);
    g_assert_false(run_handle_requests(&status));
    g_assert_cmpint(run_state_get(), ==, RUN_STATE_GUEST_PANICKED);
    run_shutdown_action = SHUTDOWN_ACTION_POWEROFF;
}

static void test_ends(void)
{
    int status = -1;

    vm_start();
    system_triple_fault(3, 0x1234);
    g_assert_false(run_handle_requests(&status));
    g_assert_cmpint(run_end()->kind, !=, RUN_END_TRIPLE_FAULT);
    g_assert_cmpuint(run_last_triple_fault()->cpu, ==, 3);
    g_assert_cmpuint(run_triple_fault_count(), ==, 1);
    run_reboot_action = REBOOT_ACTION_SHUTDOWN;
    system_triple_fault(4, 0x5678);
    g_assert_true(run_handle_requests(&status));
    run_reboot_action = REBOOT_ACTION_RESET;
    g_assert_cmpint(run_end()->kind, ==, RUN_END_TRIPLE_FAULT);
    g_assert_cmpint(run_end()->state, ==, RUN_STATE_RUNNING);
    g_assert_cmphex(run_end()->rip, ==, 0x5678);
    system_debug_exit(0x21);
    g_assert_true(run_handle_requests(&status));
    g_assert_cmpint(status, ==, 0x43);
    g_assert_cmpint(run_end()->kind, ==, RUN_END_DEBUG_EXIT);
    g_assert_cmphex(run_end()->value, ==, 0x21);
    g_assert_cmpint(run_end()->state, ==, RUN_STATE_SHUTDOWN);
    system_kill(15, 77);
    g_assert_true(run_handle_requests(&status));
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(run_end()->sender, ==, 77);
    system_give_up(RUN_END_HANG, "halted");
    g_assert_true(run_handle_requests(&status));
    g_assert_cmpint(status, ==, 1);
    g_assert_cmpstr(run_end()->found, ==, "halted");
}

static void note_button(void *opaque)
{
    (*(unsigned *)opaque)++;
}

static void test_powerdown(void)
{
    unsigned pressed = 0;
    int status;

    system_powerdown_request(); /* nobody listens */
    g_assert_false(run_handle_requests(&status));
    system_set_powerdown_notify(note_button, &pressed);
    system_powerdown_request();
    g_assert_false(run_handle_requests(&status));
    g_assert_cmpuint(pressed, ==, 1);
    system_set_powerdown_notify(NULL, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    g_test_add_func("/run/lock/fair", test_lock_is_fair);
    g_test_add_func("/run/lock/owner", test_lock_owner);
    g_test_add_func("/run/lock/cond", test_cond);
    g_test_add_func("/run/vcpu/start-stop", test_start_stop);
    g_test_add_func("/run/vcpu/init-fails", test_init_fails);
    g_test_add_func("/run/vcpu/run-on", test_run_on);
    g_test_add_func("/run/vcpu/halt", test_halt);
    g_test_add_func("/run/vcpu/starved", test_starved);
    g_test_add_func("/run/vcpu/safe-points", test_safe_points);
    g_test_add_func("/run/vcpu/wait-safe-points", test_wait_safe_points);
    g_test_add_func("/run/vcpu/shared-thread", test_shared_thread);
    g_test_add_func("/run/vcpu/shared-init-fails", test_shared_init_fails);
    g_test_add_func("/run/vcpu/run-on-all", test_run_on_all);
    g_test_add_func("/run/requests/reset", test_reset);
    g_test_add_func("/run/requests/exit", test_exit);
    g_test_add_func("/run/requests/stop", test_stop_request);
    g_test_add_func("/run/requests/actions", test_actions);
    g_test_add_func("/run/requests/ends", test_ends);
    g_test_add_func("/run/requests/powerdown", test_powerdown);
    int result = g_test_run();

    machine_unlock();
    return result;
}

/* SPDX-License-Identifier: MIT */
/*
 * The three clocks. Any thread reads them without a lock; the virtual clock is a base and a
 * "running since" pair behind a sequence count, and its changes wake the loops that sleep until one
 * of its deadlines.
 */
#include "loop-private.h"

#include <pthread.h>
#include <time.h>

static struct {
    pthread_mutex_t writers;
    atomic_uint sequence;     /* odd while the rest changes */
    _Atomic int64_t base_ns;  /* shown while stopped or owned by a test */
    _Atomic int64_t since_ns; /* realtime of the resume that base_ns belongs to */
    atomic_bool is_running;
    atomic_bool is_owned; /* by a test: moves by clock_virtual_advance_ns() only */
} virtual_clock = {.writers = PTHREAD_MUTEX_INITIALIZER};

static int64_t system_clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

/* One consistent state of the virtual clock. */
static bool virtual_read(int64_t *ret_base_ns, int64_t *ret_since_ns)
{
    for (;;) {
        unsigned before = atomic_load(&virtual_clock.sequence);
        *ret_base_ns = atomic_load(&virtual_clock.base_ns);
        *ret_since_ns = atomic_load(&virtual_clock.since_ns);
        bool moves = virtual_clock.is_running && !virtual_clock.is_owned;
        if (!(before & 1) && atomic_load(&virtual_clock.sequence) == before) {
            return moves;
        }
    }
}

static int64_t virtual_now_ns(void)
{
    int64_t base_ns, since_ns;
    bool moves = virtual_read(&base_ns, &since_ns);

    return moves ? base_ns + system_clock_ns(CLOCK_MONOTONIC) - since_ns : base_ns;
}

int64_t clock_now_ns(ClockType clock)
{
    switch (clock) {
    case CLOCK_TYPE_VIRTUAL:
        return virtual_now_ns();
    case CLOCK_TYPE_HOST:
        return system_clock_ns(CLOCK_REALTIME);
    default:
        return system_clock_ns(CLOCK_MONOTONIC);
    }
}

/* Publishes a new state that shows now_ns at this moment. */
static void virtual_change(int64_t now_ns, bool is_running, bool is_owned)
{
    atomic_fetch_add(&virtual_clock.sequence, 1);
    atomic_store(&virtual_clock.base_ns, now_ns);
    atomic_store(&virtual_clock.since_ns, system_clock_ns(CLOCK_MONOTONIC));
    atomic_store(&virtual_clock.is_running, is_running);
    atomic_store(&virtual_clock.is_owned, is_owned);
    atomic_fetch_add(&virtual_clock.sequence, 1);
}

void clock_virtual_set_running(bool running)
{
    pthread_mutex_lock(&virtual_clock.writers);
    virtual_change(virtual_now_ns(), running, virtual_clock.is_owned);
    pthread_mutex_unlock(&virtual_clock.writers);
    loop_wake_all();
}

bool clock_virtual_is_running(void)
{
    return atomic_load(&virtual_clock.is_running);
}

void clock_virtual_set_ns(int64_t now_ns)
{
    pthread_mutex_lock(&virtual_clock.writers);
    virtual_change(now_ns, virtual_clock.is_running, virtual_clock.is_owned);
    pthread_mutex_unlock(&virtual_clock.writers);
    loop_wake_all();
}

void clock_virtual_take_over(int64_t now_ns)
{
    pthread_mutex_lock(&virtual_clock.writers);
    virtual_change(now_ns, virtual_clock.is_running, true);
    pthread_mutex_unlock(&virtual_clock.writers);
    loop_wake_all();
}

void clock_virtual_advance_ns(Loop *loop, int64_t delta_ns)
{
    g_assert(atomic_load(&virtual_clock.is_owned));
    int64_t target_ns = virtual_now_ns() + delta_ns;

    loop_run_bottom_halves(loop);
    for (;;) {
        int64_t next_ns = loop_deadline_ns(loop, CLOCK_TYPE_VIRTUAL);
        if (next_ns > target_ns) {
            break;
        }
        if (next_ns > virtual_now_ns()) {
            clock_virtual_set_ns(next_ns);
        }
        loop_run_timers(loop, CLOCK_TYPE_VIRTUAL);
        loop_run_bottom_halves(loop);
    }
    clock_virtual_set_ns(target_ns);
}

bool clock_is_moving(ClockType clock)
{
    return clock != CLOCK_TYPE_VIRTUAL ||
           (atomic_load(&virtual_clock.is_running) && !atomic_load(&virtual_clock.is_owned));
}

bool clock_may_fire(ClockType clock)
{
    return clock != CLOCK_TYPE_VIRTUAL || atomic_load(&virtual_clock.is_running) ||
           atomic_load(&virtual_clock.is_owned);
}

int64_t clock_to_realtime_ns(ClockType clock, int64_t deadline_ns)
{
    int64_t base_ns, since_ns, at_ns;

    if (clock == CLOCK_TYPE_REALTIME) {
        return deadline_ns;
    }
    if (clock == CLOCK_TYPE_VIRTUAL) {
        virtual_read(&base_ns, &since_ns);
    } else {
        base_ns = clock_now_ns(clock);
        since_ns = clock_now_ns(CLOCK_TYPE_REALTIME);
    }
    if (__builtin_sub_overflow(deadline_ns, base_ns, &at_ns) ||
        __builtin_add_overflow(at_ns, since_ns, &at_ns)) {
        return deadline_ns < base_ns ? 0 : TIMER_OFF - 1;
    }
    return CLAMP(at_ns, 0, TIMER_OFF - 1);
}

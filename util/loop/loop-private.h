/* SPDX-License-Identifier: MIT */
/* What the files of util/loop share: the insides of a Loop and of the clocks. */
#ifndef UTIL_LOOP_PRIVATE_H
#define UTIL_LOOP_PRIVATE_H

#include "util/loop.h"

#include <stdatomic.h>

struct Loop {
    char *name;
    LoopLock lock;
    int epoll_fd, wake_fd, timer_fd;

    /* Under the loop's lock. */
    GPtrArray *timers[CLOCK_TYPE_COUNT]; /* of Timer *: binary heaps, earliest first */
    uint64_t next_order;                 /* of the next timer armed */
    GPtrArray *watches;                  /* of LoopWatch * */
    GPtrArray *dead_watches; /* removed while the loop polled or dispatched: freed after the turn */
    GPtrArray *signals;      /* of SignalWatch *; see signal.c */
    unsigned always_ready;   /* enabled watches that epoll does not take */
    unsigned depth;          /* turns under way: a callback may run a nested one */
    bool is_sleeping;        /* without the lock, between steps 3 and 4 */
    int64_t armed_ns;        /* realtime at which timer_fd fires; TIMER_OFF: never, -1: has fired */

    /* Without lock. */
    _Atomic(BottomHalf *) posted; /* newest first */
    atomic_bool is_polling;       /* a poster must write to wake_fd */
};

/* timer.c: makes timer_fd fire at the earliest deadline; no-op when it does already. */
void loop_arm_timer_fd(Loop *loop);
/* Earliest deadline of all clocks as realtime, or TIMER_OFF. */
int64_t loop_next_deadline_ns(Loop *loop);
/* Runs what has expired on the clock and was armed before the call. */
void loop_run_timers(Loop *loop, ClockType clock);
/* loop.c: runs the bottom halves that were posted before the call; true when there were any. */
bool loop_run_bottom_halves(Loop *loop);
/* Wakes every loop: the virtual clock was changed. */
void loop_wake_all(void);
/* signal.c: stops watching. */
void loop_remove_signals(Loop *loop);

/* clock.c: true when timers of the clock can expire without a test's help. */
bool clock_is_moving(ClockType clock);
/* True when timers of the clock may run at all. */
bool clock_may_fire(ClockType clock);
/* Realtime at which the clock will show deadline_ns, provided that it keeps moving. */
int64_t clock_to_realtime_ns(ClockType clock, int64_t deadline_ns);

#endif

/* SPDX-License-Identifier: MIT */
/* Loop: file descriptors, timers and bottom halves of one thread; the main loop and every iothread
 * is one. */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

#include "util/error.h"

#include <stdint.h>

typedef struct Loop Loop;
typedef struct LoopWatch LoopWatch;
typedef struct BottomHalf BottomHalf;
typedef void LoopCallback(void *opaque);

typedef enum ClockType {
    CLOCK_TYPE_REALTIME, /* monotonic, never stops */
    CLOCK_TYPE_VIRTUAL,  /* guest time: stops while the machine is stopped; a test may own it */
    CLOCK_TYPE_HOST,     /* wall clock, may jump */
    CLOCK_TYPE_COUNT
} ClockType;

#define NS_PER_SECOND 1000000000LL

/* Nanoseconds of the clock; any thread, no lock. */
int64_t clock_now_ns(ClockType clock);

/* Stops or resumes the virtual clock; under the machine lock. */
void clock_virtual_set_running(bool running);
bool clock_virtual_is_running(void);

/* Hands the virtual clock to a test: from now on it moves only by clock_virtual_advance_ns(), which
 * runs what is due on `loop` in deadline order, the clock standing at each deadline while its
 * callback runs. */
void clock_virtual_take_over(int64_t now_ns);
void clock_virtual_advance_ns(Loop *loop, int64_t delta_ns);

/* Moves the virtual clock to a saved value (load of a machine state). */
void clock_virtual_set_ns(int64_t now_ns);

/*
 * One turn of a loop, main_loop_wait() for the main loop:
 *   1. run the bottom halves that are due;
 *   2. compute the nearest deadline over the clocks (0 when a bottom half ran or is pending, so
 * that who waits for what it did sees it, or when !block);
 *   3. drop the loop's lock, if it has one, and poll (epoll; a timerfd gives nanoseconds);
 *   4. take the lock;
 *   5. dispatch ready file descriptors;
 *   6. run expired timers, in deadline then arming order;
 *   7. bottom halves posted meanwhile run in the next turn.
 */
void loop_run_once(Loop *loop, bool block);

typedef struct LoopLock {
    void (*take)(void);
    void (*drop)(void);
} LoopLock;

/* `lock` may be NULL: a loop nobody else touches. The struct is copied. */
Loop *loop_new(const char *name, const LoopLock *lock, Error **err);
void loop_free(Loop *loop);

/* Wakes the loop's thread out of its poll; any thread, async-signal-safe. */
void loop_wake(Loop *loop);

/* -- File descriptors (under the loop's lock) -------------------------------------------------- */

/* Watches `fd`; level triggered. NULL callback: not interested in that direction. The fd stays the
 * caller's. */
LoopWatch *loop_watch_fd(Loop *loop, int fd, LoopCallback *readable, LoopCallback *writable,
                         void *opaque);

/* Changes interest without changing callbacks. */
void loop_watch_enable(LoopWatch *watch, bool readable, bool writable);

/* Removes and frees; no callback runs afterwards, even when called from a callback of the same
 * turn. NULL is fine. */
void loop_watch_remove(LoopWatch *watch);

/* -- Timers: embedded in their owner, one shot; under the loop's lock -------------------------- */

typedef struct Timer {
    Loop *loop;
    LoopCallback *callback;
    void *opaque;
    int64_t deadline_ns; /* of its clock; TIMER_OFF when not armed */
    uint64_t order;      /* arming order, for equal deadlines */
    size_t heap_index;
    ClockType clock;
} Timer;

#define TIMER_OFF INT64_MAX

void timer_init(Timer *timer, Loop *loop, ClockType clock, LoopCallback *callback, void *opaque);

/* Arms or re-arms for an absolute time; a time in the past fires in the next turn. Any thread that
 * holds the loop's lock. */
void timer_mod_ns(Timer *timer, int64_t deadline_ns);
void timer_del(Timer *timer);

static inline bool timer_pending(const Timer *timer)
{
    return timer->deadline_ns != TIMER_OFF;
}

/* Earliest deadline on that clock, or TIMER_OFF. */
int64_t loop_deadline_ns(Loop *loop, ClockType clock);

/* -- Bottom halves: run once in a later turn however often posted ------------------------------ */

BottomHalf *bottom_half_new(Loop *loop, LoopCallback *callback, void *opaque);
void bottom_half_post(BottomHalf *bh); /* any thread, async-signal-safe, no lock */
void bottom_half_cancel(BottomHalf *bh);
void bottom_half_free(BottomHalf *bh); /* NULL is fine; safe from its own callback */

/* Runs `callback` once on the loop's thread in a later turn, under its lock; any thread. */
void loop_post(Loop *loop, LoopCallback *callback, void *opaque);

/* -- Signals, by signalfd; call before starting threads ---------------------------------------- */

/* `sender`: process that sent it, 0: the kernel. */
typedef void LoopSignalCallback(void *opaque, int sender);

/* The signal is blocked in the calling thread, and by inheritance in those it starts. */
bool loop_watch_signal(Loop *loop, int signal_number, LoopSignalCallback *callback, void *opaque,
                       Error **err);

/* Between the two SIGINT, SIGTERM and SIGHUP wait: what was made can be taken away again. */
void signals_hold(void);
void signals_release(void);

/* While they are held: waits outside of any loop until `fd` can be read (or written) or has failed.
 * False with an error that names the signal when one comes first; it is taken, the caller gives up
 * in order. The same after `timeout_ms` (-1: none). */
bool signal_wait_ready(int fd, bool for_write, int timeout_ms, Error **err);

/* -- The main loop ----------------------------------------------------------------------------- */

/* The process's main loop; set by main() and by tests. Always pass a Loop explicitly where a
 * function may run elsewhere. */
Loop *main_loop(void);
void main_loop_set(Loop *loop);

/* loop_run_once(main_loop(), block). */
void main_loop_wait(bool block);

#endif

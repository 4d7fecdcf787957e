/* SPDX-License-Identifier: MIT */
/* Timers: a binary heap per clock and loop, and the timerfd that ends the loop's sleep. */
#include "loop-private.h"

#include <sys/timerfd.h>

/* heap_index is the place in the heap plus one; 0: not armed. */

static bool is_before(const Timer *a, const Timer *b)
{
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns : a->order < b->order;
}

static void heap_place(GPtrArray *heap, size_t place, Timer *timer)
{
    heap->pdata[place] = timer;
    timer->heap_index = place + 1;
}

static void heap_up(GPtrArray *heap, size_t place, Timer *timer)
{
    while (place > 0) {
        Timer *above = heap->pdata[(place - 1) / 2];
        if (!is_before(timer, above)) {
            break;
        }
        heap_place(heap, place, above);
        place = (place - 1) / 2;
    }
    heap_place(heap, place, timer);
}

static void heap_down(GPtrArray *heap, size_t place, Timer *timer)
{
    for (;;) {
        size_t below = 2 * place + 1;
        if (below + 1 < heap->len && is_before(heap->pdata[below + 1], heap->pdata[below])) {
            below++;
        }
        if (below >= heap->len || !is_before(heap->pdata[below], timer)) {
            break;
        }
        heap_place(heap, place, heap->pdata[below]);
        place = below;
    }
    heap_place(heap, place, timer);
}

static void heap_remove(GPtrArray *heap, Timer *timer)
{
    size_t place = timer->heap_index - 1;
    Timer *last = heap->pdata[heap->len - 1];

    g_ptr_array_set_size(heap, (gint)heap->len - 1);
    timer->heap_index = 0;
    if (last == timer) {
        return;
    }
    if (is_before(last, timer)) {
        heap_up(heap, place, last);
    } else {
        heap_down(heap, place, last);
    }
}

void timer_init(Timer *timer, Loop *loop, ClockType clock, LoopCallback *callback, void *opaque)
{
    *timer = (Timer){.loop = loop,
                     .callback = callback,
                     .opaque = opaque,
                     .deadline_ns = TIMER_OFF,
                     .clock = clock};
}

void timer_del(Timer *timer)
{
    if (timer->heap_index) {
        heap_remove(timer->loop->timers[timer->clock], timer);
    }
    timer->deadline_ns = TIMER_OFF;
}

void timer_mod_ns(Timer *timer, int64_t deadline_ns)
{
    Loop *loop = timer->loop;

    timer_del(timer);
    if (deadline_ns == TIMER_OFF) {
        return;
    }
    GPtrArray *heap = loop->timers[timer->clock];
    timer->deadline_ns = deadline_ns;
    timer->order = loop->next_order++;
    g_ptr_array_add(heap, timer);
    heap_up(heap, heap->len - 1, timer);
    if (loop->is_sleeping && timer->heap_index == 1) {
        loop_arm_timer_fd(loop);
    }
}

int64_t loop_deadline_ns(Loop *loop, ClockType clock)
{
    GPtrArray *heap = loop->timers[clock];

    return heap->len ? ((Timer *)heap->pdata[0])->deadline_ns : TIMER_OFF;
}

int64_t loop_next_deadline_ns(Loop *loop)
{
    int64_t next_ns = TIMER_OFF;

    for (int clock = 0; clock < CLOCK_TYPE_COUNT; clock++) {
        int64_t deadline_ns = loop_deadline_ns(loop, clock);
        if (deadline_ns == TIMER_OFF || !clock_may_fire(clock)) {
            continue;
        }
        if (clock_is_moving(clock)) {
            next_ns = MIN(next_ns, clock_to_realtime_ns(clock, deadline_ns));
        } else if (deadline_ns <= clock_now_ns(clock)) {
            next_ns = 0;
        }
    }
    return next_ns;
}

void loop_arm_timer_fd(Loop *loop)
{
    int64_t next_ns = loop_next_deadline_ns(loop);

    if (next_ns == loop->armed_ns) {
        return;
    }
    loop->armed_ns = next_ns;
    struct itimerspec when = {.it_value = {0, 0}}; /* never */
    if (next_ns != TIMER_OFF) {
        int64_t at_ns = MAX(next_ns, 1);
        when.it_value.tv_sec = at_ns / NS_PER_SECOND;
        when.it_value.tv_nsec = at_ns % NS_PER_SECOND;
    }
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/*
 * The earliest expired timer that was armed before order `limit`. The head of the heap is nearly
 * always it; only a callback that arms a timer for the past hides the others behind it.
 */
static Timer *next_expired(GPtrArray *heap, int64_t now_ns, uint64_t limit)
{
    Timer *best = NULL;

    if (heap->len == 0 || ((Timer *)heap->pdata[0])->deadline_ns > now_ns) {
        return NULL;
    }
    if (((Timer *)heap->pdata[0])->order < limit) {
        return heap->pdata[0];
    }
    for (guint i = 0; i < heap->len; i++) {
        Timer *timer = heap->pdata[i];
        bool is_due = timer->deadline_ns <= now_ns && timer->order < limit;
        if (is_due && (!best || is_before(timer, best))) {
            best = timer;
        }
    }
    return best;
}

void loop_run_timers(Loop *loop, ClockType clock)
{
    GPtrArray *heap = loop->timers[clock];
    uint64_t limit = loop->next_order;

    if (heap->len == 0 || !clock_may_fire(clock)) {
        return;
    }
    int64_t now_ns = clock_now_ns(clock);
    Timer *timer;
    while (clock_may_fire(clock) && (timer = next_expired(heap, now_ns, limit)) != NULL) {
        timer_del(timer);
        timer->callback(timer->opaque);
    }
}

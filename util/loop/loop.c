/* SPDX-License-Identifier: MIT */
/*
 * Loop: file descriptors and bottom halves, and the turn that ties them and the timers together.
 *
 * The loop's thread sleeps without the loop's lock. Meanwhile others may, holding the lock, add and
 * remove watches (epoll takes that at any time; what epoll has handed out already stays readable
 * until the end of the turn) and arm timers (they set the timerfd anew). Posting a bottom half
 * takes no lock at all: it pushes onto a list and writes to the eventfd if the loop may be asleep.
 * The order "announce the sleep, then look at the list" here and "push, then look for the
 * announcement" there loses no post, not even one from a signal handler on the same thread.
 */
#include "loop-private.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define EVENTS_PER_TURN 64

struct LoopWatch {
    Loop *loop;
    int fd;
    LoopCallback *readable, *writable;
    void *opaque;
    bool wants_read, wants_write;
    bool in_epoll;
    bool is_file; /* epoll refuses it (regular file, /dev/null): it is always ready */
    bool is_removed;
};

enum { BH_POSTED = 1, BH_LISTED = 2, BH_DELETED = 4, BH_ONE_SHOT = 8 };

struct BottomHalf {
    Loop *loop;
    LoopCallback *callback;
    void *opaque;
    atomic_uint flags;
    BottomHalf *next; /* valid while BH_LISTED */
};

static pthread_mutex_t all_loops_lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *all_loops; /* of Loop * */
static Loop *the_main_loop;

/* -- Bottom halves ----------------------------------------------------------------------------- */

BottomHalf *bottom_half_new(Loop *loop, LoopCallback *callback, void *opaque)
{
    BottomHalf *bh = g_new0(BottomHalf, 1);

    bh->loop = loop;
    bh->callback = callback;
    bh->opaque = opaque;
    return bh;
}

void bottom_half_post(BottomHalf *bh)
{
    Loop *loop = bh->loop;
    unsigned before = atomic_fetch_or(&bh->flags, BH_POSTED | BH_LISTED);

    if (!(before & BH_LISTED)) {
        BottomHalf *head = atomic_load(&loop->posted);
        do {
            bh->next = head;
        } while (!atomic_compare_exchange_weak(&loop->posted, &head, bh));
    }
    if (atomic_load(&loop->is_polling)) {
        loop_wake(loop);
    }
}

void bottom_half_cancel(BottomHalf *bh)
{
    atomic_fetch_and(&bh->flags, ~(unsigned)BH_POSTED);
}

void bottom_half_free(BottomHalf *bh)
{
    if (!bh) {
        return;
    }
    bottom_half_cancel(bh);
    unsigned before = atomic_fetch_or(&bh->flags, BH_DELETED);
    if (!(before & BH_LISTED)) {
        g_free(bh);
    }
}

void loop_post(Loop *loop, LoopCallback *callback, void *opaque)
{
    BottomHalf *bh = bottom_half_new(loop, callback, opaque);

    atomic_init(&bh->flags, BH_ONE_SHOT);
    bottom_half_post(bh);
}

/* What was posted so far, oldest first. */
static BottomHalf *take_posted(Loop *loop)
{
    BottomHalf *list = atomic_exchange(&loop->posted, NULL);
    BottomHalf *oldest = NULL;

    while (list) {
        BottomHalf *next = list->next;
        list->next = oldest;
        oldest = list;
        list = next;
    }
    return oldest;
}

static void run_bottom_half(BottomHalf *bh)
{
    unsigned flags = atomic_fetch_and(&bh->flags, ~(unsigned)(BH_POSTED | BH_LISTED));

    if (flags & BH_DELETED) {
        g_free(bh);
        return;
    }
    if (flags & BH_ONE_SHOT) {
        LoopCallback *callback = bh->callback;
        void *opaque = bh->opaque;
        g_free(bh);
        callback(opaque);
        return;
    }
    if (flags & BH_POSTED) {
        bh->callback(bh->opaque); /* may free bh */
    }
}

bool loop_run_bottom_halves(Loop *loop)
{
    BottomHalf *bh = take_posted(loop);
    bool found = bh != NULL;

    while (bh) {
        BottomHalf *next = bh->next;
        run_bottom_half(bh);
        bh = next;
    }
    return found;
}

/* -- Watches ----------------------------------------------------------------------------------- */

static bool wants_any(const LoopWatch *watch)
{
    return watch->wants_read || watch->wants_write;
}

/*
 * Brings epoll in line with what the watch wants. A descriptor nobody wants anything of leaves the
 * set, because epoll reports a hang-up whatever it was asked for.
 */
static void watch_update(LoopWatch *watch)
{
    Loop *loop = watch->loop;
    struct epoll_event event = {.data.ptr = watch};

    if (watch->wants_read) {
        event.events |= EPOLLIN;
    }
    if (watch->wants_write) {
        event.events |= EPOLLOUT;
    }
    if (watch->in_epoll) {
        epoll_ctl(loop->epoll_fd, event.events ? EPOLL_CTL_MOD : EPOLL_CTL_DEL, watch->fd, &event);
        watch->in_epoll = event.events != 0;
        return;
    }
    if (!event.events || watch->is_file) {
        return;
    }
    watch->in_epoll = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0;
    watch->is_file = !watch->in_epoll && errno == EPERM;
}

static void watch_set(LoopWatch *watch, bool readable, bool writable)
{
    Loop *loop = watch->loop;
    bool was_ready = watch->is_file && wants_any(watch);

    watch->wants_read = readable && watch->readable;
    watch->wants_write = writable && watch->writable;
    watch_update(watch);
    bool is_ready = watch->is_file && wants_any(watch);
    if (is_ready != was_ready) {
        loop->always_ready += is_ready ? 1u : -1u;
        loop_wake(loop);
    }
}

LoopWatch *loop_watch_fd(Loop *loop, int fd, LoopCallback *readable, LoopCallback *writable,
                         void *opaque)
{
    LoopWatch *watch = g_new0(LoopWatch, 1);

    watch->loop = loop;
    watch->fd = fd;
    watch->readable = readable;
    watch->writable = writable;
    watch->opaque = opaque;
    g_ptr_array_add(loop->watches, watch);
    watch_set(watch, true, true);
    return watch;
}

void loop_watch_enable(LoopWatch *watch, bool readable, bool writable)
{
    if (watch->wants_read != (readable && watch->readable) ||
        watch->wants_write != (writable && watch->writable)) {
        watch_set(watch, readable, writable);
    }
}

void loop_watch_remove(LoopWatch *watch)
{
    if (!watch) {
        return;
    }
    Loop *loop = watch->loop;
    loop_watch_enable(watch, false, false);
    watch->is_removed = true;
    g_ptr_array_remove_fast(loop->watches, watch);
    if (loop->depth > 0) {
        g_ptr_array_add(loop->dead_watches, watch);
    } else {
        g_free(watch);
    }
}

/* A watch may lose interest, or be removed, by a callback that ran before in the same turn. */
static void watch_dispatch(LoopWatch *watch, uint32_t events)
{
    uint32_t broken = events & (EPOLLERR | EPOLLHUP);

    if (watch->wants_read && (events & EPOLLIN || broken)) {
        watch->readable(watch->opaque);
    }
    if (watch->wants_write && (events & EPOLLOUT || broken)) {
        watch->writable(watch->opaque);
    }
}

static void dispatch_files(Loop *loop)
{
    if (loop->always_ready == 0) {
        return;
    }
    g_autoptr(GPtrArray) files = g_ptr_array_new();
    for (guint i = 0; i < loop->watches->len; i++) {
        LoopWatch *watch = loop->watches->pdata[i];
        if (watch->is_file) {
            g_ptr_array_add(files, watch);
        }
    }
    for (guint i = 0; i < files->len; i++) {
        watch_dispatch(files->pdata[i], EPOLLIN | EPOLLOUT);
    }
}

/* -- The turn ---------------------------------------------------------------------------------- */

static int poll_events(Loop *loop, struct epoll_event *events, bool block)
{
    int timeout_ms = -1;

    atomic_store(&loop->is_polling, true);
    if (!block || atomic_load(&loop->posted) || loop->always_ready > 0) {
        timeout_ms = 0;
    } else {
        loop_arm_timer_fd(loop);
    }
    loop->is_sleeping = true;
    if (loop->lock.drop) {
        loop->lock.drop();
    }
    int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, timeout_ms);
    atomic_store(&loop->is_polling, false);
    if (loop->lock.take) {
        loop->lock.take();
    }
    loop->is_sleeping = false;
    return MAX(count, 0);
}

static void dispatch_events(Loop *loop, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        void *tag = events[i].data.ptr;
        if (tag == &loop->wake_fd) {
            uint64_t posts;
            ssize_t taken = read(loop->wake_fd, &posts, sizeof(posts));
            (void)taken; /* another turn nested in this one may have taken it */
        } else if (tag == &loop->timer_fd) {
            loop->armed_ns = -1;
        } else if (!((LoopWatch *)tag)->is_removed) {
            watch_dispatch(tag, events[i].events);
        }
    }
}

void loop_run_once(Loop *loop, bool block)
{
    struct epoll_event events[EVENTS_PER_TURN];

    loop->depth++;
    bool did_something = loop_run_bottom_halves(loop);
    int count = poll_events(loop, events, block && !did_something);
    dispatch_events(loop, events, count);
    dispatch_files(loop);
    for (int clock = 0; clock < CLOCK_TYPE_COUNT; clock++) {
        loop_run_timers(loop, clock);
    }
    if (--loop->depth == 0) {
        g_ptr_array_set_size(loop->dead_watches, 0);
    }
}

void loop_wake(Loop *loop)
{
    uint64_t one = 1;
    int saved_errno = errno;
    ssize_t written = write(loop->wake_fd, &one, sizeof(one));

    (void)written; /* a full counter wakes as well */
    errno = saved_errno;
}

void loop_wake_all(void)
{
    pthread_mutex_lock(&all_loops_lock);
    for (guint i = 0; all_loops && i < all_loops->len; i++) {
        Loop *loop = all_loops->pdata[i];
        if (atomic_load(&loop->is_polling)) {
            loop_wake(loop);
        }
    }
    pthread_mutex_unlock(&all_loops_lock);
}

/* -- Life -------------------------------------------------------------------------------------- */

static bool open_fds(Loop *loop, Error **err)
{
    struct epoll_event event = {.events = EPOLLIN};

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->epoll_fd < 0 || loop->wake_fd < 0 || loop->timer_fd < 0) {
        return error_set_errno(err, errno, "cannot make the event loop '%s'", loop->name);
    }
    event.data.ptr = &loop->wake_fd;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event);
    event.data.ptr = &loop->timer_fd;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event);
    return true;
}

Loop *loop_new(const char *name, const LoopLock *lock, Error **err)
{
    Loop *loop = g_new0(Loop, 1);

    loop->name = g_strdup(name);
    if (lock) {
        loop->lock = *lock;
    }
    loop->armed_ns = TIMER_OFF;
    loop->watches = g_ptr_array_new_with_free_func(NULL);
    loop->dead_watches = g_ptr_array_new_with_free_func(g_free);
    loop->signals = g_ptr_array_new();
    for (int clock = 0; clock < CLOCK_TYPE_COUNT; clock++) {
        loop->timers[clock] = g_ptr_array_new();
    }
    if (!open_fds(loop, err)) {
        loop_free(loop);
        return NULL;
    }
    pthread_mutex_lock(&all_loops_lock);
    if (!all_loops) {
        all_loops = g_ptr_array_new();
    }
    g_ptr_array_add(all_loops, loop);
    pthread_mutex_unlock(&all_loops_lock);
    return loop;
}

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

void loop_free(Loop *loop)
{
    if (!loop) {
        return;
    }
    pthread_mutex_lock(&all_loops_lock);
    if (all_loops) {
        g_ptr_array_remove_fast(all_loops, loop);
    }
    pthread_mutex_unlock(&all_loops_lock);
    loop_remove_signals(loop);
    for (BottomHalf *bh = take_posted(loop), *next; bh; bh = next) {
        next = bh->next;
        unsigned flags = atomic_fetch_and(&bh->flags, ~(unsigned)(BH_POSTED | BH_LISTED));
        if (flags & (BH_DELETED | BH_ONE_SHOT)) {
            g_free(bh);
        }
    }
    while (loop->watches->len > 0) {
        loop_watch_remove(loop->watches->pdata[0]);
    }
    g_ptr_array_free(loop->watches, TRUE);
    g_ptr_array_free(loop->dead_watches, TRUE);
    g_ptr_array_free(loop->signals, TRUE);
    for (int clock = 0; clock < CLOCK_TYPE_COUNT; clock++) {
        g_ptr_array_free(loop->timers[clock], TRUE);
    }
    close_fd(loop->epoll_fd);
    close_fd(loop->wake_fd);
    close_fd(loop->timer_fd);
    g_free(loop->name);
    g_free(loop);
    if (the_main_loop == loop) {
        the_main_loop = NULL;
    }
}

Loop *main_loop(void)
{
    return the_main_loop;
}

void main_loop_set(Loop *loop)
{
    the_main_loop = loop;
}

void main_loop_wait(bool block)
{
    loop_run_once(the_main_loop, block);
}

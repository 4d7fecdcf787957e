/* SPDX-License-Identifier: MIT */
/* The loop: its documented order, timers, bottom halves, watches, the owned clock, workers. */
#include "util/loop.h"
#include "util/worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static GString *journal; /* what ran, a letter each */
static Loop *loop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take_lock(void)
{
    pthread_mutex_lock(&lock);
}

static void drop_lock(void)
{
    pthread_mutex_unlock(&lock);
}

static void setup(void)
{
    static const LoopLock loop_lock = {take_lock, drop_lock};

    journal = g_string_new(NULL);
    loop = loop_new("test", &loop_lock, NULL);
    g_assert_nonnull(loop);
    take_lock();
}

static void teardown(void)
{
    drop_lock();
    loop_free(loop);
    g_string_free(journal, TRUE);
}

static void note(void *opaque)
{
    g_string_append(journal, opaque);
}

/* Appends everything to the journal and posts itself again. */
typedef struct Poster {
    BottomHalf *bh;
    int left;
} Poster;

static void note_and_post(void *opaque)
{
    Poster *poster = opaque;

    g_string_append(journal, "b");
    if (--poster->left > 0) {
        bottom_half_post(poster->bh);
    }
}

static void test_bottom_half_next_turn(void)
{
    Poster poster = {.left = 3};

    setup();
    poster.bh = bottom_half_new(loop, note_and_post, &poster);
    bottom_half_post(poster.bh);
    bottom_half_post(poster.bh);
    for (int turn = 1; turn <= 3; turn++) {
        loop_run_once(loop, true); /* a pending one must not let it sleep */
        g_assert_cmpuint(journal->len, ==, turn);
    }
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "bbb");
    bottom_half_post(poster.bh);
    bottom_half_cancel(poster.bh);
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "bbb");
    bottom_half_post(poster.bh);
    bottom_half_free(poster.bh);
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "bbb");
    teardown();
}

static BottomHalf *self_freeing;

static void free_self(void *opaque)
{
    bottom_half_free(self_freeing);
    note(opaque);
}

static void test_bottom_half_fifo(void)
{
    setup();
    self_freeing = bottom_half_new(loop, free_self, "1");
    bottom_half_post(self_freeing);
    loop_post(loop, note, "2");
    loop_post(loop, note, "3");
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "123");
    teardown();
}

static int pipe_fds[2];

static void read_and_post(void *opaque)
{
    char byte;

    g_assert_cmpint(read(pipe_fds[0], &byte, 1), ==, 1);
    g_string_append(journal, "f");
    loop_post(loop, note, "B");
}

/* Steps 1, 5, 6, 7: bottom halves, descriptors, timers; what those post comes a turn later. */
static void test_order(void)
{
    Timer timer;

    setup();
    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    LoopWatch *watch = loop_watch_fd(loop, pipe_fds[0], read_and_post, NULL, NULL);
    timer_init(&timer, loop, CLOCK_TYPE_REALTIME, note, "t");
    timer_mod_ns(&timer, 0);
    loop_post(loop, note, "b");
    g_assert_cmpint(write(pipe_fds[1], "x", 1), ==, 1);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "bft");
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "bftB");
    loop_watch_remove(watch);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    teardown();
}

static void test_timers_fifo(void)
{
    static const int64_t deadlines[] = {50, 10, 50, 30, 10, 50, 20, 40, 60, 10};
    static const char names[] = "abcdefghij";
    Timer timers[10];
    char texts[10][2];

    setup();
    for (size_t i = 0; i < G_N_ELEMENTS(timers); i++) {
        texts[i][0] = names[i];
        texts[i][1] = 0;
        timer_init(&timers[i], loop, CLOCK_TYPE_REALTIME, note, texts[i]);
        timer_mod_ns(&timers[i], deadlines[i]);
    }
    timer_mod_ns(&timers[1], 10); /* b: now the last of the equal ones */
    timer_del(&timers[7]);
    g_assert_false(timer_pending(&timers[7]));
    g_assert_cmpint(loop_deadline_ns(loop, CLOCK_TYPE_REALTIME), ==, 10);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "ejbgdacfi");
    g_assert_cmpint(loop_deadline_ns(loop, CLOCK_TYPE_REALTIME), ==, TIMER_OFF);
    teardown();
}

static Timer again;

static void rearm_for_the_past(void *opaque)
{
    note(opaque);
    timer_mod_ns(&again, -5);
}

static void test_past_fires_next_turn(void)
{
    Timer other;

    setup();
    timer_init(&again, loop, CLOCK_TYPE_REALTIME, rearm_for_the_past, "p");
    timer_init(&other, loop, CLOCK_TYPE_REALTIME, note, "o");
    timer_mod_ns(&again, 1);
    timer_mod_ns(&other, 2);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "po");
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "pop");
    timer_del(&again);
    teardown();
}

static void test_sleep_is_exact(void)
{
    Timer timer;

    setup();
    int64_t start = clock_now_ns(CLOCK_TYPE_REALTIME);
    timer_init(&timer, loop, CLOCK_TYPE_REALTIME, note, "t");
    timer_mod_ns(&timer, start + 5000000);
    int turns = 0;
    while (journal->len == 0) {
        loop_run_once(loop, true);
        turns++;
    }
    g_assert_cmpint(turns, ==, 1); /* it slept, and not too short */
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_REALTIME) - start, >=, 5000000);
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_REALTIME) - start, <, NS_PER_SECOND);
    teardown();
}

/* -- Other threads ----------------------------------------------------------------------------- */

static Timer remote_timer;

static void *arm_earlier(void *opaque)
{
    usleep(20000);
    take_lock();
    timer_mod_ns(&remote_timer, clock_now_ns(CLOCK_TYPE_REALTIME) + 1000000);
    drop_lock();
    return NULL;
}

static void test_timer_from_other_thread(void)
{
    Timer late;
    pthread_t thread;

    setup();
    timer_init(&late, loop, CLOCK_TYPE_REALTIME, note, "l");
    timer_init(&remote_timer, loop, CLOCK_TYPE_REALTIME, note, "r");
    int64_t start = clock_now_ns(CLOCK_TYPE_REALTIME);
    timer_mod_ns(&late, start + 20 * NS_PER_SECOND);
    pthread_create(&thread, NULL, arm_earlier, NULL);
    while (journal->len == 0) {
        loop_run_once(loop, true);
    }
    g_assert_cmpstr(journal->str, ==, "r");
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_REALTIME) - start, <, 10 * NS_PER_SECOND);
    pthread_join(thread, NULL);
    timer_del(&late);
    teardown();
}

static BottomHalf *counted;
static int runs;

static void count_run(void *opaque)
{
    runs++;
}

static void *post_many(void *opaque)
{
    for (int i = 0; i < 20000; i++) {
        bottom_half_post(counted);
        loop_post(loop, count_run, NULL);
    }
    return NULL;
}

static void test_posts_from_threads(void)
{
    pthread_t threads[3];

    setup();
    runs = 0;
    Poster nothing = {.left = 0};
    counted = bottom_half_new(loop, note_and_post, &nothing);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        pthread_create(&threads[i], NULL, post_many, NULL);
    }
    while (runs < 60000) {
        loop_run_once(loop, true); /* a lost post would sleep for ever */
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    loop_run_once(loop, false);
    g_assert_cmpint(runs, ==, 60000);
    g_assert_cmpuint(journal->len, >, 0);
    bottom_half_free(counted);
    teardown();
}

/* -- Watches ----------------------------------------------------------------------------------- */

static LoopWatch *first, *second;

static void remove_both(void *opaque)
{
    note(opaque);
    loop_watch_remove(first);
    loop_watch_remove(second);
    first = second = NULL;
}

static void test_watch_removed_in_turn(void)
{
    int other[2];

    setup();
    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    g_assert_cmpint(pipe(other), ==, 0);
    first = loop_watch_fd(loop, pipe_fds[0], remove_both, NULL, "x");
    second = loop_watch_fd(loop, other[0], remove_both, NULL, "x");
    g_assert_cmpint(write(pipe_fds[1], "x", 1) + write(other[1], "x", 1), ==, 2);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "x");
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "x");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(other[0]);
    close(other[1]);
    teardown();
}

static void test_watch_enable_and_hangup(void)
{
    setup();
    g_assert_cmpint(pipe(pipe_fds), ==, 0);
    LoopWatch *watch = loop_watch_fd(loop, pipe_fds[0], note, NULL, "h");
    close(pipe_fds[1]);
    loop_watch_enable(watch, false, false);
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "");
    loop_watch_enable(watch, true, false);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "h");
    loop_watch_remove(watch);
    close(pipe_fds[0]);
    teardown();
}

/* epoll refuses /dev/null and regular files: they are ready in each turn. */
static void test_watch_dev_null(void)
{
    int fd = open("/dev/null", O_RDWR);

    setup();
    LoopWatch *watch = loop_watch_fd(loop, fd, note, NULL, "n");
    loop_run_once(loop, true);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "nn");
    loop_watch_enable(watch, false, false);
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "nn");
    loop_watch_remove(watch);
    close(fd);
    teardown();
}

static void note_signal(void *opaque, int sender)
{
    g_assert_cmpint(sender, ==, getpid());
    note(opaque);
}

static void test_signal(void)
{
    setup();
    g_assert_true(loop_watch_signal(loop, SIGUSR1, note_signal, "s", NULL));
    raise(SIGUSR1);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "s");
    teardown();
}

/* -- Virtual clock. The take-over comes last: it is for good. ---------------------------------- */

static void test_virtual_stops(void)
{
    Timer timer;

    setup();
    g_assert_false(clock_virtual_is_running());
    timer_init(&timer, loop, CLOCK_TYPE_VIRTUAL, note, "v");
    timer_mod_ns(&timer, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    loop_run_once(loop, false);
    g_assert_cmpstr(journal->str, ==, "");
    clock_virtual_set_running(true);
    int64_t before = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    loop_run_once(loop, true);
    g_assert_cmpstr(journal->str, ==, "v");
    while (clock_now_ns(CLOCK_TYPE_VIRTUAL) == before) {
    }
    clock_virtual_set_running(false);
    before = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    usleep(1000);
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_VIRTUAL), ==, before);
    clock_virtual_set_ns(12345);
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_VIRTUAL), ==, 12345);
    teardown();
}

static Timer periodic;
static int64_t period_seen[8];
static int periods;

static void next_period(void *opaque)
{
    period_seen[periods++] = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    loop_post(loop, note, "b");
    timer_mod_ns(&periodic, periodic.opaque ? 0 : clock_now_ns(CLOCK_TYPE_VIRTUAL) + 300);
}

static void test_virtual_owned(void)
{
    setup();
    clock_virtual_take_over(1000);
    timer_init(&periodic, loop, CLOCK_TYPE_VIRTUAL, next_period, NULL);
    timer_mod_ns(&periodic, 1300);
    clock_virtual_advance_ns(loop, 299);
    g_assert_cmpint(periods, ==, 0);
    usleep(1000);
    loop_run_once(loop, false);
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_VIRTUAL), ==, 1299);
    clock_virtual_advance_ns(loop, 701);
    g_assert_cmpint(periods, ==, 3);
    g_assert_cmpint(period_seen[0], ==, 1300);
    g_assert_cmpint(period_seen[2], ==, 1900);
    g_assert_cmpstr(journal->str, ==, "bbb");
    g_assert_cmpint(clock_now_ns(CLOCK_TYPE_VIRTUAL), ==, 2000);
    timer_del(&periodic);
    teardown();
}

/* -- Workers ----------------------------------------------------------------------------------- */

typedef struct Job {
    int number;
    pthread_t ran_on;
    bool done;
} Job;

static int order_started;

static void job_work(void *opaque)
{
    Job *job = opaque;
    sigset_t mask;

    job->ran_on = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    g_assert_true(sigismember(&mask, SIGINT));
    if (__atomic_fetch_add(&order_started, 1, __ATOMIC_SEQ_CST) != job->number) {
        job->number = -1;
    }
}

static void job_done(void *opaque)
{
    ((Job *)opaque)->done = true;
    runs++;
}

static void test_workers(void)
{
    Job jobs[200];

    setup();
    runs = order_started = 0;
    WorkerPool *pool = worker_pool_new(1);
    for (int i = 0; i < 200; i++) {
        jobs[i] = (Job){.number = i};
        worker_submit(pool, loop, job_work, job_done, &jobs[i]);
    }
    while (runs < 200) {
        loop_run_once(loop, true);
    }
    for (int i = 0; i < 200; i++) {
        g_assert_true(jobs[i].done);
        g_assert_cmpint(jobs[i].number, ==, i);
        g_assert_false(pthread_equal(jobs[i].ran_on, pthread_self()));
    }
    worker_pool_free(pool);
    teardown();
}

static void test_worker_pool_free_drops(void)
{
    Job job = {0};

    setup();
    runs = order_started = 0;
    WorkerPool *pool = worker_pool_new(4);
    worker_submit(pool, loop, job_work, job_done, &job);
    worker_pool_free(pool);
    g_assert_cmpint(order_started, ==, 1);
    loop_run_once(loop, false);
    g_assert_false(job.done);
    worker_pool_free(NULL);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loop/bottom-half/next-turn", test_bottom_half_next_turn);
    g_test_add_func("/loop/bottom-half/fifo", test_bottom_half_fifo);
    g_test_add_func("/loop/order", test_order);
    g_test_add_func("/loop/timers/fifo", test_timers_fifo);
    g_test_add_func("/loop/timers/past", test_past_fires_next_turn);
    g_test_add_func("/loop/timers/exact", test_sleep_is_exact);
    g_test_add_func("/loop/timers/other-thread", test_timer_from_other_thread);
    g_test_add_func("/loop/bottom-half/threads", test_posts_from_threads);
    g_test_add_func("/loop/watch/removed-in-turn", test_watch_removed_in_turn);
    g_test_add_func("/loop/watch/hangup", test_watch_enable_and_hangup);
    g_test_add_func("/loop/watch/dev-null", test_watch_dev_null);
    g_test_add_func("/loop/signal", test_signal);
    g_test_add_func("/worker/order", test_workers);
    g_test_add_func("/worker/free", test_worker_pool_free_drops);
    g_test_add_func("/clock/virtual-stops", test_virtual_stops);
    g_test_add_func("/clock/virtual-owned", test_virtual_owned);
    return g_test_run();
}

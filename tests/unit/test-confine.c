/* SPDX-License-Identifier: MIT */
/* -sandbox: each case in a process of its own, which the kernel ends when it does what is denied.
 */
#include "softmmu/main/confine.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int do_nothing(void)
{
    return 0;
}

static void *in_thread(void *opaque)
{
    return opaque;
}

/* What an emulator does all the time: threads, executable memory, signals. */
static int do_work(void)
{
    pthread_t thread;
    void *result = NULL;

    if (pthread_create(&thread, NULL, in_thread, &result) != 0) {
        return 1;
    }
    pthread_join(thread, &result);
    return result == &result && kill(getpid(), 0) == 0 ? 0 : 2;
}

static int do_fork(void)
{
    pid_t child = fork();

    if (child == 0) {
        _exit(0);
    }
    return child > 0 && waitpid(child, NULL, 0) == child ? 0 : 1;
}

static int do_exec(void)
{
    execl("/bin/true", "true", NULL);
    return 1;
}

static int do_setuid(void)
{
    return setresuid(getuid(), getuid(), getuid()) < 0;
}

static int do_priority(void)
{
    return setpriority(PRIO_PROCESS, 0, 0) < 0 ? errno : 0;
}

static int do_mount(void)
{
    return umount2("/nowhere", 0) < 0 && errno != ENOSYS ? 0 : 1;
}

static int do_obsolete(void)
{
    syscall(SYS_ustat, 0, NULL);
    return 0;
}

/* Runs fn in a child under -sandbox `text`; its exit status, or minus the signal that ended it. */
static int run(const char *text, int (*fn)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        KeyVal *kv = keyval_parse(text, "enable", NULL);
        _exit(kv && confine_sandbox(kv, NULL) ? fn() : 99);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define ALL_DENIED "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

static void test_calls(void)
{
    static const struct {
        const char *text;
        int (*fn)(void);
        int result;
    } rows[] = {
        {ALL_DENIED, do_nothing, 0},
        {ALL_DENIED, do_work, 0},
        {ALL_DENIED, do_fork, -SIGSYS},
        {ALL_DENIED, do_exec, -SIGSYS},
        {ALL_DENIED, do_setuid, -SIGSYS},
        {ALL_DENIED, do_priority, EPERM},
        {ALL_DENIED, do_mount, -SIGSYS},
        {ALL_DENIED, do_obsolete, -SIGSYS},
        {"on", do_work, 0},
        {"on", do_fork, 0},
        {"on", do_exec, 0},
        {"on", do_setuid, 0},
        {"on", do_priority, 0},
        {"on", do_mount, -SIGSYS},
        {"on", do_obsolete, -SIGSYS},
        {"on,obsolete=allow", do_obsolete, 0},
        {"on,elevateprivileges=children", do_setuid, 0},
        {"off,spawn=deny", do_fork, 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int result = run(rows[i].text, rows[i].fn);

        if (result != rows[i].result) {
            g_error("row %zu, %s: %d instead of %d", i, rows[i].text, result, rows[i].result);
        }
    }
}

static volatile int wanted;

static void *try_fork_late(void *opaque)
{
    while (!wanted) {
        sched_yield();
    }
    return GINT_TO_POINTER(do_fork());
}

static int do_fork_in_older_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, try_fork_late, NULL) != 0) {
        return 98;
    }
    g_autoptr(KeyVal) kv = keyval_parse("on,spawn=deny", "enable", NULL);
    if (!confine_sandbox(kv, NULL)) {
        return 97;
    }
    wanted = 1;
    pthread_join(thread, NULL);
    return 0;
}

static void test_older_threads(void)
{
    g_assert_cmpint(run("off", do_fork_in_older_thread), ==, -SIGSYS);
}

static void test_errors(void)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"maybe", "parameter 'enable': 'maybe' is neither on nor off"},
        {"on,spawn=maybe", "spawn=maybe is not one of allow, deny"},
        {"on,elevateprivileges=x", "elevateprivileges=x is not one of allow, deny, children"},
        {"on,spwan=deny", "unknown parameter 'spwan'; did you mean 'spawn'?"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(KeyVal) kv = keyval_parse(rows[i].text, "enable", NULL);
        g_autoptr(Error) err = NULL;

        g_assert_false(confine_sandbox(kv, &err));
        g_assert_cmpstr(error_message(err), ==, rows[i].message);
    }
}

static void test_unknown_user(void)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(confine_process(NULL, "no-such-user", &err));
    g_assert_cmpstr(error_message(err), ==, "there is no user 'no-such-user'");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/confine/calls", test_calls);
    g_test_add_func("/confine/older-threads", test_older_threads);
    g_test_add_func("/confine/errors", test_errors);
    g_test_add_func("/confine/unknown-user", test_unknown_user);
    return g_test_run();
}

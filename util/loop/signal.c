/* SPDX-License-Identifier: MIT */
/* Signals as events of a loop, by signalfd. */
#include "loop-private.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef struct SignalWatch {
    int fd;
    LoopWatch *watch;
    LoopSignalCallback *callback;
    void *opaque;
} SignalWatch;

static void signal_readable(void *opaque)
{
    SignalWatch *signal = opaque;
    struct signalfd_siginfo info;

    while (read(signal->fd, &info, sizeof(info)) == sizeof(info)) {
        signal->callback(signal->opaque, (int)info.ssi_pid);
    }
}

bool loop_watch_signal(Loop *loop, int signal_number, LoopSignalCallback *callback, void *opaque,
                       Error **err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, signal_number);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "cannot watch signal %d", signal_number);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    SignalWatch *signal = g_new0(SignalWatch, 1);
    *signal = (SignalWatch){.fd = fd, .callback = callback, .opaque = opaque};
    signal->watch = loop_watch_fd(loop, fd, signal_readable, NULL, signal);
    g_ptr_array_add(loop->signals, signal);
    return true;
}

static sigset_t mask_before_hold;

static sigset_t ending_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return set;
}

void signals_hold(void)
{
    sigset_t set = ending_signals();

    pthread_sigmask(SIG_BLOCK, &set, &mask_before_hold);
}

void signals_release(void)
{
    pthread_sigmask(SIG_SETMASK, &mask_before_hold, NULL);
}

bool signal_wait_ready(int fd, bool for_write, int timeout_ms, Error **err)
{
    struct signalfd_siginfo info;
    sigset_t set = ending_signals();
    bool is_ended = false;
    int ready = 1;

    int signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signal_fd < 0) {
        return error_set_errno(err, errno, "cannot watch signals");
    }
    struct pollfd events[] = {{.fd = fd, .events = for_write ? POLLOUT : POLLIN},
                              {.fd = signal_fd, .events = POLLIN}};
    while (!is_ended && !events[0].revents && ready > 0) {
        ready = poll(events, 2, timeout_ms);
        if (ready < 0 && errno == EINTR) {
            ready = 1;
        }
        is_ended = read(signal_fd, &info, sizeof(info)) == sizeof(info);
    }
    close(signal_fd);
    if (!is_ended && ready == 0) {
        return error_set(err, "nothing came in %d seconds", timeout_ms / 1000);
    }
    return !is_ended || error_set(err, "ended by signal %u (%s)", info.ssi_signo,
                                  strsignal((int)info.ssi_signo));
}

void loop_remove_signals(Loop *loop)
{
    for (guint i = 0; i < loop->signals->len; i++) {
        SignalWatch *signal = loop->signals->pdata[i];
        loop_watch_remove(signal->watch);
        close(signal->fd);
        g_free(signal);
    }
    g_ptr_array_set_size(loop->signals, 0);
}

/* SPDX-License-Identifier: MIT */
/* Signals as events of a loop, by signalfd. */
#include "loop-private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef struct SignalWatch {
    int fd;
    LoopWatch *watch;
    LoopCallback *callback;
    void *opaque;
} SignalWatch;

static void signal_readable(void *opaque)
{
    SignalWatch *signal = opaque;
    struct signalfd_siginfo info;

    while (read(signal->fd, &info, sizeof(info)) == sizeof(info)) {
        signal->callback(signal->opaque);
    }
}

bool loop_watch_signal(Loop *loop, int signal_number, LoopCallback *callback, void *opaque,
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

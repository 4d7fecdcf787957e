/* SPDX-License-Identifier: MIT */
/* Names of threads, as ps -L and top -H show them. */
#include "util/thread-name.h"

#include <sys/prctl.h>

static bool is_enabled = true;

void thread_names_enable(bool enabled)
{
    is_enabled = enabled;
}

void thread_set_name(const char *format, ...)
{
    char name[16];
    va_list args;

    if (!is_enabled) {
        return;
    }
    va_start(args, format);
    g_vsnprintf(name, sizeof(name), format, args);
    va_end(args);
    prctl(PR_SET_NAME, name);
}

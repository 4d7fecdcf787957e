/* SPDX-License-Identifier: MIT */
/* What guests do wrong: log lines, at most a hundred a second,
 * so that a guest cannot fill a disk. */
#include "hw/device.h"

#include "util/log.h"

#define LINES_PER_SECOND 100

typedef struct RateLimit {
    int64_t window_start_ns;
    unsigned written, dropped;
} RateLimit;

static bool may_write(RateLimit *limit)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_REALTIME);

    if (now - limit->window_start_ns >= NS_PER_SECOND) {
        if (limit->dropped) {
            log_printf("(%u more lines of this kind in the second before)\n", limit->dropped);
        }
        *limit = (RateLimit){.window_start_ns = now};
    }
    if (limit->written >= LINES_PER_SECOND) {
        limit->dropped++;
        return false;
    }
    limit->written++;
    return true;
}

static void write_line(RateLimit *limit, const Object *obj, const char *format, va_list args)
{
    if (!may_write(limit)) {
        return;
    }
    g_autofree char *message = g_strdup_vprintf(format, args);
    if (obj) {
        g_autofree char *path = object_path(obj);
        log_printf("%s %s: %s\n", obj->type->name, path, message);
    } else {
        log_printf("%s\n", message);
    }
}

void guest_error(const void *object, const char *format, ...)
{
    static RateLimit limit;
    va_list args;

    if (!log_enabled(LOG_GUEST_ERROR)) {
        return;
    }
    va_start(args, format);
    write_line(&limit, object, format, args);
    va_end(args);
}

void guest_unimplemented(const void *object, const char *format, ...)
{
    static RateLimit limit;
    va_list args;

    if (!log_enabled(LOG_UNIMP)) {
        return;
    }
    va_start(args, format);
    write_line(&limit, object, format, args);
    va_end(args);
}

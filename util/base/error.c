/* SPDX-License-Identifier: MIT */
/* Error: what went wrong for the user, and the printing of it on stderr. */
#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

struct Error {
    ErrorClass error_class;
    char *message;
    char *hint; /* lines, each ending in a newline; NULL: none */
};

static void error_set_valist(Error **err, const char *format, va_list args)
{
    if (!err) {
        return;
    }
    g_assert(*err == NULL);
    *err = g_new0(Error, 1);
    (*err)->message = g_strdup_vprintf(format, args);
}

bool error_set(Error **err, const char *format, ...)
{
    va_list args;
    int saved_errno = errno;

    va_start(args, format);
    error_set_valist(err, format, args);
    va_end(args);
    errno = saved_errno;
    return false;
}

bool error_set_class(Error **err, ErrorClass error_class, const char *format, ...)
{
    va_list args;
    int saved_errno = errno;

    va_start(args, format);
    error_set_valist(err, format, args);
    va_end(args);
    if (err) {
        (*err)->error_class = error_class;
    }
    errno = saved_errno;
    return false;
}

ErrorClass error_class(const Error *error)
{
    return error->error_class;
}

bool error_set_errno(Error **err, int os_error, const char *format, ...)
{
    va_list args;
    int saved_errno = errno;

    va_start(args, format);
    error_set_valist(err, format, args);
    va_end(args);
    if (err) {
        char *text = (*err)->message;
        (*err)->message = g_strdup_printf("%s: %s", text, g_strerror(os_error));
        g_free(text);
    }
    errno = saved_errno;
    return false;
}

void error_prefix(Error **err, const char *format, ...)
{
    if (!err || !*err) {
        return;
    }
    va_list args;
    va_start(args, format);
    g_autofree char *prefix = g_strdup_vprintf(format, args);
    va_end(args);
    char *text = (*err)->message;
    (*err)->message = g_strconcat(prefix, text, NULL);
    g_free(text);
}

void error_hint(Error **err, const char *format, ...)
{
    if (!err || !*err) {
        return;
    }
    va_list args;
    va_start(args, format);
    g_autofree char *line = g_strdup_vprintf(format, args);
    va_end(args);
    char *before = (*err)->hint;
    const char *end = g_str_has_suffix(line, "\n") ? "" : "\n";
    (*err)->hint = g_strconcat(before ? before : "", line, end, NULL);
    g_free(before);
}

const char *error_message(const Error *error)
{
    return error->message;
}

const char *error_hint_text(const Error *error)
{
    return error->hint;
}

void error_free(Error *error)
{
    if (error) {
        g_free(error->message);
        g_free(error->hint);
        g_free(error);
    }
}

static bool has_timestamp;
static char *guest_name;

void report_set_timestamp(bool enabled)
{
    has_timestamp = enabled;
}

void report_set_guest_name(const char *name)
{
    g_free(guest_name);
    guest_name = g_strdup(name);
}

/* What stands before the name of the program. */
static char *report_prefix(void)
{
    g_autofree char *stamp = NULL;

    if (has_timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
        stamp = g_strdup_printf("%s.%06dZ ", seconds, g_date_time_get_microsecond(now));
    }
    return g_strconcat(stamp ? stamp : "", guest_name ? guest_name : "", guest_name ? " " : "",
                       NULL);
}

/* One write per report, so that lines of several threads do not mix. */
static void report(const char *kind, const char *message, const char *hint)
{
    g_autofree char *prefix = report_prefix();
    g_autofree char *text = g_strdup_printf("%s%s: %s%s\n%s", prefix, program_invocation_short_name,
                                            kind, message, hint ? hint : "");
    fflush(stderr);
    ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* there is nobody left to tell */
}

void error_report_free(Error *error)
{
    report("", error->message, error->hint);
    error_free(error);
}

void plain_report(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    report("", text, NULL);
}

void warn_report(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    report("warning: ", text, NULL);
}

void info_report(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    report("info: ", text, NULL);
}

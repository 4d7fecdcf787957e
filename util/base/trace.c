/* SPDX-License-Identifier: MIT */
/* Trace points: finding and enabling the ones the linker has gathered. */
#include "util/trace.h"
#include "util/suggest.h"

#include <stdarg.h>

LINKER_SET_DECLARE(TracePoint, trace_points);

void trace_emit(const TracePoint *point, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    log_printf("%s%s%s\n", point->name, *text ? " " : "", text);
}

static bool set_matching(const char *pattern, bool enabled, Error **err)
{
    bool found = false;
    Suggest suggest;

    suggest_init(&suggest, pattern);
    LINKER_SET_FOREACH(TracePoint, point, trace_points)
    {
        if (g_pattern_match_simple(pattern, (*point)->name)) {
            (*point)->enabled = enabled;
            found = true;
        }
        suggest_offer(&suggest, (*point)->name);
    }
    return found ||
           error_set(err, "no trace point matches '%s'%s", pattern, suggest_text(&suggest));
}

bool trace_enable(const char *pattern, Error **err)
{
    if (g_str_has_prefix(pattern, "enable=")) {
        pattern += strlen("enable=");
    }
    if (!set_matching(pattern, true, err)) {
        return false;
    }
    log_enabled_items |= LOG_TRACE;
    return true;
}

bool trace_disable(const char *pattern, Error **err)
{
    return set_matching(pattern, false, err);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const TracePoint *const *)a)->name, (*(const TracePoint *const *)b)->name);
}

/* A point that is emitted in two places is there twice. */
bool trace_foreach(const char *pattern, void (*fn)(const TracePoint *point, void *opaque),
                   void *opaque)
{
    g_autoptr(GPtrArray) points = g_ptr_array_new();
    const char *last = "";

    LINKER_SET_FOREACH(TracePoint, point, trace_points)
    {
        if (g_pattern_match_simple(pattern, (*point)->name)) {
            g_ptr_array_add(points, *point);
        }
    }
    g_ptr_array_sort(points, compare_names);
    for (guint i = 0; i < points->len; i++) {
        const TracePoint *point = g_ptr_array_index(points, i);
        if (!g_str_equal(point->name, last)) {
            fn(point, opaque);
        }
        last = point->name;
    }
    return points->len;
}

static void append_name(const TracePoint *point, void *opaque)
{
    g_string_append_printf(opaque, "%s\n", point->name);
}

char *trace_help(void)
{
    GString *out = g_string_new(NULL);

    trace_foreach("*", append_name, out);
    return g_string_free(out, FALSE);
}

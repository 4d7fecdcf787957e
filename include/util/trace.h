/* SPDX-License-Identifier: MIT */
/* Trace points: declared where they are emitted, always compiled,
 * one predictable branch when off. */
#ifndef UTIL_TRACE_H
#define UTIL_TRACE_H

#include "util/error.h"
#include "util/linker-set.h"
#include "util/log.h"

typedef struct TracePoint {
    const char *name; /* "uart_write": module_event */
    bool enabled;
} TracePoint;

/* TRACE(uart_write, "addr %u value 0x%02x", addr, value); prints "uart_write addr 3 value 0x80". */
#define TRACE(point, ...)                                                                          \
    do {                                                                                           \
        static TracePoint trace_##point = {.name = #point};                                        \
        LINKER_SET_ENTRY(trace_points, trace_##point);                                             \
        if (G_UNLIKELY(trace_##point.enabled)) {                                                   \
            trace_emit(&trace_##point, __VA_ARGS__);                                               \
        }                                                                                          \
    } while (0)

void trace_emit(const TracePoint *point, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Enables all points matching a glob ("uart_*"), as `-trace [enable=]PATTERN`; fails when nothing
 * matches. */
bool trace_enable(const char *pattern, Error **err);

/* Disables all points matching a glob; fails when nothing matches. */
bool trace_disable(const char *pattern, Error **err);

/* Calls fn once for each point that matches a glob, sorted; false: none does. */
bool trace_foreach(const char *pattern, void (*fn)(const TracePoint *point, void *opaque),
                   void *opaque);

/* Names of all points, one a line, sorted; caller frees. */
char *trace_help(void);

#endif

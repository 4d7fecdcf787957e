/* SPDX-License-Identifier: MIT */
/* Events: what happened to the machine, told to whoever drives it; QMP is one listener. Under the
 * machine lock, any thread. */
#ifndef UTIL_EVENT_H
#define UTIL_EVENT_H

#include "util/json-type.h"
#include "util/linker-set.h"

#include <stdint.h>

typedef struct EventType {
    const char *name;     /* as QMP calls it: "STOP" */
    const char *help;     /* one sentence */
    const JsonType *data; /* NULL: none */
    bool is_throttled;    /* one a second at most: of more, the last one comes at its end */
} EventType;

/* Enrols an event for query-qmp-schema and the manual: beside the code that emits it. */
#define EVENT(variable) LINKER_SET_ENTRY(event_types, variable)

/* `data` is taken over; NULL: none. */
void event_emit(const EventType *type, json_t *data);

/* `host_us`: microseconds since 1970. The listener does not keep `data` without a reference. */
typedef void EventListener(const EventType *type, const json_t *data, int64_t host_us,
                           void *opaque);
void event_listen(EventListener *listener, void *opaque);
void event_unlisten(void *opaque);

#endif

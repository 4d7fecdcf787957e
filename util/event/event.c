/* SPDX-License-Identifier: MIT */
/* Events on their way from where they happen to those who listen. */
#include "util/event.h"

typedef struct Listener {
    EventListener *fn;
    void *opaque;
} Listener;

static GArray *listeners; /* of Listener */

void event_emit(const EventType *type, json_t *data)
{
    int64_t now = g_get_real_time();

    for (guint i = 0; listeners && i < listeners->len; i++) {
        Listener *listener = &g_array_index(listeners, Listener, i);
        listener->fn(type, data, now, listener->opaque);
    }
    json_decref(data);
}

void event_listen(EventListener *listener, void *opaque)
{
    Listener entry = {listener, opaque};

    if (!listeners) {
        listeners = g_array_new(FALSE, FALSE, sizeof(Listener));
    }
    g_array_append_val(listeners, entry);
}

void event_unlisten(void *opaque)
{
    for (guint i = 0; listeners && i < listeners->len; i++) {
        if (g_array_index(listeners, Listener, i).opaque == opaque) {
            g_array_remove_index(listeners, i);
            return;
        }
    }
}

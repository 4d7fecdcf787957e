/* SPDX-License-Identifier: MIT */
/* Events on their way from where they happen to those who listen. */
#include "util/event.h"

#include "util/loop.h"

typedef struct Listener {
    EventListener *fn;
    void *opaque;
} Listener;

static GArray *listeners; /* of Listener */

/* Takes `data` over. */
static void deliver(const EventType *type, json_t *data, int64_t host_us)
{
    for (guint i = 0; listeners && i < listeners->len; i++) {
        Listener *listener = &g_array_index(listeners, Listener, i);
        listener->fn(type, data, host_us, listener->opaque);
    }
    json_decref(data);
}

/* -- Throttling -------------------------------------------------------------------------------- */

/* Of an event of which one was delivered less than a second ago. */
typedef struct Throttle {
    const EventType *type;
    Timer timer;
    bool has_waiting;
    json_t *waiting; /* data of the last one since then; NULL: it has none */
    int64_t waiting_us;
} Throttle;

static GHashTable *throttles; /* EventType * -> Throttle * */

static void second_is_over(void *opaque)
{
    Throttle *throttle = opaque;

    if (throttle->has_waiting) {
        throttle->has_waiting = false;
        timer_mod_ns(&throttle->timer, clock_now_ns(CLOCK_TYPE_REALTIME) + NS_PER_SECOND);
        deliver(throttle->type, g_steal_pointer(&throttle->waiting), throttle->waiting_us);
    }
}

static Throttle *throttle_of(const EventType *type)
{
    throttles = throttles ? throttles : g_hash_table_new(NULL, NULL);
    Throttle *throttle = g_hash_table_lookup(throttles, type);

    if (!throttle) {
        throttle = g_new0(Throttle, 1);
        throttle->type = type;
        timer_init(&throttle->timer, main_loop(), CLOCK_TYPE_REALTIME, second_is_over, throttle);
        g_hash_table_insert(throttles, (gpointer)type, throttle);
    }
    return throttle;
}

/* Keeps it for the end of the second; false: there was none in this second. */
static bool keep_back(const EventType *type, json_t *data, int64_t host_us)
{
    Throttle *throttle = throttle_of(type);

    if (!timer_pending(&throttle->timer)) {
        timer_mod_ns(&throttle->timer, clock_now_ns(CLOCK_TYPE_REALTIME) + NS_PER_SECOND);
        return false;
    }
    json_decref(throttle->waiting);
    throttle->waiting = data;
    throttle->waiting_us = host_us;
    throttle->has_waiting = true;
    return true;
}

void event_emit(const EventType *type, json_t *data)
{
    int64_t now = g_get_real_time();

    if (!type->is_throttled || !main_loop() || !keep_back(type, data, now)) {
        deliver(type, data, now);
    }
}

/* -- Listeners --------------------------------------------------------------------------------- */

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

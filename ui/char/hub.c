/* SPDX-License-Identifier: MIT */
/* hub: one front end on several character devices. What it writes goes to all of them, what any of
 * them sends goes to it. */
#include "chardev-private.h"

#define HUB_PORTS 4

typedef struct HubPort {
    struct HubChardev *hub;
    Chardev *chardev; /* NULL: freed before the hub */
} HubPort;

typedef struct HubChardev {
    Chardev chardev;
    HubPort ports[HUB_PORTS];
    unsigned port_count;
} HubChardev;

static size_t port_can_receive(void *opaque)
{
    return chardev_can_receive(&((HubPort *)opaque)->hub->chardev);
}

static void port_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    chardev_receive(&((HubPort *)opaque)->hub->chardev, bytes, count);
}

static bool is_any_connected(const HubChardev *hub)
{
    for (unsigned i = 0; i < hub->port_count; i++) {
        if (hub->ports[i].chardev && chardev_live(hub->ports[i].chardev)->connected) {
            return true;
        }
    }
    return false;
}

/* The front end sees the first come and the last go. */
static void port_event(void *opaque, ChardevEvent event)
{
    HubChardev *hub = ((HubPort *)opaque)->hub;

    if (event == CHARDEV_BREAK) {
        chardev_event(&hub->chardev, event);
    } else if (is_any_connected(hub) != hub->chardev.connected) {
        chardev_event(&hub->chardev, hub->chardev.connected ? CHARDEV_CLOSED : CHARDEV_OPENED);
    }
}

static void port_released(void *opaque)
{
    ((HubPort *)opaque)->chardev = NULL;
}

static bool hub_add(HubChardev *hub, const char *id, Error **err)
{
    HubPort *port = &hub->ports[hub->port_count];
    ChardevFrontend frontend = {.can_receive = port_can_receive,
                                .receive = port_receive,
                                .event = port_event,
                                .released = port_released,
                                .opaque = port};
    Chardev *chardev = chardev_find_or_suggest(id, err);

    if (!chardev) {
        return false;
    }
    if (chardev->is_mux || chardev->obj.type == hub->chardev.obj.type) {
        return error_set(err, "a %s cannot be below a hub", chardev->is_mux ? "mux" : "hub");
    }
    port->hub = hub;
    port->chardev = chardev;
    hub->port_count++;
    if (!chardev_attach(chardev, &frontend, err)) {
        port->chardev = NULL;
        return false;
    }
    return true;
}

static bool hub_open(Chardev *chardev, KeyVal *options, Error **err)
{
    HubChardev *hub = (HubChardev *)chardev;
    char key[16];

    for (unsigned i = 0; i < HUB_PORTS; i++) {
        g_snprintf(key, sizeof(key), "chardevs.%u", i);
        const char *id = keyval_get(options, key);
        if (id && i > hub->port_count) {
            return error_set(err, "%s is given and chardevs.%u is not", key, hub->port_count);
        }
        if (id && !hub_add(hub, id, err)) {
            return false;
        }
    }
    return hub->port_count > 0 ||
           error_set(err, "a hub needs chardevs.0=ID, chardevs.1=ID, up to %d", HUB_PORTS - 1);
}

static void hub_close(Chardev *chardev)
{
    HubChardev *hub = (HubChardev *)chardev;

    for (unsigned i = 0; i < hub->port_count; i++) {
        chardev_detach(g_steal_pointer(&hub->ports[i].chardev));
    }
}

/* Each has a buffer of its own: the slowest keeps nobody up. */
static size_t hub_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    HubChardev *hub = (HubChardev *)chardev;

    for (unsigned i = 0; i < hub->port_count; i++) {
        chardev_write(hub->ports[i].chardev, bytes, count);
    }
    return count;
}

static void hub_update_read(Chardev *chardev)
{
    HubChardev *hub = (HubChardev *)chardev;

    for (unsigned i = 0; i < hub->port_count; i++) {
        chardev_accept_input(hub->ports[i].chardev);
    }
}

static void hub_send_break(Chardev *chardev)
{
    HubChardev *hub = (HubChardev *)chardev;

    for (unsigned i = 0; i < hub->port_count; i++) {
        chardev_send_break(hub->ports[i].chardev);
    }
}

static void hub_watch_writable(Chardev *chardev, bool on)
{
    if (on) {
        chardev_write_ready(chardev); /* only a backlog waits, and hub_write takes all */
    }
}

static const char *const hub_options[] = {"chardevs.0", "chardevs.1", "chardevs.2", "chardevs.3",
                                          NULL};

static const ChardevInfo hub_info = {
    .backend = "hub",
    .options = hub_options,
    .open = hub_open,
    .close = hub_close,
    .write = hub_write,
    .update_read = hub_update_read,
    .send_break = hub_send_break,
    .watch_writable = hub_watch_writable,
};

static const Field hub_fields[] = {
    DERIVED(HubChardev, ports),
    DERIVED(HubChardev, port_count),
    FIELDS_END,
};

static const Type hub_type = {
    .name = "chardev-hub",
    .parent = &chardev_type,
    .size = sizeof(HubChardev),
    .desc = "several character devices for one front end: chardevs.0=ID,chardevs.1=ID",
    .fields = hub_fields,
    .info = &hub_info,
};
OBJECT_TYPE(hub_type);

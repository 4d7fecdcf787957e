/* SPDX-License-Identifier: MIT */
/*
 * mux: several front ends on one back end. What comes in goes to the one with the focus; Ctrl-A is
 * the prefix of commands to the mux itself.
 */
#include "chardev-private.h"

#include <signal.h>
#include <unistd.h>

#define MUX_PORTS 4
#define MUX_INPUT 1024

typedef struct MuxPort {
    Chardev chardev;
    struct MuxChardev *mux;
    uint8_t input[MUX_INPUT]; /* a ring of what this front end could not take yet */
    size_t input_start, input_used;
} MuxPort;

typedef struct MuxChardev {
    Chardev chardev;
    Chardev *base; /* attached to us, and ours */
    MuxPort *ports[MUX_PORTS];
    unsigned port_count;
    MuxPort *focus;
    bool saw_prefix;
    bool has_timestamps, is_line_start;
    int64_t timestamps_since_ns;
} MuxChardev;

void (*chardev_mux_key)(char key);
uint8_t chardev_mux_prefix = 1; /* Ctrl-A */

/* -- Input ------------------------------------------------------------------------------------- */

static void port_flush(MuxPort *port)
{
    while (port->input_used > 0) {
        size_t room = chardev_can_receive(&port->chardev);
        size_t chunk = MIN(port->input_used, MUX_INPUT - port->input_start);
        chunk = MIN(chunk, room);
        if (chunk == 0) {
            return;
        }
        const uint8_t *bytes = port->input + port->input_start;
        port->input_start = (port->input_start + chunk) % MUX_INPUT;
        port->input_used -= chunk;
        chardev_receive(&port->chardev, bytes, chunk);
    }
}

static void port_put(MuxPort *port, uint8_t byte)
{
    if (port->input_used < MUX_INPUT) {
        port->input[(port->input_start + port->input_used) % MUX_INPUT] = byte;
        port->input_used++;
    }
}

static void mux_print(MuxChardev *mux, const char *text)
{
    chardev_write(mux->base, text, strlen(text));
}

static void mux_set_focus(MuxChardev *mux, MuxPort *port)
{
    if (mux->focus == port) {
        return;
    }
    if (mux->focus) {
        chardev_event(&mux->focus->chardev, CHARDEV_MUX_OUT);
    }
    mux->focus = port;
    if (port) {
        chardev_event(&port->chardev, CHARDEV_MUX_IN);
    }
}

/* As help calls the prefix: "C-a". */
static char *prefix_name(void)
{
    uint8_t byte = chardev_mux_prefix;

    if (byte < ' ') {
        return g_strdup_printf("C-%c", g_ascii_tolower((char)(byte + '@')));
    }
    return byte < 0x7f ? g_strdup_printf("%c", byte) : g_strdup_printf("byte %u", byte);
}

static void mux_help(MuxChardev *mux)
{
    g_autofree char *c = prefix_name();
    g_autofree char *text = g_strdup_printf("\r\n"
                                            "%s h    print this help\r\n"
                                            "%s x    exit emulator\r\n"
                                            "%s s    write snapshots back to their disks\r\n"
                                            "%s t    toggle console timestamps\r\n"
                                            "%s b    send break (magic sysrq)\r\n"
                                            "%s c    switch between console and monitor\r\n"
                                            "%s %s  send %s\r\n",
                                            c, c, c, c, c, c, c, c, c);
    mux_print(mux, text);
}

static void mux_quit(MuxChardev *mux)
{
    mux_print(mux, "QEMU: Terminated\r\n");
    if (chardev_mux_key) {
        chardev_mux_key('x');
    } else {
        kill(getpid(), SIGTERM);
    }
}

/* The next port that has a front end, behind the one in focus. */
static void mux_next_focus(MuxChardev *mux)
{
    MuxPort *next = NULL;
    unsigned at = 0;

    while (at < mux->port_count && mux->ports[at] != mux->focus) {
        at++;
    }
    for (unsigned i = 1; i <= mux->port_count && !next; i++) {
        MuxPort *port = mux->ports[(at + i) % mux->port_count];
        next = port->chardev.attached ? port : NULL;
    }
    mux_set_focus(mux, next);
}

static void mux_command(MuxChardev *mux, uint8_t key)
{
    if (key == chardev_mux_prefix) {
        if (mux->focus) {
            port_put(mux->focus, key);
        }
        return;
    }
    switch (key) {
    case 'h':
    case '?':
        mux_help(mux);
        break;
    case 'x':
        mux_quit(mux);
        break;
    case 's':
        if (chardev_mux_key) {
            chardev_mux_key('s');
        }
        break;
    case 'b':
        if (mux->focus) {
            chardev_event(&mux->focus->chardev, CHARDEV_BREAK);
        }
        break;
    case 'c':
        mux_next_focus(mux);
        break;
    case 't':
        mux->has_timestamps = !mux->has_timestamps;
        mux->is_line_start = true;
        mux->timestamps_since_ns = clock_now_ns(CLOCK_TYPE_REALTIME);
        break;
    }
}

static size_t mux_can_receive(void *opaque)
{
    MuxChardev *mux = opaque;

    return mux->focus ? MUX_INPUT - mux->focus->input_used : MUX_INPUT;
}

static void mux_receive(void *opaque, const uint8_t *bytes, size_t count)
{
    MuxChardev *mux = opaque;

    for (size_t i = 0; i < count; i++) {
        if (mux->saw_prefix) {
            mux->saw_prefix = false;
            if (mux->focus) {
                port_flush(mux->focus); /* what was typed before goes first */
            }
            mux_command(mux, bytes[i]);
        } else if (bytes[i] == chardev_mux_prefix) {
            mux->saw_prefix = true;
        } else if (mux->focus) {
            port_put(mux->focus, bytes[i]);
        }
    }
    if (mux->focus) {
        port_flush(mux->focus);
    }
}

static void mux_event(void *opaque, ChardevEvent event)
{
    MuxChardev *mux = opaque;

    mux->saw_prefix = false;
    if (event == CHARDEV_BREAK) {
        if (mux->focus) {
            chardev_event(&mux->focus->chardev, event);
        }
        return;
    }
    mux->chardev.connected = event == CHARDEV_OPENED;
    for (unsigned i = 0; i < mux->port_count; i++) {
        chardev_event(&mux->ports[i]->chardev, event);
    }
}

/* -- Output ------------------------------------------------------------------------------------ */

static void write_stamped(MuxChardev *mux, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mux->is_line_start) {
            int64_t ms = (clock_now_ns(CLOCK_TYPE_REALTIME) - mux->timestamps_since_ns) / 1000000;
            char stamp[40];
            g_snprintf(stamp, sizeof(stamp), "[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000),
                       (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
            mux_print(mux, stamp);
        }
        mux->is_line_start = bytes[i] == '\n';
        chardev_write(mux->base, &bytes[i], 1);
    }
}

static size_t port_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    MuxChardev *mux = ((MuxPort *)chardev)->mux;

    if (mux->has_timestamps) {
        write_stamped(mux, bytes, count);
    } else {
        chardev_write(mux->base, bytes, count);
    }
    return count; /* the base buffers, or drops and counts */
}

static size_t port_write_room(Chardev *chardev)
{
    return chardev_write_room(((MuxPort *)chardev)->mux->base);
}

static void port_update_read(Chardev *chardev)
{
    MuxPort *port = (MuxPort *)chardev;

    port_flush(port);
    if (port == port->mux->focus) {
        chardev_accept_input(port->mux->base);
    }
}

static void port_send_break(Chardev *chardev)
{
    chardev_send_break(((MuxPort *)chardev)->mux->base);
}

/* -- Life -------------------------------------------------------------------------------------- */

static void mux_released(void *opaque)
{
    ((MuxChardev *)opaque)->base = NULL;
}

Chardev *chardev_mux_new(const char *label, Chardev *base, Error **err)
{
    static const ChardevFrontend template = {
        .can_receive = mux_can_receive,
        .receive = mux_receive,
        .event = mux_event,
        .released = mux_released,
    };
    MuxChardev *mux = (MuxChardev *)object_new(&chardev_mux_type);
    ChardevFrontend frontend = template;

    mux->chardev.label = g_strdup(label);
    mux->chardev.filename = g_strdup("mux");
    mux->chardev.is_mux = true;
    mux->base = base;
    frontend.opaque = mux;
    if (!chardev_attach(base, &frontend, err)) {
        object_free(&mux->chardev.obj);
        object_free(&base->obj);
        return NULL;
    }
    mux->chardev.connected = base->connected;
    chardev_enrol(&mux->chardev);
    return &mux->chardev;
}

/* One whose front end has gone, else a new one. */
static MuxPort *find_free_port(MuxChardev *mux, Error **err)
{
    for (unsigned i = 0; i < mux->port_count; i++) {
        if (!mux->ports[i]->chardev.attached) {
            return mux->ports[i];
        }
    }
    if (mux->port_count == MUX_PORTS) {
        error_set(err, "character device '%s' has %d front ends already", mux->chardev.label,
                  MUX_PORTS);
        return NULL;
    }
    g_autofree char *name = g_strdup_printf("port[%u]", mux->port_count);
    MuxPort *port = (MuxPort *)object_new(&chardev_mux_port_type);
    port->chardev.label = g_strdup_printf("%s.%s", mux->chardev.label, name);
    port->mux = mux;
    mux->ports[mux->port_count++] = port;
    object_add_child(&mux->chardev.obj, name, &port->chardev.obj);
    port->chardev.obj.realized = true;
    return port;
}

Chardev *chardev_mux_attach(Chardev *chardev, const ChardevFrontend *frontend, Error **err)
{
    MuxChardev *mux = (MuxChardev *)chardev;
    MuxPort *port = find_free_port(mux, err);

    if (!port) {
        return NULL;
    }
    port->chardev.connected = mux->chardev.connected;
    chardev_attach(&port->chardev, frontend, NULL);
    if (!mux->focus || !frontend->is_monitor) {
        mux_set_focus(mux, port);
    }
    chardev_accept_input(mux->base);
    return &port->chardev;
}

void chardev_mux_detach(Chardev *chardev)
{
    MuxPort *port = (MuxPort *)chardev;

    port->input_used = 0;
    if (port->mux->focus == port) {
        mux_next_focus(port->mux);
    }
}

Chardev *chardev_mux_base(Chardev *mux)
{
    return ((MuxChardev *)mux)->base;
}

bool chardev_mux_has_frontend(const Chardev *chardev)
{
    const MuxChardev *mux = (const MuxChardev *)chardev;

    for (unsigned i = 0; i < mux->port_count; i++) {
        if (mux->ports[i]->chardev.attached) {
            return true;
        }
    }
    return false;
}

static void mux_finalize(Object *obj)
{
    MuxChardev *mux = (MuxChardev *)obj;

    Chardev *base = chardev_live(mux->base);
    if (base && base->attached && base->frontend.opaque == mux) {
        chardev_detach(base);
    }
}

/* Writing to the mux itself, past its front ends. */
static size_t mux_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    chardev_write(((MuxChardev *)chardev)->base, bytes, count);
    return count;
}

static const ChardevInfo mux_info = {.write = mux_write};

static const Field mux_fields[] = {
    LINK(MuxChardev, base),
    DERIVED(MuxChardev, ports),
    DERIVED(MuxChardev, port_count),
    DERIVED(MuxChardev, focus),
    DERIVED(MuxChardev, saw_prefix),
    DERIVED(MuxChardev, has_timestamps),
    DERIVED(MuxChardev, is_line_start),
    DERIVED(MuxChardev, timestamps_since_ns),
    FIELDS_END,
};

const Type chardev_mux_type = {
    .name = "chardev-mux",
    .parent = &chardev_type,
    .size = sizeof(MuxChardev),
    .desc = "several front ends on one character device",
    .fields = mux_fields,
    .info = &mux_info,
    .finalize = mux_finalize,
};
OBJECT_TYPE(chardev_mux_type);

static const ChardevInfo port_info = {
    .write = port_write,
    .write_room = port_write_room,
    .update_read = port_update_read,
    .send_break = port_send_break,
};

static const Field port_fields[] = {
    LINK(MuxPort, mux),
    DERIVED(MuxPort, input),
    DERIVED(MuxPort, input_start),
    DERIVED(MuxPort, input_used),
    FIELDS_END,
};

const Type chardev_mux_port_type = {
    .name = "chardev-mux-port",
    .parent = &chardev_type,
    .size = sizeof(MuxPort),
    .desc = "one front end's end of a mux",
    .fields = port_fields,
    .info = &port_info,
};
OBJECT_TYPE(chardev_mux_port_type);

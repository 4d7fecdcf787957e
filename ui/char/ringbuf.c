/* SPDX-License-Identifier: MIT */
/* ringbuf: keeps in memory what the guest wrote last, for the monitor to read. */
#include "chardev-private.h"

#define RINGBUF_DEFAULT (64 * 1024)
#define RINGBUF_MAX (1ull << 30)

typedef struct RingbufChardev {
    Chardev chardev;
    uint64_t size;  /* a power of two */
    uint64_t put;   /* bytes ever written */
    uint64_t taken; /* of these read or overwritten */
    uint8_t *bytes;
} RingbufChardev;

static const Type ringbuf_type;

static bool ringbuf_open(Chardev *chardev, KeyVal *options, Error **err)
{
    RingbufChardev *ring = (RingbufChardev *)chardev;

    ring->size = RINGBUF_DEFAULT;
    if (!keyval_get_size(options, "size", &ring->size, err)) {
        return false;
    }
    if (ring->size == 0 || ring->size & (ring->size - 1)) {
        return error_set(err, "the size of a ring buffer has to be a power of two");
    }
    if (ring->size > RINGBUF_MAX) {
        return error_set(err, "a ring buffer has 1 GiB at most");
    }
    ring->bytes = g_try_malloc(ring->size);
    if (!ring->bytes) {
        return error_set(err, "no memory for a ring buffer of %" G_GUINT64_FORMAT " bytes",
                         ring->size);
    }
    chardev_event(chardev, CHARDEV_OPENED);
    return true;
}

static void ringbuf_close(Chardev *chardev)
{
    g_clear_pointer(&((RingbufChardev *)chardev)->bytes, g_free);
}

static size_t ringbuf_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    RingbufChardev *ring = (RingbufChardev *)chardev;

    for (size_t i = 0; i < count; i++) {
        ring->bytes[ring->put++ & (ring->size - 1)] = bytes[i];
    }
    if (ring->put - ring->taken > ring->size) {
        ring->taken = ring->put - ring->size;
    }
    return count;
}

/* -- For the monitor --------------------------------------------------------------------------- */

static RingbufChardev *find_ringbuf(const char *id, Error **err)
{
    Chardev *chardev = chardev_live(chardev_find_or_suggest(id, err));

    if (chardev && chardev->obj.type != &ringbuf_type) {
        error_set(err, "character device '%s' is not a ring buffer", id);
        return NULL;
    }
    return (RingbufChardev *)chardev;
}

bool chardev_ringbuf_write(const char *id, const void *bytes, size_t count, Error **err)
{
    RingbufChardev *ring = find_ringbuf(id, err);

    if (ring) {
        ringbuf_write(&ring->chardev, bytes, count);
    }
    return ring != NULL;
}

uint8_t *chardev_ringbuf_read(const char *id, size_t max, size_t *ret_count, Error **err)
{
    RingbufChardev *ring = find_ringbuf(id, err);

    if (!ring) {
        return NULL;
    }
    size_t count = MIN(max, ring->put - ring->taken);
    uint8_t *bytes = g_malloc(count + 1);
    for (size_t i = 0; i < count; i++) {
        bytes[i] = ring->bytes[ring->taken++ & (ring->size - 1)];
    }
    bytes[count] = 0;
    *ret_count = count;
    return bytes;
}

static const char *const ringbuf_options[] = {"size", NULL};

static const ChardevInfo ringbuf_info = {
    .backend = "ringbuf",
    .alias = "memory",
    .options = ringbuf_options,
    .open = ringbuf_open,
    .close = ringbuf_close,
    .write = ringbuf_write,
};

static const Field ringbuf_fields[] = {
    DERIVED(RingbufChardev, size),
    DERIVED(RingbufChardev, put),
    DERIVED(RingbufChardev, taken),
    DERIVED(RingbufChardev, bytes),
    FIELDS_END,
};

static const Type ringbuf_type = {
    .name = "chardev-ringbuf",
    .parent = &chardev_type,
    .size = sizeof(RingbufChardev),
    .desc = "keeps the newest output in memory: size= (a power of two)",
    .fields = ringbuf_fields,
    .info = &ringbuf_info,
};
OBJECT_TYPE(ringbuf_type);

/* SPDX-License-Identifier: MIT */
/* null: takes everything and says nothing. */
#include "chardev-private.h"

static bool null_open(Chardev *chardev, KeyVal *options, Error **err)
{
    chardev_event(chardev, CHARDEV_OPENED);
    return true;
}

static size_t null_write(Chardev *chardev, const uint8_t *bytes, size_t count)
{
    return count;
}

static const ChardevInfo null_info = {
    .backend = "null",
    .open = null_open,
    .write = null_write,
};

static const Type null_type = {
    .name = "chardev-null",
    .parent = &chardev_type,
    .size = sizeof(Chardev),
    .desc = "takes everything and says nothing",
    .info = &null_info,
};
OBJECT_TYPE(null_type);

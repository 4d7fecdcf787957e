/* SPDX-License-Identifier: MIT */
/* null: takes everything and says nothing. vc, the console of a display, is the same where no
 * display shows it. */
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

static bool vc_open(Chardev *chardev, KeyVal *options, Error **err)
{
    uint64_t number;

    if (!keyval_get_u64(options, "width", &number, err) ||
        !keyval_get_u64(options, "height", &number, err) ||
        !keyval_get_u64(options, "cols", &number, err) ||
        !keyval_get_u64(options, "rows", &number, err)) {
        return false;
    }
    return null_open(chardev, options, err);
}

static const char *const vc_options[] = {"width", "height", "cols", "rows", NULL};

static const ChardevInfo vc_info = {
    .backend = "vc",
    .options = vc_options,
    .open = vc_open,
    .write = null_write,
};

static const Type vc_type = {
    .name = "chardev-vc",
    .parent = &chardev_type,
    .size = sizeof(Chardev),
    .desc = "the console of a display, which nobody sees: width=,height= or cols=,rows=",
    .info = &vc_info,
};
OBJECT_TYPE(vc_type);

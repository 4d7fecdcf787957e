/* SPDX-License-Identifier: MIT */
/* Drives: what -drive, -hda and -cdrom describe, and what drive=ID of a device finds. */
#include "block/block.h"
#include "util/event.h"
#include "util/object.h"
#include "util/suggest.h"

#include <errno.h>
#include <string.h>

typedef enum DriveMedia { MEDIA_DISK, MEDIA_CDROM } DriveMedia;

struct Drive {
    Object obj;
    char *interface;
    int32_t media;
    uint32_t bus, unit;
    int32_t werror, rerror; /* DriveErrorAction */
    bool taken;             /* a device uses it */
    BlockNode *node;
    Object *device; /* with removable media */
    void (*changed)(Object *device, DriveEvent event);
    bool tray_open, locked;
};

static const char *const error_names[] = {"report", "ignore", "stop", "enospc", NULL};
static const char *const media_names[] = {"disk", "cdrom", NULL};

/* Interfaces and how many drives each of their buses has. */
static const struct Interface {
    const char *name;
    unsigned units;
} interfaces[] = {
    {"none", 1}, {"ide", 2}, {"scsi", 7}, {"floppy", 2}, {"virtio", 1}, {"pflash", 1}, {"sd", 1},
};

const char *const drive_keys[] = {"file",      "format",   "driver",  "if",     "index",
                                  "bus",       "unit",     "media",   "id",     "cache",
                                  "aio",       "readonly", "discard", "offset", "size",
                                  "node-name", "werror",   "rerror",  NULL};

static const Field drive_fields[] = {
    PROP(Drive, interface, .desc = "bus the drive is for", .read_only = true),
    PROP_ENUM(Drive, media, .desc = "what it looks like", .choices = media_names,
              .read_only = true),
    PROP(Drive, bus, .desc = "number of the bus", .read_only = true),
    PROP(Drive, unit, .desc = "place on the bus", .read_only = true),
    PROP_ENUM(Drive, werror, .desc = "what a failed write leads to", .choices = error_names,
              .read_only = true),
    PROP_ENUM(Drive, rerror, .desc = "what a failed read leads to", .choices = error_names,
              .read_only = true),
    DERIVED(Drive, taken),
    DERIVED(Drive, node),
    DERIVED(Drive, device),
    DERIVED(Drive, changed),
    DERIVED(Drive, tray_open),
    DERIVED(Drive, locked),
    FIELDS_END,
};

static void drive_finalize(Object *obj)
{
    block_unref(((Drive *)obj)->node);
}

const Type drive_type = {
    .name = "drive",
    .parent = &object_type,
    .size = sizeof(Drive),
    .desc = "drive for a disk device",
    .fields = drive_fields,
    .finalize = drive_finalize,
    .id_container = "/drives",
};

OBJECT_TYPE(drive_type);

/* What the text says besides the image. */
typedef struct Placement {
    const struct Interface *interface;
    DriveMedia media;
    uint64_t bus, unit;
} Placement;

static const struct Interface *interface_find(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    for (size_t i = 0; i < G_N_ELEMENTS(interfaces); i++) {
        if (strcmp(interfaces[i].name, name) == 0) {
            return &interfaces[i];
        }
        suggest_offer(&suggest, interfaces[i].name);
    }
    error_set(err, "unsupported bus type '%s' in if=%s", name, suggest_text(&suggest));
    return NULL;
}

static bool parse_media(KeyVal *kv, DriveMedia *ret_media, Error **err)
{
    const char *media = keyval_get(kv, "media");

    if (!media || strcmp(media, "disk") == 0) {
        *ret_media = MEDIA_DISK;
    } else if (strcmp(media, "cdrom") == 0) {
        *ret_media = MEDIA_CDROM;
    } else {
        return error_set(err, "'%s' is no valid media: it is 'disk' or 'cdrom'", media);
    }
    return true;
}

static bool parse_slot(KeyVal *kv, Placement *place, Error **err)
{
    uint64_t index = UINT64_MAX, bus = UINT64_MAX, unit = UINT64_MAX;
    unsigned units = place->interface->units;

    if (!keyval_get_u64(kv, "index", &index, err) || !keyval_get_u64(kv, "bus", &bus, err) ||
        !keyval_get_u64(kv, "unit", &unit, err)) {
        return false;
    }
    if (index != UINT64_MAX && (bus != UINT64_MAX || unit != UINT64_MAX)) {
        return error_set(err, "index= cannot be used with bus= and unit=");
    }
    if (index != UINT64_MAX) {
        bus = index / units;
        unit = index % units;
    }
    if (unit != UINT64_MAX && unit >= units) {
        return error_set(err, "unit %" G_GUINT64_FORMAT " too big: if=%s has units 0 to %u", unit,
                         place->interface->name, units - 1);
    }
    if (bus != UINT64_MAX && bus > INT32_MAX) {
        return error_set(err, "bus %" G_GUINT64_FORMAT " too big", bus);
    }
    place->bus = bus == UINT64_MAX ? 0 : bus;
    place->unit = unit;
    return true;
}

static Drive *find_slot(const char *interface, uint64_t bus, uint64_t unit)
{
    GPtrArray *drives = object_container("/drives")->children;

    for (guint i = 0; i < drives->len; i++) {
        Drive *drive = drives->pdata[i];
        if (strcmp(drive->interface, interface) == 0 && drive->bus == bus && drive->unit == unit) {
            return drive;
        }
    }
    return NULL;
}

/* Finds the first free place where none was asked for; an occupied one is an error. */
static bool choose_slot(KeyVal *kv, Placement *place, Error **err)
{
    const char *name = place->interface->name;
    bool is_bus_given = keyval_get(kv, "bus");

    if (place->unit != UINT64_MAX) {
        if (!find_slot(name, place->bus, place->unit)) {
            return true;
        }
        return error_set(err, "drive with if=%s, bus=%d, unit=%d (index=%d) exists", name,
                         (int)place->bus, (int)place->unit,
                         (int)(place->bus * place->interface->units + place->unit));
    }
    place->unit = 0;
    while (find_slot(name, place->bus, place->unit)) {
        if (++place->unit < place->interface->units) {
            continue;
        }
        if (is_bus_given && place->interface->units > 1) {
            return error_set(err, "if=%s,bus=%d has no free unit", name, (int)place->bus);
        }
        place->unit = 0;
        place->bus++;
    }
    return true;
}

static char *default_id(const Placement *place)
{
    const char *kind = place->media == MEDIA_CDROM ? "cd" : "hd";

    if (place->interface->units > 1) {
        return g_strdup_printf("%s%d-%s%d", place->interface->name, (int)place->bus, kind,
                               (int)place->unit);
    }
    return g_strdup_printf("%s%d", place->interface->name, (int)place->bus);
}

/* The pairs that are about the image; NULL when one is wrong. Caller frees. */
static KeyVal *image_options(KeyVal *kv, DriveMedia media, Error **err)
{
    static const char *const passed[] = {"file",    "format", "driver", "cache",     "aio",
                                         "discard", "offset", "size",   "node-name", NULL};
    KeyVal *options = keyval_parse("", NULL, err);
    bool read_only = false;

    if (!options || !keyval_get_bool(kv, "readonly", &read_only, err)) {
        keyval_free(options);
        return NULL;
    }
    for (const char *const *key = passed; *key; key++) {
        const char *value = keyval_get(kv, *key);
        if (value && *value) {
            keyval_set(options, *key, value);
        }
    }
    keyval_set(options, "read-only", read_only || media == MEDIA_CDROM ? "on" : "off");
    return options;
}

static bool parse_error_action(KeyVal *kv, const char *key, DriveErrorAction usual,
                               int32_t *ret_action, Error **err)
{
    const char *text = keyval_get(kv, key);
    bool is_read = key[0] == 'r';

    *ret_action = (int32_t)usual;
    for (int32_t i = 0; text && i <= DRIVE_ERROR_ENOSPC; i++) {
        if (strcmp(text, error_names[i]) == 0 && !(is_read && i == DRIVE_ERROR_ENOSPC)) {
            *ret_action = i;
            return true;
        }
    }
    return !text || error_set(err, "'%s' is no %s: it is 'report', 'ignore'%s", text, key,
                              is_read ? " or 'stop'" : ", 'stop' or 'enospc'");
}

static bool parse_placement(KeyVal *kv, Placement *place, Error **err)
{
    const char *interface = keyval_get(kv, "if");

    place->interface = interface_find(interface ? interface : "ide", err);
    return place->interface && parse_media(kv, &place->media, err) && parse_slot(kv, place, err) &&
           choose_slot(kv, place, err);
}

Drive *drive_new(const char *text, Error **err)
{
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, err);
    g_autoptr(KeyVal) options = NULL;
    g_autofree char *id = NULL;
    Placement place = {0};
    int32_t werror, rerror;
    BlockNode *node = NULL;
    Drive *drive;

    if (!kv || !parse_placement(kv, &place, err) ||
        !parse_error_action(kv, "werror", DRIVE_ERROR_ENOSPC, &werror, err) ||
        !parse_error_action(kv, "rerror", DRIVE_ERROR_REPORT, &rerror, err)) {
        return NULL;
    }
    id = keyval_get(kv, "id") ? g_strdup(keyval_get(kv, "id")) : default_id(&place);
    if (!*id || strchr(id, '/')) {
        error_set(err, "id '%s': a drive needs one without '/'", id);
        return NULL;
    }
    if (object_child(object_container("/drives"), id)) {
        error_set(err, "duplicate drive id '%s'", id);
        return NULL;
    }
    options = image_options(kv, place.media, err);
    if (!options || !keyval_check_unused(kv, drive_keys, err)) {
        return NULL;
    }
    if (keyval_get(options, "file") && !(node = block_open(options, err))) {
        return NULL;
    }
    drive = (Drive *)object_new(&drive_type);
    drive->interface = g_strdup(place.interface->name);
    drive->media = (int32_t)place.media;
    drive->bus = (uint32_t)place.bus;
    drive->unit = (uint32_t)place.unit;
    drive->werror = werror;
    drive->rerror = rerror;
    drive->node = node;
    object_add_child(object_container("/drives"), id, &drive->obj);
    return drive;
}

BlockNode *drive_node(Drive *drive)
{
    return drive->node;
}

const char *drive_interface(Drive *drive)
{
    return drive->interface;
}

bool drive_is_cdrom(Drive *drive)
{
    return drive->media == MEDIA_CDROM;
}

const char *const drive_error_choices[] = {"auto", "report", "ignore", "stop", "enospc", NULL};

void drive_override_errors(Drive *drive, int werror, int rerror)
{
    drive->werror = werror ? werror - 1 : drive->werror;
    drive->rerror = rerror ? rerror - 1 : drive->rerror;
}

DriveErrorAction drive_error_action(Drive *drive, bool is_read, int status)
{
    DriveErrorAction action = (DriveErrorAction)(is_read ? drive->rerror : drive->werror);

    if (action == DRIVE_ERROR_ENOSPC) {
        return status == -ENOSPC || status == -EDQUOT ? DRIVE_ERROR_STOP : DRIVE_ERROR_REPORT;
    }
    return action;
}

static const char *const operation_names[] = {"read", "write", NULL};
static const JsonType operation_type = {.kind = JSON_KIND_ENUM, .values = operation_names};
static const JsonType action_type = {.kind = JSON_KIND_ENUM, .values = error_names};
static const JsonMember io_error_members[] = {{"device", &json_type_string},
                                              {"node-name", &json_type_string, true},
                                              {"operation", &operation_type},
                                              {"action", &action_type},
                                              {"nospace", &json_type_bool, true},
                                              {"reason", &json_type_string},
                                              {NULL}};
static const JsonType io_error_type = {.kind = JSON_KIND_OBJECT, .members = io_error_members};
static const EventType io_error_event = {"BLOCK_IO_ERROR", "an image could not be read or written",
                                         &io_error_type};
EVENT(io_error_event);

void drive_tell_error(Drive *drive, bool is_read, int status, DriveErrorAction action)
{
    json_t *data = json_pack("{s:o, s:s, s:s, s:b, s:s}", "device", json_text(drive->obj.name),
                             "operation", operation_names[!is_read], "action", error_names[action],
                             "nospace", status == -ENOSPC, "reason", g_strerror(-status));

    if (drive->node) {
        json_object_set_new(data, "node-name", json_text(drive->node->name));
    }
    event_emit(&io_error_event, data);
}

/* -- Removable media --------------------------------------------------------------------------- */

static const JsonMember tray_members[] = {{"device", &json_type_string},
                                          {"id", &json_type_string},
                                          {"tray-open", &json_type_bool},
                                          {NULL}};
static const JsonType tray_type = {.kind = JSON_KIND_OBJECT, .members = tray_members};
static const EventType tray_event = {
    "DEVICE_TRAY_MOVED", "the tray of a drive with removable media has opened or closed",
    &tray_type};
EVENT(tray_event);

void drive_set_device(Drive *drive, Object *device,
                      void (*changed)(Object *device, DriveEvent event))
{
    drive->device = device;
    drive->changed = changed;
    drive->locked = false;
}

char *drive_device_name(const Object *device)
{
    bool is_named = device->parent == object_container("/machine/peripheral");

    return is_named ? g_strdup(device->name) : object_path(device);
}

bool drive_is_removable(const Drive *drive)
{
    return drive->device || drive->media == MEDIA_CDROM;
}

bool drive_is_tray_open(const Drive *drive)
{
    return drive->tray_open;
}

bool drive_is_locked(const Drive *drive)
{
    return drive->locked;
}

void drive_set_locked(Drive *drive, bool is_locked)
{
    drive->locked = is_locked;
}

static void tell_device(const Drive *drive, DriveEvent event)
{
    if (drive->changed) {
        drive->changed(drive->device, event);
    }
}

void drive_move_tray(Drive *drive, bool open)
{
    if (drive->tray_open == open) {
        return;
    }
    drive->tray_open = open;
    g_autofree char *id = drive->device ? drive_device_name(drive->device) : g_strdup("");
    event_emit(&tray_event, json_pack("{s:o, s:o, s:b}", "device", json_text(drive->obj.name), "id",
                                      json_text(id), "tray-open", open));
}

static bool check_removable(const Drive *drive, Error **err)
{
    return drive_is_removable(drive) ||
           error_set(err, "'%s' is no drive whose medium can be changed", drive->obj.name);
}

bool drive_press_eject(Drive *drive, bool force, Error **err)
{
    if (!check_removable(drive, err)) {
        return false;
    }
    if (drive->tray_open) {
        return true;
    }
    if (drive->locked) {
        tell_device(drive, DRIVE_EJECT_WANTED);
    }
    if (!drive->locked || force) {
        tell_device(drive, DRIVE_MEDIUM_LEAVES);
        drive_move_tray(drive, true);
    }
    return true;
}

bool drive_open_tray(Drive *drive, bool force, Error **err)
{
    if (!drive_press_eject(drive, force, err)) {
        return false;
    }
    return drive->tray_open ||
           error_set(err,
                     "The guest has locked the tray of '%s' and was asked to open it: try again "
                     "when it is open, or use force",
                     drive->obj.name);
}

bool drive_close_tray(Drive *drive, Error **err)
{
    if (!check_removable(drive, err)) {
        return false;
    }
    if (drive->tray_open) {
        drive_move_tray(drive, false);
        tell_device(drive, DRIVE_MEDIUM_CAME);
    }
    return true;
}

bool drive_remove_medium(Drive *drive, Error **err)
{
    if (!check_removable(drive, err)) {
        return false;
    }
    if (!drive->tray_open) {
        return error_set(err, "The tray of '%s' is closed: open it first", drive->obj.name);
    }
    block_unref(drive->node);
    drive->node = NULL;
    return true;
}

bool drive_change_medium(Drive *drive, const char *file, const char *format, bool read_only,
                         bool force, Error **err)
{
    g_autoptr(KeyVal) options = keyval_parse("", NULL, err);
    BlockNode *node;

    if (!options || !check_removable(drive, err)) {
        return false;
    }
    keyval_set(options, "file", file);
    keyval_set(options, "read-only", read_only ? "on" : "off");
    if (format) {
        keyval_set(options, "format", format);
    }
    node = block_open(options, err);
    if (!node || !drive_open_tray(drive, force, err) || !drive_remove_medium(drive, err)) {
        block_unref(node);
        return false;
    }
    drive->node = node;
    return drive_close_tray(drive, err);
}

/* -- Devices ----------------------------------------------------------------------------------- */

bool drive_is_read_only(Drive *drive)
{
    return drive->node ? drive->node->read_only : drive_is_cdrom(drive);
}

Drive *drive_get(const char *interface, int bus, int unit, bool take)
{
    Drive *drive = find_slot(interface, (uint64_t)bus, (uint64_t)unit);

    if (drive && take) {
        drive->taken = true;
    }
    return drive;
}

bool drive_take(Drive *drive, Error **err)
{
    if (drive->taken) {
        return error_set(err, "another device has the drive '%s' already", drive->obj.name);
    }
    drive->taken = true;
    return true;
}

void drive_release(Drive *drive)
{
    drive->taken = false;
}

bool drive_check_orphans(Error **err)
{
    GPtrArray *drives = object_container("/drives")->children;

    for (guint i = 0; i < drives->len; i++) {
        Drive *drive = drives->pdata[i];
        if (!drive->taken && strcmp(drive->interface, "none") != 0) {
            return error_set(err, "drive '%s': this machine has no place for if=%s,bus=%d,unit=%d",
                             drive->obj.name, drive->interface, (int)drive->bus, (int)drive->unit);
        }
    }
    return true;
}

/* SPDX-License-Identifier: MIT */
/* Removable media: eject, change, and the steps of it that programs take one by one. */
#include "block/block.h"
#include "softmmu/monitor/monitor-private.h"
#include "util/object.h"
#include "util/suggest.h"

#include <string.h>

/* -- Which drive ------------------------------------------------------------------------------- */

static void complete_removable(const char *prefix, GPtrArray *words)
{
    MonitorOffer offer = {prefix, words};
    const GPtrArray *drives = object_container("/drives")->children;

    for (guint i = 0; i < drives->len; i++) {
        if (drive_is_removable(drives->pdata[i])) {
            monitor_offer(&offer, ((const Object *)drives->pdata[i])->name);
        }
    }
}

/* By the name of the drive (`device`), or by the id or path of the device that has it. */
static Drive *find_drive(const char *device, const char *id, Error **err)
{
    const GPtrArray *drives = object_container("/drives")->children;
    const char *wanted = device ? device : id;
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free); /* suggest holds them */
    Suggest suggest;

    suggest_init(&suggest, wanted);
    for (guint i = 0; i < drives->len; i++) {
        Object *drive = drives->pdata[i];
        const Object *owner = id ? monitor_drive_device(drive) : NULL;
        char *name = owner ? drive_device_name(owner) : g_strdup(drive->name);
        g_autofree char *path = owner ? object_path(owner) : NULL;

        g_ptr_array_add(names, name);
        if (device ? g_str_equal(name, device)
                   : owner && (g_str_equal(name, id) || g_str_equal(path, id))) {
            return (Drive *)drive;
        }
        suggest_offer(&suggest, name);
    }
    error_set_class(err, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found%s", wanted,
                    suggest_text(&suggest));
    return NULL;
}

/* The first two arguments of most of these commands. */
#define WHICH                                                                                      \
    {"device", MONITOR_ARG_WORD, .optional = true},                                                \
    {                                                                                              \
        "id", MONITOR_ARG_WORD, .optional = true                                                   \
    }

Drive *monitor_which_drive(const MonitorValue *values, Error **err)
{
    if (values[0].present == values[1].present) {
        error_set(err, "%s: give 'device', the name of a drive, or 'id', that of its device",
                  values[0].present ? "One name is enough" : "Which drive?");
        return NULL;
    }
    return find_drive(values[0].present ? values[0].text : NULL,
                      values[1].present ? values[1].text : NULL, err);
}

/* -- eject ------------------------------------------------------------------------------------- */

static bool eject(Drive *drive, bool force, Error **err)
{
    return drive && drive_open_tray(drive, force, err) && drive_remove_medium(drive, err);
}

static bool run_eject_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return eject(find_drive(values[1].text, NULL, err), values[0].number, err);
}

static const MonitorCommand eject_line_command = {
    .name = "eject",
    .help = "take the medium out of a drive (-f: even if the guest has locked it)",
    .args = {{"force", MONITOR_ARG_FLAG, .flag = 'f'},
             {"device", MONITOR_ARG_WORD, .complete = complete_removable}},
    .run = run_eject_line,
};
MONITOR_COMMAND(eject_line_command);

static bool run_eject(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return eject(monitor_which_drive(values, err), values[2].number, err);
}

static const MonitorCommand eject_command = {
    .qmp = "eject",
    .help = "open the tray of a drive and take the medium out",
    .args = {WHICH, {"force", MONITOR_ARG_BOOL, .optional = true}},
    .run = run_eject,
};
MONITOR_COMMAND(eject_command);

/* -- Step by step ------------------------------------------------------------------------------ */

static bool run_open_tray(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Drive *drive = monitor_which_drive(values, err);

    return drive && drive_press_eject(drive, values[2].number, err);
}

static const MonitorCommand open_tray_command = {
    .qmp = "blockdev-open-tray",
    .help = "open the tray of a drive, or ask a guest that has locked it (force: do not ask)",
    .args = {WHICH, {"force", MONITOR_ARG_BOOL, .optional = true}},
    .run = run_open_tray,
};
MONITOR_COMMAND(open_tray_command);

static bool run_close_tray(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Drive *drive = monitor_which_drive(values, err);

    return drive && drive_close_tray(drive, err);
}

static const MonitorCommand close_tray_command = {
    .qmp = "blockdev-close-tray",
    .help = "close the tray of a drive",
    .args = {WHICH},
    .run = run_close_tray,
};
MONITOR_COMMAND(close_tray_command);

static bool run_remove_medium(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Drive *drive = find_drive(NULL, values[0].text, err);

    return drive && drive_remove_medium(drive, err);
}

static const MonitorCommand remove_medium_command = {
    .qmp = "blockdev-remove-medium",
    .help = "take the medium out of an open tray",
    .args = {{"id", MONITOR_ARG_WORD}},
    .run = run_remove_medium,
};
MONITOR_COMMAND(remove_medium_command);

/* -- change ------------------------------------------------------------------------------------ */

static const char *const mode_names[] = {"retain", "read-only", "read-write", NULL};
static const JsonType mode_type = {.kind = JSON_KIND_ENUM, .values = mode_names};

/* All media here are for reading, so "retain" is that. */
static bool change(Drive *drive, const char *file, const MonitorValue *format,
                   const MonitorValue *mode, bool force, Error **err)
{
    bool read_only = !mode->present || !g_str_equal(mode->text, "read-write");

    return drive && drive_change_medium(drive, file, format->present ? format->text : NULL,
                                        read_only, force, err);
}

static bool run_change_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return change(find_drive(values[0].text, NULL, err), values[2].text, &values[3], &values[4],
                  values[1].number, err);
}

static const MonitorCommand change_line_command = {
    .name = "change",
    .help = "put another medium into a drive (-f: even if the guest has locked it)",
    .args = {{"device", MONITOR_ARG_WORD, .complete = complete_removable},
             {"force", MONITOR_ARG_FLAG, .flag = 'f'},
             {"filename", MONITOR_ARG_WORD, .complete = monitor_complete_file},
             {"format", MONITOR_ARG_WORD, .optional = true},
             {"read-only-mode", MONITOR_ARG_WORD, .optional = true, .type = &mode_type}},
    .run = run_change_line,
};
MONITOR_COMMAND(change_line_command);

static bool run_change(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return change(monitor_which_drive(values, err), values[2].text, &values[3], &values[5],
                  values[4].number, err);
}

static const MonitorCommand change_command = {
    .qmp = "blockdev-change-medium",
    .help = "put another medium into a drive: its tray opens, if need be, and closes",
    .args = {WHICH,
             {"filename", MONITOR_ARG_WORD},
             {"format", MONITOR_ARG_WORD, .optional = true},
             {"force", MONITOR_ARG_BOOL, .optional = true},
             {"read-only-mode", MONITOR_ARG_WORD, .optional = true, .type = &mode_type}},
    .run = run_change,
};
MONITOR_COMMAND(change_command);

/* SPDX-License-Identifier: MIT */
/* Start-up: the host side (character devices, drives, objects, fw_cfg items) and the devices. */
#include "softmmu/main/startup.h"

#include "block/block.h"
#include "hw/firmware.h"
#include "hw/machine.h"
#include "hw/smbios.h"
#include "softmmu/gdbstub.h"
#include "softmmu/monitor.h"
#include "ui/chardev.h"
#include "util/fd-sets.h"
#include "util/file.h"
#include "util/json.h"
#include "util/suggest.h"

#include <errno.h>
#include <string.h>

/* -- Character devices ------------------------------------------------------------------------- */

static bool add_chardev(const ConfigItem *item, void *opaque, Error **err)
{
    g_autoptr(KeyVal) kv = json_or_keyval(item->text, "backend", err);

    return kv && chardev_new(kv, err) != NULL;
}

/* A back end by its short form; *ret_chardev is NULL for "none". "mon:" puts a monitor on it. */
static bool open_short(const char *label, const char *text, Chardev **ret_chardev, Error **err)
{
    Error *failure = NULL;
    Chardev *chardev = chardev_new_short(label, text, &failure);

    if (!chardev && failure) {
        *err = failure;
        return false;
    }
    *ret_chardev = chardev;
    return !chardev || !g_str_has_prefix(text, "mon:") || monitor_new_hmp(chardev, err);
}

static bool add_serial(const ConfigItem *item, void *opaque, Error **err)
{
    unsigned *next = opaque;
    char label[32];

    if (*next == MACHINE_SERIAL_COUNT) {
        return error_set(err, "there are %u serial ports at most", MACHINE_SERIAL_COUNT);
    }
    g_snprintf(label, sizeof(label), "serial%u", *next);
    return open_short(label, item->text, &machine_current()->serial[(*next)++], err);
}

static bool add_fd(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"fd", "set", "opaque", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);
    uint64_t fd = UINT64_MAX, set = UINT64_MAX;

    if (!kv || !keyval_check_known(kv, known, err) || !keyval_get_u64(kv, "fd", &fd, err) ||
        !keyval_get_u64(kv, "set", &set, err)) {
        return false;
    }
    if (fd > INT32_MAX || set > INT64_MAX) {
        return error_set(err, "fd= and set= are needed, each with a number from 0 on");
    }
    return fd_set_add_inherited((int64_t)set, (int)fd, keyval_get(kv, "opaque"), err);
}

/* -- Objects, drives, fw_cfg ------------------------------------------------------------------- */

static bool add_object(const ConfigItem *item, void *opaque, Error **err)
{
    g_autoptr(KeyVal) kv = json_or_keyval(item->text, "qom-type", err);

    return kv && user_object_add(kv, err) != NULL;
}

static bool add_drive(const ConfigItem *item, void *opaque, Error **err)
{
    return drive_new(item->text, err) != NULL;
}

static bool add_default_cdrom(const Config *config, const Machine *machine, Error **err)
{
    bool is_wanted = machine_info(machine)->has_cdrom && config_wants_cdrom(config);

    return !is_wanted || drive_get("ide", 1, 0, false) ||
           drive_new("if=ide,index=2,media=cdrom", err);
}

#define FW_CFG_NAME_MAX 55

static bool add_fw_cfg(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"name", "file", "string", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(item->text, "name", err);
    char *data = NULL;
    size_t size = 0;

    if (!kv) {
        return false;
    }
    const char *name = keyval_get(kv, "name");
    const char *file = keyval_get(kv, "file"), *string = keyval_get(kv, "string");
    if (!keyval_check_unused(kv, known, err)) {
        return false;
    }
    if (!name || !*name || strlen(name) > FW_CFG_NAME_MAX) {
        return error_set(err, "a name of 1 to %d characters is needed", FW_CFG_NAME_MAX);
    }
    if (!file == !string) {
        return error_set(err, "either file= or string= is needed");
    }
    if (!g_str_has_prefix(name, "opt/")) {
        warn_report("-fw_cfg: names that do not start with \"opt/\" are the firmware's own");
    }
    if (string) {
        size = strlen(string);
        data = g_strdup(string);
    } else {
        data = file_read(file, &size, err);
    }
    if (!data) {
        return false;
    }
    MachineFwCfg *entry = g_new(MachineFwCfg, 1);
    *entry = (MachineFwCfg){g_strdup(name), (uint8_t *)data, size, -1};
    g_ptr_array_add(((Machine *)opaque)->fw_cfg, entry);
    return true;
}

/* type=1,uuid= is -uuid. */
static bool add_smbios(const ConfigItem *item, void *opaque, Error **err)
{
    Machine *machine = opaque;
    KeyVal *kv = keyval_parse(item->text, NULL, err);

    if (!kv) {
        return false;
    }
    g_ptr_array_add(machine->smbios, kv);
    if (!smbios_check_option(kv, err)) {
        return false;
    }
    const char *uuid = keyval_get(kv, "uuid");
    return !uuid || object_set(&machine->obj, "uuid", uuid, err);
}

static bool add_acpi_table(const ConfigItem *item, void *opaque, Error **err)
{
    Machine *machine = opaque;
    g_autoptr(KeyVal) kv = keyval_parse(item->text, NULL, err);
    GBytes *table = kv ? acpi_user_table(kv, err) : NULL;

    if (table) {
        g_ptr_array_add(machine->acpi_tables, table);
    }
    return table != NULL;
}

/* Checked when the machine knows its memory and its CPUs. */
static bool add_numa(const ConfigItem *item, void *opaque, Error **err)
{
    KeyVal *kv = keyval_parse(item->text, "type", err);

    if (kv) {
        NumaOption *option = g_new(NumaOption, 1);
        *option = (NumaOption){kv, g_strdup(item->origin)};
        g_ptr_array_add(((Machine *)opaque)->numa_options, option);
    }
    return kv;
}

/* SeaBIOS runs what lies in this folder of fw_cfg. */
static bool add_option_rom(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"romfile", "bootindex", NULL};
    Machine *machine = opaque;
    g_autoptr(KeyVal) kv = keyval_parse(item->text, "romfile", err);
    const char *name = kv ? keyval_get(kv, "romfile") : NULL;
    size_t size;

    if (!name) {
        return kv ? error_set(err, "romfile= is needed") : false;
    }
    const char *index = keyval_get(kv, "bootindex");
    uint64_t number = UINT64_MAX;
    if (index && strcmp(index, "-1") != 0 &&
        (!parse_u64(index, &number, NULL) || number > INT32_MAX)) {
        return error_set(err, "bootindex=%s is neither a place in the boot order nor -1", index);
    }
    if (!keyval_check_unused(kv, known, err)) {
        return false;
    }
    g_autofree char *path = machine_find_firmware(machine, name, err);
    char *data = path ? file_read(path, &size, err) : NULL;
    if (!data) {
        return false;
    }
    g_autofree char *base = g_path_get_basename(path);
    MachineFwCfg *entry = g_new(MachineFwCfg, 1);
    *entry =
        (MachineFwCfg){g_strconcat("genroms/", base, NULL), (uint8_t *)data, size, (int64_t)number};
    g_ptr_array_add(machine->fw_cfg, entry);
    return true;
}

bool startup_back_ends(const Config *config, Machine *machine, Error **err)
{
    unsigned serial = 0;

    if (!config_foreach(config, OPT_ADD_FD, add_fd, NULL, err)) {
        return false;
    }
    fd_set_close_inherited();
    /* Objects first: a character device may name its credentials. */
    return config_foreach(config, OPT_OBJECT, add_object, NULL, err) &&
           config_foreach(config, OPT_CHARDEV, add_chardev, NULL, err) &&
           config_foreach(config, OPT_DRIVE, add_drive, NULL, err) &&
           add_default_cdrom(config, machine, err) &&
           config_foreach(config, OPT_FW_CFG, add_fw_cfg, machine, err) &&
           config_foreach(config, OPT_SMBIOS, add_smbios, machine, err) &&
           config_foreach(config, OPT_ACPI_TABLE, add_acpi_table, machine, err) &&
           config_foreach(config, OPT_NUMA, add_numa, machine, err) &&
           config_foreach(config, OPT_OPTION_ROM, add_option_rom, machine, err) &&
           config_foreach(config, OPT_SERIAL, add_serial, &serial, err);
}

/* -- Devices and monitors ---------------------------------------------------------------------- */

static bool add_device(const ConfigItem *item, void *opaque, Error **err)
{
    g_autoptr(KeyVal) kv = json_or_keyval(item->text, "driver", err);

    return kv && device_add(kv, err) != NULL;
}

static bool add_debugcon(const ConfigItem *item, void *opaque, Error **err)
{
    Chardev *chardev;

    if (!open_short("debugcon", item->text, &chardev, err)) {
        return false;
    }
    if (!chardev) {
        return true;
    }
    g_autofree char *path = object_path(&chardev->obj);
    g_autoptr(KeyVal) kv = keyval_parse("isa-debugcon", "driver", err);
    if (!kv) {
        return false;
    }
    keyval_set(kv, "chardev", path);
    return device_add(kv, err) != NULL;
}

static bool add_monitor(const ConfigItem *item, void *opaque, Error **err)
{
    unsigned *next = opaque;
    OptionId id = item->row->id;
    Chardev *chardev;
    char label[32];

    g_snprintf(label, sizeof(label), "compat_monitor%u", (*next)++);
    if (!open_short(label, item->text, &chardev, err)) {
        return false;
    }
    if (!chardev) {
        return true;
    }
    if (id != OPT_MONITOR) {
        return monitor_new_qmp(chardev, id == OPT_QMP_PRETTY, err);
    }
    return g_str_has_prefix(item->text, "mon:") || monitor_new_hmp(chardev, err);
}

static bool add_mon(const ConfigItem *item, void *opaque, Error **err)
{
    static const char *const known[] = {"chardev", "mode", "pretty", "id", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(item->text, "chardev", err);
    bool pretty = false;

    if (!kv || !keyval_get_bool(kv, "pretty", &pretty, err)) {
        return false;
    }
    const char *id = keyval_get(kv, "chardev"), *mode = keyval_get(kv, "mode");
    keyval_get(kv, "id"); /* names the monitor, which nobody asks for */
    if (!keyval_check_unused(kv, known, err)) {
        return false;
    }
    bool is_qmp = mode && strcmp(mode, "control") == 0;
    if (mode && !is_qmp && strcmp(mode, "readline") != 0) {
        return error_set(err, "mode=%s is neither readline nor control", mode);
    }
    Chardev *chardev = id ? chardev_find(id) : NULL;
    if (!chardev) {
        return id ? error_set(err, "there is no chardev '%s'", id)
                  : error_set(err, "parameter 'chardev' is missing");
    }
    return is_qmp ? monitor_new_qmp(chardev, pretty, err) : monitor_new_hmp(chardev, err);
}

static bool add_gdb(const ConfigItem *item, void *opaque, Error **err)
{
    return gdbstub_start(item->text, err);
}

bool startup_devices(const Config *config, Error **err)
{
    unsigned monitors = 0;

    startup_tell_options();
    return config_foreach(config, OPT_DEBUGCON, add_debugcon, NULL, err) &&
           config_foreach(config, OPT_DEVICE, add_device, NULL, err) &&
           config_foreach(config, OPT_MONITOR, add_monitor, &monitors, err) &&
           config_foreach(config, OPT_QMP, add_monitor, &monitors, err) &&
           config_foreach(config, OPT_QMP_PRETTY, add_monitor, &monitors, err) &&
           config_foreach(config, OPT_MON, add_mon, NULL, err) &&
           config_foreach(config, OPT_GDB, add_gdb, NULL, err) && drive_check_orphans(err);
}

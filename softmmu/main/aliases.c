/* SPDX-License-Identifier: MIT */
/* Short options as rows that rewrite to the canonical form. */
#include "softmmu/main/options.h"
#include "util/json.h"

#include <string.h>

/* -- Rewriting that needs more than a row ------------------------------------------------------ */

static bool add_machine(Config *config, const char *origin, Error **err, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static bool add_machine(Config *config, const char *origin, Error **err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    return config_add(config, "machine", text, origin, err);
}

/* -m [size=]MEGS[,slots=N,maxmem=SIZE]: a bare number counts MiB. */
static bool rewrite_memory(Config *config, const char *argument, const char *origin, Error **err)
{
    static const char *const known[] = {"size", "slots", "maxmem", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(argument, "size", err);
    uint64_t bytes = 0, maximum = 0, slots = 0;

    if (!kv) {
        return false;
    }
    const char *size = keyval_get(kv, "size");
    if (size && !parse_size(size, 1 << 20, &bytes, err)) {
        return false;
    }
    if (!keyval_get_u64(kv, "slots", &slots, err) ||
        !keyval_get_size(kv, "maxmem", &maximum, err) || !keyval_check_unused(kv, known, err)) {
        return false;
    }
    if (!size) {
        return error_set(err, "a size is needed, as in -m 512 or -m size=2G");
    }
    return add_machine(config, origin, err, "memory.size=%" G_GUINT64_FORMAT, (guint64)bytes) &&
           (!slots ||
            add_machine(config, origin, err, "memory.slots=%" G_GUINT64_FORMAT, (guint64)slots)) &&
           (!maximum ||
            add_machine(config, origin, err, "memory.max=%" G_GUINT64_FORMAT, (guint64)maximum));
}

static bool rewrite_smp(Config *config, const char *argument, const char *origin, Error **err)
{
    static const char *const keys[] = {"cpus",  "maxcpus", "sockets", "dies",
                                       "cores", "threads", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(argument, "cpus", err);

    if (!kv) {
        return false;
    }
    for (const char *const *key = keys; *key; key++) {
        uint64_t value = 1;

        if (!keyval_get_u64(kv, *key, &value, err)) {
            return false;
        }
        if (value < 1 || value > 255) {
            return error_set(err, "%s=%s is not between 1 and 255", *key, keyval_get(kv, *key));
        }
        if (keyval_get(kv, *key) &&
            !add_machine(config, origin, err, "smp.%s=%u", *key, (unsigned)value)) {
            return false;
        }
    }
    return keyval_check_unused(kv, keys, err);
}

static bool rewrite_enable_kvm(Config *config, const char *argument, const char *origin,
                               Error **err)
{
    return config_add(config, "accel", "kvm", origin, err) &&
           config_add(config, "accel", "tcg", origin, err);
}

static bool rewrite_nographic(Config *config, const char *argument, const char *origin, Error **err)
{
    return add_machine(config, origin, err, "graphics=off") &&
           config_add(config, "display", "none", origin, err);
}

static bool rewrite_name(Config *config, const char *argument, const char *origin, Error **err)
{
    static const char *const known[] = {"guest", "process", "debug-threads", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(argument, "guest", err);
    if (!kv) {
        return false;
    }
    const char *names = keyval_get(kv, "debug-threads"), *guest = keyval_get(kv, "guest"),
               *process = keyval_get(kv, "process");
    if (!keyval_check_unused(kv, known, err)) {
        return false;
    }
    g_auto(GStrv) guest_parts = g_strsplit(guest ? guest : "", ",", -1);
    g_auto(GStrv) process_parts = g_strsplit(process ? process : "", ",", -1);
    g_autofree char *guest_text = g_strjoinv(",,", guest_parts);
    g_autofree char *process_text = g_strjoinv(",,", process_parts);
    return (!names || add_machine(config, origin, err, "debug-threads=%s", names)) &&
           (!guest || add_machine(config, origin, err, "guest-name=%s", guest_text)) &&
           (!process || add_machine(config, origin, err, "process-name=%s", process_text));
}

static bool rewrite_readconfig(Config *config, const char *argument, const char *origin,
                               Error **err)
{
    return config_read_file(config, argument, err);
}

static bool rewrite_set(Config *config, const char *argument, const char *origin, Error **err)
{
    return config_set(config, argument, err);
}

/* Options of old that do not change anything today: taken, with a word about it. */
static bool warn_without_effect(Config *config, const char *argument, const char *origin,
                                Error **err)
{
    warn_report("%s: this old option is without effect", origin);
    return true;
}

/* The one that makes no sound is there: clients give it to machines without a sound card. */
static bool check_audiodev(Config *config, const char *argument, const char *origin, Error **err)
{
    static const char *const known[] = {"driver", "id", NULL};
    g_autoptr(KeyVal) kv = json_or_keyval(argument, "driver", err);
    const char *driver = kv ? keyval_get(kv, "driver") : NULL;

    if (!kv) {
        return false;
    }
    if (!driver || strcmp(driver, "none") != 0) {
        return error_set(err, "sound is not offered; -audiodev none is");
    }
    keyval_get(kv, "id"); /* no sound card asks for it */
    return keyval_check_unused(kv, known, err);
}

static bool rewrite_realtime(Config *config, const char *argument, const char *origin, Error **err)
{
    static const char *const known[] = {"mlock", NULL};
    g_autoptr(KeyVal) kv = keyval_parse(argument, NULL, err);
    bool lock = true;

    return kv && keyval_get_bool(kv, "mlock", &lock, err) && keyval_check_unused(kv, known, err) &&
           config_add(config, "overcommit", lock ? "mem-lock=on" : "mem-lock=off", origin, err);
}

static bool rewrite_no_kvm(Config *config, const char *argument, const char *origin, Error **err)
{
    return config_add(config, "accel", "tcg", origin, err);
}

const OptionRow alias_rows[] = {
    {"M", "NAME", "-machine", .to = "machine"},
    {"enable-kvm", .help = "KVM, and TCG where the host has none", .rewrite = rewrite_enable_kvm},
    {"m", "[size=]MEGS[,slots=N][,maxmem=SIZE]", "guest memory, with suffix M, G or T",
     .rewrite = rewrite_memory},
    {"smp", "[cpus=]N[,maxcpus=N][,sockets=N][,dies=N][,cores=N][,threads=N]", "number of CPUs",
     .rewrite = rewrite_smp},
    {"mem-path", "PATH", "file or directory that backs guest memory", .to = "machine",
     .text = "memory.path=%s"},
    {"mem-prealloc", .help = "allocate guest memory at start", .to = "machine",
     .text = "memory.prealloc=on"},
    {"kernel", "FILE", "kernel: bzImage, multiboot or PVH ELF", .to = "machine",
     .text = "kernel=%s"},
    {"initrd", "FILE", "its initial RAM disk", .to = "machine", .text = "initrd=%s"},
    {"append", "TEXT", "its command line", .to = "machine", .text = "append=%s"},
    {"bios", "FILE", "firmware image", .to = "machine", .text = "firmware=%s"},
    {"boot",
     "[order=]DRIVES[,once=DRIVES][,menu=on|off][,strict=on|off][,splash=FILE]\n"
     "                        [,splash-time=MS][,reboot-timeout=MS]",
     "what to boot from: a c d n", .to = "machine", .prefix = "boot.", .implied_key = "order"},
    {"rtc", "[base=utc|localtime|DATE][,clock=host|rt|vm][,driftfix=none|slew]", "guest's clock",
     .to = "machine", .prefix = "rtc."},
    {"name", "[guest=]NAME[,process=NAME][,debug-threads=on|off]", "name of the guest",
     .rewrite = rewrite_name},
    {"uuid", "UUID", "UUID of the guest", .to = "machine", .text = "uuid=%s"},
    {"hda", "FILE", "disk image of IDE disk 0; -hdb, -hdc, -hdd likewise", .to = "drive",
     .text = "file=%s,if=ide,index=0,media=disk"},
    {"hdb", "FILE", NULL, .to = "drive", .text = "file=%s,if=ide,index=1,media=disk"},
    {"hdc", "FILE", NULL, .to = "drive", .text = "file=%s,if=ide,index=2,media=disk"},
    {"hdd", "FILE", NULL, .to = "drive", .text = "file=%s,if=ide,index=3,media=disk"},
    {"cdrom", "FILE", "CD-ROM image", .to = "drive", .text = "file=%s,if=ide,index=2,media=cdrom"},
    {"nographic", .help = "serial port and monitor on the terminal (Ctrl-A h for help)",
     .rewrite = rewrite_nographic},
    {"audiodev", "none,id=ID", "no sound", .rewrite = check_audiodev},
    {"no-fd-bootchk", .help = "boot floppies without a signature, too", .to = "machine",
     .text = "fd-bootchk=off"},
    {"vga", "none", "display adapter", .to = "machine", .text = "vga=%s"},
    {"usb", .help = "USB controller", .to = "machine", .text = "usb=on"},
    {"no-reboot", .help = "end instead of rebooting", .to = "action", .text = "reboot=shutdown"},
    {"no-shutdown", .help = "pause instead of powering off", .to = "action",
     .text = "shutdown=pause"},
    {"watchdog-action", "ACTION", "what a watchdog does", .to = "action", .text = "watchdog=%s"},
    {"no-acpi", .help = "no ACPI tables", .to = "machine", .text = "acpi=off"},
    {"no-hpet", .help = "no HPET", .to = "machine", .text = "hpet=off"},
    {"nodefconfig", .help = NULL, .to = "no-user-config"},
    {"readconfig", "FILE", "options from a file of [GROUP \"ID\"] and KEY = \"VALUE\" lines",
     .rewrite = rewrite_readconfig},
    {"set", "GROUP.ID.KEY=VALUE", "change or add a key of what was given before",
     .rewrite = rewrite_set},

    {"s", .help = "-gdb tcp::1234", .to = "gdb", .text = "tcp::1234"},
    {"chroot", "DIR", NULL, .to = "run-with", .text = "chroot=%s"},
    {"runas", "NAME|UID:GID", NULL, .to = "run-with", .text = "user=%s"},
    {"async-teardown", .help = NULL, .to = "run-with", .text = "async-teardown=on"},

    /* Names of old for what has another one now. */
    {"no-kvm", .rewrite = rewrite_no_kvm},
    {"no-kvm-irqchip", .to = "machine", .text = "kernel-irqchip=off"},
    {"no-kvm-pit-reinjection", .to = "global", .text = "kvm-pit.lost_tick_policy=discard"},
    {"localtime", .to = "machine", .text = "rtc.base=localtime"},
    {"startdate", "DATE", .to = "machine", .text = "rtc.base=%s"},
    {"rtc-td-hack", .to = "machine", .text = "rtc.driftfix=slew"},
    {"realtime", "mlock=on|off", .rewrite = rewrite_realtime},
    {"tb-size", "MIB", .to = "accel", .text = "tcg,tb-size=%s"},
    {"tdf", .rewrite = warn_without_effect},
    {"no-kvm-pit", .rewrite = warn_without_effect},
    {"enable-fips", .rewrite = warn_without_effect},
    {"win2k-hack", .rewrite = warn_without_effect},
    {"no-quit", .rewrite = warn_without_effect},
    {"no-frame", .rewrite = warn_without_effect},
    {"alt-grab", .rewrite = warn_without_effect},
    {"ctrl-grab", .rewrite = warn_without_effect},
    {"show-cursor", .rewrite = warn_without_effect},
    {"enable-sync-profile", .rewrite = warn_without_effect},
    {"seed", "NUMBER", .rewrite = warn_without_effect},
    {NULL},
};

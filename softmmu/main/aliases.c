/* SPDX-License-Identifier: MIT */
/* Short options as rows that rewrite to the canonical form, and those that are known but not
 * offered. */
#include "softmmu/main/options.h"

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
    if (slots || maximum > bytes) {
        return error_set(err, "memory cannot be added later: slots= and maxmem= are not offered");
    }
    return add_machine(config, origin, err, "memory.size=%" G_GUINT64_FORMAT, (guint64)bytes);
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

#define NO_DISPLAY "there is no graphical display; -display none and -nographic are offered"
#define NO_NETWORK "network back ends are not offered; -nic none is"
#define NO_SOUND "sound is not offered"
#define NO_MIGRATION "saving and loading of machines is not offered"
#define NO_USB "USB is not offered"
#define NO_FLOPPY "floppy disks are not offered"

const OptionRow alias_rows[] = {
    {"M", "NAME", "-machine", .to = "machine"},
    {"enable-kvm", .help = "KVM, and TCG where the host has none", .rewrite = rewrite_enable_kvm},
    {"m", "[size=]MEGS", "guest memory, with suffix M, G or T", .rewrite = rewrite_memory},
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
    {"name", "NAME[,process=NAME][,debug-threads=on|off]", "name of the guest",
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

    {"vnc", "", .refused = NO_DISPLAY},
    {"spice", "", .refused = NO_DISPLAY},
    {"sdl", .refused = NO_DISPLAY},
    {"curses", .refused = NO_DISPLAY},
    {"full-screen", .refused = NO_DISPLAY},
    {"netdev", "", .refused = NO_NETWORK},
    {"audio", "", .refused = NO_SOUND},
    {"audiodev", "", .refused = NO_SOUND},
    {"soundhw", "", .refused = NO_SOUND},
    {"incoming", "", .refused = NO_MIGRATION},
    {"loadvm", "", .refused = NO_MIGRATION},
    {"only-migratable", .refused = NO_MIGRATION},
    {"usbdevice", "", .refused = NO_USB},
    {"s", .help = "-gdb tcp::1234", .to = "gdb", .text = "tcp::1234"},
    {"fda", "", .refused = NO_FLOPPY},
    {"fdb", "", .refused = NO_FLOPPY},
    {"no-fd-bootchk", .refused = NO_FLOPPY},
    {"blockdev", "", .refused = "block graphs are not offered; -drive is"},
    {"snapshot", .refused = "temporary overlays are not offered"},
    {"pflash", "", .refused = "flash memory is not offered; -bios is"},
    {"acpitable", "", .refused = "ACPI tables of the user are not offered"},
    {"option-rom", "", .refused = "option ROMs of the user are not offered"},
    {"numa", "", .refused = "NUMA is not offered"},
    {"tpmdev", "", .refused = "a TPM is not offered"},
    {"fsdev", "", .refused = "shared folders are not offered"},
    {"virtfs", "", .refused = "shared folders are not offered"},
    {"icount", "", .refused = "instruction counting is not offered"},
    {"chroot", "DIR", NULL, .to = "run-with", .text = "chroot=%s"},
    {"runas", "NAME|UID:GID", NULL, .to = "run-with", .text = "user=%s"},
    {"async-teardown", .help = NULL, .to = "run-with", .text = "async-teardown=on"},
    {"watchdog", "", .refused = "it is no option any more; -device ib700 adds a watchdog"},
    {"writeconfig", "", .refused = "it is gone; -dump-config prints the options instead"},
    {"dfilter", "", .refused = "filtering the log by address is not offered"},
    {"plugin", "", .refused = "plugins are not offered"},
    {NULL},
};

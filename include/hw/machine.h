/* SPDX-License-Identifier: MIT */
/* Machines: the board as an object at /machine; its properties are what the options say about it.
 * Under the machine lock. */
#ifndef HW_MACHINE_H
#define HW_MACHINE_H

#include "hw/device.h"
#include "hw/numa.h"

#define MACHINE_SERIAL_COUNT 4
#define MACHINE_TYPE_SUFFIX "-machine"

typedef struct Machine Machine;
typedef struct Chardev Chardev;

/* Type.info of a board type. The type is named MachineInfo.name + "-machine". */
typedef struct MachineInfo {
    const char *name;           /* as -machine takes it: "pc-i440fx-7.2" */
    const char *desc;           /* "Standard PC (i440FX + PIIX, 1996)" */
    const char *const *aliases; /* NULL-terminated, other names it goes by: "pc"; may be NULL */
    bool is_default;
    const char *deprecated; /* why not to use it any more, or NULL */
    unsigned max_cpus;      /* 0: 1 */
    uint64_t default_ram;   /* bytes without -m; 0: 128 MiB */
    const char *ram_id;     /* what its memory is called: "pc.ram"; NULL: it has none */
    bool has_cdrom; /* unless told otherwise: an empty drive, the master of the second cable */
    /* What a machine reset does; called with all vCPUs parked, and once before the machine starts.
     * NULL: object_reset() of the machine. */
    void (*reset)(Machine *machine);
    /* All devices are made: describes them to the firmware, before the first reset. May be NULL. */
    bool (*ready)(Machine *machine, Error **err);
} MachineInfo;

/* One -fw_cfg item. */
typedef struct MachineFwCfg {
    char *name; /* "opt/org.example/thing" */
    uint8_t *data;
    size_t size;        /* bytes */
    int64_t boot_index; /* -option-rom bootindex=; negative: it is not in the boot order */
} MachineFwCfg;

typedef enum MachineRtcClock {
    MACHINE_RTC_CLOCK_HOST,
    MACHINE_RTC_CLOCK_RT,
    MACHINE_RTC_CLOCK_VM
} MachineRtcClock;

typedef struct MachineCpus {
    uint32_t count, max, sockets, dies, cores, threads; /* 0: not given, until realize */
} MachineCpus;

/*
 * Main makes it, sets the properties, fills in the links, adds it at /machine and realizes it. The
 * abstract type's realize checks what is checkable for all boards (CPU topology, sizes) before the
 * board's own realize builds devices: there every member below has its final value.
 */
struct Machine {
    Object obj;

    /* -m, -mem-path, -mem-prealloc */
    uint64_t ram_size;  /* PROP memory.size, bytes, a multiple of the page size */
    uint64_t ram_max;   /* PROP memory.max, bytes; 0: not given */
    uint32_t ram_slots; /* PROP memory.slots */
    char *ram_path;     /* PROP memory.path; NULL: anonymous */
    bool ram_prealloc;  /* PROP memory.prealloc */
    bool ram_share;     /* PROP memory.share */
    bool ram_merge;     /* PROP mem-merge */
    bool dump_guest_core;
    char *memory_backend; /* id of a -object memory-backend-*, or NULL; see machine_new_ram() */

    MachineCpus cpus; /* -smp: PROPs smp.cpus, smp.maxcpus, ... */

    /* -kernel, -initrd, -append, -bios: files as the user named them, NULL when not given */
    char *kernel, *initrd, *append, *firmware;

    /* -boot */
    char *boot_order; /* PROP boot.order: letters a c d n; "cad" when not given */
    char *boot_once;
    bool boot_menu, boot_strict;
    char *boot_splash;
    uint32_t boot_splash_time, boot_reboot_timeout; /* ms; UINT32_MAX: not given */

    /* -rtc */
    char *rtc_base; /* PROP rtc.base: "utc", "localtime" or a date; see machine_rtc_seconds() */
    MachineRtcClock rtc_clock;
    int rtc_driftfix; /* 0 none, 1 slew */

    char *guest_name; /* -name, or NULL */
    char *process_name;
    bool debug_threads; /* PROP: threads have names of their own */
    uint8_t uuid[16];   /* -uuid, as printed: big endian; all zero when not given */
    bool usb, graphics;
    char *vga; /* PROP vga: "none"; boards say which others they have */

    /* LINK: filled in by main before realize */
    Chardev *serial[MACHINE_SERIAL_COUNT]; /* -serial N; NULL: no such port */
    GPtrArray *fw_cfg;                     /* of MachineFwCfg *, in the order of the options */
    GPtrArray *acpi_tables;                /* of GBytes *, each a whole table: -acpitable */
    GPtrArray *smbios;                     /* of KeyVal *, each good for smbios_check_option() */
    GPtrArray *firmware_dirs;              /* of char *: -L first, then where systems keep them */
    GPtrArray *numa_options;               /* of NumaOption *, in the order of the command line */

    bool hmat;  /* PROP: nodes have a table of memory attributes */
    Numa *numa; /* DERIVED: realize makes it of numa_options; NULL: the machine has no nodes */
};

extern const Type machine_type; /* "machine", abstract */

/* Board type by name or alias; NULL if there is none. */
const Type *machine_find(const char *name);
/* The board used without -machine. */
const Type *machine_default(void);
static inline const MachineInfo *machine_info(const Machine *machine)
{
    return (const MachineInfo *)machine->obj.type->info;
}
/* Like machine_find(); an unknown name fails and names the nearest. */
const Type *machine_find_or_fail(const char *name, Error **err);
/* Text of -machine help; caller frees. */
char *machine_help(void);
/* Another boot order for the resets to come. */
bool machine_set_boot_order(Machine *machine, const char *letters, Error **err);
/* The object at /machine, or NULL. */
Machine *machine_current(void);
/* MachineInfo.ready of a machine, where it has one. */
bool machine_ready(Machine *machine, Error **err);
/* MachineInfo.reset of a `Machine *`: the shape system_set_reset_handler() wants. */
void machine_reset(void *machine);

/* -uuid as the user would write it; caller frees. NULL when none was given. */
char *machine_uuid_text(const Machine *machine);

/* Guest memory as the options ask for it: the block of memory-backend=, or a new one called `name`.
 * The caller owns a reference. NULL on failure. */
RamBlock *machine_new_ram(const Machine *machine, const char *name, Error **err);

/* Path of a firmware file: `name` itself when it is a path that exists, else in firmware_dirs.
 * Caller frees; NULL and *err, which names the places looked at. */
char *machine_find_firmware(const Machine *machine, const char *name, Error **err);

/* Where firmware is looked for after the folders of -L; NULL-terminated. */
extern const char *const machine_default_firmware_dirs[];

/* What the guest's clock shows when the machine starts, in seconds since 1970 (as if UTC: for
 * localtime the zone is added already). rtc.base was checked by realize. */
int64_t machine_rtc_seconds(const Machine *machine);

#endif

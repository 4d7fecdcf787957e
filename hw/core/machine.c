/* SPDX-License-Identifier: MIT */
/* Machines: the properties all boards share, their checks, and the table of boards by name. */
#include "hw/machine.h"

#include "softmmu/memory-backend.h"
#include "util/keyval.h"
#include "util/suggest.h"

#include <string.h>
#include <time.h>

#define DEFAULT_RAM (128ull << 20)
#define MEMORY_SLOTS_MAX 256
#define CPU_NUMBER_LIMIT 255 /* of each part of a topology, so that products fit into 32 bits */

/* -- Names ------------------------------------------------------------------------------------- */

typedef struct MachineSearch {
    const char *name; /* NULL: the default one */
    const Type *found;
    Suggest *suggest; /* may be NULL */
    GString *text;
} MachineSearch;

static void match_machine(const Type *type, void *opaque)
{
    MachineSearch *search = opaque;
    const MachineInfo *info = type->info;

    if (search->name ? strcmp(info->name, search->name) == 0 : info->is_default) {
        search->found = type;
    }
    for (const char *const *alias = info->aliases; search->name && alias && *alias; alias++) {
        if (strcmp(*alias, search->name) == 0) {
            search->found = type;
        }
    }
}

const Type *machine_find(const char *name)
{
    MachineSearch search = {.name = name};

    type_foreach(&machine_type, match_machine, &search);
    return search.found;
}

const Type *machine_default(void)
{
    return machine_find(NULL);
}

static void offer_machine(const Type *type, void *opaque)
{
    const MachineInfo *info = type->info;

    suggest_offer(opaque, info->name);
    for (const char *const *alias = info->aliases; alias && *alias; alias++) {
        suggest_offer(opaque, *alias);
    }
}

const Type *machine_find_or_fail(const char *name, Error **err)
{
    const Type *type = machine_find(name);
    Suggest suggest;

    if (!type) {
        suggest_init(&suggest, name);
        type_foreach(&machine_type, offer_machine, &suggest);
        error_set(err, "unknown machine '%s'%s", name, suggest_text(&suggest));
        error_hint(err, "-machine help lists the machines");
    }
    return type;
}

static void append_machine_help(const Type *type, void *opaque)
{
    const MachineInfo *info = type->info;

    for (const char *const *alias = info->aliases; alias && *alias; alias++) {
        g_string_append_printf(opaque, "%-20s %s (alias of %s)\n", *alias, info->desc, info->name);
    }
    g_string_append_printf(opaque, "%-20s %s%s%s\n", info->name, info->desc,
                           info->is_default ? " (default)" : "",
                           info->deprecated ? " (deprecated)" : "");
}

char *machine_help(void)
{
    GString *text = g_string_new("Supported machines are:\n");

    type_foreach(&machine_type, append_machine_help, text);
    return g_string_free(text, FALSE);
}

Machine *machine_current(void)
{
    Object *obj = object_resolve("/machine");

    return obj && object_is_a(obj, &machine_type) ? (Machine *)obj : NULL;
}

bool machine_ready(Machine *machine, Error **err)
{
    const MachineInfo *info = machine_info(machine);

    return !info->ready || info->ready(machine, err);
}

void machine_reset(void *machine)
{
    const MachineInfo *info = machine_info(machine);

    if (info->reset) {
        info->reset(machine);
    } else {
        object_reset(machine);
    }
}

char *machine_uuid_text(const Machine *machine)
{
    static const uint8_t none[sizeof(machine->uuid)];

    return memcmp(machine->uuid, none, sizeof(none)) ? object_get(&machine->obj, "uuid", NULL)
                                                     : NULL;
}

/* -- Memory ------------------------------------------------------------------------------------ */

/* The size of a back end is the size of guest memory; -m may only say the same. */
static bool check_memory_backend(Machine *machine, Error **err)
{
    MemoryBackend *backend = memory_backend_find(machine->memory_backend, err);

    if (!backend) {
        error_prefix(err, "memory-backend=%s: ", machine->memory_backend);
        return false;
    }
    if (machine->ram_size && machine->ram_size != backend->size) {
        return error_set(
            err, "-m: memory-backend=%s has %" G_GUINT64_FORMAT " MiB, not %" G_GUINT64_FORMAT,
            machine->memory_backend, (guint64)backend->size >> 20,
            (guint64)machine->ram_size >> 20);
    }
    if (machine->ram_path) {
        return error_set(err, "-mem-path and memory-backend= exclude each other");
    }
    machine->ram_size = backend->size;
    return true;
}

RamBlock *machine_new_ram(const Machine *machine, const char *name, Error **err)
{
    RamDesc desc = {
        .name = name,
        .size = machine->ram_size,
        .path = machine->ram_path,
        .share = machine->ram_share,
        .prealloc = machine->ram_prealloc,
        .merge = machine->ram_merge,
        .no_dump = !machine->dump_guest_core,
    };

    if (machine->memory_backend) {
        MemoryBackend *backend = memory_backend_find(machine->memory_backend, err);
        return backend ? ram_block_ref(backend->block) : NULL;
    }
    RamBlock *block = ram_block_new(&desc, err);
    if (!block) {
        error_prefix(err, machine->ram_path ? "-mem-path: " : "-m: ");
    }
    return block;
}

/* -- Firmware ---------------------------------------------------------------------------------- */

const char *const machine_default_firmware_dirs[] = {
    "/usr/share/seabios",
    "/usr/share/qemu",
    "/usr/share/ovmf",
    "/usr/share/OVMF",
    "/usr/lib/ipxe/qemu",
    "/usr/local/share/qemu",
    NULL,
};

char *machine_find_firmware(const Machine *machine, const char *name, Error **err)
{
    if (g_file_test(name, G_FILE_TEST_IS_REGULAR)) {
        return g_strdup(name);
    }
    GString *places = g_string_new(NULL);
    for (guint i = 0; i < machine->firmware_dirs->len; i++) {
        const char *dir = machine->firmware_dirs->pdata[i];
        char *path = g_build_filename(dir, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
            g_string_free(places, TRUE);
            return path;
        }
        g_free(path);
        g_string_append_printf(places, "%s%s", places->len ? ", " : "", dir);
    }
    error_set(err, "firmware '%s' was not found", name);
    error_hint(err, "looked in %s; -L DIR adds a place", places->str);
    g_string_free(places, TRUE);
    return NULL;
}

/* -- RTC --------------------------------------------------------------------------------------- */

static bool parse_date(const char *text, int64_t *ret_seconds)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!end) {
        tm = (struct tm){0};
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end) {
        return false;
    }
    *ret_seconds = timegm(&tm);
    return true;
}

int64_t machine_rtc_seconds(const Machine *machine)
{
    time_t now = time(NULL);
    int64_t seconds = now;
    struct tm local;

    if (!machine->rtc_base || strcmp(machine->rtc_base, "utc") == 0) {
        return seconds;
    }
    if (strcmp(machine->rtc_base, "localtime") == 0) {
        localtime_r(&now, &local);
        return seconds + local.tm_gmtoff;
    }
    parse_date(machine->rtc_base, &seconds);
    return seconds;
}

/* -- Checks ------------------------------------------------------------------------------------ */

/* Hot-plugged memory: checked, so that what was once wrong does not become so later. */
static bool check_memory_slots(const Machine *machine, Error **err)
{
    uint64_t size = machine->ram_size, max = machine->ram_max;

    if (machine->ram_slots > MEMORY_SLOTS_MAX) {
        return error_set(err, "-m: slots=%u are more than %d", machine->ram_slots,
                         MEMORY_SLOTS_MAX);
    }
    if (!max) {
        return !machine->ram_slots || error_set(err, "-m: slots= needs maxmem=");
    }
    if (max < size) {
        return error_set(err, "-m: maxmem= is less than the %" G_GUINT64_FORMAT " MiB of size=",
                         (guint64)size >> 20);
    }
    if (max > size && !machine->ram_slots) {
        return error_set(err, "-m: maxmem= needs slots=, places for what is added");
    }
    if (max > size) {
        warn_report("-m: memory cannot be added to the running machine; slots= and maxmem= are "
                    "without effect");
    }
    return true;
}

static uint32_t or_one(uint32_t value)
{
    return value ? value : 1;
}

/* Fills in what -smp left out of the shape: cores first, then sockets, then threads. */
static void complete_shape(MachineCpus *c)
{
    unsigned total = c->max ? c->max : c->count;

    c->dies = or_one(c->dies);
    if (total && !c->cores) {
        c->cores = or_one(total / (or_one(c->sockets) * c->dies * or_one(c->threads)));
    } else if (total && !c->sockets) {
        c->sockets = or_one(total / (c->dies * c->cores * or_one(c->threads)));
    }
    c->sockets = or_one(c->sockets);
    c->cores = or_one(c->cores);
    if (total && !c->threads) {
        c->threads = or_one(total / (c->sockets * c->dies * c->cores));
    }
    c->threads = or_one(c->threads);
}

static bool complete_cpus(Machine *machine, Error **err)
{
    MachineCpus c = machine->cpus;
    unsigned limit = or_one(machine_info(machine)->max_cpus);
    uint32_t parts[] = {c.count, c.max, c.sockets, c.dies, c.cores, c.threads};

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i] > CPU_NUMBER_LIMIT) {
            return error_set(err, "-smp: numbers go up to %d", CPU_NUMBER_LIMIT);
        }
    }
    complete_shape(&c);
    unsigned product = c.sockets * c.dies * c.cores * c.threads;
    c.max = c.max ? c.max : c.count ? c.count : product;
    c.count = c.count ? c.count : c.max;
    if (c.count > c.max) {
        return error_set(err, "-smp: %u CPUs are more than maxcpus=%u", c.count, c.max);
    }
    if (product != c.max) {
        return error_set(err, "-smp: %u sockets x %u dies x %u cores x %u threads are not %u CPUs",
                         c.sockets, c.dies, c.cores, c.threads, c.max);
    }
    if (c.max > limit) {
        return error_set(err, "-smp: machine '%s' has room for %u CPU%s, not for %u",
                         machine_info(machine)->name, limit, limit == 1 ? "" : "s", c.max);
    }
    machine->cpus = c;
    return true;
}

static bool check_boot_letters(const char *letters, const char *key, Error **err)
{
    for (const char *c = letters; c && *c; c++) {
        if (*c < 'a' || *c > 'p') {
            return error_set(err, "%s=%s: '%c' is no boot device; a, c, d and n are", key, letters,
                             *c);
        }
        if (strchr(c + 1, *c)) {
            return error_set(err, "%s=%s names '%c' twice", key, letters, *c);
        }
    }
    return true;
}

#define BOOT_MILLISECONDS_MAX 65535 /* what SeaBIOS has room for */

static bool check_boot(const Machine *machine, Error **err)
{
    uint32_t timeout = machine->boot_reboot_timeout, splash = machine->boot_splash_time;

    if ((timeout != UINT32_MAX && timeout > BOOT_MILLISECONDS_MAX) ||
        (splash != UINT32_MAX && splash > BOOT_MILLISECONDS_MAX)) {
        return error_set(err, "-boot: %s goes up to %d ms",
                         splash != UINT32_MAX && splash > BOOT_MILLISECONDS_MAX ? "splash-time="
                                                                                : "reboot-timeout=",
                         BOOT_MILLISECONDS_MAX);
    }
    if (!check_boot_letters(machine->boot_order, "order", err) ||
        !check_boot_letters(machine->boot_once, "once", err)) {
        error_prefix(err, "-boot: ");
        return false;
    }
    return true;
}

static bool check_rtc(const Machine *machine, Error **err)
{
    const char *base = machine->rtc_base;
    int64_t seconds;

    if (!base || strcmp(base, "utc") == 0 || strcmp(base, "localtime") == 0 ||
        parse_date(base, &seconds)) {
        return true;
    }
    error_set(err, "-rtc: base '%s' is not a time", base);
    error_hint(err, "utc, localtime, 2006-06-17T16:01:21 and 2006-06-17 are understood");
    return false;
}

static bool make_numa(Machine *machine, Error **err)
{
    if (machine->numa_options->len && !machine_info(machine)->ram_id) {
        return error_set(err, "-numa: machine '%s' has no memory to divide",
                         machine_info(machine)->name);
    }
    machine->numa = machine->numa_options->len ? numa_new(machine, err) : NULL;
    return machine->numa || !machine->numa_options->len;
}

static bool machine_realize(Object *obj, Error **err)
{
    Machine *machine = (Machine *)obj;
    const MachineInfo *info = machine_info(machine);

    if (machine->memory_backend && !check_memory_backend(machine, err)) {
        return false;
    }
    if (!machine->ram_size) {
        machine->ram_size = info->default_ram ? info->default_ram : DEFAULT_RAM;
    }
    if (machine->ram_size > 1ull << 40) {
        return error_set(err, "-m: guests have at most 1 TiB of memory");
    }
    machine->ram_size = (machine->ram_size + TARGET_PAGE_SIZE - 1) & ~(TARGET_PAGE_SIZE - 1);
    if (info->deprecated) {
        warn_report("machine '%s' is deprecated: %s", info->name, info->deprecated);
    }
    if (!machine->kernel && (machine->initrd || machine->append)) {
        return error_set(err, "%s makes no sense without -kernel",
                         machine->initrd ? "-initrd" : "-append");
    }
    if (strcmp(machine->vga, "none") != 0) {
        return error_set(err, "-vga: there is no display adapter '%s'; only 'none' is offered",
                         machine->vga);
    }
    if (machine->usb) {
        return error_set(err, "-usb: machine '%s' has no USB controller", info->name);
    }
    return check_memory_slots(machine, err) && complete_cpus(machine, err) &&
           check_rtc(machine, err) && check_boot(machine, err) && make_numa(machine, err);
}

bool machine_set_boot_order(Machine *machine, const char *letters, Error **err)
{
    if (!check_boot_letters(letters, "order", err)) {
        return false;
    }
    g_free(machine->boot_order);
    machine->boot_order = g_strdup(letters);
    g_clear_pointer(&machine->boot_once, g_free);
    return true;
}

/* -- Type -------------------------------------------------------------------------------------- */

static void fw_cfg_free(gpointer item)
{
    MachineFwCfg *entry = item;

    g_free(entry->name);
    g_free(entry->data);
    g_free(entry);
}

static void numa_option_free(gpointer data)
{
    NumaOption *option = data;

    keyval_free(option->kv);
    g_free(option->origin);
    g_free(option);
}

static void machine_init(Object *obj)
{
    Machine *machine = (Machine *)obj;

    machine->fw_cfg = g_ptr_array_new_with_free_func(fw_cfg_free);
    machine->acpi_tables = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    machine->smbios = g_ptr_array_new_with_free_func((GDestroyNotify)keyval_free);
    machine->firmware_dirs = g_ptr_array_new_with_free_func(g_free);
    machine->numa_options = g_ptr_array_new_with_free_func(numa_option_free);
    for (const char *const *dir = machine_default_firmware_dirs; *dir; dir++) {
        g_ptr_array_add(machine->firmware_dirs, g_strdup(*dir));
    }
}

static void machine_finalize(Object *obj)
{
    Machine *machine = (Machine *)obj;

    g_ptr_array_free(machine->fw_cfg, TRUE);
    g_ptr_array_free(machine->acpi_tables, TRUE);
    g_ptr_array_free(machine->smbios, TRUE);
    g_ptr_array_free(machine->firmware_dirs, TRUE);
    g_ptr_array_free(machine->numa_options, TRUE);
    numa_free(machine->numa);
}

static bool parse_uuid(const Field *field, void *address, const char *text, Error **err)
{
    uint8_t bytes[16];
    unsigned count = 0;

    for (const char *c = text; *c && g_uuid_string_is_valid(text); c++) {
        if (*c != '-') {
            bytes[count++] =
                (uint8_t)(g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
            c++;
        }
    }
    if (count != sizeof(bytes)) {
        return error_set(err, "'%s' is not a UUID", text);
    }
    memcpy(address, bytes, sizeof(bytes));
    return true;
}

static void print_uuid(const Field *field, const void *address, GString *out)
{
    const uint8_t *bytes = address;

    for (unsigned i = 0; i < 16; i++) {
        g_string_append_printf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                               bytes[i]);
    }
}

static const FieldType field_type_uuid = {
    .name = "uuid", .size = 16, .parse = parse_uuid, .print = print_uuid};

static void print_timeout(const Field *field, const void *address, GString *out)
{
    g_string_append_printf(out, "%d", *(const int32_t *)address);
}

/* Milliseconds; -1: for ever. */
static bool parse_timeout(const Field *field, void *address, const char *text, Error **err)
{
    uint64_t value = UINT32_MAX;

    if (strcmp(text, "-1") != 0 && !parse_u64(text, &value, err)) {
        return false;
    }
    if (value > UINT32_MAX) {
        return error_set(err, "value '%s' does not fit into uint32", text);
    }
    *(uint32_t *)address = (uint32_t)value;
    return true;
}

static const FieldType field_type_timeout = {
    .name = "int32", .size = 4, .parse = parse_timeout, .print = print_timeout};

static const char *const rtc_clocks[] = {"host", "rt", "vm", NULL};
static const char *const rtc_driftfixes[] = {"none", "slew", NULL};

static const Field machine_fields[] = {
    PROP_SIZE(Machine, ram_size, .prop_name = "memory.size", .desc = "guest memory (-m)"),
    PROP_SIZE(Machine, ram_max, .prop_name = "memory.max", .desc = "what it may grow to (maxmem=)"),
    PROP(Machine, ram_slots, .prop_name = "memory.slots", .desc = "places for more of it"),
    PROP(Machine, ram_path, .prop_name = "memory.path", .desc = "file or directory behind it"),
    PROP(Machine, ram_prealloc, .prop_name = "memory.prealloc", .desc = "allocate it at start"),
    PROP(Machine, ram_share, .prop_name = "memory.share", .desc = "share it with other processes"),
    PROP(Machine, ram_merge, .prop_name = "mem-merge", .init = 1,
         .desc = "let the host merge equal pages"),
    PROP(Machine, dump_guest_core, .init = 1, .desc = "include guest memory in core dumps"),
    PROP(Machine, memory_backend, .desc = "id of a -object that is guest memory"),
    PROP(Machine, cpus.count, .prop_name = "smp.cpus", .desc = "CPUs at start (-smp)"),
    PROP(Machine, cpus.max, .prop_name = "smp.maxcpus", .desc = "CPUs that can be there"),
    PROP(Machine, cpus.sockets, .prop_name = "smp.sockets", .desc = "sockets"),
    PROP(Machine, cpus.dies, .prop_name = "smp.dies", .desc = "dies per socket"),
    PROP(Machine, cpus.cores, .prop_name = "smp.cores", .desc = "cores per die"),
    PROP(Machine, cpus.threads, .prop_name = "smp.threads", .desc = "threads per core"),
    PROP(Machine, kernel, .desc = "Linux, multiboot or PVH kernel image"),
    PROP(Machine, initrd, .desc = "its initial RAM disk"),
    PROP(Machine, append, .desc = "its command line"),
    PROP(Machine, firmware, .desc = "firmware image (-bios)"),
    PROP(Machine, boot_order, .prop_name = "boot.order", .init_text = "cad",
         .desc = "drives to boot from: a c d n"),
    PROP(Machine, boot_once, .prop_name = "boot.once", .desc = "the same, for the first boot"),
    PROP(Machine, boot_menu, .prop_name = "boot.menu", .desc = "offer a boot menu"),
    PROP(Machine, boot_strict, .prop_name = "boot.strict", .desc = "boot from nothing else"),
    PROP(Machine, boot_splash, .prop_name = "boot.splash", .desc = "picture to show"),
    PROP(Machine, boot_splash_time, .prop_name = "boot.splash-time", .init = UINT32_MAX,
         .desc = "ms to show it"),
    PROP_TYPED(Machine, boot_reboot_timeout, &field_type_timeout,
               .prop_name = "boot.reboot-timeout", .init = UINT32_MAX,
               .desc = "ms until a failed boot is tried again"),
    PROP(Machine, rtc_base, .prop_name = "rtc.base", .init_text = "utc",
         .desc = "utc, localtime or a date"),
    PROP_ENUM(Machine, rtc_clock, .prop_name = "rtc.clock", .choices = rtc_clocks,
              .desc = "clock the RTC follows"),
    PROP_ENUM(Machine, rtc_driftfix, .prop_name = "rtc.driftfix", .choices = rtc_driftfixes,
              .desc = "what to do about lost ticks"),
    PROP(Machine, guest_name, .desc = "name of the guest (-name)"),
    PROP(Machine, process_name, .desc = "name of the process"),
    PROP(Machine, debug_threads, .init = 1, .desc = "threads have names of their own"),
    PROP_TYPED(Machine, uuid, &field_type_uuid, .desc = "UUID of the guest (-uuid)"),
    PROP(Machine, hmat, .desc = "table of the attributes of NUMA nodes' memory (HMAT)"),
    PROP(Machine, usb, .desc = "USB controller"),
    PROP(Machine, graphics, .init = 1, .desc = "off: the console is the serial line"),
    PROP(Machine, vga, .init_text = "none", .desc = "display adapter"),
    LINK(Machine, serial),
    LINK(Machine, fw_cfg),
    LINK(Machine, acpi_tables),
    LINK(Machine, smbios),
    LINK(Machine, firmware_dirs),
    LINK(Machine, numa_options),
    DERIVED(Machine, numa),
    FIELDS_END,
};

const Type machine_type = {
    .name = "machine",
    .parent = &object_type,
    .size = sizeof(Machine),
    .fields = machine_fields,
    .init = machine_init,
    .realize = machine_realize,
    .finalize = machine_finalize,
    .abstract = true,
};
OBJECT_TYPE(machine_type);

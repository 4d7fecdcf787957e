/* SPDX-License-Identifier: MIT */
/*
 * Register fuzzer: random values and sizes to every port and register of a built machine.
 *
 *     FUZZ_SECONDS=60 FUZZ_SEED=1234 build/tests/fuzz-registers
 *
 * The machine is the default board without an accelerator: its CPUs never run, its virtual clock is
 * ours. What to touch comes from the flat views as they are at that moment, so whatever the guest
 * could reach is reached: PCI functions that got mapped, RAM shadowed by ROM. Port pairs of index
 * and data get some accesses that belong together. RAM holds noise and pointers, for those who do
 * DMA.
 *
 * Resets, power-offs and exits are counted and survived. A crash, an abort, or a batch of accesses
 * that takes longer than the watchdog allows fails, with seed and last accesses on stderr. The same
 * seed makes the same accesses, as far as devices do not look at the host's clock.
 */
#include "block/block.h"
#include "hw/machine.h"
#include "softmmu/run.h"
#include "target/i386/cpu.h"
#include "ui/chardev.h"
#include "util/keyval.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SECONDS 10
#define WATCHDOG_SECONDS 30
#define BATCH 64
#define RAM_MIB "64"
#define RAM_SIZE (64ull << 20)
#define NS_PER_MS 1000000

typedef struct Access {
    uint64_t number, address, value;
    uint8_t size;
    bool is_write, is_io;
} Access;

#define HISTORY 32
#define ENOUGH_REGIONS 15

static struct {
    uint64_t seed, random;
    uint64_t count, resets, ends, writes;
    Access history[HISTORY];
    GHashTable *regions; /* names of those touched */
} fuzz;

/* -- Numbers ----------------------------------------------------------------------------------- */

/* SplitMix64 */
static uint64_t next_random(void)
{
    uint64_t z = fuzz.random += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint64_t below(uint64_t limit)
{
    return next_random() % limit;
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* Noise, or what devices find interesting: few bits, small numbers, limits, guest addresses. */
static uint64_t random_value(void)
{
    switch (below(8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return 1ull << below(64);
    case 3:
        return below(256);
    case 4:
        return below(RAM_SIZE) & ~15ull;
    case 5:
        return RAM_SIZE - below(64);
    case 6:
        return 0xfe000000 + below(0x2000000);
    default:
        return next_random();
    }
}

/* -- Accesses ---------------------------------------------------------------------------------- */

static void note(AddressSpace *as, uint64_t address, unsigned size, bool is_write, uint64_t value)
{
    fuzz.history[fuzz.count % HISTORY] = (Access){
        .number = fuzz.count,
        .address = address,
        .value = value,
        .size = (uint8_t)size,
        .is_write = is_write,
        .is_io = as == &address_space_io,
    };
    fuzz.count++;
    fuzz.writes += is_write;
}

static bool holds(uint64_t address, unsigned size, uint64_t port)
{
    return port - address < size;
}

/* Resets put everything back, and exits stop the machine: a few are let through only, so that
 * states build up in between. */
static bool is_fateful(uint64_t port, unsigned size, uint64_t value)
{
    bool is_config_address = port == 0xcf8 && size == 4;

    return holds(port, size, 0x92) || holds(port, size, 0x501) ||
           (holds(port, size, 0xcf9) && !is_config_address) ||
           (holds(port, size, 0x64) && (value >> (8 * (0x64 - port)) & 0xf1) == 0xf0);
}

static void note_region(AddressSpace *as, uint64_t address)
{
    const FlatRange *range = address_space_lookup(as, address);

    if (range) {
        g_hash_table_add(fuzz.regions, (char *)range->region->name);
    }
}

static void touch(AddressSpace *as, uint64_t address, unsigned size, bool is_write, uint64_t value)
{
    if (is_write && as == &address_space_io && is_fateful(address, size, value) && !one_in(512)) {
        return;
    }
    note_region(as, address);
    note(as, address, size, is_write, value);
    if (is_write) {
        address_space_store(as, address, value, size);
    } else {
        address_space_load(as, address, size, NULL);
    }
}

static unsigned random_size(const AddressSpace *as)
{
    return 1u << below(as == &address_space_io ? 3 : 4);
}

/* A range that is more than RAM: nothing can go wrong there. */
static const FlatRange *random_range(const AddressSpace *as)
{
    const FlatRange *range;

    do {
        range = &as->view->ranges[below(as->view->count)];
    } while (range->host && !range->read_only && !one_in(16));
    return range;
}

/* Large ranges have their registers in front, or everywhere. */
static uint64_t random_offset(uint64_t size)
{
    return below(one_in(2) ? MIN(size, 0x100) : size);
}

static void touch_anything(void)
{
    AddressSpace *as = one_in(2) ? &address_space_io : &address_space_memory;
    const FlatRange *range = random_range(as);
    unsigned size = random_size(as);
    uint64_t address = range->start + random_offset(range->size);

    if (!one_in(8)) {
        address &= ~(uint64_t)(size - 1);
    }
    touch(as, address, size, one_in(2), random_value());
}

/* Where nothing answers, or only half of an access is inside. */
static void touch_edge(void)
{
    AddressSpace *as = one_in(2) ? &address_space_io : &address_space_memory;
    const FlatRange *range = random_range(as);

    touch(as, (one_in(2) ? range->start : range->start + range->size) - below(8), random_size(as),
          one_in(2), random_value());
}

/* Configuration mechanism 1. */
static void touch_pci_config(void)
{
    uint64_t function = below(one_in(4) ? 256 : 64);
    uint64_t address = 0x80000000 | function << 8 | (below(256) & ~3ull);
    unsigned size = random_size(&address_space_io);
    uint64_t port = 0xcfc + (below(4) & ~(uint64_t)(size - 1));

    touch(&address_space_io, 0xcf8, 4, true, address);
    touch(&address_space_io, port, size, one_in(2), random_value());
}

typedef struct IndexPort {
    uint16_t index, data;
    uint8_t index_size, data_size;
} IndexPort;

static void touch_index_port(void)
{
    static const IndexPort ports[] = {
        {0x70, 0x71, 1, 1}, {0x72, 0x73, 1, 1}, {0x510, 0x511, 2, 1}, {0x64, 0x60, 1, 1},
        {0x43, 0x40, 1, 1}, {0x20, 0x21, 1, 1}, {0xa0, 0xa1, 1, 1},   {0x3d4, 0x3d5, 1, 1},
    };
    const IndexPort *port = &ports[below(G_N_ELEMENTS(ports))];

    touch(&address_space_io, port->index, port->index_size, true,
          one_in(4) ? random_value() : below(256));
    touch(&address_space_io, port->data, port->data_size, one_in(2), random_value());
}

/* The I/O APIC's window. */
static void touch_ioapic(void)
{
    touch(&address_space_memory, 0xfec00000, 4, true, below(0x44));
    touch(&address_space_memory, 0xfec00010, 4, one_in(2), random_value());
}

/* Command structures are big endian at fw_cfg, little endian elsewhere. */
static void plant_structure(void)
{
    uint64_t address = below(RAM_SIZE - 64) & ~7ull;
    uint64_t words[8];

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        uint64_t value = random_value();

        words[i] = one_in(2) ? value : GUINT64_SWAP_LE_BE(value);
    }
    address_space_write(&address_space_memory, address, words, sizeof(words));
    if (one_in(2)) { /* and has fw_cfg work on it */
        touch(&address_space_io, 0x514, 4, true, 0);
        touch(&address_space_io, 0x518, 4, true, GUINT32_SWAP_LE_BE((uint32_t)address));
    }
}

static void touch_something(void)
{
    switch (below(16)) {
    case 0:
        touch_edge();
        break;
    case 1:
    case 2:
        touch_pci_config();
        break;
    case 3:
    case 4:
        touch_index_port();
        break;
    case 5:
        touch_ioapic();
        break;
    case 6:
        plant_structure();
        break;
    default:
        touch_anything();
        break;
    }
}

/* -- What the machine does meanwhile ----------------------------------------------------------- */

static void let_time_pass(void)
{
    int status;

    clock_virtual_advance_ns(main_loop(), (int64_t)below(one_in(64) ? 20 * NS_PER_MS : 50000));
    main_loop_wait(false);
    if (one_in(256)) {
        system_powerdown_request();
    }
    if (one_in(4096)) {
        system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
    }
    fuzz.ends += run_handle_requests(&status);
}

static void count_reset(void *machine)
{
    fuzz.resets++;
    machine_reset(machine);
}

/* -- Failure ----------------------------------------------------------------------------------- */

static void write_text(const char *text, size_t length)
{
    ssize_t result = write(STDERR_FILENO, text, length);

    (void)result;
}

/* Prints by snprintf() in a signal handler: the process is lost anyway. */
static void print_history(const char *why)
{
    char line[160];
    uint64_t first = fuzz.count > HISTORY ? fuzz.count - HISTORY : 0;

    write_text(line, (size_t)snprintf(line, sizeof(line),
                                      "\n%s; FUZZ_SEED=%" PRIu64 ", the last accesses:\n", why,
                                      fuzz.seed));
    for (uint64_t i = first; i < fuzz.count; i++) {
        const Access *a = &fuzz.history[i % HISTORY];

        write_text(line,
                   (size_t)snprintf(line, sizeof(line),
                                    "  %" PRIu64 " %s%u %s 0x%" PRIx64 " value 0x%" PRIx64 "\n",
                                    a->number, a->is_write ? "write" : "read", a->size * 8u,
                                    a->is_io ? "port" : "memory", a->address, a->value));
    }
}

static void on_signal(int signal_number)
{
    signal(signal_number, SIG_DFL);
    print_history(signal_number == SIGALRM ? "hang" : "crash");
    if (signal_number == SIGALRM) {
        signal(SIGABRT, SIG_DFL);
        abort(); /* with a core or a debugger: where it hangs */
    }
    raise(signal_number);
}

static void watch_failures(void)
{
    static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        signal(signals[i], on_signal);
    }
}

/* -- The machine ------------------------------------------------------------------------------- */

/* A disk of noise that is gone when we are. */
static bool add_disk(Error **err)
{
    char path[] = "/tmp/fuzz-registers-XXXXXX";
    int fd = mkstemp(path);
    bool ok = fd >= 0 && ftruncate(fd, 1 << 20) == 0;
    g_autofree char *options = g_strdup_printf("file=%s,format=raw,if=ide,index=0", path);

    close(fd);
    ok = ok && drive_new(options, err);
    unlink(path);
    return ok;
}

static bool add_back_ends(Machine *machine, Error **err)
{
    machine->serial[0] = chardev_new_short("serial0", "null", err);
    machine->serial[1] = chardev_new_short("serial1", "null", err);
    return machine->serial[0] && machine->serial[1] && add_disk(err);
}

static Machine *build_machine(void)
{
    g_autoptr(Error) err = NULL;
    const Type *type = machine_default();
    Machine *machine = (Machine *)object_new(type);

    object_add_child(object_root(), "machine", &machine->obj);
    for (const char *const *dir = machine_default_firmware_dirs; *dir; dir++) {
        g_ptr_array_add(machine->firmware_dirs, g_strdup(*dir));
    }
    if (!cpu_model_select(NULL, &err) ||
        !object_set(&machine->obj, "memory.size", RAM_MIB "M", &err) ||
        !add_back_ends(machine, &err) || !object_realize(&machine->obj, &err)) {
        g_printerr("cannot build the machine: %s\n", error_message(err));
        exit(1);
    }
    system_set_reset_handler(count_reset, machine);
    machine_reset(machine);
    return machine;
}

/* One of each device a user may add; those that need more than their name stay out. */
static void add_device(const Type *type, void *opaque)
{
    g_autoptr(Error) err = NULL;
    g_autoptr(KeyVal) kv = keyval_parse(type->name, "driver", NULL);

    if (type->user_creatable && !device_add(kv, &err) && getenv("FUZZ_VERBOSE")) {
        g_printerr("# without %s: %s\n", type->name, error_message(err));
    }
}

static void fill_ram(void)
{
    g_autofree uint64_t *noise = g_new(uint64_t, RAM_SIZE / sizeof(uint64_t));

    for (size_t i = 0; i < RAM_SIZE / sizeof(uint64_t); i++) {
        noise[i] = next_random();
    }
    address_space_write(&address_space_memory, 0, noise, RAM_SIZE);
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text ? g_ascii_strtoull(text, NULL, 0) : otherwise;
}

static void fuzz_for(uint64_t seconds)
{
    int64_t end = g_get_monotonic_time() + (int64_t)seconds * G_USEC_PER_SEC;

    while (g_get_monotonic_time() < end) {
        alarm(WATCHDOG_SECONDS);
        for (unsigned i = 0; i < BATCH; i++) {
            touch_something();
        }
        let_time_pass();
    }
    alarm(0);
}

/* A walk that reaches few regions, or never writes, proves nothing. */
static int report(void)
{
    unsigned regions = g_hash_table_size(fuzz.regions);
    bool ok = regions >= ENOUGH_REGIONS && fuzz.writes > 0;

    if (getenv("FUZZ_VERBOSE")) {
        GHashTableIter iter;
        gpointer name;

        g_hash_table_iter_init(&iter, fuzz.regions);
        while (g_hash_table_iter_next(&iter, &name, NULL)) {
            printf("# %s\n", (const char *)name);
        }
    }
    g_hash_table_unref(fuzz.regions);
    printf("1..1\n%s 1 /fuzz/registers # %u regions, %" PRIu64 " accesses, %" PRIu64
           " writes, %" PRIu64 " resets, %" PRIu64 " ends\n",
           ok ? "ok" : "not ok", regions, fuzz.count, fuzz.writes, fuzz.resets, fuzz.ends);
    return ok ? 0 : 1;
}

int main(void)
{
    uint64_t seconds = number_of("FUZZ_SECONDS", DEFAULT_SECONDS);

    fuzz.seed = number_of("FUZZ_SEED", (uint64_t)g_get_real_time());
    fuzz.random = fuzz.seed;
    g_printerr("FUZZ_SEED=%" PRIu64 " FUZZ_SECONDS=%" PRIu64 "\n", fuzz.seed, seconds);
    fuzz.regions = g_hash_table_new(NULL, NULL);
    watch_failures();
    machine_lock();
    main_loop_set(loop_new("main", &machine_loop_lock, NULL));
    clock_virtual_take_over(0);

    Machine *machine = build_machine();

    type_foreach(&device_type, add_device, NULL);
    fill_ram();
    fuzz_for(seconds);
    object_unrealize(&machine->obj);
    object_free(&machine->obj);
    main_loop_wait(false);
    return report();
}

/* SPDX-License-Identifier: MIT */
/* Commands about addresses: gpa2hva, gpa2hpa, gva2gpa, sum, i, o. */
#include "softmmu/memory.h"
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

/* -- Where an address lies --------------------------------------------------------------------- */

static const FlatRange *find_ram(uint64_t address, Error **err)
{
    const FlatRange *range = address_space_lookup(&address_space_memory, address);

    if (!range || range->region->kind == REGION_RESERVED) {
        error_set(err, "There is nothing at 0x%" PRIx64, address);
        return NULL;
    }
    if (!range->host) {
        error_set(err, "What is at 0x%" PRIx64 " is a device, not RAM", address);
        return NULL;
    }
    return range;
}

static bool run_gpa2hva(Monitor *monitor, const MonitorValue *values, Error **err)
{
    uint64_t address = (uint64_t)values[0].number;
    const FlatRange *range = find_ram(address, err);

    if (!range) {
        return false;
    }
    monitor_printf(monitor, "Host virtual address for 0x%" PRIx64 " (%s) is %p\n", address,
                   range->region->name, (void *)(range->host + (address - range->start)));
    return true;
}

static const MonitorCommand gpa2hva_command = {
    .name = "gpa2hva",
    .help = "show the host virtual address of a guest physical one",
    .args = {{"address", MONITOR_ARG_INT}},
    .run = run_gpa2hva,
};
MONITOR_COMMAND(gpa2hva_command);

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FRAME ((1ull << 55) - 1)

/* By what Linux tells a privileged process about its own pages. */
static bool find_host_physical(const uint8_t *host, uint64_t *ret_address, Error **err)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entry = 0;
    uint64_t address = (uint64_t)(uintptr_t)host;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return error_set_errno(err, errno, "/proc/self/pagemap, which knows, does not open");
    }
    ssize_t got = pread(fd, &entry, sizeof(entry), (off_t)(address / page * sizeof(entry)));
    close(fd);
    if (got != sizeof(entry)) {
        return error_set(err, "cannot read /proc/self/pagemap");
    }
    if (!(entry & PAGEMAP_PRESENT)) {
        return error_set(err, "the page has no host memory yet");
    }
    if (!(entry & PAGEMAP_FRAME)) {
        return error_set(err, "the host tells physical addresses to privileged processes only");
    }
    *ret_address = (entry & PAGEMAP_FRAME) * page + address % page;
    return true;
}

static bool run_gpa2hpa(Monitor *monitor, const MonitorValue *values, Error **err)
{
    uint64_t address = (uint64_t)values[0].number, physical = 0;
    const FlatRange *range = find_ram(address, err);

    if (!range || !find_host_physical(range->host + (address - range->start), &physical, err)) {
        return false;
    }
    monitor_printf(monitor, "Host physical address for 0x%" PRIx64 " (%s) is 0x%" PRIx64 "\n",
                   address, range->region->name, physical);
    return true;
}

static const MonitorCommand gpa2hpa_command = {
    .name = "gpa2hpa",
    .help = "show the host physical address of a guest physical one",
    .args = {{"address", MONITOR_ARG_INT}},
    .run = run_gpa2hpa,
};
MONITOR_COMMAND(gpa2hpa_command);

typedef struct Translation {
    uint64_t linear, physical;
    bool is_mapped;
} Translation;

static void translate(X86Cpu *cpu, void *opaque)
{
    Translation *translation = opaque;

    translation->is_mapped = cpu_debug_translate(cpu, translation->linear, &translation->physical);
}

static bool run_gva2gpa(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Translation translation = {.linear = (uint64_t)values[0].number};
    X86Cpu *cpu = monitor_cpu(err);

    if (!cpu) {
        return false;
    }
    monitor_on_cpu(cpu, translate, &translation);
    if (translation.is_mapped) {
        monitor_printf(monitor, "gpa: 0x%" PRIx64 "\n", translation.physical);
    } else {
        monitor_printf(monitor, "Unmapped\n");
    }
    return true;
}

static const MonitorCommand gva2gpa_command = {
    .name = "gva2gpa",
    .help = "show the guest physical address of a linear one",
    .args = {{"address", MONITOR_ARG_INT}},
    .run = run_gva2gpa,
};
MONITOR_COMMAND(gva2gpa_command);

/* -- sum --------------------------------------------------------------------------------------- */

/* More would keep the main loop from its other work for too long. */
#define SUM_MAX (256ll << 20)

/* The 16-bit checksum of BSD's sum(1): rotated right by one, then the byte added. */
static uint16_t add_bytes(uint16_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum = (uint16_t)((sum >> 1 | sum << 15) + bytes[i]);
    }
    return sum;
}

static bool run_sum(Monitor *monitor, const MonitorValue *values, Error **err)
{
    uint64_t address = (uint64_t)values[0].number;
    uint8_t buffer[4096];
    uint16_t sum = 0;

    if (values[1].number < 0 || values[1].number > SUM_MAX) {
        return error_set(err, "size %" PRId64 ": 0 to %lld can be summed", values[1].number,
                         SUM_MAX);
    }
    for (uint64_t left = (uint64_t)values[1].number; left > 0;) {
        size_t chunk = MIN(left, sizeof(buffer));
        address_space_read(&address_space_memory, address, buffer, chunk);
        sum = add_bytes(sum, buffer, chunk);
        address += chunk;
        left -= chunk;
    }
    monitor_printf(monitor, "%05u\n", sum);
    return true;
}

static const MonitorCommand sum_command = {
    .name = "sum",
    .help = "show the 16-bit checksum of physical memory",
    .args = {{"address", MONITOR_ARG_INT}, {"size", MONITOR_ARG_INT}},
    .run = run_sum,
};
MONITOR_COMMAND(sum_command);

/* -- Ports ------------------------------------------------------------------------------------- */

static unsigned port_bytes(const MonitorValue *format)
{
    return !format->has_size || format->size == 'b' ? 1 : format->size == 'h' ? 2 : 4;
}

static bool run_in(Monitor *monitor, const MonitorValue *values, Error **err)
{
    unsigned size = port_bytes(&values[0]);
    uint16_t port = (uint16_t)values[1].number;
    uint64_t value = address_space_load(&address_space_io, port, size, NULL);

    monitor_printf(monitor, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", " bw l"[size], port,
                   (int)size * 2, value);
    return true;
}

static const MonitorCommand in_command = {
    .name = "i",
    .help = "read an I/O port; /fmt is b, h or w",
    .args = {{"fmt", MONITOR_ARG_FORMAT}, {"port", MONITOR_ARG_INT}},
    .run = run_in,
};
MONITOR_COMMAND(in_command);

static bool run_out(Monitor *monitor, const MonitorValue *values, Error **err)
{
    uint16_t port = (uint16_t)values[1].number;

    address_space_store(&address_space_io, port, (uint64_t)values[2].number,
                        port_bytes(&values[0]));
    return true;
}

static const MonitorCommand out_command = {
    .name = "o",
    .help = "write an I/O port; /fmt is b, h or w",
    .args = {{"fmt", MONITOR_ARG_FORMAT}, {"port", MONITOR_ARG_INT}, {"value", MONITOR_ARG_INT}},
    .run = run_out,
};
MONITOR_COMMAND(out_command);

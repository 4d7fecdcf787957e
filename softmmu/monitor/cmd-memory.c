/* SPDX-License-Identifier: MIT */
/* Commands about memory: x, xp, print, info mtree. */
#include "softmmu/memory.h"
#include "softmmu/monitor/monitor-private.h"
#include "target/i386/cpu.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <string.h>

#define MAX_UNITS 65536
#define MAX_INSN 15

/* -- Reading ----------------------------------------------------------------------------------- */

typedef struct Dump {
    Monitor *monitor;
    uint64_t address;
    bool is_linear;
    unsigned size; /* bytes of a unit */
    char format;
    int count;
} Dump;

/* Bytes of one page; how many could be read, from the first on. */
static size_t read_within_page(X86Cpu *cpu, const Dump *dump, uint64_t address, uint8_t *bytes,
                               size_t count)
{
    uint64_t physical = address;

    if (dump->is_linear && !cpu_debug_translate(cpu, address, &physical)) {
        return 0;
    }
    address_space_read(&address_space_memory, physical, bytes, count);
    return count;
}

static size_t read_bytes(X86Cpu *cpu, const Dump *dump, uint64_t address, uint8_t *bytes,
                         size_t count)
{
    size_t done = 0;

    while (done < count) {
        uint64_t at = address + done;
        size_t chunk = MIN(count - done, TARGET_PAGE_SIZE - at % TARGET_PAGE_SIZE);
        size_t got = read_within_page(cpu, dump, at, bytes + done, chunk);
        done += got;
        if (got < chunk) {
            break;
        }
    }
    return done;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

static void print_character(Monitor *monitor, uint8_t c)
{
    static const char escapes[][3] = {
        ['\0'] = "\\0", ['\a'] = "\\a", ['\b'] = "\\b", ['\t'] = "\\t",
        ['\n'] = "\\n", ['\r'] = "\\r", ['\''] = "\\'", ['\\'] = "\\\\",
    };

    if (c < G_N_ELEMENTS(escapes) && escapes[c][0]) {
        monitor_printf(monitor, "'%s'", escapes[c]);
    } else if (c >= 0x20 && c < 0x7f) {
        monitor_printf(monitor, "'%c'", c);
    } else {
        monitor_printf(monitor, "'\\x%02x'", c);
    }
}

/* One unit in a column wide enough for the largest of its size. */
static void print_unit(Monitor *monitor, char format, unsigned size, uint64_t value)
{
    unsigned bits = size * 8;
    int64_t as_signed = (int64_t)(value << (64 - bits)) >> (64 - bits);

    switch (format) {
    case 'o':
        monitor_printf(monitor, "0%0*" PRIo64, (int)((bits + 2) / 3), value);
        break;
    case 'u':
        monitor_printf(monitor, "%*" PRIu64, (int)((bits * 10 + 32) / 33), value);
        break;
    case 'd':
        monitor_printf(monitor, "%*" PRId64, (int)((bits * 10 + 32) / 33), as_signed);
        break;
    case 'c':
        print_character(monitor, (uint8_t)value);
        break;
    default:
        monitor_printf(monitor, "0x%0*" PRIx64, (int)(bits / 4), value);
    }
}

static void dump_numbers(X86Cpu *cpu, void *opaque)
{
    Dump *dump = opaque;
    int per_line = dump->format == 'c' ? 8 : (int)(16 / dump->size);

    for (int i = 0; i < dump->count; i++) {
        uint64_t value = 0;
        if (i % per_line == 0) {
            monitor_printf(dump->monitor, "%016" PRIx64 ":", dump->address);
        }
        if (read_bytes(cpu, dump, dump->address, (uint8_t *)&value, dump->size) < dump->size) {
            monitor_printf(dump->monitor, " Cannot access memory\n");
            return;
        }
        monitor_printf(dump->monitor, " ");
        print_unit(dump->monitor, dump->format, dump->size, value);
        dump->address += dump->size;
        if ((i + 1) % per_line == 0 || i + 1 == dump->count) {
            monitor_printf(dump->monitor, "\n");
        }
    }
}

/* -- Instructions ------------------------------------------------------------------------------ */

static void init_decoder(ZydisDecoder *decoder, const X86Cpu *cpu)
{
    ZydisMachineMode mode = ZYDIS_MACHINE_MODE_LEGACY_16;
    ZydisStackWidth width = ZYDIS_STACK_WIDTH_16;

    if (cpu && (cpu->mode & CPU_MODE_CS_L)) {
        mode = ZYDIS_MACHINE_MODE_LONG_64;
        width = ZYDIS_STACK_WIDTH_64;
    } else if (cpu && (cpu->mode & CPU_MODE_CS_D)) {
        mode = ZYDIS_MACHINE_MODE_LEGACY_32;
        width = ZYDIS_STACK_WIDTH_32;
    }
    ZydisDecoderInit(decoder, mode, width);
}

/* Prints one instruction; returns its length, 0 when there is none. */
static size_t print_instruction(const Dump *dump, const ZydisDecoder *decoder, const uint8_t *bytes,
                                size_t count)
{
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisFormatter formatter;
    char text[160] = "(bad)";
    size_t length = 1;

    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, bytes, count, &insn, operands))) {
        length = insn.length;
        ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
        ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
        ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible,
                                        text, sizeof(text), dump->address, NULL);
    }
    g_autoptr(GString) hex = g_string_new(NULL);
    for (size_t i = 0; i < length; i++) {
        g_string_append_printf(hex, "%02x ", bytes[i]);
    }
    monitor_printf(dump->monitor, "0x%08" PRIx64 ":  %-24s %s\n", dump->address, hex->str, text);
    return length;
}

static void dump_instructions(X86Cpu *cpu, void *opaque)
{
    Dump *dump = opaque;
    ZydisDecoder decoder;

    init_decoder(&decoder, cpu);
    for (int i = 0; i < dump->count; i++) {
        uint8_t bytes[MAX_INSN] = {0};
        size_t got = read_bytes(cpu, dump, dump->address, bytes, sizeof(bytes));
        if (got == 0) {
            monitor_printf(dump->monitor, "0x%08" PRIx64 ": unable to read memory\n",
                           dump->address);
            return;
        }
        dump->address += print_instruction(dump, &decoder, bytes, got);
    }
}

/* -- Commands ---------------------------------------------------------------------------------- */

static unsigned unit_bytes(char size)
{
    return size == 'b' ? 1 : size == 'h' ? 2 : size == 'g' ? 8 : 4;
}

static bool run_dump(Monitor *monitor, const MonitorValue *values, bool is_linear, Error **err)
{
    Dump dump = {.monitor = monitor,
                 .address = (uint64_t)values[1].number,
                 .is_linear = is_linear,
                 .format = values[0].format,
                 .size = unit_bytes(values[0].size),
                 .count = values[0].count};
    bool needs_cpu = is_linear || dump.format == 'i';

    if (dump.count > MAX_UNITS) {
        return error_set(err, "%d units are too many: %d at a time", dump.count, MAX_UNITS);
    }
    X86Cpu *cpu = needs_cpu ? monitor_cpu(is_linear ? err : NULL) : NULL;
    if (is_linear && !cpu) {
        return false;
    }
    void (*work)(X86Cpu *, void *) = dump.format == 'i' ? dump_instructions : dump_numbers;
    if (cpu) {
        monitor_on_cpu(cpu, work, &dump);
    } else {
        work(NULL, &dump);
    }
    return true;
}

static bool run_x(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return run_dump(monitor, values, true, err);
}

static const MonitorCommand x_command = {
    .name = "x",
    .help = "dump linear memory; /fmt is a count, x d u o c or i, and b h w or g",
    .args = {{"fmt", MONITOR_ARG_FORMAT}, {"address", MONITOR_ARG_INT}},
    .run = run_x,
};
MONITOR_COMMAND(x_command);

static bool run_xp(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return run_dump(monitor, values, false, err);
}

static const MonitorCommand xp_command = {
    .name = "xp",
    .help = "dump physical memory; /fmt is a count, x d u o c or i, and b h w or g",
    .args = {{"fmt", MONITOR_ARG_FORMAT}, {"address", MONITOR_ARG_INT}},
    .run = run_xp,
};
MONITOR_COMMAND(xp_command);

static bool run_print(Monitor *monitor, const MonitorValue *values, Error **err)
{
    uint64_t value = (uint64_t)values[1].number;

    switch (values[0].format) {
    case 'o':
        monitor_printf(monitor, "%#" PRIo64 "\n", value);
        break;
    case 'u':
        monitor_printf(monitor, "%" PRIu64 "\n", value);
        break;
    case 'd':
        monitor_printf(monitor, "%" PRId64 "\n", (int64_t)value);
        break;
    case 'c':
        print_character(monitor, (uint8_t)value);
        monitor_printf(monitor, "\n");
        break;
    default:
        monitor_printf(monitor, "%#" PRIx64 "\n", value);
    }
    return true;
}

static const MonitorCommand print_command = {
    .name = "print|p",
    .help = "print the value of an expression, which may name registers as $rip",
    .args = {{"fmt", MONITOR_ARG_FORMAT}, {"expression", MONITOR_ARG_INT}},
    .run = run_print,
};
MONITOR_COMMAND(print_command);

static bool run_info_mtree(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autofree char *text = memory_tree_text(values[0].present);

    monitor_printf(monitor, "%s", text);
    return true;
}

static const MonitorCommand info_mtree_command = {
    .name = "info mtree",
    .help = "show the tree of memory regions (-f: the flat view)",
    .args = {{"flat", MONITOR_ARG_FLAG, .flag = 'f'}},
    .run = run_info_mtree,
};
MONITOR_COMMAND(info_mtree_command);

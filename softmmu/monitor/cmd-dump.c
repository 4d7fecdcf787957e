/* SPDX-License-Identifier: MIT */
/* dump-guest-memory, query-dump: the machine's memory and registers as an ELF core file. The
 * machine stands still meanwhile; the file is written in the background. */
#include "softmmu/monitor/dump-elf.h"
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/monitor/save-job.h"
#include "softmmu/run.h"
#include "target/i386/cpu.h"
#include "util/event.h"
#include "util/fd-sets.h"

#include <inttypes.h>
#include <string.h>

#define FILE_MODE 0400
#define MAX_MAPPINGS (1u << 20)

typedef struct Dump {
    DumpLayout layout;
    GByteArray *head; /* NULL: it was written */
    guint range;      /* which is written */
    uint64_t range_done;
    bool was_running;
    MonitorPending *pending; /* NULL: nobody waits */
} Dump;

static Dump *current; /* NULL: none under way */

static const char *const status_names[] = {"none", "active", "completed", "failed", NULL};
static struct {
    const char *status;
    uint64_t total, completed; /* bytes of memory */
} last = {.status = "none"};

static const JsonType status_type = {.kind = JSON_KIND_ENUM, .values = status_names};
static const JsonMember dump_members[] = {
    {"status", &status_type}, {"completed", &json_type_int}, {"total", &json_type_int}, {NULL}};
static const JsonType dump_type = {.kind = JSON_KIND_OBJECT, .members = dump_members};
static const JsonMember completed_members[] = {
    {"result", &dump_type}, {"error", &json_type_string, true}, {NULL}};
static const JsonType completed_type = {.kind = JSON_KIND_OBJECT, .members = completed_members};
static const EventType dump_completed_event = {"DUMP_COMPLETED", "a dump of memory has ended",
                                               &completed_type};
EVENT(dump_completed_event);

bool monitor_check_no_dump(Error **err)
{
    return !current || error_set(err, "Memory is being dumped: wait until that has ended");
}

static json_t *describe_last(void)
{
    return json_pack("{s:s, s:I, s:I}", "status", last.status, "completed",
                     (json_int_t)last.completed, "total", (json_int_t)last.total);
}

/* -- What is dumped ---------------------------------------------------------------------------- */

typedef struct Filter {
    bool present;
    uint64_t begin, end;
} Filter;

static void add_range(GArray *ranges, uint64_t address, uint64_t size)
{
    DumpRange *before = ranges->len ? &g_array_index(ranges, DumpRange, ranges->len - 1) : NULL;
    DumpRange range = {address, size};

    if (before && before->address + before->size == address) {
        before->size += size;
    } else {
        g_array_append_val(ranges, range);
    }
}

/* All RAM and ROM, or that part of it. */
static GArray *find_ranges(const Filter *filter)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(DumpRange));
    const FlatView *view = address_space_memory.view;

    for (size_t i = 0; view && i < view->count; i++) {
        const FlatRange *range = &view->ranges[i];
        uint64_t start = range->start, end = range->start + range->size;

        if (filter->present) {
            start = MAX(start, filter->begin);
            end = MIN(end, filter->end);
        }
        if (range->host && start < end) {
            add_range(ranges, start, end - start);
        }
    }
    return ranges;
}

typedef struct MappingList {
    GArray *mappings; /* of DumpMapping */
    const Filter *filter;
} MappingList;

static void add_mapping(uint64_t linear, uint64_t physical, uint64_t size, void *opaque)
{
    const MappingList *list = opaque;
    GArray *mappings = list->mappings;
    DumpMapping *before =
        mappings->len ? &g_array_index(mappings, DumpMapping, mappings->len - 1) : NULL;
    DumpMapping mapping = {linear, physical, size};

    if (list->filter->present &&
        (physical + size <= list->filter->begin || physical >= list->filter->end)) {
        return;
    }
    if (before && before->linear + before->size == linear &&
        before->physical + before->size == physical) {
        before->size += size;
    } else {
        g_array_append_val(mappings, mapping);
    }
}

static gint compare_mappings(gconstpointer a, gconstpointer b)
{
    const DumpMapping *x = a, *y = b;

    if (x->linear != y->linear) {
        return x->linear < y->linear ? -1 : 1;
    }
    if (x->physical != y->physical) {
        return x->physical < y->physical ? -1 : 1;
    }
    return (x->size > y->size) - (x->size < y->size);
}

/* Spaces of several CPUs have most in common. */
static void drop_duplicates(GArray *mappings)
{
    guint kept = 0;

    g_array_sort(mappings, compare_mappings);
    for (guint i = 0; i < mappings->len; i++) {
        DumpMapping *mapping = &g_array_index(mappings, DumpMapping, i);

        if (kept == 0 ||
            compare_mappings(mapping, &g_array_index(mappings, DumpMapping, kept - 1)) != 0) {
            g_array_index(mappings, DumpMapping, kept++) = *mapping;
        }
    }
    g_array_set_size(mappings, kept);
}

/* As the page tables of all CPUs have it; NULL: too much. */
static GArray *find_mappings(const DumpLayout *layout, bool paging, const Filter *filter)
{
    MappingList list = {g_array_new(FALSE, FALSE, sizeof(DumpMapping)), filter};
    bool fine = true;

    for (unsigned i = 0; paging && fine && i < vcpu_count(); i++) {
        fine = cpu_mappings_foreach(cpu_get(i), add_mapping, &list) &&
               list.mappings->len <= MAX_MAPPINGS;
    }
    if (!fine) {
        g_array_free(list.mappings, TRUE);
        return NULL;
    }
    drop_duplicates(list.mappings);
    bool has_tables = list.mappings->len > 0;
    for (guint i = 0; !has_tables && i < layout->ranges->len; i++) {
        const DumpRange *range = &g_array_index(layout->ranges, DumpRange, i);
        /* Without page tables linear addresses are physical ones. */
        const DumpMapping mapping = {paging ? range->address : 0, range->address, range->size};

        g_array_append_val(list.mappings, mapping);
    }
    return list.mappings;
}

static void note_mode(X86Cpu *cpu, void *is_64)
{
    *(bool *)is_64 |= (cpu->efer & EFER_LMA) != 0;
}

static bool make_layout(Dump *dump, bool paging, const Filter *filter, Error **err)
{
    DumpLayout *layout = &dump->layout;

    layout->ranges = find_ranges(filter);
    if (layout->ranges->len == 0) {
        return error_set(err, "there is no memory to dump");
    }
    const DumpRange *highest = &g_array_index(layout->ranges, DumpRange, layout->ranges->len - 1);
    layout->is_64 = highest->address + highest->size > UINT32_MAX + 1ull;
    for (unsigned i = 0; i < vcpu_count(); i++) {
        monitor_on_cpu(cpu_get(i), note_mode, &layout->is_64);
    }
    layout->mappings = find_mappings(layout, paging, filter);
    if (!layout->mappings) {
        return error_set(err, "dump: the guest's page tables have too many entries");
    }
    last.total = 0;
    for (guint i = 0; i < layout->ranges->len; i++) {
        last.total += g_array_index(layout->ranges, DumpRange, i).size;
    }
    return true;
}

/* -- Writing ----------------------------------------------------------------------------------- */

static bool next_piece(void *opaque, SavePiece *piece, Error **err)
{
    Dump *dump = opaque;

    *piece = (SavePiece){0};
    if (dump->head) {
        piece->size = dump->head->len;
        piece->bytes = g_byte_array_free(g_steal_pointer(&dump->head), FALSE);
        return true;
    }
    if (dump->range == dump->layout.ranges->len) {
        return true;
    }
    const DumpRange *range = &g_array_index(dump->layout.ranges, DumpRange, dump->range);
    save_piece_of_memory(piece, range->address + dump->range_done, range->size - dump->range_done);
    dump->range_done += piece->size;
    last.completed += piece->size;
    if (dump->range_done == range->size) {
        dump->range++;
        dump->range_done = 0;
    }
    return true;
}

static void free_dump(Dump *dump)
{
    if (dump->layout.ranges) {
        g_array_free(dump->layout.ranges, TRUE);
    }
    if (dump->layout.mappings) {
        g_array_free(dump->layout.mappings, TRUE);
    }
    if (dump->head) {
        g_byte_array_free(dump->head, TRUE);
    }
    current = NULL;
    if (dump->was_running && run_state_get() == RUN_STATE_PAUSED) {
        vm_start();
    }
    g_free(dump);
}

static void dump_done(void *opaque, Error *error)
{
    Dump *dump = opaque;
    MonitorPending *pending = dump->pending;

    last.status = error ? "failed" : "completed";
    json_t *data = json_pack("{s:o}", "result", describe_last());
    if (error) {
        json_object_set_new(data, "error", json_text(error_message(error)));
    }
    free_dump(dump);
    event_emit(&dump_completed_event, data);
    if (pending) {
        monitor_finish(pending, NULL, error);
    } else {
        error_free(error);
    }
}

/* "file:PATH" or "fd:NAME". */
static bool start_job(const char *protocol, const SaveSource *source, Error **err)
{
    if (g_str_has_prefix(protocol, "file:")) {
        return save_job_start(protocol + strlen("file:"), FILE_MODE, source, err);
    }
    int fd = fd_name_take(protocol + strlen("fd:"));
    if (fd < 0) {
        return error_set(err, "there is no descriptor '%s': getfd gives it its name",
                         protocol + strlen("fd:"));
    }
    save_job_start_fd(fd, protocol, source);
    return true;
}

static bool start_dump(Monitor *monitor, const char *protocol, bool paging, bool detach,
                       const Filter *filter, Error **err)
{
    Dump *dump = g_new0(Dump, 1);
    const SaveSource source = {next_piece, dump_done, dump};

    if (!g_str_has_prefix(protocol, "file:") && !g_str_has_prefix(protocol, "fd:")) {
        g_free(dump);
        return error_set(err, "Parameter 'protocol' is neither file:PATH nor fd:NAME");
    }
    current = dump;
    dump->was_running = run_state_is_running();
    if (dump->was_running) {
        vm_stop(RUN_STATE_PAUSED);
    }
    if (!make_layout(dump, paging, filter, err)) {
        free_dump(dump);
        return false;
    }
    dump->head = dump_elf_head(&dump->layout);
    if (!start_job(protocol, &source, err)) {
        free_dump(dump);
        return false;
    }
    last.status = "active";
    last.completed = 0;
    if (!detach && monitor_can_wait(monitor)) {
        dump->pending = monitor_defer(monitor);
    }
    return true;
}

/* -- Commands ---------------------------------------------------------------------------------- */

static bool read_filter(const MonitorValue *begin, const MonitorValue *length, Filter *filter,
                        Error **err)
{
    if (begin->present != length->present) {
        return error_set(err, "Parameter '%s' is missing", begin->present ? "length" : "begin");
    }
    if (!begin->present) {
        return true;
    }
    if (begin->number < 0 || length->number <= 0 || length->number > INT64_MAX - begin->number) {
        return error_set(err, "Parameter 'length' expects a length of memory from 'begin' on");
    }
    *filter =
        (Filter){true, (uint64_t)begin->number, (uint64_t)begin->number + (uint64_t)length->number};
    return true;
}

enum {
    LINE_PAGING,
    LINE_DETACH,
    LINE_FORMATS,
    LINE_FILENAME = LINE_FORMATS + 4,
    LINE_BEGIN,
    LINE_LENGTH
};

static bool run_dump_line(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_autofree char *protocol = g_strconcat("file:", values[LINE_FILENAME].text, NULL);
    Filter filter = {0};

    for (unsigned i = LINE_FORMATS; i < LINE_FILENAME; i++) {
        if (values[i].present) {
            return error_set(err, "dumps are written as plain ELF: -z, -l, -s and -w are not "
                                  "offered");
        }
    }
    return monitor_check_no_dump(err) &&
           read_filter(&values[LINE_BEGIN], &values[LINE_LENGTH], &filter, err) &&
           start_dump(monitor, protocol, values[LINE_PAGING].present, values[LINE_DETACH].present,
                      &filter, err);
}

static const MonitorCommand dump_line_command = {
    .name = "dump-guest-memory",
    .help = "dump memory and registers to a file, as ELF (-p: with the guest's linear addresses, "
            "-d: do not wait for the end)",
    .args = {[LINE_PAGING] = {"paging", MONITOR_ARG_FLAG, .flag = 'p'},
             [LINE_DETACH] = {"detach", MONITOR_ARG_FLAG, .flag = 'd'},
             [LINE_FORMATS] = {"zlib", MONITOR_ARG_FLAG, .flag = 'z'},
             {"lzo", MONITOR_ARG_FLAG, .flag = 'l'},
             {"snappy", MONITOR_ARG_FLAG, .flag = 's'},
             {"windmp", MONITOR_ARG_FLAG, .flag = 'w'},
             [LINE_FILENAME] = {"filename", MONITOR_ARG_WORD, .complete = monitor_complete_file},
             [LINE_BEGIN] = {"begin", MONITOR_ARG_INT, .optional = true},
             [LINE_LENGTH] = {"length", MONITOR_ARG_INT, .optional = true}},
    .run = run_dump_line,
};
MONITOR_COMMAND(dump_line_command);

static const char *const formats[] = {"elf", NULL};
static const JsonType format_type = {.kind = JSON_KIND_ENUM, .values = formats};

static bool run_dump(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Filter filter = {0};

    return monitor_check_no_dump(err) && read_filter(&values[3], &values[4], &filter, err) &&
           start_dump(monitor, values[1].text, values[0].number, values[2].number, &filter, err);
}

static const MonitorCommand dump_command = {
    .qmp = "dump-guest-memory",
    .help = "dump memory and registers to a file, as ELF",
    .args = {{"paging", MONITOR_ARG_BOOL},
             {"protocol", MONITOR_ARG_WORD},
             {"detach", MONITOR_ARG_BOOL, .optional = true},
             {"begin", MONITOR_ARG_INT, .optional = true},
             {"length", MONITOR_ARG_INT, .optional = true},
             {"format", MONITOR_ARG_WORD, .optional = true, .type = &format_type}},
    .run = run_dump,
};
MONITOR_COMMAND(dump_command);

static bool run_info_dump(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, describe_last());
    return true;
}

static void print_dump(Monitor *monitor, const json_t *result)
{
    const char *status = json_string_value(json_object_get(result, "status"));
    double total = (double)json_integer_value(json_object_get(result, "total"));
    double completed = (double)json_integer_value(json_object_get(result, "completed"));

    monitor_printf(monitor, "Status: %s\n", status);
    if (strcmp(status, "active") == 0) {
        monitor_printf(monitor, "Finished: %.2f %%\n", total > 0 ? 100 * completed / total : 0);
    }
}

static const MonitorCommand info_dump_command = {
    .name = "info dump",
    .qmp = "query-dump",
    .help = "show how the last dump of memory goes",
    .returns = &dump_type,
    .run = run_info_dump,
    .print = print_dump,
};
MONITOR_COMMAND(info_dump_command);

static const JsonType formats_type = {.kind = JSON_KIND_ARRAY, .element = &format_type};
static const JsonMember capability_members[] = {{"formats", &formats_type}, {NULL}};
static const JsonType capability_type = {.kind = JSON_KIND_OBJECT, .members = capability_members};

static bool run_query_capability(Monitor *monitor, const MonitorValue *values, Error **err)
{
    monitor_return(monitor, json_pack("{s:[s]}", "formats", formats[0]));
    return true;
}

static const MonitorCommand query_capability_command = {
    .qmp = "query-dump-guest-memory-capability",
    .help = "list the formats of dumps",
    .returns = &capability_type,
    .run = run_query_capability,
};
MONITOR_COMMAND(query_capability_command);

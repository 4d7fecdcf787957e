/* SPDX-License-Identifier: MIT */
/* How fast the guest changes its memory: pages taken at random are looked at twice, some seconds
 * apart, by a worker; what part of them differs is taken for what part of all has changed. */
#include "softmmu/memory.h"
#include "softmmu/monitor/monitor-private.h"
#include "util/worker.h"

#include <inttypes.h>

#define SECONDS_MAX 60
#define PAGES_MIN 128 /* samples a GiB */
#define PAGES_DEFAULT 512
#define PAGES_MAX 16384
#define GIB (1ull << 30)

typedef struct Sample {
    const uint64_t *page;
    uint64_t hash;
} Sample;

typedef enum Status { UNSTARTED, MEASURING, MEASURED } Status;

/* Under the lock; `samples`, `changed` and the times are the worker's while it works. */
static struct {
    Status status;
    int64_t start_second, calc_time, sample_pages; /* as asked for */
    GPtrArray *blocks;                             /* references */
    GArray *samples;
    uint64_t bytes;           /* of which the samples are taken */
    int64_t begin_ns, end_ns; /* when they were looked at */
    uint64_t changed;         /* samples that differ */
    bool is_second;           /* time that they are looked at */
    Timer timer;
    double rate; /* MiB a second */
} now;

/* -- Measuring --------------------------------------------------------------------------------- */

static uint64_t hash_page(const uint64_t *page)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < TARGET_PAGE_SIZE / sizeof(*page); i++) {
        hash = (hash ^ __atomic_load_n(&page[i], __ATOMIC_RELAXED)) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    return hash;
}

/* On a worker. */
static void look(void *opaque)
{
    *(now.is_second ? &now.end_ns : &now.begin_ns) = clock_now_ns(CLOCK_TYPE_REALTIME);
    for (guint i = 0; i < now.samples->len; i++) {
        Sample *sample = &g_array_index(now.samples, Sample, i);
        uint64_t hash = hash_page(sample->page);

        now.changed += now.is_second && hash != sample->hash;
        sample->hash = hash;
    }
}

static void have_looked(void *opaque)
{
    if (!now.is_second) {
        timer_mod_ns(&now.timer, now.begin_ns + now.calc_time * NS_PER_SECOND);
        return;
    }
    double seconds = (double)(now.end_ns - now.begin_ns) / NS_PER_SECOND;
    double part = now.samples->len ? (double)now.changed / now.samples->len : 0;

    now.rate = part * (double)(now.bytes >> 20) / seconds;
    now.status = MEASURED;
    g_clear_pointer(&now.blocks, g_ptr_array_unref);
    g_clear_pointer(&now.samples, g_array_unref);
}

static void look_again(void *opaque)
{
    now.is_second = true;
    worker_submit(worker_pool_shared(), main_loop(), look, have_looked, NULL);
}

static void take_samples(const RamBlock *block, void *opaque)
{
    uint64_t pages = block->size / TARGET_PAGE_SIZE;
    uint64_t count = (uint64_t)((double)block->size / GIB * (double)now.sample_pages) + 1;

    if (block->read_only) {
        return;
    }
    g_ptr_array_add(now.blocks, ram_block_ref((RamBlock *)block));
    now.bytes += block->size;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t index = (uint64_t)(g_random_double() * (double)pages);
        Sample sample = {(const uint64_t *)(void *)(block->host + index * TARGET_PAGE_SIZE), 0};

        g_array_append_val(now.samples, sample);
    }
}

static void begin(int64_t calc_time, int64_t sample_pages)
{
    timer_init(&now.timer, main_loop(), CLOCK_TYPE_REALTIME, look_again, NULL);
    now.status = MEASURING;
    now.start_second = clock_now_ns(CLOCK_TYPE_REALTIME) / NS_PER_SECOND;
    now.calc_time = calc_time;
    now.sample_pages = sample_pages;
    now.bytes = now.changed = 0;
    now.is_second = false;
    now.blocks = g_ptr_array_new_with_free_func((GDestroyNotify)ram_block_unref);
    now.samples = g_array_new(FALSE, FALSE, sizeof(Sample));
    ram_block_foreach(take_samples, NULL);
    worker_submit(worker_pool_shared(), main_loop(), look, have_looked, NULL);
}

/* -- Commands ---------------------------------------------------------------------------------- */

static const char *const mode_names[] = {"page-sampling", NULL};
static const JsonType mode_type = {.kind = JSON_KIND_ENUM, .values = mode_names};
static const char *const status_names[] = {
    [UNSTARTED] = "unstarted", [MEASURING] = "measuring", [MEASURED] = "measured", NULL};
static const JsonType status_type = {.kind = JSON_KIND_ENUM, .values = status_names};
static const JsonMember rate_members[] = {{"dirty-rate", &json_type_int, true},
                                          {"status", &status_type},
                                          {"start-time", &json_type_int},
                                          {"calc-time", &json_type_int},
                                          {"sample-pages", &json_type_int},
                                          {"mode", &mode_type},
                                          {NULL}};
static const JsonType rate_type = {.kind = JSON_KIND_OBJECT, .members = rate_members};

static bool run_calc_dirty_rate(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int64_t seconds = values[0].number;
    int64_t pages = values[1].present ? values[1].number : PAGES_DEFAULT;

    if (now.status == MEASURING) {
        return error_set(err, "that is being measured: wait until it has ended");
    }
    if (seconds < 1 || seconds > SECONDS_MAX) {
        return error_set(err, "calc-time=%" PRId64 ": 1 to %d seconds", seconds, SECONDS_MAX);
    }
    if (pages < PAGES_MIN || pages > PAGES_MAX) {
        return error_set(err, "sample-pages=%" PRId64 ": %d to %d of each GiB", pages, PAGES_MIN,
                         PAGES_MAX);
    }
    begin(seconds, pages);
    monitor_printf(monitor, "'info dirty_rate' tells it after %" PRId64 " s\n", seconds);
    return true;
}

static const MonitorCommand calc_dirty_rate_command = {
    .name = "calc_dirty_rate",
    .qmp = "calc-dirty-rate",
    .help = "measure for some seconds how fast the guest changes memory, by so many pages of each "
            "GiB",
    .args = {{"calc-time", MONITOR_ARG_INT},
             {"sample-pages", MONITOR_ARG_INT, .optional = true},
             {"mode", MONITOR_ARG_WORD, .optional = true, .type = &mode_type}},
    .run = run_calc_dirty_rate,
};
MONITOR_COMMAND(calc_dirty_rate_command);

static bool run_query_dirty_rate(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *result =
        json_pack("{s:s, s:I, s:I, s:I, s:s}", "status", status_names[now.status], "start-time",
                  (json_int_t)now.start_second, "calc-time", (json_int_t)now.calc_time,
                  "sample-pages", (json_int_t)now.sample_pages, "mode", mode_names[0]);

    if (now.status == MEASURED) {
        json_object_set_new(result, "dirty-rate", json_integer((json_int_t)now.rate));
    }
    monitor_return(monitor, result);
    return true;
}

static void print_dirty_rate(Monitor *monitor, const json_t *result)
{
    monitor_printf(monitor, "Status: %s\nStart Time: %" PRId64 " (s)\n", status_names[now.status],
                   now.start_second);
    monitor_printf(monitor, "Sample Pages: %" PRId64 " (per GB)\nPeriod: %" PRId64 " (sec)\n",
                   now.sample_pages, now.calc_time);
    monitor_printf(monitor, "Mode: %s\nDirty rate: ", mode_names[0]);
    if (now.status == MEASURED) {
        monitor_printf(monitor, "%" PRId64 " (MB/s)\n", (int64_t)now.rate);
    } else {
        monitor_printf(monitor, "(not ready)\n");
    }
}

static const MonitorCommand info_dirty_rate_command = {
    .name = "info dirty_rate",
    .qmp = "query-dirty-rate",
    .help = "show how fast the guest changes memory, as calc_dirty_rate has measured it last",
    .returns = &rate_type,
    .run = run_query_dirty_rate,
    .print = print_dirty_rate,
};
MONITOR_COMMAND(info_dirty_rate_command);

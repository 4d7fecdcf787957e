/* SPDX-License-Identifier: MIT */
/* memsave, pmemsave: memory into a file, while the guest runs on. */
#include "softmmu/monitor/monitor-private.h"
#include "softmmu/monitor/save-job.h"
#include "target/i386/cpu.h"

#include <inttypes.h>

#define FILE_MODE 0666
#define BATCH 1024 /* pages whose places are asked for at a time */

typedef struct Save {
    MonitorPending *pending; /* NULL: `failure` takes the error */
    Error *failure;
    uint64_t address, left;
    uint64_t begin, size; /* as it was asked for */
    X86Cpu *cpu;          /* NULL: addresses are physical */
    /* Pages from the one of `address` on. */
    uint64_t pages[BATCH];
    unsigned next_page, page_count;
} Save;

/* -- Where linear memory lies ------------------------------------------------------------------ */

static void find_pages(X86Cpu *cpu, void *opaque)
{
    Save *save = opaque;
    uint64_t page = save->address & -TARGET_PAGE_SIZE;
    uint64_t wanted = (save->address + save->left - 1 - page) / TARGET_PAGE_SIZE + 1;

    save->next_page = save->page_count = 0;
    while (save->page_count < MIN(wanted, BATCH) &&
           cpu_debug_translate(cpu, page + save->page_count * TARGET_PAGE_SIZE,
                               &save->pages[save->page_count])) {
        save->page_count++;
    }
}

/* Bytes from save->address on that lie together in physical memory, from *ret_physical on; 0: not
 * mapped. */
static uint64_t find_run(Save *save, uint64_t *ret_physical)
{
    if (!save->cpu) {
        *ret_physical = save->address;
        return save->left;
    }
    if (save->next_page == save->page_count) {
        monitor_on_cpu(save->cpu, find_pages, save);
        if (save->page_count == 0) {
            return 0;
        }
    }
    const uint64_t *page = &save->pages[save->next_page];
    uint64_t offset = save->address % TARGET_PAGE_SIZE, count = 1;
    while (save->next_page + count < save->page_count &&
           page[count] == page[0] + count * TARGET_PAGE_SIZE) {
        count++;
    }
    *ret_physical = page[0] + offset;
    return MIN(count * TARGET_PAGE_SIZE - offset, save->left);
}

static bool next_piece(void *opaque, SavePiece *piece, Error **err)
{
    Save *save = opaque;
    uint64_t physical;

    if (save->left == 0) {
        *piece = (SavePiece){0};
        return true;
    }
    uint64_t run = find_run(save, &physical);
    if (run == 0) {
        return error_set(err, "not all of the %" PRIu64 " bytes from 0x%" PRIx64 " on are memory",
                         save->size, save->begin);
    }
    save_piece_of_memory(piece, physical, run);
    uint64_t before = save->address / TARGET_PAGE_SIZE;
    save->address += piece->size;
    save->left -= piece->size;
    save->next_page += (unsigned)(save->address / TARGET_PAGE_SIZE - before);
    return true;
}

static void save_done(void *opaque, Error *error)
{
    Save *save = opaque;

    if (save->pending) {
        monitor_finish(save->pending, NULL, error);
        g_free(save);
    } else {
        save->failure = error;
    }
}

/* -- Commands ---------------------------------------------------------------------------------- */

static bool start_save(Monitor *monitor, const MonitorValue *values, X86Cpu *cpu, Error **err)
{
    Save *save = g_new0(Save, 1);
    const SaveSource source = {next_piece, save_done, save};
    const char *path = values[2].text;

    save->cpu = cpu;
    save->begin = save->address = (uint64_t)values[0].number;
    save->size = save->left = (uint64_t)values[1].number;
    if (monitor_can_wait(monitor)) {
        if (!save_job_start(path, FILE_MODE, &source, err)) {
            g_free(save);
            return false;
        }
        save->pending = monitor_defer(monitor);
        return true;
    }
    bool fine = save_job_run(path, FILE_MODE, &source, err);
    if (fine && save->failure) {
        fine = error_set(err, "%s", error_message(save->failure));
        error_free(save->failure);
    }
    g_free(save);
    return fine;
}

static bool check_size(const MonitorValue *values, Error **err)
{
    uint64_t address = (uint64_t)values[0].number;

    if (values[1].number < 0) {
        return error_set(err, "Parameter 'size' expects a number of bytes");
    }
    return values[1].number == 0 || (uint64_t)values[1].number - 1 <= UINT64_MAX - address ||
           error_set(err, "%" PRId64 " bytes from 0x%" PRIx64 " on go beyond the last address",
                     values[1].number, address);
}

static bool run_memsave(Monitor *monitor, const MonitorValue *values, Error **err)
{
    X86Cpu *cpu = monitor_cpu(err);

    if (!cpu || !check_size(values, err)) {
        return false;
    }
    if (values[3].present) {
        if (values[3].number < 0 || values[3].number >= vcpu_count()) {
            return error_set(err, "there is no CPU %" PRId64 ": this machine has %u",
                             values[3].number, vcpu_count());
        }
        cpu = cpu_get((unsigned)values[3].number);
    }
    return start_save(monitor, values, cpu, err);
}

static const MonitorCommand memsave_command = {
    .name = "memsave",
    .qmp = "memsave",
    .help = "save linear memory to a file",
    .args = {{"val", MONITOR_ARG_INT, .type = &json_type_address},
             {"size", MONITOR_ARG_INT},
             {"filename", MONITOR_ARG_WORD, .complete = monitor_complete_file},
             {"cpu-index", MONITOR_ARG_INT, .optional = true}},
    .run = run_memsave,
};
MONITOR_COMMAND(memsave_command);

static bool run_pmemsave(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return check_size(values, err) && start_save(monitor, values, NULL, err);
}

static const MonitorCommand pmemsave_command = {
    .name = "pmemsave",
    .qmp = "pmemsave",
    .help = "save physical memory to a file",
    .args = {{"val", MONITOR_ARG_INT, .type = &json_type_address},
             {"size", MONITOR_ARG_INT},
             {"filename", MONITOR_ARG_WORD, .complete = monitor_complete_file}},
    .run = run_pmemsave,
};
MONITOR_COMMAND(pmemsave_command);

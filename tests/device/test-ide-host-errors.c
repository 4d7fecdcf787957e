/* SPDX-License-Identifier: MIT */
/* PIIX3 IDE with a disk whose host fails: werror= and rerror=, the machine's stop and what is made
 * again after it. Run alone: build/tests/test-ide-host-errors */
#include "tests/device/ide-board.h"

#include "softmmu/run.h"
#include "util/event.h"

#include <errno.h>

/* -- A host that fails ------------------------------------------------------------------------- */

static int failing_status, failures; /* atomic */
static BlockDriver failing_driver;
static int (*real_execute)(BlockNode *node, BlockRequest *request);

static int execute_or_fail(BlockNode *node, BlockRequest *request)
{
    int status = __atomic_load_n(&failing_status, __ATOMIC_SEQ_CST);

    if (!status) {
        return real_execute(node, request);
    }
    __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
    return status;
}

static void fail_with(int status)
{
    BlockNode *file = drive_node(drive)->file;

    if (file->driver != &failing_driver) {
        failing_driver = *file->driver;
        real_execute = file->driver->execute;
        failing_driver.execute = execute_or_fail;
        file->driver = &failing_driver;
    }
    __atomic_store_n(&failing_status, status, __ATOMIC_SEQ_CST);
    failures = 0;
}

static void wait_for_stop(void)
{
    int status;

    while (run_state_is_running()) {
        main_loop_wait(true);
        g_assert_false(run_handle_requests(&status));
    }
}

static void write_sector(uint32_t lba)
{
    command28(0x30, lba, 1);
    g_assert_cmphex(wait_idle() & DRQ, ==, DRQ);
    for (unsigned i = 0; i < 256; i++) {
        out(DATA, 0x5a5a, 2);
    }
}

static uint8_t byte_of_image(uint32_t lba)
{
    g_autofree char *bytes = NULL;

    g_assert_true(g_file_get_contents(image, &bytes, NULL, NULL));
    return (uint8_t)bytes[lba * 512];
}

/* -- Actions ----------------------------------------------------------------------------------- */

/* A full host disk stops the machine; the write is made again as often as it goes on. */
static void test_full_disk(void)
{
    set_up();
    vm_start();
    fail_with(-ENOSPC);
    write_sector(7);
    wait_for_stop();
    g_assert_cmpstr(run_state_name(run_state_get()), ==, "io-error");
    g_assert_cmphex(in(CONTROL, 1) & BSY, ==, BSY);
    vm_start(); /* still full */
    wait_for_stop();
    g_assert_cmpint(failures, ==, 2);
    fail_with(0);
    vm_start();
    g_assert_cmphex(wait_idle() & ERR, ==, 0);
    g_assert_cmphex(byte_of_image(7), ==, 0x5a);
    fail_with(-EIO); /* another error is the guest's */
    write_sector(8);
    g_assert_cmphex(wait_idle() & ERR, ==, ERR);
    g_assert_true(run_state_is_running());
    vm_stop(RUN_STATE_PAUSED);
    tear_down();
}

/* A reset drops what was held, and so does the end. */
static void test_full_disk_and_reset(void)
{
    set_up();
    vm_start();
    fail_with(-ENOSPC);
    write_sector(7);
    wait_for_stop();
    object_reset(object_container("/machine/unattached"));
    fail_with(0);
    vm_start();
    g_assert_cmphex(wait_idle() & ERR, ==, 0);
    g_assert_cmphex(byte_of_image(7), ==, 0);
    fail_with(-ENOSPC);
    write_sector(7);
    wait_for_stop();
    tear_down();
    vm_start();
    vm_stop(RUN_STATE_PAUSED);
}

static void test_error_actions(void)
{
    set_up_with(",werror=report,rerror=stop");
    vm_start();
    fail_with(-ENOSPC);
    write_sector(7);
    g_assert_cmphex(wait_idle() & ERR, ==, ERR);
    command28(0x20, 3, 1);
    wait_for_stop();
    fail_with(0);
    vm_start();
    g_assert_cmphex(wait_idle() & (ERR | DRQ), ==, DRQ);
    g_assert_cmphex(in(DATA, 2), ==, 0x0300);
    vm_stop(RUN_STATE_PAUSED);
    tear_down();

    set_up_with(",werror=ignore");
    fail_with(-EIO);
    write_sector(7);
    g_assert_cmphex(wait_idle() & ERR, ==, 0);
    tear_down();
    g_assert_null(drive_new("if=none,rerror=enospc", NULL));
    g_assert_null(drive_new("if=none,werror=maybe", NULL));
}

/* -device ide-hd,werror=,rerror=: where it says something, the drive's own do not count. */
static void test_error_actions_of_device(void)
{
    Drive *own = drive_new("if=none,id=e,werror=report,rerror=stop", NULL);

    g_assert_nonnull(own);
    drive_override_errors(own, 0, 0);
    g_assert_cmpint(drive_error_action(own, false, -EIO), ==, DRIVE_ERROR_REPORT);
    g_assert_cmpint(drive_error_action(own, true, -EIO), ==, DRIVE_ERROR_STOP);
    g_assert_cmpstr(drive_error_choices[3], ==, "stop");
    drive_override_errors(own, 3, 2);
    g_assert_cmpint(drive_error_action(own, false, -EIO), ==, DRIVE_ERROR_STOP);
    g_assert_cmpint(drive_error_action(own, true, -EIO), ==, DRIVE_ERROR_IGNORE);
    object_free((Object *)own);
}

/* -- Events ------------------------------------------------------------------------------------ */

static GString *io_errors;

static void note_io_error(const EventType *type, const json_t *data, int64_t host_us, void *opaque)
{
    if (g_str_equal(type->name, "BLOCK_IO_ERROR")) {
        g_string_append_printf(io_errors, "%s %s %d\n",
                               json_string_value(json_object_get(data, "operation")),
                               json_string_value(json_object_get(data, "action")),
                               json_is_true(json_object_get(data, "nospace")));
    }
}

/* Clients are told of each failure and of what followed. */
static void test_error_events(void)
{
    io_errors = g_string_new(NULL);
    event_listen(note_io_error, &io_errors);
    set_up_with(",werror=ignore,rerror=report");
    fail_with(-ENOSPC);
    write_sector(7);
    wait_idle();
    fail_with(-EIO);
    command28(0x20, 3, 1);
    wait_idle();
    g_assert_cmpstr(io_errors->str, ==, "write ignore 1\nread report 0\n");
    event_unlisten(&io_errors);
    tear_down();
    g_string_free(io_errors, TRUE);
}

int main(int argc, char **argv)
{
    ide_board_begin(&argc, &argv);
    g_test_add_func("/ide/full-disk", test_full_disk);
    g_test_add_func("/ide/full-disk-and-reset", test_full_disk_and_reset);
    g_test_add_func("/ide/error-actions", test_error_actions);
    g_test_add_func("/ide/error-actions-of-device", test_error_actions_of_device);
    g_test_add_func("/ide/error-events", test_error_events);
    return ide_board_end();
}

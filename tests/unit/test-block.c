/* SPDX-License-Identifier: MIT */
/* Block layer: requests through raw on file, image locks, options, drives. Run alone:
 * build/tests/test-block */
#include "block/block.h"
#include "block/core/lock.h"
#include "util/object.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGE_SIZE (64 * 1024)

static char *folder, *image;

typedef struct Probe {
    BlockRequest request;
    struct iovec iov[3];
    unsigned completions;
    int status;
} Probe;

static void probe_done(BlockRequest *request, int status)
{
    Probe *probe = request->opaque;

    probe->completions++;
    probe->status = status;
}

/* Fills a request over one buffer. */
static void probe_set(Probe *probe, BlockOp op, uint64_t offset, void *buffer, size_t size)
{
    *probe = (Probe){
        .iov[0] = {.iov_base = buffer, .iov_len = size},
        .request = {.op = op,
                    .offset = offset,
                    .size = size,
                    .iov = probe->iov,
                    .iov_count = 1,
                    .done = probe_done,
                    .opaque = probe},
    };
}

static int probe_run(BlockNode *node, Probe *probe)
{
    block_submit(node, &probe->request);
    g_assert_cmpuint(probe->completions, ==, 0);
    while (!probe->completions) {
        main_loop_wait(true);
    }
    g_assert_cmpuint(probe->completions, ==, 1);
    return probe->status;
}

static int transfer(BlockNode *node, BlockOp op, uint64_t offset, void *buffer, size_t size)
{
    Probe probe;

    probe_set(&probe, op, offset, buffer, size);
    return probe_run(node, &probe);
}

/* Each sector begins with its number and is filled with it. */
static void make_image(size_t size)
{
    g_autofree uint8_t *bytes = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i / 512);
    }
    g_assert_true(g_file_set_contents(image, (char *)bytes, (gssize)size, NULL));
}

static BlockNode *open_image(const char *more, Error **err)
{
    g_autofree char *text = g_strdup_printf("file=%s%s", image, more);
    g_autoptr(KeyVal) kv = keyval_parse(text, NULL, NULL);

    return block_open(kv, err);
}

static BlockNode *open_raw(const char *more)
{
    g_autofree char *text = g_strdup_printf(",format=raw%s", more);
    Error *err = NULL;
    BlockNode *node = open_image(text, &err);

    if (!node) {
        g_error("%s", error_message(err));
    }
    return node;
}

/* Opening fails and the message holds `wanted`. */
static void expect_failure(const char *more, const char *wanted)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(open_image(more, &err));
    g_assert_nonnull(err);
    if (!strstr(error_message(err), wanted)) {
        g_error("'%s' lacks '%s'", error_message(err), wanted);
    }
}

static void test_read_write(void)
{
    uint8_t buffer[2048], back[2048];
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_raw("");
    g_assert_cmpuint(block_size(node), ==, IMAGE_SIZE);
    g_assert_cmpint(transfer(node, BLOCK_READ, 7 * 512, buffer, sizeof(buffer)), ==, 0);
    g_assert_cmpuint(buffer[0], ==, 7);
    g_assert_cmpuint(buffer[2047], ==, 10);
    memset(buffer, 0xa5, sizeof(buffer));
    g_assert_cmpint(transfer(node, BLOCK_WRITE, 1024, buffer, sizeof(buffer)), ==, 0);
    g_assert_cmpint(transfer(node, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
    g_assert_cmpint(transfer(node, BLOCK_READ, 1024, back, sizeof(back)), ==, 0);
    g_assert_cmpmem(buffer, sizeof(buffer), back, sizeof(back));
    block_unref(node);

    node = open_raw(",read-only=on");
    g_assert_cmpint(transfer(node, BLOCK_READ, 512, back, 1024), ==, 0);
    g_assert_cmpuint(back[511], ==, 1);
    g_assert_cmpuint(back[512], ==, 0xa5);
    block_unref(node);
}

static void test_scattered(void)
{
    uint8_t a[100], b[412], c[1024];
    BlockNode *node;
    Probe probe;

    make_image(IMAGE_SIZE);
    node = open_raw("");
    probe_set(&probe, BLOCK_READ, 3 * 512, a, sizeof(a));
    probe.iov[1] = (struct iovec){b, sizeof(b)};
    probe.iov[2] = (struct iovec){c, sizeof(c)};
    probe.request.iov_count = 3;
    probe.request.size = 1536;
    g_assert_cmpint(probe_run(node, &probe), ==, 0);
    g_assert_cmpuint(a[99], ==, 3);
    g_assert_cmpuint(b[411], ==, 3);
    g_assert_cmpuint(c[0], ==, 4);
    g_assert_cmpuint(c[1023], ==, 5);
    block_unref(node);
}

static void test_bounds(void)
{
    uint8_t buffer[1024];
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_raw("");
    g_assert_cmpint(transfer(node, BLOCK_READ, IMAGE_SIZE - 512, buffer, 1024), ==, -EIO);
    g_assert_cmpint(transfer(node, BLOCK_READ, UINT64_MAX - 511, buffer, 1024), ==, -EIO);
    g_assert_cmpint(transfer(node, BLOCK_WRITE, IMAGE_SIZE, buffer, 512), ==, -EIO);
    block_unref(node);
    node = open_raw(",read-only=on");
    g_assert_cmpint(transfer(node, BLOCK_WRITE, 0, buffer, 512), ==, -EPERM);
    g_assert_cmpint(transfer(node, BLOCK_DISCARD, 0, NULL, 512), ==, -EPERM);
    g_assert_cmpint(transfer(node, BLOCK_FLUSH, 0, NULL, 0), ==, 0);
    block_unref(node);
}

/* A file that ends inside a sector reads as zeroes behind its end. */
static void test_odd_size(void)
{
    uint8_t buffer[1024];
    BlockNode *node;

    make_image(IMAGE_SIZE + 100);
    node = open_raw("");
    g_assert_cmpuint(block_size(node), ==, IMAGE_SIZE + 512);
    memset(buffer, 0xff, sizeof(buffer));
    g_assert_cmpint(transfer(node, BLOCK_READ, IMAGE_SIZE - 512, buffer, 1024), ==, 0);
    g_assert_cmpuint(buffer[511], ==, 127);
    g_assert_cmpuint(buffer[512 + 99], ==, 128);
    g_assert_cmpuint(buffer[512 + 100], ==, 0);
    g_assert_cmpuint(buffer[1023], ==, 0);
    block_unref(node);
}

static void test_window(void)
{
    uint8_t buffer[512];
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_raw(",offset=2048,size=1024");
    g_assert_cmpuint(block_size(node), ==, 1024);
    g_assert_cmpint(transfer(node, BLOCK_READ, 512, buffer, 512), ==, 0);
    g_assert_cmpuint(buffer[0], ==, 5);
    g_assert_cmpint(transfer(node, BLOCK_READ, 1024, buffer, 512), ==, -EIO);
    block_unref(node);
    expect_failure(",format=raw,offset=100", "multiples of 512");
    expect_failure(",format=raw,offset=512,size=65536", "beyond the end");
}

static void test_zeroes_and_discard(void)
{
    uint8_t buffer[4096];
    struct stat st;
    BlockNode *node;
    blkcnt_t before;

    make_image(IMAGE_SIZE);
    node = open_raw(",discard=unmap");
    g_assert_cmpint(transfer(node, BLOCK_WRITE_ZEROES, 512, NULL, 4096), ==, 0);
    g_assert_cmpint(transfer(node, BLOCK_READ, 512, buffer, 4096), ==, 0);
    g_assert_cmpuint(buffer[0] | buffer[4095], ==, 0);
    g_assert_cmpint(transfer(node, BLOCK_READ, 512 + 4096, buffer, 512), ==, 0);
    g_assert_cmpuint(buffer[0], ==, 9);
    g_assert_cmpint(stat(image, &st), ==, 0);
    before = st.st_blocks;
    g_assert_cmpint(transfer(node, BLOCK_DISCARD, 16384, NULL, 32768), ==, 0);
    g_assert_cmpint(stat(image, &st), ==, 0);
    g_assert_cmpint(st.st_blocks, <=, before);
    g_assert_cmpint(transfer(node, BLOCK_READ, 16384, buffer, 512), ==, 0);
    g_assert_cmpuint(buffer[0], ==, 0);
    block_unref(node);
}

/* With O_DIRECT, odd memory and transfers smaller than a block go through a copy. */
static void test_direct(void)
{
    g_autofree uint8_t *memory = g_malloc(4096 + 1);
    uint8_t *odd = memory + 1;
    g_autoptr(Error) err = NULL;
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_image(",format=raw,cache=none", &err);
    if (!node) {
        g_test_skip("the file system of the temporary folder has no O_DIRECT");
        return;
    }
    g_assert_cmpint(transfer(node, BLOCK_READ, 5 * 512, odd, 1024), ==, 0);
    g_assert_cmpuint(odd[0], ==, 5);
    g_assert_cmpuint(odd[1023], ==, 6);
    memset(odd, 0x77, 512);
    g_assert_cmpint(transfer(node, BLOCK_WRITE, 9 * 512, odd, 512), ==, 0);
    g_assert_cmpint(transfer(node, BLOCK_READ, 8 * 512, odd, 1536), ==, 0);
    g_assert_cmpuint(odd[511], ==, 8);
    g_assert_cmpuint(odd[512], ==, 0x77);
    g_assert_cmpuint(odd[1023], ==, 0x77);
    g_assert_cmpuint(odd[1024], ==, 10);
    block_unref(node);
}

/* block_drain() completes what is in flight, and what its completions submit. */
static void chain_done(BlockRequest *request, int status)
{
    Probe *first = request->opaque;

    g_assert_cmpint(status, ==, 0);
    first->completions++;
    block_submit(request->node, &first[1].request);
}

static void test_drain(void)
{
    uint8_t buffer[512];
    BlockNode *node;
    Probe probes[2];

    make_image(IMAGE_SIZE);
    node = open_raw("");
    probe_set(&probes[0], BLOCK_READ, 512, buffer, 512);
    probe_set(&probes[1], BLOCK_READ, 1024, buffer, 512);
    probes[0].request.done = chain_done;
    block_submit(node, &probes[0].request);
    g_assert_cmpuint(node->in_flight, ==, 1);
    block_drain(node);
    g_assert_cmpuint(probes[0].completions, ==, 1);
    g_assert_cmpuint(probes[1].completions, ==, 1);
    g_assert_cmpuint(buffer[0], ==, 2);
    g_assert_cmpuint(node->in_flight, ==, 0);
    block_drain_all();
    block_unref(node);
    main_loop_wait(false);
    main_loop_wait(false);
    g_assert_cmpuint(probes[1].completions, ==, 1);
}

static void test_parallel(void)
{
    enum { COUNT = 64 };
    static uint8_t buffers[COUNT][512];
    static Probe probes[COUNT];
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_raw("");
    for (unsigned i = 0; i < COUNT; i++) {
        probe_set(&probes[i], BLOCK_READ, i * 512, buffers[i], 512);
        block_submit(node, &probes[i].request);
    }
    while (node->in_flight) {
        main_loop_wait(true);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        g_assert_cmpuint(probes[i].completions, ==, 1);
        g_assert_cmpint(probes[i].status, ==, 0);
        g_assert_cmpuint(buffers[i][0], ==, i);
    }
    block_unref(node);
}

/* A second writer, and a writer beside a reader, are refused; readers live together. */
static void test_lock_conflicts(void)
{
    g_autofree char *self = g_strdup_printf("process %d (", (int)getpid());
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_raw("");
    expect_failure(",format=raw", self);
    expect_failure(",format=raw,read-only=on", self);
    block_unref(node);
    node = open_raw(",read-only=on");
    expect_failure(",format=raw", self);
    block_unref(open_raw(",read-only=on"));
    block_unref(node);
    block_unref(open_raw(""));
}

static void test_lock_names_other_process(void)
{
    g_autofree char *wanted = NULL;
    int ready[2], end[2], status;
    char byte = 0;
    pid_t pid;

    make_image(IMAGE_SIZE);
    g_assert_cmpint(pipe(ready) | pipe(end), ==, 0);
    pid = fork();
    if (pid == 0) {
        int fd = open(image, O_RDWR);
        close(end[1]);
        byte = image_lock_take(fd, image, true, NULL) ? 'y' : 'n';
        byte = write(ready[1], &byte, 1) == 1 && read(end[0], &byte, 1) == 0 ? 0 : 1;
        _exit(byte);
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 'y');
    wanted = g_strdup_printf("process %d (", (int)pid);
    expect_failure(",format=raw", wanted);
    close(end[1]);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    block_unref(open_raw(""));
    close(ready[0]);
    close(ready[1]);
    close(end[0]);
}

static void test_bad_options(void)
{
    make_image(IMAGE_SIZE);
    expect_failure(",format=rwa", "did you mean 'raw'");
    expect_failure(",format=raw,cache=nnoe", "did you mean 'none'");
    expect_failure(",format=raw,discard=yes", "invalid discard mode 'yes'");
    expect_failure(",format=raw,aio=magic", "aio=magic is not available");
    expect_failure(",format=raw,read-only=maybe", "maybe");
    expect_failure(",format=raw,ofset=512", "ofset");
    g_assert_cmpint(g_remove(image), ==, 0);
    expect_failure(",format=raw", "could not open");
    g_assert_cmpint(g_mkdir(image, 0700), ==, 0);
    expect_failure(",format=raw", "could not open");
    expect_failure(",format=raw,read-only=on", "neither a file nor a block device");
    g_assert_cmpint(g_rmdir(image), ==, 0);
}

static void test_probe(void)
{
    static const char qcow2[1024] = "QFI\xfb\0\0\0\3";
    BlockNode *node;

    make_image(IMAGE_SIZE);
    node = open_image(",read-only=on", NULL);
    g_assert_nonnull(node);
    g_assert_cmpstr(node->driver->name, ==, "raw");
    block_unref(node);
    g_assert_true(g_file_set_contents(image, qcow2, sizeof(qcow2), NULL));
    expect_failure("", "unknown block format 'qcow2'");
    block_unref(open_raw(""));
}

static void test_probe_warns(void)
{
    if (g_test_subprocess()) {
        block_unref(open_image("", NULL));
        return;
    }
    make_image(IMAGE_SIZE);
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*format was not specified for*say format=raw*");
}

static Drive *drive_with(const char *more, Error **err)
{
    g_autofree char *text = g_strdup_printf("file=%s,format=raw%s", image, more);

    return drive_new(text, err);
}

static void expect_drive_failure(const char *more, const char *wanted)
{
    g_autoptr(Error) err = NULL;

    g_assert_null(drive_with(more, &err));
    if (!strstr(error_message(err), wanted)) {
        g_error("'%s' lacks '%s'", error_message(err), wanted);
    }
}

static void test_drives(void)
{
    g_autoptr(Error) err = NULL;
    Drive *disk, *cdrom, *spare;

    make_image(IMAGE_SIZE);
    disk = drive_with(",readonly=on", NULL);
    g_assert_cmpstr(((Object *)disk)->name, ==, "ide0-hd0");
    g_assert_true(drive_is_read_only(disk));
    g_assert_cmpuint(block_size(drive_node(disk)), ==, IMAGE_SIZE);
    cdrom = drive_new("media=cdrom,index=2", NULL);
    g_assert_cmpstr(((Object *)cdrom)->name, ==, "ide1-cd0");
    g_assert_null(drive_node(cdrom));
    g_assert_true(drive_is_cdrom(cdrom));
    spare = drive_with(",if=none,id=spare,readonly=on", NULL);
    g_assert_cmpstr(drive_interface(spare), ==, "none");

    expect_drive_failure(",index=0,readonly=on", "bus=0, unit=0 (index=0) exists");
    expect_drive_failure(",if=none,id=spare,readonly=on", "duplicate drive id 'spare'");
    expect_drive_failure(",if=idee", "did you mean 'ide'");
    expect_drive_failure(",media=tape", "'tape' is no valid media");
    expect_drive_failure(",unit=2", "unit 2 too big");
    expect_drive_failure(",index=1,unit=1", "cannot be used with");
    expect_drive_failure(",redonly=on", "did you mean 'readonly'");

    g_assert_true(drive_get("ide", 0, 0, true) == disk);
    g_assert_null(drive_get("ide", 0, 1, true));
    g_assert_false(drive_take(disk, &err));
    g_assert_nonnull(strstr(error_message(err), "the drive 'ide0-hd0' already"));
    g_clear_pointer(&err, error_free);
    g_assert_false(drive_check_orphans(&err));
    g_assert_nonnull(strstr(error_message(err), "ide1-cd0"));
    g_assert_true(drive_take(cdrom, NULL));
    g_assert_true(drive_check_orphans(NULL));
    object_free((Object *)disk);
    object_free((Object *)cdrom);
    object_free((Object *)spare);
    block_unref(open_raw(""));
}

int main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    main_loop_set(loop_new("main", NULL, NULL));
    folder = g_dir_make_tmp("test-block-XXXXXX", NULL);
    image = g_build_filename(folder, "image", NULL);
    if (g_test_subprocess()) {
        make_image(IMAGE_SIZE);
    }
    g_test_add_func("/block/read-write", test_read_write);
    g_test_add_func("/block/scattered", test_scattered);
    g_test_add_func("/block/bounds", test_bounds);
    g_test_add_func("/block/odd-size", test_odd_size);
    g_test_add_func("/block/window", test_window);
    g_test_add_func("/block/zeroes-and-discard", test_zeroes_and_discard);
    g_test_add_func("/block/direct", test_direct);
    g_test_add_func("/block/drain", test_drain);
    g_test_add_func("/block/parallel", test_parallel);
    g_test_add_func("/block/lock/conflicts", test_lock_conflicts);
    g_test_add_func("/block/lock/other-process", test_lock_names_other_process);
    g_test_add_func("/block/bad-options", test_bad_options);
    g_test_add_func("/block/probe", test_probe);
    g_test_add_func("/block/probe-warns", test_probe_warns);
    g_test_add_func("/block/drives", test_drives);
    result = g_test_run();
    g_remove(image);
    g_rmdir(folder);
    g_free(image);
    g_free(folder);
    return result;
}

/* SPDX-License-Identifier: MIT */
/* softmmu/memory: RAM blocks and where they come from, dirty pages, memory back ends. */
#include "softmmu/memory-backend.h"
#include "util/bitmap.h"
#include "util/keyval.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE TARGET_PAGE_SIZE

static RamBlock *new_ram(uint64_t size)
{
    RamBlock *ram = ram_block_new(&(RamDesc){.name = "test.ram", .size = size}, NULL);

    g_assert_nonnull(ram);
    return ram;
}

static uint64_t written_offset, written_size;
static unsigned cleared;

static void note_code_written(RamBlock *block, uint64_t offset, uint64_t size)
{
    written_offset = offset;
    written_size = size;
    bitmap_set_range_atomic(block->dirty[DIRTY_CODE], offset / PAGE, 1);
}

static void note_cleared(RamBlock *block, uint64_t offset, uint64_t size)
{
    cleared++;
}

static void test_dirty(void)
{
    RamBlock *block = new_ram(200 * PAGE);

    g_assert_true(ram_block_test_and_clear_dirty(block, DIRTY_MIGRATION, 0, 200 * PAGE));
    g_assert_false(ram_block_test_and_clear_dirty(block, DIRTY_MIGRATION, 0, 200 * PAGE));
    g_assert_true(ram_block_test_and_clear_dirty(block, DIRTY_VGA, 0, 200 * PAGE));
    ram_block_mark_dirty(block, 100 * PAGE - 1, 2); /* two pages */
    g_assert_false(ram_block_test_and_clear_dirty(block, DIRTY_VGA, 98 * PAGE, PAGE));
    g_assert_true(ram_block_test_and_clear_dirty(block, DIRTY_VGA, 99 * PAGE, 1));
    g_assert_true(ram_block_test_and_clear_dirty(block, DIRTY_VGA, 100 * PAGE + 7, 1));
    g_assert_false(ram_block_test_and_clear_dirty(block, DIRTY_VGA, 101 * PAGE, 99 * PAGE));

    ram_code_written = note_code_written;
    ram_dirty_cleared = note_cleared;
    ram_block_mark_dirty(block, 5 * PAGE, 8); /* no code there */
    g_assert_cmpuint(written_size, ==, 0);
    cleared = 0;
    g_assert_true(ram_block_test_and_clear_dirty(block, DIRTY_CODE, 5 * PAGE, PAGE));
    g_assert_cmpuint(cleared, ==, 1);
    ram_block_mark_dirty(block, 5 * PAGE + 16, 8);
    g_assert_cmphex(written_offset, ==, 5 * PAGE + 16);
    g_assert_cmphex(written_size, ==, 8);
    written_size = 0;
    ram_block_mark_dirty(block, 5 * PAGE, 8);
    g_assert_cmpuint(written_size, ==, 0);
    ram_code_written = NULL;
    ram_dirty_cleared = NULL;
    ram_block_unref(block);
}

static void test_ram_kinds(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-memory-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "ram", NULL);
    g_autoptr(Error) err = NULL;
    const RamDesc descs[] = {
        {.name = "anonymous", .size = 4 << 20, .merge = true, .prealloc = true},
        {.name = "memfd", .size = 4 << 20, .share = true, .prealloc = true},
        {.name = "threads",
         .size = 132 << 20,
         .share = true,
         .prealloc = true,
         .prealloc_threads = 3},
        {.name = "directory", .size = 1 << 20, .path = dir, .no_reserve = true},
        {.name = "file", .size = 1 << 20, .path = path, .share = true},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(descs); i++) {
        RamBlock *block = ram_block_new(&descs[i], &err);

        g_assert_nonnull(block);
        g_assert_cmphex((uintptr_t)block->host % (2 << 20), ==, 0);
        g_assert_true((block->fd >= 0) == (i > 0));
        block->host[block->size - 1] = 0x42;
        ram_block_unref(block);
    }
    struct stat st;
    RamDesc emptied = {.name = "emptied",
                       .size = 1 << 20,
                       .path = path,
                       .share = true,
                       .align = 16 << 20,
                       .discards = true};
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_blocks, >, 0);
    RamBlock *aligned = ram_block_new(&emptied, NULL);
    g_assert_cmphex((uintptr_t)aligned->host % emptied.align, ==, 0);
    ram_block_unref(aligned);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_blocks, ==, 0);
    RamDesc longer = {.name = "longer", .size = 2 << 20, .path = path, .share = true};

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 1 << 20);
    g_assert_null(ram_block_new(&longer, &err));
    g_assert_nonnull(strstr(error_message(err), "1048576 bytes, guest memory needs 2097152"));
    unlink(path);
    rmdir(dir);
}

static void test_ram_errors(void)
{
    RamDesc descs[] = {
        {.name = "odd", .size = 5000},
        {.name = "none", .size = 0},
        {.name = "nowhere", .size = PAGE, .path = "/nonexistent/dir/file"},
        {.name = "huge", .size = 1ull << 51},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(descs); i++) {
        g_autoptr(Error) err = NULL;

        g_assert_null(ram_block_new(&descs[i], &err));
        g_assert_nonnull(err);
    }
}

static bool write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    close(fd);
    return ok;
}

static bool enter_own_mounts(void)
{
    g_autofree char *users = g_strdup_printf("0 %u 1", getuid());
    g_autofree char *groups = g_strdup_printf("0 %u 1", getgid());

    return unshare(CLONE_NEWNS) == 0 ||
           (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
            write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", users) &&
            write_text("/proc/self/gid_map", groups));
}

/* In a mount name space of its own: a file system with 1 MiB for 4 MiB of RAM. */
static void test_full_tmpfs(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDOUT);
        if (!g_test_trap_has_passed()) {
            g_test_trap_assert_stderr("*cannot mount*");
            g_test_skip("this host lets nobody mount a tmpfs of their own");
        }
        return;
    }
    g_autofree char *dir = g_dir_make_tmp("test-memory-XXXXXX", NULL);
    g_autoptr(Error) err = NULL;
    RamDesc desc = {.name = "full", .size = 4 << 20, .share = true, .prealloc = true};

    if (!enter_own_mounts() || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=1M") != 0) {
        rmdir(dir);
        g_printerr("cannot mount\n");
        _exit(1);
    }
    desc.path = dir;
    g_assert_null(ram_block_new(&desc, &err));
    g_assert_nonnull(strstr(error_message(err), "no room"));
    umount2(dir, MNT_DETACH);
    rmdir(dir);
}

static MemoryBackend *new_backend(const char *type, const char *id, const char *options,
                                  Error **err)
{
    Object *obj = object_new(type_find(type));
    g_autoptr(KeyVal) kv = keyval_parse(options, NULL, NULL);

    object_add_child(object_container("/objects"), id, obj);
    if (!object_set_all(obj, kv, NULL, err) || !object_realize(obj, err)) {
        object_free(obj);
        return NULL;
    }
    return (MemoryBackend *)obj;
}

static void test_backends(void)
{
    g_autoptr(Error) none = NULL;
    MemoryBackend *ram = new_backend("memory-backend-ram", "m0", "size=4M,prealloc=on", NULL);
    MemoryBackend *memfd = new_backend("memory-backend-memfd", "m1", "size=2M", NULL);

    g_assert_true(memory_backend_find("m0", NULL) == ram);
    g_assert_null(memory_backend_find("m2", &none));
    g_assert_nonnull(strstr(error_message(none), "'m2'"));
    g_assert_cmpuint(ram->block->size, ==, 4 << 20);
    g_assert_cmpstr(ram->block->name, ==, "m0");
    g_assert_true(ram->merge && !ram->block->shared && ram->block->fd < 0);
    g_assert_true(memfd->block->shared && memfd->block->fd >= 0);
    RamBlock *kept = ram_block_ref(ram->block);

    object_unrealize(&ram->obj);
    object_free(&ram->obj);
    kept->host[0] = 1; /* a machine that uses it keeps it */
    ram_block_unref(kept);
    object_unrealize(&memfd->obj);
    object_free(&memfd->obj);
}

static void test_backend_errors(void)
{
    static const char *const cases[][3] = {
        {"memory-backend-ram", "merge=off", "needs a size"},
        {"memory-backend-ram", "size=1000", "not a multiple of 4096"},
        {"memory-backend-file", "size=4M", "needs mem-path"},
        {"memory-backend-file", "size=4M,mem-path=/nonexistent/x", "/nonexistent/x"},
        {"memory-backend-memfd", "size=4M,hugetlbsize=2M", "needs hugetlb=on"},
        {"memory-backend-memfd", "size=4M,hugetlb=on,hugetlbsize=3M", "power of two"},
        {"memory-backend-ram", "size=4M,prealloc=on,reserve=off", "leave one of them out"},
        {"memory-backend-ram", "size=4M,prealloc-threads=0", "somebody has to do it"},
        {"memory-backend-file", "size=4M,mem-path=/tmp,align=12K", "a power of two, at least 4K"},
        {"memory-backend-ram", "szie=4M", "did you mean 'size'?"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;

        g_assert_null(new_backend(cases[i][0], "bad", cases[i][1], &err));
        g_assert_nonnull(err);
        if (!strstr(error_message(err), cases[i][2])) {
            g_error("'%s' does not say '%s'", error_message(err), cases[i][2]);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram/dirty", test_dirty);
    g_test_add_func("/ram/kinds", test_ram_kinds);
    g_test_add_func("/ram/errors", test_ram_errors);
    g_test_add_func("/ram/full-tmpfs", test_full_tmpfs);
    g_test_add_func("/ram/backend/kinds", test_backends);
    g_test_add_func("/ram/backend/errors", test_backend_errors);
    return g_test_run();
}

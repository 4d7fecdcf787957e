/* SPDX-License-Identifier: MIT */
/* Sets of descriptors and descriptors with names. */
#include "util/fd-sets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void list(int64_t set, int fd, const char *text, void *opaque)
{
    g_string_append_printf(opaque, "%d:%s ", (int)set, text ? text : "-");
}

static void check_list(const char *expected)
{
    GString *text = g_string_new(NULL);

    fd_set_foreach(list, text);
    g_assert_cmpstr(text->str, ==, expected);
    g_string_free(text, TRUE);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_sets(void)
{
    g_autoptr(Error) error = NULL;
    int reader = open("/dev/zero", O_RDONLY), writer = open("/dev/null", O_WRONLY);

    g_assert_cmpint(fd_set_add(2, reader, "rd", NULL), ==, 2);
    g_assert_cmpint(fd_set_add(2, writer, NULL, NULL), ==, 2);
    g_assert_cmpint(fd_set_add(FD_SET_NEW, dup(reader), "n", NULL), ==, 0);
    g_assert_cmpint(fd_set_add(FD_SET_NEW, dup(reader), "m", NULL), ==, 1);
    g_assert_cmpint(fd_set_add(FD_SET_NEW, dup(reader), "k", NULL), ==, 3);
    check_list("0:n 1:m 2:rd 2:- 3:k ");
    int fd = fd_open("/dev/fdset/2", O_WRONLY, 0);
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_WRONLY);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(fd_open("/dev/fdset/2", O_RDWR, 0), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(fd_open("/dev/fdset/9", O_RDWR, 0), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_cmpint(fd_open("/dev/fdset/x", O_RDWR, 0), ==, -1);
    g_assert_cmpint(errno, ==, EINVAL);
    g_assert_true(fd_set_remove(2, writer, NULL));
    g_assert_false(is_open(writer));
    g_assert_true(is_open(fd));
    g_assert_false(fd_set_remove(2, writer, &error));
    g_assert_nonnull(strstr(error_message(error), "in fd set 2"));
    for (int set = 0; set < 4; set++) {
        g_assert_true(fd_set_remove(set, -1, NULL));
    }
    g_assert_false(fd_set_remove(2, -1, NULL));
    g_assert_false(is_open(reader));
    check_list("");
    close(fd);
}

/* What open() does to a file happens to the duplicate. */
static void test_flags(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("fd-sets-XXXXXX", &path, NULL), fds[2];

    g_assert_cmpint(write(fd, "abc", 3), ==, 3);
    g_assert_cmpint(fd_set_add(0, fd, NULL, NULL), ==, 0);
    int kept = fd_open("/dev/fdset/0", O_RDWR | O_APPEND, 0);
    g_assert_cmpint(fcntl(kept, F_GETFL) & O_APPEND, ==, O_APPEND);
    g_assert_cmpint(lseek(kept, 0, SEEK_END), ==, 3);
    int emptied = fd_open("/dev/fdset/0", O_RDWR | O_CREAT | O_TRUNC, 0600);
    g_assert_cmpint(lseek(emptied, 0, SEEK_END), ==, 0);
    g_assert_cmpint(fcntl(emptied, F_GETFL) & O_APPEND, ==, 0);
    close(kept);
    close(emptied);
    g_assert_true(fd_set_remove(0, -1, NULL));
    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(fd_set_add(0, fds[1], NULL, NULL), ==, 0);
    int writer = fd_open("/dev/fdset/0", O_WRONLY | O_TRUNC | O_NONBLOCK, 0);
    g_assert_cmpint(fcntl(writer, F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
    close(writer);
    close(fds[0]);
    g_assert_true(fd_set_remove(0, -1, NULL));
    unlink(path);
}

static void check_inherited_error(int fd, const char *expected)
{
    g_autoptr(Error) error = NULL;

    g_assert_false(fd_set_add_inherited(0, fd, NULL, &error));
    g_assert_cmpstr(error_message(error), ==, expected);
}

static void test_inherited(void)
{
    int fd = open("/dev/null", O_RDWR), own = open("/dev/null", O_RDWR | O_CLOEXEC);
    g_autofree char *closed = g_strdup_printf("fd=%d is not open", own);

    check_inherited_error(1, "fd=1: descriptors 0, 1 and 2 cannot be in a set");
    check_inherited_error(900, "fd=900 is not open");
    check_inherited_error(own, closed);
    g_assert_true(fd_set_add_inherited(0, fd, "a", NULL));
    g_assert_true(fd_set_add_inherited(1, fd, "b", NULL));
    fd_set_close_inherited();
    g_assert_false(is_open(fd));
    check_list("0:a 1:b ");
    int opened = fd_open("/dev/fdset/1", O_RDWR, 0);
    g_assert_cmpint(opened, >=, 0);
    close(opened);
    close(own);
    g_assert_true(fd_set_remove(0, -1, NULL) && fd_set_remove(1, -1, NULL));
}

static void test_names(void)
{
    g_autoptr(Error) error = NULL;
    int first = open("/dev/null", O_RDWR), second = open("/dev/null", O_RDWR);

    g_assert_false(fd_name_set("1st", dup(first), NULL));
    g_assert_true(fd_name_set("a", first, NULL));
    g_assert_true(fd_name_set("a", second, NULL));
    g_assert_false(is_open(first));
    g_assert_cmpint(fd_parse("a", NULL), ==, second);
    g_assert_cmpint(fd_parse("a", &error), ==, -1);
    g_assert_cmpstr(error_message(error), ==, "there is no descriptor named 'a'");
    g_autofree char *number = g_strdup_printf("%d", second);
    g_assert_cmpint(fd_parse(number, NULL), ==, second);
    g_assert_cmpint(fd_parse("4294967296", NULL), ==, -1);
    g_assert_true(fd_name_set("b", second, NULL));
    g_assert_true(fd_name_close("b", NULL));
    g_assert_false(is_open(second));
    g_assert_false(fd_name_close("b", NULL));
}

static void test_owners(void)
{
    static const char one, two;
    int first = open("/dev/null", O_RDWR), second = open("/dev/null", O_RDWR);

    g_assert_null(fd_names_select(&one));
    g_assert_true(fd_name_set("a", first, NULL));
    g_assert_true(fd_names_select(&two) == &one);
    g_assert_cmpint(fd_name_take("a"), ==, -1);
    g_assert_true(fd_name_set("a", second, NULL));
    g_assert_true(is_open(first));
    fd_names_drop(&one);
    g_assert_false(is_open(first));
    g_assert_cmpint(fd_name_take("a"), ==, second);
    g_assert_true(fd_names_select(NULL) == &two);
    close(second);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fd-sets/sets", test_sets);
    g_test_add_func("/fd-sets/flags", test_flags);
    g_test_add_func("/fd-sets/inherited", test_inherited);
    g_test_add_func("/fd-sets/names", test_names);
    g_test_add_func("/fd-sets/owners", test_owners);
    return g_test_run();
}

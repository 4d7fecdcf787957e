/* SPDX-License-Identifier: MIT */
/* A parallel port of the host: which requests of the kernel's ppdev are made. The port is a file,
 * and its ioctl() is ours: nothing here shows that a real port does what it is told. */
#include "chardev-fixture.h"

#include <linux/ppdev.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint8_t registers[3];
static bool is_claimed, is_broken;
static unsigned claims;

/* In place of the library's; what is not for a parallel port goes on to the kernel. */
int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;

    va_start(arguments, request);
    uint8_t *value = va_arg(arguments, uint8_t *);
    va_end(arguments);
    if (request == PPCLAIM || request == PPRELEASE) {
        is_claimed = request == PPCLAIM;
        claims += is_claimed;
        return 0;
    }
    if (_IOC_TYPE(request) != PP_IOCTL) {
        return (int)syscall(SYS_ioctl, fd, request, value);
    }
    g_assert_true(is_claimed);
    if (is_broken) {
        return -1;
    }
    switch (request) {
    case PPRDATA:
        *value = registers[0];
        return 0;
    case PPRSTATUS:
        *value = registers[1];
        return 0;
    case PPRCONTROL:
        *value = registers[2];
        return 0;
    case PPWDATA:
        registers[0] = *value;
        return 0;
    case PPWCONTROL:
        registers[2] = *value;
        return 0;
    default:
        g_assert_not_reached();
    }
}

static Chardev *make_port(void)
{
    g_autofree char *path = path_of("parport");

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    return make_option("parport,id=a,path=%s", path);
}

static void test_registers(void)
{
    Chardev *chardev = make_port();
    Front *front = front_new();
    uint8_t value = 0x5a;

    attach(chardev, front, false);
    g_assert_cmpstr(front->events->str, ==, "o");
    g_assert_true(chardev_parallel_write(chardev, CHARDEV_PARALLEL_DATA, value));
    value = 0x0c;
    g_assert_true(chardev_parallel_write(chardev, CHARDEV_PARALLEL_CONTROL, value));
    g_assert_false(chardev_parallel_write(chardev, CHARDEV_PARALLEL_STATUS, value));
    g_assert_cmphex(registers[0], ==, 0x5a);
    g_assert_cmphex(registers[2], ==, 0x0c);
    registers[1] = 0xd8;
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(chardev_parallel_read(chardev, (ChardevParallel)i, &value));
        g_assert_cmphex(value, ==, registers[i]);
    }
    is_broken = true;
    g_assert_false(chardev_parallel_read(chardev, CHARDEV_PARALLEL_DATA, &value));
    is_broken = false;
    object_free(&chardev->obj);
    front_free(front);
}

static void test_claim(void)
{
    unsigned before = claims;
    Chardev *chardev = make_port();

    g_assert_true(is_claimed);
    g_assert_cmpuint(claims, ==, before + 1);
    chardev_write(chardev, "gone", 4);
    object_free(&chardev->obj);
    g_assert_false(is_claimed);
}

static void add_tests(void)
{
    g_test_add_func("/chardev/parallel/registers", test_registers);
    g_test_add_func("/chardev/parallel/claim", test_claim);
}

int main(int argc, char **argv)
{
    return run_chardev_tests(argc, argv, add_tests);
}

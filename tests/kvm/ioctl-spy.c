/* SPDX-License-Identifier: MIT */
/* Stands in for ioctl(): see the header. */
#include "tests/kvm/ioctl-spy.h"

#include <errno.h>
#include <stdarg.h>

/* What the linker makes of the name: calls go to the first, which finds the original in the second.
 */
int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_ioctl(int fd, unsigned long request, ...);

static IoctlSpy *spy_in_use; /* atomic */

void ioctl_spy_set(IoctlSpy *spy)
{
    __atomic_store_n(&spy_in_use, spy, __ATOMIC_SEQ_CST);
}

int ioctl_spy_ask_kernel(int fd, unsigned long request, void *argument)
{
    int result = __real_ioctl(fd, request, argument);

    return result < 0 ? -errno : result;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    IoctlSpy *spy = __atomic_load_n(&spy_in_use, __ATOMIC_SEQ_CST);
    int result = 0;
    va_list arguments;
    void *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!spy || !spy(fd, request, argument, &result)) {
        return __real_ioctl(fd, request, argument);
    }
    if (result < 0) {
        errno = -result;
        return -1;
    }
    return result;
}

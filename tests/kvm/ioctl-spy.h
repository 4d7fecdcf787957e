/* SPDX-License-Identifier: MIT */
/* Between the accelerator and the kernel: a test sees each ioctl, and may answer instead of the
 * kernel. Linked with -Wl,--wrap=ioctl. */
#ifndef TESTS_KVM_IOCTL_SPY_H
#define TESTS_KVM_IOCTL_SPY_H

#include <stdbool.h>

/* Called for each ioctl, on the caller's thread. True: that was it, *ret_result is what the caller
 * gets, -errno for a failure. */
typedef bool IoctlSpy(int fd, unsigned long request, void *argument, int *ret_result);

/* NULL: nobody looks. */
void ioctl_spy_set(IoctlSpy *spy);
/* The kernel's answer, -errno for a failure. */
int ioctl_spy_ask_kernel(int fd, unsigned long request, void *argument);

#endif

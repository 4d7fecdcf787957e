/* SPDX-License-Identifier: MIT */
/* Versions: ours, and the QEMU whose command line, machines and monitor are offered. */
#ifndef UTIL_VERSION_H
#define UTIL_VERSION_H

#define MIMUS_VERSION "0.1.0"
/* Clients look at it in greetings and -version before they choose what to say. */
#define QEMU_COMPAT_VERSION "7.2.22"

#endif

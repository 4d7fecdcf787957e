/* SPDX-License-Identifier: MIT */
/* Image locks: open-file-description locks on single bytes, in the layout QEMU's tools use. */

/*
 * What a program does with an image, and what it does not bear others doing, are each a set of
 * permissions. Byte 100 + p is read-locked by everyone who uses permission p, byte 200 + p by
 * everyone who refuses p to others. A conflict is a foreign lock on 200 + p for a p we use, or on
 * 100 + p for a p we refuse. The locks are shared ones, so taking them never conflicts; only the
 * test that follows does, and two programs that race both see each other.
 */
#include "block/core/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_USED_BASE = 100, LOCK_REFUSED_BASE = 200 };
enum { PERMISSION_READ = 0, PERMISSION_WRITE = 1, PERMISSION_RESIZE = 3, PERMISSION_COUNT = 5 };

static bool lock_byte(int fd, off_t byte, int *ret_errno)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        return true;
    }
    *ret_errno = errno;
    return false;
}

/* Somebody else has a lock of any kind on that byte. */
static bool byte_is_foreign(int fd, off_t byte)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* The file descriptor `fd` of process `pid` has this file open with locks on it. */
static bool descriptor_holds_lock(const char *pid, const char *fd, const struct stat *wanted)
{
    g_autofree char *link = g_strdup_printf("/proc/%s/fd/%s", pid, fd);
    g_autofree char *path = g_strdup_printf("/proc/%s/fdinfo/%s", pid, fd);
    g_autofree char *text = NULL;
    struct stat st;

    return stat(link, &st) == 0 && st.st_dev == wanted->st_dev && st.st_ino == wanted->st_ino &&
           g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "OFDLCK");
}

static bool process_holds_lock(const char *pid, int own_fd, const struct stat *wanted)
{
    g_autofree char *folder = g_strdup_printf("/proc/%s/fd", pid);
    bool is_self = (pid_t)g_ascii_strtoll(pid, NULL, 10) == getpid();
    DIR *dir = opendir(folder);
    struct dirent *entry;
    bool found = false;

    if (!dir) {
        return false;
    }
    while (!found && (entry = readdir(dir))) {
        bool is_own = is_self && g_ascii_strtoll(entry->d_name, NULL, 10) == own_fd;
        found =
            entry->d_name[0] != '.' && !is_own && descriptor_holds_lock(pid, entry->d_name, wanted);
    }
    closedir(dir);
    return found;
}

/* "process 12 (name)", or "another process" where /proc does not tell; caller frees. The kernel
 * reports no process for locks of this kind, so the descriptors of all processes are looked at. */
static char *describe_holder(int fd)
{
    struct dirent *entry;
    struct stat wanted;
    char *text = NULL;
    DIR *dir = fstat(fd, &wanted) == 0 ? opendir("/proc") : NULL;

    while (dir && !text && (entry = readdir(dir))) {
        g_autofree char *path = g_strdup_printf("/proc/%s/comm", entry->d_name);
        g_autofree char *name = NULL;

        if (g_ascii_isdigit(entry->d_name[0]) && process_holds_lock(entry->d_name, fd, &wanted) &&
            g_file_get_contents(path, &name, NULL, NULL)) {
            text = g_strdup_printf("process %s (%s)", entry->d_name, g_strchomp(name));
        }
    }
    if (dir) {
        closedir(dir);
    }
    return text ? text : g_strdup("another process");
}

bool image_lock_take(int fd, const char *filename, bool is_writer, Error **err)
{
    unsigned used = 1u << PERMISSION_READ | (is_writer ? 1u << PERMISSION_WRITE : 0);
    unsigned refused = 1u << PERMISSION_WRITE | 1u << PERMISSION_RESIZE;
    bool conflict = false;
    int error = 0;

    for (unsigned p = 0; p < PERMISSION_COUNT; p++) {
        if ((used >> p & 1 && !lock_byte(fd, LOCK_USED_BASE + p, &error)) ||
            (refused >> p & 1 && !lock_byte(fd, LOCK_REFUSED_BASE + p, &error))) {
            conflict = error == EAGAIN || error == EACCES;
            break;
        }
    }
    for (unsigned p = 0; p < PERMISSION_COUNT && !conflict; p++) {
        conflict = (used >> p & 1 && byte_is_foreign(fd, LOCK_REFUSED_BASE + p)) ||
                   (refused >> p & 1 && byte_is_foreign(fd, LOCK_USED_BASE + p));
    }
    if (conflict) {
        g_autofree char *holder = describe_holder(fd);
        error_set(err, "'%s' is locked: %s uses it%s", filename, holder,
                  is_writer ? "" : " for writing");
        error_hint(err, "End that program, or open the image read-only in both");
        return false;
    }
    return true;
}

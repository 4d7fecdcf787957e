/* SPDX-License-Identifier: MIT */
/* Descriptors that whoever started us hands over. */
#include "util/fd-sets.h"
#include "util/keyval.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_SET_PATH "/dev/fdset/"

typedef struct FdSetEntry {
    int64_t set;
    int fd;
    char *opaque;
} FdSetEntry;

typedef struct FdName {
    const void *owner;
    char *name;
    int fd;
} FdName;

static GPtrArray *entries; /* of FdSetEntry *, by set, then in order of arrival */
static GPtrArray *names;   /* of FdName * */
static const void *owner;  /* whose names are looked at */
static GArray *inherited;  /* of int: originals to be closed */

static void entry_free(gpointer data)
{
    FdSetEntry *entry = data;

    close(entry->fd);
    g_free(entry->opaque);
    g_free(entry);
}

static void name_free(gpointer data)
{
    FdName *name = data;

    if (name->fd >= 0) {
        close(name->fd);
    }
    g_free(name->name);
    g_free(name);
}

/* -- Sets -------------------------------------------------------------------------------------- */

static FdSetEntry *entry_at(guint index)
{
    return entries->pdata[index];
}

static guint entry_count(void)
{
    return entries ? entries->len : 0;
}

static int64_t first_free_set(void)
{
    int64_t set = 0;

    for (guint i = 0; i < entry_count() && entry_at(i)->set <= set; i++) {
        set = entry_at(i)->set + 1;
    }
    return set;
}

int64_t fd_set_add(int64_t set, int fd, const char *opaque, Error **err)
{
    if (set < FD_SET_NEW) {
        close(fd);
        error_set(err, "an fd set has a number from 0 on, not %" G_GINT64_FORMAT, set);
        return -1;
    }
    if (!entries) {
        entries = g_ptr_array_new_with_free_func(entry_free);
    }
    if (set == FD_SET_NEW) {
        set = first_free_set();
    }
    FdSetEntry *entry = g_new(FdSetEntry, 1);
    *entry = (FdSetEntry){set, fd, g_strdup(opaque)};
    guint at = 0;
    while (at < entries->len && entry_at(at)->set <= set) {
        at++;
    }
    g_ptr_array_insert(entries, (gint)at, entry);
    return set;
}

bool fd_set_add_inherited(int64_t set, int fd, const char *opaque, Error **err)
{
    if (fd <= STDERR_FILENO) {
        return error_set(err, "fd=%d: descriptors 0, 1 and 2 cannot be in a set", fd);
    }
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || flags & FD_CLOEXEC) {
        /* All of ours have the flag; what was inherited cannot have it. */
        error_set(err, "fd=%d is not open", fd);
        error_hint(err, "The program that starts this one has to leave it open.");
        return false;
    }
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0) {
        return error_set_errno(err, errno, "cannot duplicate fd=%d", fd);
    }
    if (fd_set_add(set, own, opaque, err) < 0) {
        return false;
    }
    if (!inherited) {
        inherited = g_array_new(FALSE, FALSE, sizeof(int));
    }
    g_array_append_val(inherited, fd);
    return true;
}

void fd_set_close_inherited(void)
{
    for (guint i = 0; inherited && i < inherited->len; i++) {
        close(g_array_index(inherited, int, i)); /* one that was given twice is closed by now */
    }
    g_clear_pointer(&inherited, g_array_unref);
}

bool fd_set_remove(int64_t set, int fd, Error **err)
{
    bool is_found = false;

    for (guint i = entry_count(); i > 0; i--) {
        if (entry_at(i - 1)->set == set && (fd < 0 || entry_at(i - 1)->fd == fd)) {
            g_ptr_array_remove_index(entries, i - 1);
            is_found = true;
        }
    }
    if (is_found) {
        return true;
    }
    return fd < 0
               ? error_set(err, "there is no fd set %" G_GINT64_FORMAT, set)
               : error_set(err, "there is no descriptor %d in fd set %" G_GINT64_FORMAT, fd, set);
}

void fd_set_foreach(void (*fn)(int64_t set, int fd, const char *opaque_text, void *opaque),
                    void *opaque)
{
    for (guint i = 0; i < entry_count(); i++) {
        fn(entry_at(i)->set, entry_at(i)->fd, entry_at(i)->opaque, opaque);
    }
}

#define SETTABLE_FLAGS (O_APPEND | O_DIRECT | O_NONBLOCK)

/* A duplicate as open() would have made it; -1 and errno on failure. */
static int duplicate(int fd, int old_flags, int flags)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int wanted = (old_flags & ~SETTABLE_FLAGS) | (flags & SETTABLE_FLAGS);
    struct stat status;

    if (own < 0) {
        return -1;
    }
    bool truncates = flags & O_TRUNC && fstat(own, &status) == 0 && S_ISREG(status.st_mode);
    if ((wanted != old_flags && fcntl(own, F_SETFL, wanted) < 0) ||
        (truncates && ftruncate(own, 0) < 0)) {
        int saved = errno;
        close(own);
        errno = saved;
        return -1;
    }
    return own;
}

static int open_from_set(uint64_t set, int flags)
{
    int failure = ENOENT;

    for (guint i = 0; i < entry_count(); i++) {
        const FdSetEntry *entry = entry_at(i);
        if ((uint64_t)entry->set != set) {
            continue;
        }
        failure = EACCES;
        int mode = fcntl(entry->fd, F_GETFL);
        if (mode >= 0 && (mode & O_ACCMODE) == (flags & O_ACCMODE)) {
            return duplicate(entry->fd, mode, flags);
        }
    }
    errno = failure;
    return -1;
}

int fd_open(const char *path, int flags, mode_t mode)
{
    uint64_t set;

    if (!g_str_has_prefix(path, FD_SET_PATH)) {
        return open(path, flags | O_CLOEXEC, mode);
    }
    if (!parse_u64(path + strlen(FD_SET_PATH), &set, NULL)) {
        errno = EINVAL;
        return -1;
    }
    return open_from_set(set, flags);
}

/* -- Names ------------------------------------------------------------------------------------- */

const void *fd_names_select(const void *new_owner)
{
    const void *before = owner;

    owner = new_owner;
    return before;
}

void fd_names_drop(const void *old_owner)
{
    for (guint i = names ? names->len : 0; i > 0; i--) {
        if (((FdName *)names->pdata[i - 1])->owner == old_owner) {
            g_ptr_array_remove_index(names, i - 1);
        }
    }
}

bool fd_name_set(const char *name, int fd, Error **err)
{
    if (!*name || g_ascii_isdigit(*name)) {
        close(fd);
        return error_set(err, "'%s' is no name for a descriptor: a letter comes first", name);
    }
    int old = fd_name_take(name);
    if (old >= 0) {
        close(old);
    }
    if (!names) {
        names = g_ptr_array_new_with_free_func(name_free);
    }
    FdName *entry = g_new(FdName, 1);
    *entry = (FdName){owner, g_strdup(name), fd};
    g_ptr_array_add(names, entry);
    return true;
}

int fd_name_take(const char *name)
{
    for (guint i = 0; names && i < names->len; i++) {
        FdName *entry = names->pdata[i];
        if (entry->owner == owner && g_str_equal(entry->name, name)) {
            int fd = entry->fd;
            entry->fd = -1;
            g_ptr_array_remove_index(names, i);
            return fd;
        }
    }
    return -1;
}

bool fd_name_close(const char *name, Error **err)
{
    int fd = fd_name_take(name);

    if (fd < 0) {
        return error_set(err, "there is no descriptor named '%s'", name);
    }
    close(fd);
    return true;
}

int fd_parse(const char *text, Error **err)
{
    uint64_t number;

    /* A program that runs knows no numbers: what it has handed over has a name. */
    if (owner || !g_ascii_isdigit(*text)) {
        int fd = fd_name_take(text);
        if (fd < 0) {
            error_set(err, "there is no descriptor named '%s'", text);
        }
        return fd;
    }
    if (!parse_u64(text, &number, err)) {
        return -1;
    }
    if (number > INT32_MAX || fcntl((int)number, F_GETFD) < 0) {
        error_set_errno(err, EBADF, "descriptor %s cannot be used", text);
        return -1;
    }
    return (int)number;
}

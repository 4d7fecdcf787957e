/* SPDX-License-Identifier: MIT */
/* Whole files of the user. */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536u

/* Appends what is left in the file; false leaves errno. */
static bool read_all(int fd, GByteArray *bytes)
{
    ssize_t count;

    do {
        guint length = bytes->len;

        g_byte_array_set_size(bytes, length + PIECE);
        count = read(fd, bytes->data + length, PIECE);
        g_byte_array_set_size(bytes, length + (guint)MAX(count, 0));
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0;
}

char *file_read(const char *path, size_t *ret_size, Error **err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status = {0};
    guint expected = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
                         ? (guint)MIN(status.st_size, 1 << 30)
                         : 0;
    GByteArray *bytes = g_byte_array_sized_new(expected + PIECE + 1);

    if (fd < 0 || !read_all(fd, bytes)) {
        error_set_errno(err, errno, "cannot read '%s'", path);
        goto fail;
    }
    if (!ret_size && memchr(bytes->data, 0, bytes->len)) {
        error_set(err, "'%s' holds a zero byte, so it is no text", path);
        goto fail;
    }
    close(fd);
    if (ret_size) {
        *ret_size = bytes->len;
    }
    g_byte_array_append(bytes, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(bytes, FALSE);

fail:
    if (fd >= 0) {
        close(fd);
    }
    g_byte_array_free(bytes, TRUE);
    return NULL;
}

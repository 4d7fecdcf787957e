/* SPDX-License-Identifier: MIT */
/* Comments of a TAP program, as a stream that takes plain lines. */
#include "tests/insn/details.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

static bool is_inside; /* of a line */

static ssize_t write_details(void *cookie, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!is_inside) {
            fputs("# ", stdout);
        }
        putchar(text[i]);
        is_inside = text[i] != '\n';
    }
    return (ssize_t)size;
}

FILE *details(void)
{
    static FILE *stream;

    if (!stream) {
        stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_details});
        if (!stream) {
            abort();
        }
        setvbuf(stream, NULL, _IOLBF, BUFSIZ);
    }
    return stream;
}

/* SPDX-License-Identifier: MIT */
/* Error: what went wrong for the user, in words, with a hint what to do; see
 * docs/design/architecture.md. */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <glib.h>
#include <stdbool.h>

typedef struct Error Error;

/* What a program may tell errors apart by, as QMP names them; the text is for people. */
typedef enum ErrorClass {
    ERROR_GENERIC,
    ERROR_COMMAND_NOT_FOUND,
    ERROR_DEVICE_NOT_ACTIVE,
    ERROR_DEVICE_NOT_FOUND,
    ERROR_KVM_MISSING_CAP
} ErrorClass;

/*
 * Fallible functions return bool (true: fine) or a pointer (NULL: failed) and take `Error **err`
 * last. On failure they set *err exactly once; out-parameters stay untouched. `err` may be NULL:
 * the caller does not want the text.
 */

/* Sets *err (which must be NULL inside) to a formatted sentence, no full stop, no newline. Always
 * returns false. */
bool error_set(Error **err, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Like error_set() and appends ": " and the text of errno value `os_error`.
 * Always returns false. */
bool error_set_errno(Error **err, int os_error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* error_set() for an error of another class than ERROR_GENERIC. */
bool error_set_class(Error **err, ErrorClass error_class, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
ErrorClass error_class(const Error *error);

/* Puts a formatted text before the message of *err ("-device isa-serial: "). Does nothing when err
 * or *err is NULL. */
void error_prefix(Error **err, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Adds a line of advice below the message ("did you mean 'x'?" belongs into the message itself). */
void error_hint(Error **err, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Text of the message alone; owned by `error`. */
const char *error_message(const Error *error);

/* Text of the hint lines or NULL; owned by `error`. */
const char *error_hint_text(const Error *error);

/* Frees; NULL is fine. */
void error_free(Error *error);

/* Prints "PROGRAM: message" and the hint lines on stderr, then frees. */
void error_report_free(Error *error);

/* Prints "PROGRAM: ..." on stderr. */
void plain_report(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Prints "PROGRAM: warning: ..." on stderr. */
void warn_report(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* Prints "PROGRAM: info: ..." on stderr. */
void info_report(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* What all of these put before PROGRAM: the time (UTC, ISO 8601), and the name of the guest unless
 * it is NULL. */
void report_set_timestamp(bool enabled);
void report_set_guest_name(const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

#endif

/* SPDX-License-Identifier: MIT */
/* What the tests of character devices share: a front end that keeps what it sees, and peers. */
#ifndef TESTS_UNIT_CHARDEV_FIXTURE_H
#define TESTS_UNIT_CHARDEV_FIXTURE_H

#include "ui/chardev.h"

typedef struct Front {
    GString *received;
    GString *events; /* a letter each: o c b i u */
    size_t limit;    /* of bytes in `received` */
} Front;

extern char *directory; /* for files of the test; removed at the end */

Front *front_new(void);
void front_free(Front *front);
Chardev *attach(Chardev *chardev, Front *front, bool is_monitor);

/* By the short form, as serial0, or by -chardev's; a failure ends the test. */
Chardev *make(const char *format, ...) G_GNUC_PRINTF(1, 2);
Chardev *make_option(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Making it by -chardev's options fails with that text. */
void check_option_error(const char *text, const char *expected);

void turn(int times);
/* Turns until the front end has seen these events, or received this; 10 s at most. */
void turn_until_events(Front *front, const char *events);
void turn_until_received(Front *front, const char *text);
char *path_of(const char *name);

int connect_unix(const char *path);
int connect_tcp(int port);
int listen_tcp(int *ret_port);
/* What can be read now; caller frees. */
char *read_available(int fd);
void check_available(int fd, const char *expected);
void send_text(int fd, const char *text);

/* main() of a test program: makes loop and directory, runs, removes. */
int run_chardev_tests(int argc, char **argv, void (*add_tests)(void));

#endif

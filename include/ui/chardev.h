/* SPDX-License-Identifier: MIT */
/* Chardev: the host side of a serial line, debug console or monitor. Under the machine lock, on the
 * main loop. */
#ifndef UI_CHARDEV_H
#define UI_CHARDEV_H

#include "util/keyval.h"
#include "util/object.h"

typedef struct Chardev Chardev;

typedef enum ChardevEvent {
    CHARDEV_OPENED, /* a client connected, or the back end is always there */
    CHARDEV_CLOSED,
    CHARDEV_BREAK,
    CHARDEV_MUX_IN, /* this front end got the focus */
    CHARDEV_MUX_OUT
} ChardevEvent;

/* The front end: a device or a monitor. One per chardev; a mux gives out several. */
typedef struct ChardevFrontend {
    /* How many bytes it can take now; 0 stops reading until chardev_accept_input(). */
    size_t (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *bytes, size_t count);
    void (*event)(void *opaque, ChardevEvent event); /* may be NULL */
    /* The chardev is being freed; may be NULL. */
    void (*released)(void *opaque);
    void *opaque;
    bool is_monitor; /* on a mux: leaves the first focus to the others */
    bool is_console; /* what a guest writes there may be a console: chardev_watch_consoles() */
} ChardevFrontend;

#define CHARDEV_BUFFER_SIZE (64 * 1024)

struct Chardev {
    Object obj;
    ChardevFrontend frontend;
    bool attached, connected, is_mux;
    bool is_closed;         /* the back end's close() was called */
    bool was_loss_reported; /* that output is lost is said once */
    char *label;
    char *filename; /* what is behind it, for people: "unix:PATH,server=on" */
    /* Ring of bytes the back end did not take yet; NULL: unused. */
    uint8_t *out;
    size_t out_start, out_used;
    uint64_t out_dropped; /* bytes lost because nobody took them */
    uint64_t backlog;     /* backlog=: bytes kept while nobody is connected */
    int log_fd;           /* logfile=, or -1 */
    char *logfile;
    Chardev *successor; /* chardev_change() has put this one in our place; our child */
    Chardev *retired;   /* the one before it, closed; our child */
    /* What the back end's own fields hold comes after this in the derived struct. */
};

extern const Type chardev_type; /* "chardev", abstract; objects below /chardevs */

/* How a serial line transmits. */
typedef struct ChardevLine {
    unsigned speed, data_bits, stop_bits;
    char parity; /* 'N', 'O', 'E' */
} ChardevLine;

/* Registers of a parallel port. */
typedef enum ChardevParallel {
    CHARDEV_PARALLEL_DATA,
    CHARDEV_PARALLEL_STATUS,
    CHARDEV_PARALLEL_CONTROL
} ChardevParallel;

/* Type.info of a back-end type ("chardev-socket"...). */
typedef struct ChardevInfo {
    const char *backend;        /* name in -chardev: "socket" */
    const char *alias;          /* another name of it, or NULL */
    const char *const *options; /* NULL-terminated, for errors and help */
    /* Reports CHARDEV_OPENED when it is connected. After a failure close() is called as well. */
    bool (*open)(Chardev *chardev, KeyVal *options, Error **err);
    void (*close)(Chardev *chardev);
    /* Takes what it can without blocking (0..count): the rest is the caller's to buffer or drop. */
    size_t (*write)(Chardev *chardev, const uint8_t *bytes, size_t count);
    /* Room before the bytes reach a full buffer; NULL: that of the chardev itself. */
    size_t (*write_room)(Chardev *chardev);
    void (*update_read)(Chardev *chardev); /* can_receive may have changed */
    void (*send_break)(Chardev *chardev);
    /* Calls chardev_write_ready() when write would take bytes again. */
    void (*watch_writable)(Chardev *chardev, bool on);
    /* Somebody writes while it is disconnected: reports CHARDEV_OPENED if that is over. */
    void (*check_open)(Chardev *chardev);
    int (*take_fd)(Chardev *chardev);
    /* Takes a connected socket over, unless it fails; for one that is not connected. */
    bool (*add_client)(Chardev *chardev, int fd, Error **err);
    void (*hang_up)(Chardev *chardev); /* soon, as if the other side had */
    void (*set_line)(Chardev *chardev, const ChardevLine *line);
    bool (*get_modem)(Chardev *chardev, unsigned *ret_lines);
    void (*set_modem)(Chardev *chardev, unsigned lines);
    bool (*parallel)(Chardev *chardev, ChardevParallel which, bool is_write, uint8_t *value);
} ChardevInfo;

/* -- Making them ------------------------------------------------------------------------------- */

/*
 * -chardev BACKEND,id=ID,... and the short forms of -serial/-monitor/-debugcon: stdio, mon:stdio,
 * null, none (NULL without error), file:PATH, unix:PATH,server,nowait, tcp:HOST:PORT,..., telnet:,
 * websocket:, udp:, pty, pipe:, chardev:ID, /dev/ttyS0, vc. "mon:" makes a mux (is_mux): the caller
 * puts a monitor on it too. `options` has the key "backend" (the implied one). Both may wait for
 * the other side, until a signal ends it: for start-up only.
 */
Chardev *chardev_new(KeyVal *options, Error **err);
Chardev *chardev_new_short(const char *label, const char *text, Error **err);
char *chardev_help(void); /* text of -chardev help; caller frees */
Chardev *chardev_find(const char *id);

/* -- For the monitor, while the guest runs: nothing here waits --------------------------------- */

/* Like chardev_new(); a server does not wait for a client, and a TCP client connects in the
 * background (a failure is reported on stderr, the device stays disconnected). */
Chardev *chardev_add(KeyVal *options, Error **err);
/* Fails when a front end uses it. */
bool chardev_remove(const char *id, Error **err);
/* Puts a new back end under the front end of `id` (of a mux: under the mux), which sees a close and
 * an open; keys id and mux of `options` are ignored. The old one stays when that fails. */
bool chardev_change(const char *id, KeyVal *options, Error **err);
bool chardev_break(const char *id, Error **err);
/* A socket that somebody has connected becomes the other side; taken over unless it fails. */
bool chardev_add_client(const char *id, int fd, Error **err);
/* Ends a connection whose other side may be stuck: soon, and not its label's last. */
bool chardev_can_hang_up(const Chardev *chardev);
void chardev_hang_up(Chardev *chardev);
/* Those below /chardevs, in the order they were made. */
void chardev_foreach(void (*fn)(const Chardev *chardev, void *opaque), void *opaque);
/* Names for query-chardev-backends. */
void chardev_foreach_backend(void (*fn)(const char *backend, const char *desc, void *opaque),
                             void *opaque);
/* As query-chardev shows it: "disconnected:unix:PATH,server=on". */
const char *chardev_filename(const Chardev *chardev);
bool chardev_is_frontend_open(const Chardev *chardev);
/* "/dev/pts/N" of a pty, else NULL. */
const char *chardev_pty_path(const Chardev *chardev);
/* A ring buffer: what the guest wrote last; writing replaces the oldest. The result of read is
 * taken out of it, at most `max` bytes; caller frees. */
bool chardev_ringbuf_write(const char *id, const void *bytes, size_t count, Error **err);
uint8_t *chardev_ringbuf_read(const char *id, size_t max, size_t *ret_count, Error **err);
/* The next descriptor that came over its UNIX socket with the last message that had any
 * (SCM_RIGHTS), the caller's from now on; -1: none. */
int chardev_take_fd(Chardev *chardev);

/* -- For front ends ---------------------------------------------------------------------------- */

/* Attaches a front end; on a mux, one more. Returns the chardev to use for writing (a mux hands out
 * a port), NULL when it is taken already. */
Chardev *chardev_attach(Chardev *chardev, const ChardevFrontend *frontend, Error **err);
void chardev_detach(Chardev *chardev);

/* Never blocks: bytes the back end cannot take are kept in a bounded buffer (64 KiB), then the
 * oldest are dropped and counted; a client that does not read never stalls the guest. `chardev`
 * NULL drops. */
void chardev_write(Chardev *chardev, const void *bytes, size_t count);
/* Room left in that buffer: a UART that models flow control asks before it reports THR empty. */
size_t chardev_write_room(Chardev *chardev);
void chardev_accept_input(Chardev *chardev);
void chardev_send_break(Chardev *chardev);

/* For host ports; no-op, or false, elsewhere. Lines are TIOCM_* of <termios.h>. */
void chardev_set_line(Chardev *chardev, const ChardevLine *line);
bool chardev_get_modem(Chardev *chardev, unsigned *ret_lines);
void chardev_set_modem(Chardev *chardev, unsigned lines);
bool chardev_parallel_read(Chardev *chardev, ChardevParallel which, uint8_t *ret_value);
bool chardev_parallel_write(Chardev *chardev, ChardevParallel which, uint8_t value);

/* The byte before commands to a mux (-echr). */
extern uint8_t chardev_mux_prefix;
/* Ctrl-A keys of a mux that concern the whole machine: 'x' quit, 's' write snapshots back. Without
 * one, 'x' sends SIGTERM to the process. */
extern void (*chardev_mux_key)(char key);

/* Calls fn for what consoles write from now on, before the back end sees it; NULL: no more. */
typedef void ChardevConsoleWatch(const Chardev *chardev, const uint8_t *bytes, size_t count);
void chardev_watch_consoles(ChardevConsoleWatch *fn);

/* -- For back ends ----------------------------------------------------------------------------- */

size_t chardev_can_receive(Chardev *chardev);
void chardev_receive(Chardev *chardev, const uint8_t *bytes, size_t count);
void chardev_event(Chardev *chardev, ChardevEvent event);
void chardev_write_ready(Chardev *chardev);

/* Restores terminal settings; called at exit and from fatal paths. */
void chardev_restore_terminal(void);

#endif

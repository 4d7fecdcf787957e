/* SPDX-License-Identifier: MIT */
/* Block: a graph of nodes with one asynchronous request queue; under the machine lock, completions
 * on the loop. */
#ifndef BLOCK_BLOCK_H
#define BLOCK_BLOCK_H

#include "util/keyval.h"
#include "util/linker-set.h"
#include "util/loop.h"

#include <sys/uio.h>

typedef struct BlockNode BlockNode;
typedef struct BlockRequest BlockRequest;

typedef enum BlockOp {
    BLOCK_READ,
    BLOCK_WRITE,
    BLOCK_FLUSH,
    BLOCK_DISCARD,
    BLOCK_WRITE_ZEROES
} BlockOp;

#define BLOCK_OP_COUNT (BLOCK_WRITE_ZEROES + 1)

/* What was done on a node since it was opened, by BlockOp. */
typedef struct BlockAccount {
    struct {
        uint64_t count, failed, bytes, ns;
    } op[BLOCK_OP_COUNT];
    uint64_t write_end; /* of the write farthest back, in the node's offsets */
    int64_t last_ns;    /* when the last one completed, monotonic; 0: none did */
} BlockAccount;

/*
 * One request. Filled by the device, alive until done() was called. `status` is 0 or a negative
 * errno. iovecs may point into guest RAM: the submitter holds references to the RAM blocks and
 * marks them dirty in done().
 */
struct BlockRequest {
    BlockOp op;
    bool fua;
    uint64_t offset, size; /* bytes, multiples of 512 */
    struct iovec *iov;
    unsigned iov_count;
    void (*done)(BlockRequest *request, int status);
    void *opaque;
    BlockNode *node; /* set by block_submit() */
    int status;      /* set by the core */
};

/* A driver is one table. Formats sit on a protocol node in `file`. */
typedef struct BlockDriver {
    const char *name; /* "raw", "file" */
    const char *desc;
    size_t state_size;
    bool (*open)(BlockNode *node, KeyVal *options, Error **err);
    void (*close)(BlockNode *node);
    /* Where the bytes from `offset` lie: returns the number of contiguous bytes in the child (at
     * *ret_child_offset), 0 if the answer is not in memory and the blocking path must run. Loop
     * thread, must not block. */
    uint64_t (*map)(BlockNode *node, BlockOp op, uint64_t offset, uint64_t size,
                    uint64_t *ret_child_offset);
    /* Blocking execution on a worker; of a format under the node's image lock, of a protocol
     * without it. Offsets are this node's. Returns 0 or a negative errno. */
    int (*execute)(BlockNode *node, BlockRequest *request);
    uint64_t (*size)(BlockNode *node); /* bytes */
} BlockDriver;

#define BLOCK_DRIVER(variable) LINKER_SET_ENTRY(block_drivers, variable)

struct BlockNode {
    char *name; /* node-name */
    const BlockDriver *driver;
    void *state;
    BlockNode *file; /* child, or NULL */
    char *filename;
    bool read_only, direct;
    bool no_flush;     /* cache=unsafe: flushes do nothing */
    bool writethrough; /* every write is on the medium when it completes */
    bool discard;      /* discard=unmap: a discard gives space back, otherwise it does nothing */
    unsigned references, in_flight;
    BlockAccount account;
    GMutex image_lock; /* held by execute(); comes after the machine lock */
};

/* Opens a chain: keys driver/format, file/filename, read-only, cache, aio, discard and those of the
 * drivers. Unknown keys fail. Image locks (OFD) are taken; a conflict names the holder's pid. */
BlockNode *block_open(KeyVal *options, Error **err);
BlockNode *block_ref(BlockNode *node);
void block_unref(BlockNode *node);
uint64_t block_size(BlockNode *node); /* bytes */

/* Queues; done() is called later on the main loop under the machine lock, never from inside
 * block_submit(). */
void block_submit(BlockNode *node, BlockRequest *request);

/* Runs completions until nothing is in flight on the node; main thread, under the lock. */
void block_drain(BlockNode *node);
void block_drain_all(void);

/* -- Drives: -drive, -hda; what `drive=ID` of a device finds ----------------------------------- */

typedef struct Drive Drive;
typedef struct Object Object;
extern const struct Type drive_type; /* "drive", objects below /drives */

/* From `-drive` text: file=, format=, if=, index=, bus=, unit=, media=, id=, readonly=, cache=,
 * aio=, discard=, werror=, rerror=. */
Drive *drive_new(const char *text, Error **err);
extern const char *const drive_keys[];     /* NULL-terminated */
BlockNode *drive_node(Drive *drive);       /* NULL: an empty removable drive */
const char *drive_interface(Drive *drive); /* "ide", "none"... */
bool drive_is_cdrom(Drive *drive);
bool drive_is_read_only(Drive *drive);
/* Drive with that interface, bus and unit, or NULL; marks it as taken by a device when `take`. */
Drive *drive_get(const char *interface, int bus, int unit, bool take);
/* What the guest's device does about an error of the image, -drive werror= and rerror=. */
typedef enum DriveErrorAction {
    DRIVE_ERROR_REPORT, /* the guest is told */
    DRIVE_ERROR_IGNORE, /* as if it had gone well */
    DRIVE_ERROR_STOP,   /* the machine stops; when it goes on, the request is made again */
    DRIVE_ERROR_ENOSPC  /* of writes: stop when the host's disk is full, else report */
} DriveErrorAction;

/* Values of the properties werror and rerror of a device that overrides its drive's; "auto": it
 * does not. */
extern const char *const drive_error_choices[];
/* The index among these for writes and for reads. */
void drive_override_errors(Drive *drive, int werror, int rerror);
/* For a negative errno: REPORT, IGNORE or STOP. */
DriveErrorAction drive_error_action(Drive *drive, bool is_read, int status);
/* Emits BLOCK_IO_ERROR for what drive_error_action() was asked about. */
void drive_tell_error(Drive *drive, bool is_read, int status, DriveErrorAction action);
/* -- Removable media: a tray, which is open or closed, and what lies in it --------------------- */

typedef enum DriveEvent {
    DRIVE_MEDIUM_LEAVES, /* the tray opens: from now on the device does not use the node */
    DRIVE_MEDIUM_CAME,   /* the tray closes, with a medium or without */
    DRIVE_EJECT_WANTED   /* somebody presses the button of a locked tray */
} DriveEvent;

/* The device says that its media can change, and how it hears what others than its guest do to
 * them. NULL, NULL: it goes away. */
void drive_set_device(Drive *drive, Object *device,
                      void (*changed)(Object *device, DriveEvent event));
/* How clients name a device: the id that the user gave, or its path; caller frees. */
char *drive_device_name(const Object *device);
bool drive_is_removable(const Drive *drive);
bool drive_is_tray_open(const Drive *drive);
bool drive_is_locked(const Drive *drive);
/* For the device: the guest locks the tray, or opens or closes it. The device sees to itself. */
void drive_set_locked(Drive *drive, bool is_locked);
void drive_move_tray(Drive *drive, bool open);
/* For the monitor; the errors name the drive. A locked tray opens when `force`; else the guest is
 * asked to open it, which drive_press_eject() leaves to it and drive_open_tray() calls a failure.
 */
bool drive_press_eject(Drive *drive, bool force, Error **err);
bool drive_open_tray(Drive *drive, bool force, Error **err);
bool drive_close_tray(Drive *drive, Error **err);
bool drive_remove_medium(Drive *drive, Error **err);
/* Opens a file, NULL `format`: probes it; then opens the tray, changes the medium, closes it. */
bool drive_change_medium(Drive *drive, const char *file, const char *format, bool read_only,
                         bool force, Error **err);

/* A device takes the drive it was given by drive=ID; fails when another device has it. */
bool drive_take(Drive *drive, Error **err);
void drive_release(Drive *drive);
/* Fails, naming it, when a drive with an interface other than none was never taken. */
bool drive_check_orphans(Error **err);

#endif

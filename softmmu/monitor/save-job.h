/* SPDX-License-Identifier: MIT */
/* SaveJob: bytes of the guest on their way into a file, in pieces written by a worker, so that
 * neither the main loop nor the guest waits for a disk. Main thread, under the lock. */
#ifndef SOFTMMU_MONITOR_SAVE_JOB_H
#define SOFTMMU_MONITOR_SAVE_JOB_H

#include "softmmu/memory.h"

/* The next bytes: of guest RAM, which stay where they are, or a copy. */
typedef struct SavePiece {
    void *bytes;
    size_t size;
    RamBlock *block; /* holds them; NULL: `bytes` is freed by g_free() */
} SavePiece;

typedef struct SaveSource {
    /* Fills in a piece; of size 0 at the end. */
    bool (*next)(void *opaque, SavePiece *piece, Error **err);
    /* The file is closed; *err: it failed, and what was written was removed. Owns `error`. */
    void (*done)(void *opaque, Error *error);
    void *opaque;
} SaveSource;

/* Creates or truncates `path`. Then `done` comes in a later turn of the main loop. Fails when the
 * file cannot be opened: `done` does not come. */
bool save_job_start(const char *path, unsigned mode, const SaveSource *source, Error **err);
/* The same for a descriptor, which is taken over. */
void save_job_start_fd(int fd, const char *name, const SaveSource *source);
/* The same without a later turn, for callers that cannot wait: `done` comes before it returns. */
bool save_job_run(const char *path, unsigned mode, const SaveSource *source, Error **err);

/* As much as is at hand of `size` bytes from that physical address, at least one byte. What is not
 * there reads as all ones. */
void save_piece_of_memory(SavePiece *piece, uint64_t address, uint64_t size);

#endif

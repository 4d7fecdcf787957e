/* SPDX-License-Identifier: MIT */
/* The raw format: the guest's bytes as they lie in the file, or in a window of it. */
#include "block/block.h"

#define SECTOR_SIZE 512

typedef struct RawState {
    uint64_t offset; /* of the window in the file */
    uint64_t size;   /* of the window; UINT64_MAX: to the end of the file */
} RawState;

static uint64_t raw_size(BlockNode *node)
{
    const RawState *raw = node->state;
    uint64_t file_size = block_size(node->file);

    return raw->size != UINT64_MAX ? raw->size : file_size - MIN(raw->offset, file_size);
}

static bool raw_open(BlockNode *node, KeyVal *options, Error **err)
{
    RawState *raw = node->state;
    uint64_t file_size = block_size(node->file);

    raw->size = UINT64_MAX;
    if (!keyval_get_size(options, "offset", &raw->offset, err) ||
        !keyval_get_size(options, "size", &raw->size, err)) {
        return false;
    }
    if (raw->offset % SECTOR_SIZE || (raw->size != UINT64_MAX && raw->size % SECTOR_SIZE)) {
        return error_set(err, "offset= and size= of a raw image are multiples of %d", SECTOR_SIZE);
    }
    if (raw->offset > file_size ||
        (raw->size != UINT64_MAX && raw->size > file_size - raw->offset)) {
        return error_set(
            err, "offset= and size= reach beyond the end of '%s' (%" G_GUINT64_FORMAT " bytes)",
            node->filename, file_size);
    }
    return true;
}

static uint64_t raw_map(BlockNode *node, BlockOp op, uint64_t offset, uint64_t size,
                        uint64_t *ret_child_offset)
{
    const RawState *raw = node->state;

    *ret_child_offset = offset + raw->offset;
    return size;
}

static const BlockDriver raw_driver = {
    .name = "raw",
    .desc = "bytes as they are",
    .state_size = sizeof(RawState),
    .open = raw_open,
    .map = raw_map,
    .size = raw_size,
};

BLOCK_DRIVER(raw_driver);

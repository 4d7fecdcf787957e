/* SPDX-License-Identifier: MIT */
/* Block nodes: opening a chain of drivers, references, sizes. */

/*
 * A chain is a format on a protocol. block_open() makes both from one flat set of options: the
 * protocol takes what it knows, then the format, and what is left over is an error. Nodes belong to
 * the main thread under the machine lock; workers only see them through BlockDriver.execute().
 */
#include "block/block.h"
#include "util/suggest.h"

#include <stdatomic.h>
#include <string.h>

LINKER_SET_DECLARE(const BlockDriver, block_drivers);

static const char *const known_keys[] = {"driver",    "format", "file",      "filename",
                                         "node-name", "cache",  "read-only", "aio",
                                         "discard",   "offset", "size",      NULL};

typedef struct Magic {
    const char *format;
    const char *bytes;
    size_t length;
} Magic;

/* First bytes of image formats, from their specifications; what has none of them is raw. */
static const Magic magics[] = {
    {"qcow2", "QFI\xfb", 4},
    {"vmdk", "KDMV", 4},
    {"vhdx", "vhdxfile", 8},
    {"vpc", "conectix", 8},
};

static const BlockDriver *driver_find(const char *name, Error **err)
{
    Suggest suggest;

    suggest_init(&suggest, name);
    LINKER_SET_FOREACH(const BlockDriver, driver, block_drivers)
    {
        if (strcmp((*driver)->name, name) == 0) {
            return *driver;
        }
        suggest_offer(&suggest, (*driver)->name);
    }
    error_set(err, "unknown block format '%s'%s", name, suggest_text(&suggest));
    error_hint(err, "'qemu-img convert -O raw' makes a raw image of any other");
    return NULL;
}

static BlockNode *node_new(const BlockDriver *driver, const char *filename)
{
    static unsigned count;
    BlockNode *node = g_new0(BlockNode, 1);

    node->driver = driver;
    node->state = g_malloc0(driver->state_size);
    node->filename = g_strdup(filename);
    node->name = g_strdup_printf("#block%03u", count++);
    node->references = 1;
    g_mutex_init(&node->image_lock);
    return node;
}

static void node_free(BlockNode *node)
{
    block_unref(node->file);
    g_mutex_clear(&node->image_lock);
    g_free(node->state);
    g_free(node->filename);
    g_free(node->name);
    g_free(node);
}

/* cache= is three flags under one name. */
static bool parse_cache(BlockNode *node, const char *mode, Error **err)
{
    static const struct {
        const char *name;
        bool direct, writethrough, no_flush;
    } modes[] = {
        {"writeback", false, false, false},   {"none", true, false, false},
        {"writethrough", false, true, false}, {"directsync", true, true, false},
        {"unsafe", false, false, true},
    };
    Suggest suggest;

    suggest_init(&suggest, mode);
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(modes[i].name, mode) == 0) {
            node->direct = modes[i].direct;
            node->writethrough = modes[i].writethrough;
            node->no_flush = modes[i].no_flush;
            return true;
        }
        suggest_offer(&suggest, modes[i].name);
    }
    return error_set(err, "invalid cache mode '%s'%s", mode, suggest_text(&suggest));
}

static bool parse_discard(BlockNode *node, const char *mode, Error **err)
{
    bool is_on = strcmp(mode, "unmap") == 0 || strcmp(mode, "on") == 0;

    if (!is_on && strcmp(mode, "ignore") != 0 && strcmp(mode, "off") != 0) {
        return error_set(err, "invalid discard mode '%s': it is 'ignore' or 'unmap'", mode);
    }
    node->discard = is_on;
    return true;
}

static bool apply_common_options(BlockNode *node, KeyVal *options, Error **err)
{
    const char *cache = keyval_get(options, "cache");
    const char *discard = keyval_get(options, "discard");

    return keyval_get_bool(options, "read-only", &node->read_only, err) &&
           (!cache || parse_cache(node, cache, err)) &&
           (!discard || parse_discard(node, discard, err));
}

static BlockNode *open_node(const BlockDriver *driver, const char *filename, BlockNode *file,
                            KeyVal *options, Error **err)
{
    BlockNode *node = node_new(driver, filename);

    node->file = file ? block_ref(file) : NULL;
    if (apply_common_options(node, options, err) && driver->open(node, options, err)) {
        return node;
    }
    node_free(node);
    return NULL;
}

typedef struct SyncRead {
    BlockRequest request;
    struct iovec iov;
} SyncRead;

/* Format of an open protocol node by its first bytes. Runs the read right here: nothing else can be
 * under way on a node that was just opened. */
static const char *probe_format(BlockNode *file)
{
    uint8_t bytes[512] = {0};
    SyncRead read = {
        .iov = {.iov_base = bytes, .iov_len = sizeof(bytes)},
        .request = {.op = BLOCK_READ, .size = sizeof(bytes), .iov_count = 1},
    };

    read.request.iov = &read.iov;
    if (block_size(file) < sizeof(bytes) || file->driver->execute(file, &read.request) != 0) {
        return "raw";
    }
    for (size_t i = 0; i < G_N_ELEMENTS(magics); i++) {
        if (memcmp(bytes, magics[i].bytes, magics[i].length) == 0) {
            return magics[i].format;
        }
    }
    return "raw";
}

static void warn_probed_raw(const BlockNode *file)
{
    if (!file->read_only) {
        warn_report("image format was not specified for '%s' and probing guessed raw\n"
                    "         A guest can write the header of another format into a raw image; "
                    "say format=raw to rule out guessing",
                    file->filename);
    }
}

static BlockNode *open_format(BlockNode *file, const char *format, KeyVal *options, Error **err)
{
    const BlockDriver *driver;

    if (!format) {
        format = probe_format(file);
        if (strcmp(format, "raw") == 0) {
            warn_probed_raw(file);
        }
    }
    driver = driver_find(format, err);
    return driver ? open_node(driver, file->filename, file, options, err) : NULL;
}

BlockNode *block_open(KeyVal *options, Error **err)
{
    const char *filename = keyval_get(options, "filename");
    const char *format = keyval_get(options, "format");
    const char *name = keyval_get(options, "node-name");
    BlockNode *file, *node;

    filename = filename ? filename : keyval_get(options, "file");
    format = format ? format : keyval_get(options, "driver");
    if (!filename || !*filename) {
        error_set(err, "a block device needs file=");
        return NULL;
    }
    file = open_node(driver_find("file", NULL), filename, NULL, options, err);
    if (!file) {
        return NULL;
    }
    node = open_format(file, format, options, err);
    block_unref(file);
    if (node && !keyval_check_unused(options, known_keys, err)) {
        block_unref(node);
        return NULL;
    }
    if (node && name) {
        g_free(node->name);
        node->name = g_strdup(name);
    }
    return node;
}

BlockNode *block_ref(BlockNode *node)
{
    node->references++;
    return node;
}

void block_unref(BlockNode *node)
{
    if (!node || --node->references > 0) {
        return;
    }
    block_drain(node);
    if (node->driver->close) {
        node->driver->close(node);
    }
    node_free(node);
}

uint64_t block_size(BlockNode *node)
{
    return node->driver->size(node);
}

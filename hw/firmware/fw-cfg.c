/* SPDX-License-Identifier: MIT */
/* fw_cfg: a selector, a byte-wide data port and a DMA engine over a table of items. Interface: the
 * "QEMU Firmware Configuration (fw_cfg) Device" specification. */
#include "hw/fw-cfg.h"

#include "util/trace.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { SELECTOR_OFFSET = 0, DATA_OFFSET = 1, DMA_OFFSET = 4 };
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { /* DMA control word */
       DMA_ERROR = 0x01,
       DMA_READ = 0x02,
       DMA_SKIP = 0x04,
       DMA_SELECT = 0x08,
       DMA_WRITE = 0x10
};

#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */
#define KEY_INVALID 0xffff
#define FILE_COUNT_MAX 0x1000
#define DMA_CHUNK 65536

struct FwCfg {
    Device dev;
    Region *io;
    Region ports, dma_port;
    GHashTable *items; /* key -> GBytes */
    GPtrArray *files;  /* names; file N has key FW_CFG_FILE_FIRST + N */

    uint16_t key;
    uint32_t position; /* bytes of the item read */
    uint64_t dma_address;
};

/* -- The table --------------------------------------------------------------------------------- */

GBytes *fw_cfg_get(const FwCfg *fw_cfg, uint16_t key)
{
    return g_hash_table_lookup(fw_cfg->items, GUINT_TO_POINTER(key));
}

void fw_cfg_set(FwCfg *fw_cfg, uint16_t key, GBytes *bytes)
{
    g_hash_table_insert(fw_cfg->items, GUINT_TO_POINTER(key), g_bytes_ref(bytes));
}

void fw_cfg_set_number(FwCfg *fw_cfg, uint16_t key, uint64_t value, unsigned size)
{
    uint64_t little = GUINT64_TO_LE(value);
    g_autoptr(GBytes) bytes = g_bytes_new(&little, size);

    assert(size == 2 || size == 4 || size == 8);
    fw_cfg_set(fw_cfg, key, bytes);
}

typedef struct DirectoryEntry {
    uint32_t size; /* big endian, as all of it */
    uint16_t key, reserved;
    char name[FW_CFG_NAME_SIZE];
} DirectoryEntry;

static void update_directory(FwCfg *fw_cfg)
{
    guint count = fw_cfg->files->len;
    uint32_t count_be = GUINT32_TO_BE(count);
    GByteArray *array = g_byte_array_new();

    g_byte_array_append(array, (const uint8_t *)&count_be, sizeof(count_be));
    for (guint i = 0; i < count; i++) {
        uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + i);
        DirectoryEntry entry = {
            .size = GUINT32_TO_BE((uint32_t)g_bytes_get_size(fw_cfg_get(fw_cfg, key))),
            .key = GUINT16_TO_BE(key),
        };
        g_strlcpy(entry.name, fw_cfg->files->pdata[i], sizeof(entry.name));
        g_byte_array_append(array, (const uint8_t *)&entry, sizeof(entry));
    }
    g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(array);
    fw_cfg_set(fw_cfg, FW_CFG_FILE_DIRECTORY, bytes);
}

static bool find_file(const FwCfg *fw_cfg, const char *name, guint *ret_index)
{
    for (guint i = 0; i < fw_cfg->files->len; i++) {
        if (strcmp(fw_cfg->files->pdata[i], name) == 0) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

bool fw_cfg_set_file(FwCfg *fw_cfg, const char *name, GBytes *bytes, Error **err)
{
    guint index = fw_cfg->files->len;

    if (!*name || strlen(name) >= FW_CFG_NAME_SIZE) {
        return error_set(err, "fw_cfg: the file name '%s' has %zu characters; 1 to %d are possible",
                         name, strlen(name), FW_CFG_NAME_SIZE - 1);
    }
    if (!find_file(fw_cfg, name, &index)) {
        if (index == FILE_COUNT_MAX) {
            return error_set(err, "fw_cfg: more than %d files", FILE_COUNT_MAX);
        }
        g_ptr_array_add(fw_cfg->files, g_strdup(name));
    }
    fw_cfg_set(fw_cfg, (uint16_t)(FW_CFG_FILE_FIRST + index), bytes);
    update_directory(fw_cfg);
    return true;
}

GBytes *fw_cfg_get_file(const FwCfg *fw_cfg, const char *name)
{
    guint index;

    return find_file(fw_cfg, name, &index)
               ? fw_cfg_get(fw_cfg, (uint16_t)(FW_CFG_FILE_FIRST + index))
               : NULL;
}

const char *fw_cfg_file_name(const FwCfg *fw_cfg, unsigned index)
{
    return index < fw_cfg->files->len ? fw_cfg->files->pdata[index] : NULL;
}

/* -- Ports ------------------------------------------------------------------------------------- */

static void select_key(FwCfg *fw_cfg, uint16_t key)
{
    TRACE(fw_cfg_select, "key 0x%x", key);
    fw_cfg->key = fw_cfg_get(fw_cfg, key) ? key : KEY_INVALID;
    fw_cfg->position = 0;
}

/* What is left of the selected item: its first unread byte and their number. */
static const uint8_t *rest_of_item(const FwCfg *fw_cfg, size_t *ret_size)
{
    GBytes *bytes = fw_cfg_get(fw_cfg, fw_cfg->key);
    size_t size = 0;
    const uint8_t *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;

    *ret_size = fw_cfg->position < size ? size - fw_cfg->position : 0;
    return *ret_size ? data + fw_cfg->position : NULL;
}

static void advance(FwCfg *fw_cfg, uint64_t count)
{
    fw_cfg->position = (uint32_t)MIN(fw_cfg->position + count, UINT32_MAX);
}

static uint64_t ports_read(void *opaque, uint64_t offset, unsigned size)
{
    FwCfg *fw_cfg = opaque;
    size_t left;
    const uint8_t *data = rest_of_item(fw_cfg, &left);

    if (offset != DATA_OFFSET) {
        return UINT64_MAX;
    }
    advance(fw_cfg, 1);
    return data ? *data : 0;
}

static void ports_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == SELECTOR_OFFSET && size == 2) {
        select_key(opaque, (uint16_t)value);
    }
}

/* -- DMA --------------------------------------------------------------------------------------- */

typedef struct DmaRequest {
    uint32_t control, length; /* big endian in guest memory, as all of it */
    uint64_t address;
} DmaRequest;

static bool store(uint64_t address, const void *data, size_t size)
{
    return address_space_write(&address_space_memory, address, data, size) == MEM_OK;
}

/* Copies what the item has left and zeros behind it. */
static bool dma_read(FwCfg *fw_cfg, const DmaRequest *request)
{
    static const uint8_t zeros[DMA_CHUNK];
    size_t left;
    const uint8_t *data = rest_of_item(fw_cfg, &left);
    uint32_t copied = (uint32_t)MIN(left, request->length);

    if (copied && !store(request->address, data, copied)) {
        return false;
    }
    for (uint32_t done = copied, piece; done < request->length; done += piece) {
        piece = MIN(request->length - done, DMA_CHUNK);
        if (!store(request->address + done, zeros, piece)) {
            return false;
        }
    }
    return true;
}

/* Items are the host's: writing one is an error. */
static bool dma_execute(FwCfg *fw_cfg, const DmaRequest *request)
{
    bool is_good = true;

    if (request->control & DMA_SELECT) {
        select_key(fw_cfg, (uint16_t)(request->control >> 16));
    }
    if (request->control & DMA_READ) {
        is_good = dma_read(fw_cfg, request);
    } else if (request->control & DMA_WRITE) {
        is_good = false;
    } else if (!(request->control & DMA_SKIP)) {
        return true;
    }
    advance(fw_cfg, request->length);
    return is_good;
}

static void dma_run(FwCfg *fw_cfg)
{
    uint64_t address = fw_cfg->dma_address;
    DmaRequest request;
    uint32_t result = 0;

    fw_cfg->dma_address = 0;
    if (address_space_read(&address_space_memory, address, &request, sizeof(request)) != MEM_OK) {
        guest_error(fw_cfg, "no DMA request at 0x%" PRIx64, address);
        result = GUINT32_TO_BE(DMA_ERROR);
        store(address, &result, sizeof(result));
        return;
    }
    request.control = GUINT32_FROM_BE(request.control);
    request.length = GUINT32_FROM_BE(request.length);
    request.address = GUINT64_FROM_BE(request.address);
    TRACE(fw_cfg_dma, "control 0x%x length %u address 0x%" PRIx64, request.control, request.length,
          request.address);
    if (!dma_execute(fw_cfg, &request)) {
        guest_error(fw_cfg, "DMA of %u bytes at 0x%" PRIx64 " failed", request.length,
                    request.address);
        result = GUINT32_TO_BE(DMA_ERROR);
    }
    store(address, &result, sizeof(result));
}

static uint64_t dma_port_read(void *opaque, uint64_t offset, unsigned size)
{
    return GUINT64_SWAP_LE_BE(DMA_SIGNATURE) >> (8 * offset);
}

/* The low half starts the transfer. */
static void dma_port_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    FwCfg *fw_cfg = opaque;
    uint32_t half = GUINT32_SWAP_LE_BE((uint32_t)value);

    if (size == 4 && offset == 0) {
        fw_cfg->dma_address = (uint64_t)half << 32;
    } else if (size == 4 && offset == 4) {
        fw_cfg->dma_address |= half;
        dma_run(fw_cfg);
    }
}

/* -- Life -------------------------------------------------------------------------------------- */

void fw_cfg_set_io(FwCfg *fw_cfg, Region *io)
{
    fw_cfg->io = io;
}

static void fw_cfg_init(Object *obj)
{
    FwCfg *fw_cfg = (FwCfg *)obj;
    g_autoptr(GBytes) signature = g_bytes_new_static("QEMU", 4);

    fw_cfg->items =
        g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)(void (*)(void))g_bytes_unref);
    fw_cfg->files = g_ptr_array_new_with_free_func(g_free);
    fw_cfg_set(fw_cfg, FW_CFG_SIGNATURE, signature);
    fw_cfg_set_number(fw_cfg, FW_CFG_ID, ID_TRADITIONAL | ID_DMA, 4);
    update_directory(fw_cfg);
}

static void fw_cfg_finalize(Object *obj)
{
    FwCfg *fw_cfg = (FwCfg *)obj;

    g_ptr_array_free(fw_cfg->files, TRUE);
    g_hash_table_unref(fw_cfg->items);
}

static const RegionOps ports_ops = {
    .read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 2, .valid_max = 2};
static const RegionOps dma_ops = {.read = dma_port_read, .write = dma_port_write};

static bool fw_cfg_realize(Object *obj, Error **err)
{
    FwCfg *fw_cfg = (FwCfg *)obj;

    region_init(&fw_cfg->ports, &(RegionDesc){.name = "fwcfg",
                                              .kind = REGION_IO,
                                              .size = 2,
                                              .owner = obj,
                                              .ops = &ports_ops,
                                              .opaque = fw_cfg});
    region_init(&fw_cfg->dma_port, &(RegionDesc){.name = "fwcfg.dma",
                                                 .kind = REGION_IO,
                                                 .size = 8,
                                                 .owner = obj,
                                                 .ops = &dma_ops,
                                                 .opaque = fw_cfg});
    region_add(fw_cfg->io, FW_CFG_PORT + SELECTOR_OFFSET, &fw_cfg->ports, 0);
    region_add(fw_cfg->io, FW_CFG_PORT + DMA_OFFSET, &fw_cfg->dma_port, 0);
    return true;
}

static void fw_cfg_unrealize(Object *obj)
{
    FwCfg *fw_cfg = (FwCfg *)obj;

    region_fini(&fw_cfg->dma_port);
    region_fini(&fw_cfg->ports);
}

static const Field fw_cfg_fields[] = {
    LINK(FwCfg, io),        DERIVED(FwCfg, ports),     DERIVED(FwCfg, dma_port),
    DERIVED(FwCfg, items),  DERIVED(FwCfg, files),     STATE(FwCfg, key, .init = KEY_INVALID),
    STATE(FwCfg, position), STATE(FwCfg, dma_address), FIELDS_END,
};

static const Type fw_cfg_type = {
    .name = "fw_cfg_io",
    .parent = &device_type,
    .size = sizeof(FwCfg),
    .desc = "Firmware configuration",
    .fields = fw_cfg_fields,
    .init = fw_cfg_init,
    .finalize = fw_cfg_finalize,
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
};
DEVICE(fw_cfg_type);

FwCfg *fw_cfg_find(void)
{
    const GPtrArray *devices = object_container("/machine/unattached")->children;

    for (guint i = 0; i < devices->len; i++) {
        Object *obj = devices->pdata[i];

        if (obj->type == &fw_cfg_type) {
            return (FwCfg *)obj;
        }
    }
    return NULL;
}

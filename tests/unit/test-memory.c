/* SPDX-License-Identifier: MIT */
/* softmmu/memory: flat views against a byte-by-byte resolver, access sizes, RAM blocks, dirty
 * pages. */
#include "softmmu/memory.h"
#include "softmmu/run.h"
#include "util/object.h"

#include <string.h>

#define PAGE TARGET_PAGE_SIZE

/* -- A device that notes what its callbacks are asked for -------------------------------------- */

typedef struct Call {
    char kind; /* r or w */
    uint64_t offset, value;
    unsigned size;
} Call;

static Call calls[32];
static unsigned call_count;

static void note_call(char kind, uint64_t offset, uint64_t value, unsigned size)
{
    g_assert_cmpuint(call_count, <, G_N_ELEMENTS(calls));
    calls[call_count++] = (Call){kind, offset, value, size};
}

/* Byte at offset n reads as n + 0x10. */
static uint64_t note_read(void *opaque, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)(uint8_t)(offset + i + 0x10) << (8 * i);
    }
    note_call('r', offset, value, size);
    return value;
}

static void note_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    note_call('w', offset, value, size);
}

static void assert_call(unsigned n, char kind, uint64_t offset, uint64_t value, unsigned size)
{
    g_assert_cmpuint(n, <, call_count);
    g_assert_cmpint(calls[n].kind, ==, kind);
    g_assert_cmphex(calls[n].offset, ==, offset);
    g_assert_cmphex(calls[n].value, ==, value);
    g_assert_cmpuint(calls[n].size, ==, size);
}

static const RegionOps note_ops = {.read = note_read, .write = note_write};

/* -- Helpers ----------------------------------------------------------------------------------- */

static RamBlock *new_ram(uint64_t size)
{
    RamBlock *ram = ram_block_new(&(RamDesc){.name = "test.ram", .size = size}, NULL);

    g_assert_nonnull(ram);
    return ram;
}

static void init_container(Region *region, const char *name, uint64_t size)
{
    region_init(region, &(RegionDesc){.name = name, .kind = REGION_CONTAINER, .size = size});
}

static void init_io(Region *region, const char *name, uint64_t size, const RegionOps *ops)
{
    region_init(region, &(RegionDesc){.name = name, .kind = REGION_IO, .size = size, .ops = ops});
}

static void init_alias(Region *region, Region *target, uint64_t offset, uint64_t size)
{
    region_init(region, &(RegionDesc){.name = "alias",
                                      .kind = REGION_ALIAS,
                                      .size = size,
                                      .target = target,
                                      .target_offset = offset});
}

static void init_ram(Region *region, RegionKind kind, RamBlock *ram, const RegionOps *ops)
{
    region_init(
        region,
        &(RegionDesc){.name = "ram", .kind = kind, .size = ram->size, .ram = ram, .ops = ops});
}

static void assert_range(const AddressSpace *as, size_t n, uint64_t start, uint64_t size,
                         const Region *region, uint64_t offset)
{
    const FlatRange *range = &as->view->ranges[n];

    g_assert_cmpuint(n, <, as->view->count);
    g_assert_cmphex(range->start, ==, start);
    g_assert_cmphex(range->size, ==, size);
    g_assert_true(range->region == region);
    g_assert_cmphex(range->region_offset, ==, offset);
}

/* -- Flat views -------------------------------------------------------------------------------- */

static void test_priorities(void)
{
    Region root, low, high, late;
    AddressSpace as;

    init_container(&root, "root", UINT64_MAX);
    init_io(&low, "low", 0x1000, &note_ops);
    init_io(&high, "high", 0x100, &note_ops);
    init_io(&late, "late", 0x200, &note_ops);
    address_space_init(&as, &root, "test");
    region_add(&root, 0x1000, &low, 0);
    region_add(&root, 0x1400, &high, 1);
    g_assert_cmpuint(as.view->count, ==, 3);
    assert_range(&as, 0, 0x1000, 0x400, &low, 0);
    assert_range(&as, 1, 0x1400, 0x100, &high, 0);
    assert_range(&as, 2, 0x1500, 0xb00, &low, 0x500);

    region_add(&root, 0x1380, &late, 0); /* above `low`, which is older, below `high` */
    g_assert_cmpuint(as.view->count, ==, 5);
    assert_range(&as, 1, 0x1380, 0x80, &late, 0);
    assert_range(&as, 3, 0x1500, 0x80, &late, 0x180);

    region_set_enabled(&high, false);
    assert_range(&as, 1, 0x1380, 0x200, &late, 0);
    region_set_address(&late, UINT64_MAX - 0x100); /* clipped by the end of the space */
    assert_range(&as, 1, UINT64_MAX - 0x100, 0x100, &late, 0);

    g_assert_true(address_space_lookup(&as, 0x1000)->region == &low);
    g_assert_true(address_space_lookup(&as, 0x1fff)->region == &low);
    g_assert_null(address_space_lookup(&as, 0x2000));
    g_assert_null(address_space_lookup(&as, 0xfff));

    region_fini(&late);
    region_fini(&high);
    region_fini(&low);
    g_assert_cmpuint(as.view->count, ==, 0);
    address_space_fini(&as);
    region_fini(&root);
}

/* The BIOS shadow of the i440FX: a window shows ROM or RAM, writable or not. */
static void test_shadowing(void)
{
    RamBlock *ram_block = new_ram(16 * PAGE), *rom_block = new_ram(4 * PAGE);
    Region root, ram, rom, pci, low_ram, to_pci, window;
    AddressSpace as;
    uint64_t at = 12 * PAGE;

    init_container(&root, "root", UINT64_MAX);
    init_container(&pci, "pci", UINT64_MAX);
    init_ram(&ram, REGION_RAM, ram_block, NULL);
    init_ram(&rom, REGION_ROM, rom_block, NULL);
    region_add(&pci, at, &rom, 0);
    init_alias(&low_ram, &ram, 0, 16 * PAGE);
    region_add(&root, 0, &low_ram, 0);
    init_alias(&to_pci, &pci, at, 4 * PAGE);
    region_add(&root, at, &to_pci, 1);
    init_alias(&window, &ram, at, 4 * PAGE);
    region_add(&root, at, &window, 2);
    region_set_enabled(&window, false);
    address_space_init(&as, &root, "test");

    assert_range(&as, 1, at, 4 * PAGE, &rom, 0);
    g_assert_true(as.view->ranges[1].read_only);
    address_space_store(&as, at, 0x55, 1);
    g_assert_cmphex(rom_block->host[0], ==, 0);

    region_set_enabled(&window, true);
    g_assert_cmpuint(as.view->count, ==, 1); /* one range again */
    address_space_store(&as, at, 0x66, 1);
    region_set_read_only(&window, true);
    g_assert_cmpuint(as.view->count, ==, 2);
    address_space_store(&as, at, 0x77, 1);
    g_assert_cmphex(address_space_load(&as, at, 1, NULL), ==, 0x66);
    g_assert_cmphex(ram_block->host[at], ==, 0x66);
    region_set_alias(&window, 0);
    assert_range(&as, 1, at, 4 * PAGE, &ram, 0);

    address_space_fini(&as);
    region_fini(&root);
    region_fini(&pci);
    region_fini(&ram);
    region_fini(&rom);
    ram_block_unref(ram_block);
    ram_block_unref(rom_block);
}

/* RAM that takes writes while reads see what lies behind, in part ROM, in part a device. */
static void test_write_only(void)
{
    RamBlock *ram_block = new_ram(8 * PAGE), *rom_block = new_ram(2 * PAGE);
    Region root, ram, rom, io, window;
    AddressSpace as;
    uint8_t bytes[3 * PAGE];

    init_container(&root, "root", UINT64_MAX);
    init_ram(&ram, REGION_RAM, ram_block, NULL);
    init_ram(&rom, REGION_ROM, rom_block, NULL);
    init_io(&io, "io", PAGE, &note_ops);
    region_add(&root, 4 * PAGE, &rom, 0);
    region_add(&root, 6 * PAGE, &io, 0);
    init_alias(&window, &ram, 5 * PAGE, 2 * PAGE);
    region_add(&root, 5 * PAGE, &window, 1);
    memset(rom_block->host, 0x11, 2 * PAGE);
    address_space_init(&as, &root, "test");
    region_set_write_only(&window, true);

    g_assert_cmpuint(as.view->count, ==, 3);
    assert_range(&as, 0, 4 * PAGE, PAGE, &rom, 0);
    assert_range(&as, 1, 5 * PAGE, PAGE, &rom, PAGE);
    assert_range(&as, 2, 6 * PAGE, PAGE, &io, 0);
    g_assert_true(as.view->ranges[1].read_only && as.view->ranges[2].read_only);
    ram_block_test_and_clear_dirty(ram_block, DIRTY_VGA, 0, 8 * PAGE);
    address_space_store(&as, 5 * PAGE + 8, 0x44332211, 4);
    g_assert_cmphex(address_space_load(&as, 5 * PAGE + 8, 4, NULL), ==, 0x11111111);
    g_assert_cmphex(ram_block->host[5 * PAGE + 9], ==, 0x22);
    g_assert_true(ram_block_test_and_clear_dirty(ram_block, DIRTY_VGA, 5 * PAGE, PAGE));
    address_space_store(&as, 4 * PAGE + 8, 0x44332211, 4); /* before it: ROM */
    g_assert_cmphex(rom_block->host[8], ==, 0x11);

    call_count = 0;
    memset(bytes, 0x77, sizeof(bytes));
    address_space_write(&as, 4 * PAGE, bytes, sizeof(bytes));
    g_assert_cmpuint(call_count, ==, 0); /* the device has not seen it */
    g_assert_cmphex(ram_block->host[4 * PAGE], ==, 0);
    g_assert_cmphex(ram_block->host[5 * PAGE], ==, 0x77);
    g_assert_cmphex(ram_block->host[7 * PAGE - 1], ==, 0x77);
    g_assert_cmphex(address_space_load(&as, 6 * PAGE, 1, NULL), ==, 0x10);

    region_set_write_only(&window, false);
    g_assert_cmphex(address_space_load(&as, 6 * PAGE, 1, NULL), ==, 0x77);
    region_set_write_only(&window, true);
    region_fini(&window);
    g_assert_cmpuint(as.view->count, ==, 2);
    address_space_fini(&as);
    region_fini(&root);
    region_fini(&io);
    region_fini(&ram);
    region_fini(&rom);
    g_assert_cmpuint(ram_block->references, ==, 1); /* views hold no more */
    ram_block_unref(ram_block);
    ram_block_unref(rom_block);
}

static unsigned publications;

static void count_publication(AddressSpace *as, void *opaque)
{
    publications++;
}

static void test_transactions(void)
{
    Region root, io[3];
    AddressSpace as;

    init_container(&root, "root", 0x10000);
    address_space_init(&as, &root, "test");
    address_space_listen(&as, count_publication, &publications);
    publications = 0;
    region_transaction_begin();
    for (unsigned i = 0; i < 3; i++) {
        region_transaction_begin();
        init_io(&io[i], "io", 0x100, &note_ops);
        region_add(&root, i * 0x100, &io[i], 0);
        region_transaction_commit();
        g_assert_cmpuint(publications, ==, 0);
        g_assert_cmpuint(as.view->count, ==, 0);
    }
    region_transaction_commit();
    g_assert_cmpuint(publications, ==, 1);
    g_assert_cmpuint(as.view->count, ==, 3);

    region_transaction_begin();
    region_set_enabled(&io[1], false);
    region_set_enabled(&io[1], true);
    region_transaction_commit();
    g_assert_cmpuint(publications, ==, 1); /* nothing changed in the end */

    address_space_unlisten(&as, &publications);
    region_transaction_begin();
    region_fini(&io[0]);
    region_fini(&root); /* the space that shows it is taken down later */
    region_transaction_commit();
    g_assert_cmpuint(publications, ==, 1);
    g_assert_cmpuint(as.view->count, ==, 0);
    address_space_fini(&as);
}

/* -- Random trees against a resolver that knows no ranges -------------------------------------- */

#define RANDOM_REGIONS 24
#define RANDOM_SPACE 512

typedef struct Seen {
    const Region *leaf;
    uint64_t offset;
    bool read_only;
} Seen;

/* What `region` shows at `offset`: asked anew for each byte. */
static bool resolve(const Region *region, uint64_t offset, Seen *ret_seen)
{
    bool found = false;

    if (!region->enabled || offset >= region->size) {
        return false;
    }
    if (region->kind == REGION_ALIAS) {
        found = resolve(region->target, offset + region->target_offset, ret_seen);
    } else if (region->kind != REGION_CONTAINER) {
        *ret_seen = (Seen){region, offset, false};
        found = true;
    }
    for (guint i = 0; region->children && i < region->children->len && !found; i++) {
        const Region *child = g_ptr_array_index(region->children, i);

        found = offset >= child->address && resolve(child, offset - child->address, ret_seen);
    }
    if (found) {
        ret_seen->read_only |= region->read_only;
    }
    return found;
}

static void assert_view_resolves(const AddressSpace *as)
{
    for (size_t i = 1; i < as->view->count; i++) {
        const FlatRange *low = &as->view->ranges[i - 1];

        g_assert_cmphex(low->start + low->size, <=, as->view->ranges[i].start);
    }
    for (uint64_t at = 0; at < RANDOM_SPACE + 8; at++) {
        const FlatRange *range = address_space_lookup(as, at);
        Seen seen;

        if (!resolve(as->root, at, &seen)) {
            g_assert_null(range);
            continue;
        }
        g_assert_nonnull(range);
        g_assert_true(range->region == seen.leaf);
        g_assert_cmphex(range->region_offset + (at - range->start), ==, seen.offset);
        g_assert_true(range->read_only == seen.read_only);
    }
}

/* Makes region i a container, leaf or alias;
 * aliases aim at earlier regions, so there is no loop. */
static void init_random(Region *regions, int i)
{
    uint64_t size = (uint64_t)g_test_rand_int_range(1, RANDOM_SPACE / 2);
    int kind = g_test_rand_int_range(0, 10);

    if (kind < 3) {
        init_container(&regions[i], "container", size);
    } else if (kind < 6 && i > 0) {
        init_alias(&regions[i], &regions[g_test_rand_int_range(0, i)],
                   (uint64_t)g_test_rand_int_range(0, 64), size);
        region_set_read_only(&regions[i], g_test_rand_bit());
    } else {
        init_io(&regions[i], "io", size, &note_ops);
    }
}

/* Places region i into a later container or the root; again no loop. */
static void place_random(Region *root, Region *regions, int i)
{
    Region *container = root;
    int later = g_test_rand_int_range(i, RANDOM_REGIONS);

    if (later > i && regions[later].kind == REGION_CONTAINER) {
        container = &regions[later];
    }
    region_add(container, (uint64_t)g_test_rand_int_range(0, RANDOM_SPACE), &regions[i],
               g_test_rand_int_range(-2, 3));
}

static void change_random(Region *root, Region *regions)
{
    int i = g_test_rand_int_range(0, RANDOM_REGIONS);

    switch (g_test_rand_int_range(0, 3)) {
    case 0:
        region_set_enabled(&regions[i], g_test_rand_bit());
        break;
    case 1:
        region_set_address(&regions[i], (uint64_t)g_test_rand_int_range(0, RANDOM_SPACE));
        break;
    default:
        region_del(&regions[i]);
        place_random(root, regions, i);
        break;
    }
}

static void test_random_trees(void)
{
    for (unsigned round = 0; round < 60; round++) {
        Region root, regions[RANDOM_REGIONS];
        AddressSpace as;

        init_container(&root, "root", RANDOM_SPACE);
        address_space_init(&as, &root, "random");
        for (int i = 0; i < RANDOM_REGIONS; i++) {
            init_random(regions, i);
        }
        for (int i = 0; i < RANDOM_REGIONS; i++) {
            place_random(&root, regions, i);
            assert_view_resolves(&as);
        }
        for (unsigned change = 0; change < 20; change++) {
            change_random(&root, regions);
            assert_view_resolves(&as);
        }
        address_space_fini(&as);
        for (int i = 0; i < RANDOM_REGIONS; i++) {
            region_fini(&regions[i]);
        }
        region_fini(&root);
    }
}

/* -- Accesses ---------------------------------------------------------------------------------- */

typedef struct IoFixture {
    Region root, io;
    RegionOps ops;
    AddressSpace as;
} IoFixture;

static void io_setup(IoFixture *f, RegionOps ops)
{
    memset(f, 0, sizeof(*f));
    f->ops = ops;
    f->ops.read = note_read;
    f->ops.write = note_write;
    init_container(&f->root, "root", 0x10000);
    init_io(&f->io, "io", 0x100, &f->ops);
    region_add(&f->root, 0x1000, &f->io, 0);
    address_space_init(&f->as, &f->root, "test");
    call_count = 0;
}

static void io_teardown(IoFixture *f)
{
    address_space_fini(&f->as);
    region_fini(&f->io);
    region_fini(&f->root);
}

static void test_access_split(void)
{
    IoFixture f;

    io_setup(&f, (RegionOps){0});
    g_assert_cmphex(address_space_load(&f.as, 0x1000, 8, NULL), ==, 0x1716151413121110);
    g_assert_cmpuint(call_count, ==, 2); /* widest by default: 4 */
    assert_call(0, 'r', 0, 0x13121110, 4);
    assert_call(1, 'r', 4, 0x17161514, 4);
    call_count = 0;
    address_space_store(&f.as, 0x1001, 0x44332211, 4); /* unaligned: aligned pieces */
    g_assert_cmpuint(call_count, ==, 3);
    assert_call(0, 'w', 1, 0x11, 1);
    assert_call(1, 'w', 2, 0x3322, 2);
    assert_call(2, 'w', 4, 0x44, 1);
    io_teardown(&f);

    io_setup(&f, (RegionOps){.impl_max = 1});
    address_space_store(&f.as, 0x1000, 0x2211, 2);
    assert_call(0, 'w', 0, 0x11, 1);
    assert_call(1, 'w', 1, 0x22, 1);
    io_teardown(&f);

    io_setup(&f, (RegionOps){.impl_max = 8, .unaligned = true});
    g_assert_cmphex(address_space_load(&f.as, 0x1003, 8, NULL), ==, 0x1a19181716151413);
    g_assert_cmpuint(call_count, ==, 1);
    io_teardown(&f);
}

static void test_access_widen(void)
{
    IoFixture f;

    io_setup(&f, (RegionOps){.impl_min = 4, .impl_max = 4});
    g_assert_cmphex(address_space_load(&f.as, 0x1006, 1, NULL), ==, 0x16);
    assert_call(0, 'r', 4, 0x17161514, 4);
    call_count = 0;
    address_space_store(&f.as, 0x1006, 0xabcd, 2);
    assert_call(0, 'w', 4, 0xabcd0000, 4);
    io_teardown(&f);
}

static void test_access_refused(void)
{
    IoFixture f;
    MemResult result;

    io_setup(&f, (RegionOps){.valid_min = 2, .valid_max = 4});
    g_assert_cmphex(address_space_load(&f.as, 0x1000, 1, &result), ==, 0xff);
    g_assert_cmpint(result, ==, MEM_REFUSED);
    g_assert_cmpint(address_space_store(&f.as, 0x1000, 0, 8), ==, MEM_REFUSED);
    g_assert_cmpuint(call_count, ==, 0);
    g_assert_cmphex(address_space_load(&f.as, 0x1000, 2, &result), ==, 0x1110);
    g_assert_cmpint(result, ==, MEM_OK);

    g_assert_cmphex(address_space_load(&f.as, 0x5000, 4, &result), ==, 0xffffffff);
    g_assert_cmpint(result, ==, MEM_UNASSIGNED);
    g_assert_cmphex(address_space_load(&f.as, UINT64_MAX, 8, &result), ==, UINT64_MAX);
    g_assert_cmpint(result, ==, MEM_UNASSIGNED);
    call_count = 0;
    /* Half in the region, half behind it. */
    g_assert_cmphex(address_space_load(&f.as, 0x10fe, 4, &result), ==, 0xffff0f0e);
    g_assert_cmpint(result, ==, MEM_UNASSIGNED);
    io_teardown(&f);
}

static void test_bulk(void)
{
    RamBlock *block = new_ram(2 * PAGE);
    uint8_t out[32], in[32];
    Region ram, reserved;
    IoFixture f;

    io_setup(&f, (RegionOps){0});
    init_ram(&ram, REGION_RAM, block, NULL);
    region_add(&f.root, 0x1100, &ram, 0);
    region_init(&reserved,
                &(RegionDesc){.name = "reserved", .kind = REGION_RESERVED, .size = 0x100});
    region_add(&f.root, 0xf00, &reserved, 0);
    for (unsigned i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i + 1);
    }
    g_assert_cmpint(address_space_write(&f.as, 0x10f1, out, sizeof(out)), ==, MEM_OK);
    assert_call(0, 'w', 0xf1, 0x01, 1);
    assert_call(1, 'w', 0xf2, 0x0302, 2);
    assert_call(2, 'w', 0xf4, 0x07060504, 4);
    g_assert_cmpmem(block->host, 17, out + 15, 17);
    call_count = 0;
    g_assert_cmpint(address_space_read(&f.as, 0xffe, in, 6), ==, MEM_OK);
    g_assert_cmpmem(in, 6, "\xff\xff\x10\x11\x12\x13", 6);
    g_assert_cmpint(address_space_read(&f.as, 0xefe, in, 6), ==, MEM_UNASSIGNED);
    io_teardown(&f);
    region_fini(&reserved);
    region_fini(&ram);
    ram_block_unref(block);
}

/* ROM with a write callback, as flash has it. */
static void test_rom_write(void)
{
    RamBlock *block = new_ram(PAGE);
    Region root, rom;
    AddressSpace as;

    init_container(&root, "root", 0x10000);
    init_ram(&rom, REGION_ROM, block, &note_ops);
    region_add(&root, 0x2000, &rom, 0);
    address_space_init(&as, &root, "test");
    call_count = 0;
    block->host[4] = 0x5a;
    g_assert_cmphex(address_space_load(&as, 0x2004, 1, NULL), ==, 0x5a);
    g_assert_cmpuint(call_count, ==, 0);
    address_space_store(&as, 0x2004, 0x99, 1);
    assert_call(0, 'w', 4, 0x99, 1);
    g_assert_cmphex(block->host[4], ==, 0x5a);
    address_space_fini(&as);
    region_fini(&rom);
    region_fini(&root);
    ram_block_unref(block);
}

static AddressSpace *loop_space;
static unsigned loop_depth;

/* A write starts a DMA into the device's own registers. */
static void loop_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    loop_depth++;
    g_assert_cmpint(address_space_store(loop_space, 0x1000, value, size), ==, MEM_REFUSED);
}

static void test_reentry(void)
{
    IoFixture f;

    io_setup(&f, (RegionOps){0});
    f.ops.write = loop_write;
    loop_space = &f.as;
    loop_depth = 0;
    g_assert_cmpint(address_space_store(&f.as, 0x1000, 1, 1), ==, MEM_OK);
    g_assert_cmpuint(loop_depth, ==, 1);
    g_assert_cmphex(address_space_load(&f.as, 0x1000, 1, NULL), ==, 0x10);
    io_teardown(&f);
}

static unsigned synced;

static void owner_sync(Object *obj)
{
    synced++;
}

static const Type owner_type = {
    .name = "test-region-owner",
    .parent = &object_type,
    .size = sizeof(Object),
    .sync = owner_sync,
};
OBJECT_TYPE(owner_type);

static void test_sync(void)
{
    Object *owner = object_new(&owner_type);
    IoFixture f;

    io_setup(&f, (RegionOps){0});
    f.io.owner = owner;
    synced = 0;
    address_space_load(&f.as, 0x1000, 4, NULL);
    g_assert_cmpuint(synced, ==, 0);
    address_space_store(&f.as, 0x1000, 1, 4);
    g_assert_cmpuint(synced, ==, 1);
    io_teardown(&f);
    object_free(owner);
}

/* -- RAM by address, and text ------------------------------------------------------------------ */

static void test_map(void)
{
    RamBlock *block = new_ram(4 * PAGE), *mapped;
    Region root, ram;
    AddressSpace as;
    uint64_t size = 3 * PAGE, offset;

    init_container(&root, "root", 0x100000);
    init_ram(&ram, REGION_RAM, block, NULL);
    region_add(&root, 0x10000, &ram, 0);
    address_space_init(&as, &root, "test");
    uint8_t *host = address_space_map(&as, 0x10000 + 2 * PAGE, &size, true, &mapped);

    g_assert_true(host == block->host + 2 * PAGE && mapped == block);
    g_assert_cmphex(size, ==, 2 * PAGE);
    g_assert_true(ram_block_from_host(host + 5, &offset) == block);
    g_assert_cmphex(offset, ==, 2 * PAGE + 5);
    g_assert_null(ram_block_from_host(&size, &offset));

    /* The block outlives region and address space while it is mapped. */
    address_space_fini(&as);
    region_fini(&ram);
    ram_block_unref(block);
    host[0] = 1;
    ram_block_test_and_clear_dirty(mapped, DIRTY_VGA, 0, 4 * PAGE);
    ram_block_ref(mapped);
    address_space_unmap(mapped, host, 1);
    g_assert_false(ram_block_test_and_clear_dirty(mapped, DIRTY_VGA, 0, 2 * PAGE));
    g_assert_true(ram_block_test_and_clear_dirty(mapped, DIRTY_VGA, 2 * PAGE, PAGE));
    g_assert_cmpuint(mapped->references, ==, 1);
    ram_block_unref(mapped);
    g_assert_null(ram_block_from_host(host, &offset));
    region_fini(&root);
}

static void test_text(void)
{
    Region root, io, alias;
    AddressSpace as;

    init_container(&root, "system", UINT64_MAX);
    init_io(&io, "chip", 0x10, &note_ops);
    init_alias(&alias, &io, 4, 4);
    region_add(&root, 0x3f8, &io, 0);
    region_add(&root, 0x100, &alias, 1);
    address_space_init(&as, &root, "memory");
    g_autofree char *tree = memory_tree_text(false);
    g_autofree char *flat = memory_tree_text(true);

    g_assert_nonnull(strstr(tree, "00000000000003f8-0000000000000407 (prio 0, i/o): chip\n"));
    g_assert_nonnull(strstr(tree, "alias alias @chip 0000000000000004-0000000000000007\n"));
    g_assert_nonnull(strstr(flat, "0000000000000100-0000000000000103 (i/o): chip @"));
    address_space_fini(&as);
    region_fini(&root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    g_test_add_func("/memory/view/priorities", test_priorities);
    g_test_add_func("/memory/view/shadowing", test_shadowing);
    g_test_add_func("/memory/view/write-only", test_write_only);
    g_test_add_func("/memory/view/transactions", test_transactions);
    g_test_add_func("/memory/view/random", test_random_trees);
    g_test_add_func("/memory/access/split", test_access_split);
    g_test_add_func("/memory/access/widen", test_access_widen);
    g_test_add_func("/memory/access/refused", test_access_refused);
    g_test_add_func("/memory/access/bulk", test_bulk);
    g_test_add_func("/memory/access/rom-write", test_rom_write);
    g_test_add_func("/memory/access/reentry", test_reentry);
    g_test_add_func("/memory/access/sync", test_sync);
    g_test_add_func("/memory/ram/map", test_map);
    g_test_add_func("/memory/text", test_text);
    return g_test_run();
}

/* SPDX-License-Identifier: MIT */
/* -numa: nodes, their memory and CPUs, distances, and what is refused. */
#include "hw/machine.h"
#include "softmmu/memory-backend.h"

#include <string.h>

#define MIB (1ull << 20)

static const MachineInfo board_info = {
    .name = "numa-board", .desc = "board of a test", .max_cpus = 16, .ram_id = "ram"};
static const Type board_type = {
    .name = "numa-board-machine",
    .parent = &machine_type,
    .size = sizeof(Machine),
    .info = &board_info,
};
OBJECT_TYPE(board_type);

static bool has_hmat;

/* Options as arguments of -numa, separated by blanks; 128 MiB, 4 CPUs in as many sockets. */
static Machine *new_board(const char *options, const char *sockets)
{
    Machine *machine = (Machine *)object_new(&board_type);
    g_auto(GStrv) words = g_strsplit(options, " ", -1);

    g_assert_true(object_set(&machine->obj, "memory.size", "128M", NULL));
    g_assert_true(object_set(&machine->obj, "smp.cpus", "4", NULL));
    g_assert_true(object_set(&machine->obj, "smp.sockets", sockets, NULL));
    g_assert_true(object_set(&machine->obj, "hmat", has_hmat ? "on" : "off", NULL));
    for (char **word = words; *word && **word; word++) {
        NumaOption *option = g_new(NumaOption, 1);
        *option = (NumaOption){keyval_parse(*word, "type", NULL), g_strdup("-numa")};
        g_assert_nonnull(option->kv);
        g_ptr_array_add(machine->numa_options, option);
    }
    return machine;
}

static Machine *realized(const char *options, const char *sockets)
{
    Machine *machine = new_board(options, sockets);
    Error *err = NULL;

    if (!object_realize(&machine->obj, &err)) {
        g_error("%s: %s", options, error_message(err));
    }
    return machine;
}

static void add_backend(const char *id, const char *size)
{
    Object *backend = object_new(type_find("memory-backend-ram"));

    g_assert_true(object_set(backend, "size", size, NULL));
    object_add_child(object_container("/objects"), id, backend);
    g_assert_true(object_realize(backend, NULL));
}

static void expect_cpus(const char *options, const char *sockets, const uint8_t *nodes)
{
    Machine *machine = realized(options, sockets);

    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(machine_cpu_node(machine, i), ==, nodes[i]);
    }
    object_free(&machine->obj);
}

static void test_none(void)
{
    Machine *machine = realized("", "4");

    g_assert_null(machine->numa);
    g_assert_cmpint(machine_cpu_node(machine, 0), ==, -1);
    object_free(&machine->obj);
}

static void test_memory(void)
{
    Machine *machine = realized("node,mem=100 node,mem=28M node", "4");

    g_assert_cmpuint(machine->numa->count, ==, 3);
    g_assert_cmpuint(machine->numa->nodes[0].size, ==, 100 * MIB);
    g_assert_cmpuint(machine->numa->nodes[1].size, ==, 28 * MIB);
    g_assert_cmpuint(machine->numa->nodes[2].size, ==, 0);
    g_assert_false(machine->numa->has_distances);
    object_free(&machine->obj);
    machine = realized("node,nodeid=1,memdev=m0 node,nodeid=0,memdev=/objects/m1", "4");
    g_assert_cmpstr(machine->numa->nodes[0].backend->obj.name, ==, "m1");
    g_assert_cmpuint(machine->numa->nodes[0].size, ==, 28 * MIB);
    g_assert_cmpuint(machine->numa->nodes[1].size, ==, 100 * MIB);
    object_free(&machine->obj);
}

static void test_cpus(void)
{
    expect_cpus("node,mem=128 node", "4", (uint8_t[]){0, 1, 0, 1});
    expect_cpus("node,mem=128 node", "2", (uint8_t[]){0, 0, 1, 1});
    expect_cpus("node,mem=128 node", "1", (uint8_t[]){0, 0, 0, 0});
    expect_cpus("node,mem=128,cpus=0,cpus=2-3 node,cpus=1", "1", (uint8_t[]){0, 1, 0, 0});
    expect_cpus("node,mem=128 node cpu,node-id=1,socket-id=1 cpu,node-id=0,socket-id=0", "2",
                (uint8_t[]){0, 0, 1, 1});
    expect_cpus("node,mem=128 node cpu,node-id=1,core-id=1 cpu,node-id=0,core-id=0", "2",
                (uint8_t[]){0, 1, 0, 1});
}

static void test_distances(void)
{
    Machine *machine =
        realized("node,mem=128 node node dist,src=0,dst=1,val=17 dist,src=2,dst=0,val=25 "
                 "dist,src=1,dst=2,val=255 dist,src=1,dst=1,val=10",
                 "4");
    static const uint8_t wanted[3][3] = {{10, 17, 25}, {17, 10, 255}, {25, 255, 10}};

    g_assert_true(machine->numa->has_distances);
    for (unsigned i = 0; i < 9; i++) {
        g_assert_cmpuint(machine->numa->distances[i / 3][i % 3], ==, wanted[i / 3][i % 3]);
    }
    object_free(&machine->obj);
    machine = realized("node,mem=128 node dist,src=0,dst=1,val=17 dist,src=1,dst=0,val=25", "4");
    g_assert_cmpuint(machine->numa->distances[0][1], ==, 17);
    g_assert_cmpuint(machine->numa->distances[1][0], ==, 25);
    object_free(&machine->obj);
}

static void expect_refused(const char *options, const char *message)
{
    g_autoptr(Error) err = NULL;
    Machine *machine = new_board(options, "4");

    g_assert_false(object_realize(&machine->obj, &err));
    g_assert_cmpstr(error_message(err), ==, message);
    object_free(&machine->obj);
}

static const struct {
    const char *options, *message;
} refused[] = {
    {"nood", "-numa: Parameter 'type' does not accept value 'nood'"},
    {"mem=5", "-numa: Parameter 'type' is missing"},
    {"node,mem=128,xx=1", "-numa: unknown parameter 'xx'"},
    {"node,nodeid=128", "-numa: Max number of NUMA nodes reached: 128"},
    {"node,nodeid=-1", "-numa: Parameter 'nodeid' expects a uint64 value"},
    {"node,nodeid=0 node,nodeid=0", "-numa: Duplicate NUMA nodeid: 0"},
    {"node,nodeid=1", "numa: Node ID missing: 0"},
    {"node,cpus=0", "total memory for NUMA nodes (0x0) should equal RAM size (0x8000000)"},
    {"node,mem=129", "total memory for NUMA nodes (0x8100000) should equal RAM size (0x8000000)"},
    {"node,mem=16383P node,mem=16383P",
     "total memory for NUMA nodes (0xffffffffffffffff) should equal RAM size (0x8000000)"},
    {"node,mem=foo", "-numa: Parameter 'mem' expects a size value"},
    {"node,mem=5b", "-numa: mem=5b is no whole number of pages"},
    {"node,memdev=foo", "-numa: no memory back end 'foo'"},
    {"node,memdev=m0 node,memdev=m0", "-numa: memory backend m0 can't be used multiple times"},
    {"node,memdev=m0 node,mem=28",
     "-numa: numa configuration should use either mem= or memdev=, mixing both is not allowed"},
    {"node,cpus=0 node,cpus=4", "-numa: CPU index (4) should be smaller than maxcpus (4)"},
    {"node,cpus=0-99999999999", "-numa: CPU index (4) should be smaller than maxcpus (4)"},
    {"node,cpus=0 node,cpus=0-1", "-numa: CPU is already assigned to node-id: 0"},
    {"node,cpus=1-0", "-numa: Parameter 'cpus' expects a uint64 value or range"},
    {"node,cpus=0-", "-numa: Parameter 'cpus' expects a uint64 value or range"},
    {"node,cpus=", "-numa: Parameter 'cpus' expects a uint64 value or range"},
    {"node,initiator=0", "-numa: ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled"},
    {"node hmat-lb", "-numa: ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled"},
    {"dist,src=0,dst=0,val=10", "-numa: Source/Destination NUMA node is missing"},
    {"node dist,src=0,dst=0,val=11", "-numa: Local distance of node 0 should be 10"},
    {"node node dist,src=0,dst=1,val=9",
     "-numa: NUMA distance (9) is invalid, it shouldn't be less than 10"},
    {"node node dist,src=0,dst=1,val=256", "-numa: Parameter 'val' expects uint8_t"},
    {"node node dist,src=0,dst=300,val=20",
     "-numa: Parameter 'dst' expects an integer between 0 and 127"},
    {"node node dist,src=0,dst=1", "-numa: Parameter 'val' is missing"},
    {"node,mem=128 node node dist,src=0,dst=1,val=20",
     "The distance between node 0 and 2 is missing"},
    {"node,mem=128 node node dist,src=0,dst=1,val=20 dist,src=1,dst=0,val=21 "
     "dist,src=0,dst=2,val=20 dist,src=2,dst=1,val=20",
     "At least one asymmetrical pair of distances is given"},
    {"cpu,node-id=0,socket-id=0", "-numa: Invalid node-id=0"},
    {"node cpu,node-id=0,socket-id=9", "-numa: no match found"},
    {"node cpu,socket-id=0", "-numa: Missing mandatory node-id property"},
    {"node cpu,node-id=0,core-id=x", "-numa: Parameter 'core-id' expects an int64 value"},
    {"node cpu,node-id=0,die-id=0",
     "-numa: die-id is not supported: -smp dies= makes more than one"},
    {"node,cpus=0 node cpu,node-id=1,socket-id=0", "-numa: CPU is already assigned to node-id: 0"},
};

#define NODES "node,mem=128,cpus=0-3 node,initiator=0 "
#define LATENCY "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-latency,latency="
#define BANDWIDTH                                                                                  \
    "hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=read-bandwidth,bandwidth="
#define TO_ONE "hmat-lb,initiator=0,target=1,hierarchy=memory,data-type=access-latency,latency="
#define CACHE "hmat-cache,associativity=direct,policy=write-back,line=64,node-id="

static const struct {
    const char *options, *message;
} refused_attributes[] = {
    {"node,mem=128,cpus=0-3,initiator=1 node",
     "The initiator of CPU NUMA node 0 should be itself (got 1)"},
    {"node,mem=128,cpus=0-3 node,initiator=1", "The initiator of NUMA node 1 is invalid"},
    {"node,initiator=128", "-numa: The initiator id 128 expects an integer between 0 and 127"},
    {NODES "hmat-lb", "-numa: Parameter 'initiator' is missing"},
    {NODES "hmat-lb,latncy=5", "-numa: unknown parameter 'latncy'; did you mean 'latency'?"},
    {NODES "hmat-lb,initiator=2,target=0", "-numa: Invalid initiator=2, it should be less than 2"},
    {NODES "hmat-lb,initiator=1,target=0",
     "-numa: Invalid initiator=1, it isn't an initiator proximity domain"},
    {NODES "hmat-lb,initiator=0,target=0", "-numa: Parameter 'hierarchy' is missing"},
    {NODES "hmat-lb,initiator=0,target=0,hierarchy=x",
     "-numa: Parameter 'hierarchy' does not accept value 'x'"},
    {NODES LATENCY "5,bandwidth=5",
     "-numa: Invalid option 'bandwidth' since the data type is latency"},
    {NODES BANDWIDTH "5,latency=5",
     "-numa: Invalid option 'latency' since the data type is bandwidth"},
    {NODES BANDWIDTH "5", "-numa: Bandwidth 5 should be 1MB aligned"},
    {NODES LATENCY "5 " LATENCY "6",
     "-numa: Duplicate configuration of the latency for initiator=0 and target=0"},
    {NODES LATENCY "65535", "-numa: 65535 is more than 65534 times the unit that all values of "
                            "this kind are multiples of"},
    {NODES LATENCY "655340 " TO_ONE "1",
     "-numa: 655340 is more than 65534 times the unit that all values of this kind are multiples "
     "of"},
    {NODES CACHE "0,size=1K,level=1",
     "-numa: The latency and bandwidth information of node-id=0 should be provided before memory "
     "side cache attributes"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=0",
     "-numa: Invalid level=0, it should be larger than 0 and less than or equal to 3"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=2",
     "-numa: Cache level=1 shall be defined first"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=1 " CACHE "0,size=2K,level=1",
     "-numa: Duplicate configuration of the side cache for node-id=0 and level=1"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=1 " CACHE "0,size=1K,level=2",
     "-numa: Invalid size=1024, the size of level=2 should be larger than the size(1024) of "
     "level=1"},
};

static void test_attributes(void)
{
    has_hmat = true;
    Machine *machine = realized(NODES LATENCY "30 " TO_ONE "655340 " BANDWIDTH "12M", "4");
    const NumaRates *latency = &machine->numa->rates[0][0];
    const NumaRates *bandwidth = &machine->numa->rates[0][NUMA_FIRST_BANDWIDTH + 1];

    g_assert_cmpuint(latency->list->len, ==, 2);
    g_assert_cmpuint(latency->unit, ==, 10);
    g_assert_cmpuint(g_array_index(latency->list, NumaRate, 1).value, ==, 655340);
    g_assert_cmpuint(bandwidth->unit, ==, 4);
    g_assert_cmpuint(g_array_index(bandwidth->list, NumaRate, 0).value, ==, 12);
    g_assert_cmpint(machine->numa->nodes[0].initiator, ==, 0);
    g_assert_cmpint(machine->numa->nodes[1].initiator, ==, 0);
    object_free(&machine->obj);
    for (unsigned i = 0; i < G_N_ELEMENTS(refused_attributes); i++) {
        expect_refused(refused_attributes[i].options, refused_attributes[i].message);
    }
    has_hmat = false;
}

static void test_refused(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(refused); i++) {
        expect_refused(refused[i].options, refused[i].message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_backend("m0", "100M");
    add_backend("m1", "28M");
    g_test_add_func("/numa/none", test_none);
    g_test_add_func("/numa/memory", test_memory);
    g_test_add_func("/numa/cpus", test_cpus);
    g_test_add_func("/numa/distances", test_distances);
    g_test_add_func("/numa/attributes", test_attributes);
    g_test_add_func("/numa/refused", test_refused);
    return g_test_run();
}

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
    {"node,nodeid=128", "-numa: nodeid=128: there may be 128 nodes"},
    {"node,nodeid=-1", "-numa: Parameter 'nodeid' expects a whole number"},
    {"node,nodeid=0 node,nodeid=0", "-numa: there are two nodes with nodeid=0"},
    {"node,nodeid=1", "-numa: node 0 is missing below others"},
    {"node,cpus=0", "-numa: the nodes have 0x0 bytes, the machine has 0x8000000"},
    {"node,mem=129", "-numa: the nodes have 0x8100000 bytes, the machine has 0x8000000"},
    {"node,mem=16383P node,mem=16383P",
     "-numa: the nodes have 0xffffffffffffffff bytes, the machine has 0x8000000"},
    {"node,mem=foo", "-numa: Parameter 'mem' expects a size value"},
    {"node,mem=5b", "-numa: mem=5b is no whole number of pages"},
    {"node,memdev=foo", "-numa: no memory back end 'foo'"},
    {"node,memdev=m0 node,memdev=m0", "-numa: memdev=m0: another node has that memory"},
    {"node,memdev=m0 node,mem=28",
     "-numa: mem= and memdev= do not mix: all nodes use the same of them"},
    {"node,cpus=0 node,cpus=4", "-numa: there is no CPU 4: -smp has maxcpus=4"},
    {"node,cpus=0-99999999999", "-numa: there is no CPU 4: -smp has maxcpus=4"},
    {"node,cpus=0 node,cpus=0-1", "-numa: CPU 0 is in node 0 already"},
    {"node,cpus=1-0", "-numa: Parameter 'cpus' expects a CPU or a range of them, as in 0-3"},
    {"node,cpus=0-", "-numa: Parameter 'cpus' expects a CPU or a range of them, as in 0-3"},
    {"node,cpus=", "-numa: Parameter 'cpus' expects a CPU or a range of them, as in 0-3"},
    {"node,initiator=0", "-numa: the board has no table of memory attributes (HMAT)"},
    {"node hmat-lb", "-numa: the board has no table of memory attributes (HMAT)"},
    {"dist,src=0,dst=0,val=10", "-numa: there is no node 0 yet"},
    {"node dist,src=0,dst=0,val=11", "-numa: the distance of node 0 to itself is 10"},
    {"node node dist,src=0,dst=1,val=9", "-numa: val=9: a distance is at least 10"},
    {"node node dist,src=0,dst=1,val=256", "-numa: val=256: a distance is at most 255"},
    {"node node dist,src=0,dst=300,val=20", "-numa: Parameter 'dst' expects a node, 0 to 127"},
    {"node node dist,src=0,dst=1", "-numa: Parameter 'val' is missing"},
    {"node,mem=128 node node dist,src=0,dst=1,val=20",
     "no distance is given between nodes 0 and 2"},
    {"node,mem=128 node node dist,src=0,dst=1,val=20 dist,src=1,dst=0,val=21 "
     "dist,src=0,dst=2,val=20 dist,src=2,dst=1,val=20",
     "a distance differs from that of the way back"},
    {"cpu,node-id=0,socket-id=0", "-numa: there is no node 0 yet"},
    {"node cpu,node-id=0,socket-id=9", "-numa: there is no such CPU"},
    {"node cpu,socket-id=0", "-numa: Parameter 'node-id' is missing"},
    {"node cpu,node-id=0,core-id=x", "-numa: Parameter 'core-id' expects a whole number"},
    {"node cpu,node-id=0,die-id=0",
     "-numa: die-id is not supported: -smp dies= makes more than one"},
    {"node,cpus=0 node cpu,node-id=1,socket-id=0", "-numa: CPU 0 is in node 0 already"},
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
     "node 0 has CPUs and so is its own initiator, not 1"},
    {"node,mem=128,cpus=0-3 node,initiator=1", "the initiator of node 1 has no CPUs"},
    {"node,initiator=128", "-numa: initiator=128: a node is between 0 and 127"},
    {NODES "hmat-lb", "-numa: Parameter 'initiator' is missing"},
    {NODES "hmat-lb,latncy=5", "-numa: unknown parameter 'latncy'; did you mean 'latency'?"},
    {NODES "hmat-lb,initiator=2,target=0", "-numa: initiator=2: there is no such node yet"},
    {NODES "hmat-lb,initiator=1,target=0", "-numa: initiator=1: that node has no CPUs"},
    {NODES "hmat-lb,initiator=0,target=0", "-numa: Parameter 'hierarchy' is missing"},
    {NODES "hmat-lb,initiator=0,target=0,hierarchy=x",
     "-numa: Parameter 'hierarchy' does not accept value 'x'"},
    {NODES LATENCY "5,bandwidth=5", "-numa: bandwidth= does not go with a data-type of latency"},
    {NODES BANDWIDTH "5,latency=5", "-numa: latency= does not go with a data-type of bandwidth"},
    {NODES BANDWIDTH "5", "-numa: bandwidth=5 is no whole number of MiB"},
    {NODES LATENCY "5 " LATENCY "6",
     "-numa: the latency from initiator=0 to target=0 is given twice"},
    {NODES LATENCY "65535", "-numa: 65535 is more than 65534 times the unit that all values of "
                            "this kind are multiples of"},
    {NODES LATENCY "655340 " TO_ONE "1",
     "-numa: 655340 is more than 65534 times the unit that all values of this kind are multiples "
     "of"},
    {NODES CACHE "0,size=1K,level=1", "-numa: hmat-lb of node-id=0 comes before its caches"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=0",
     "-numa: level=0: a cache is of level 1 to 3"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=2",
     "-numa: the cache of level=1 comes first"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=1 " CACHE "0,size=2K,level=1",
     "-numa: node-id=0 has a cache of level=1 already"},
    {NODES LATENCY "5 " BANDWIDTH "1M " CACHE "0,size=1K,level=1 " CACHE "0,size=1K,level=2",
     "-numa: size=1024 of level=2: the cache of the level before has 1024 already"},
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

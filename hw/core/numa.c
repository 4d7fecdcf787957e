/* SPDX-License-Identifier: MIT */
/*
 * NUMA nodes out of -numa options. They are taken in the order of the command line, because a
 * node must be there before a distance or a CPU names it (for the rest: numa-attributes.c):
 *
 *     -numa node[,nodeid=N][,mem=SIZE|memdev=ID][,cpus=FIRST[-LAST]]...
 *     -numa dist,src=N,dst=N,val=DISTANCE
 *     -numa cpu,node-id=N[,socket-id=N][,die-id=N][,core-id=N][,thread-id=N]
 */
#include "hw/core/numa-private.h"

#include "softmmu/memory-backend.h"
#include "util/suggest.h"

#include <string.h>

#define NO_NODE 0xff

CpuPlace machine_cpu_place(const Machine *machine, unsigned cpu)
{
    const MachineCpus *c = &machine->cpus;
    unsigned threads = MAX(c->threads, 1), cores = MAX(c->cores, 1), dies = MAX(c->dies, 1);

    return (CpuPlace){cpu / threads / cores / dies, cpu / threads / cores % dies,
                      cpu / threads % cores, cpu % threads};
}

int machine_cpu_node(const Machine *machine, unsigned cpu)
{
    return machine->numa && cpu < machine->cpus.max ? machine->numa->node_of_cpu[cpu] : -1;
}

/* -- Values ------------------------------------------------------------------------------------ */

bool numa_get_number(KeyVal *kv, const char *key, const char *kind, uint64_t *ret_value,
                     Error **err)
{
    const char *text = keyval_get(kv, key);

    if (text && !parse_u64(text, ret_value, NULL)) {
        return error_set(err, "Parameter '%s' expects %s", key, kind);
    }
    return true;
}

bool numa_get_needed_number(KeyVal *kv, const char *key, uint64_t *ret_value, Error **err)
{
    if (!keyval_get(kv, key)) {
        return error_set(err, "Parameter '%s' is missing", key);
    }
    return numa_get_number(kv, key, "a whole number", ret_value, err);
}

bool numa_has_cpus(const Numa *numa, const Machine *machine, unsigned node)
{
    return memchr(numa->node_of_cpu, (int)node, machine->cpus.max) != NULL;
}

static bool set_cpu_node(NumaReader *r, unsigned cpu, unsigned node, Error **err)
{
    uint8_t *now = &r->numa->node_of_cpu[cpu];

    if (*now != NO_NODE && *now != node) {
        return error_set(err, "CPU %u is in node %u already", cpu, *now);
    }
    *now = (uint8_t)node;
    return true;
}

/* -- node -------------------------------------------------------------------------------------- */

/* "3" or "0-3" */
static bool add_cpus(NumaReader *r, unsigned node, const char *text, Error **err)
{
    g_auto(GStrv) ends = g_strsplit(text, "-", 2);
    unsigned max = r->machine->cpus.max;
    uint64_t first, last;

    if (!ends[0] || !parse_u64(ends[0], &first, NULL) ||
        !parse_u64(ends[1] ? ends[1] : ends[0], &last, NULL) || first > last) {
        return error_set(err, "Parameter 'cpus' expects a CPU or a range of them, as in 0-3");
    }
    for (uint64_t cpu = first; cpu <= last; cpu++) {
        if (cpu >= max) {
            return error_set(err, "there is no CPU %" G_GUINT64_FORMAT ": -smp has maxcpus=%u",
                             (guint64)cpu, max);
        }
        if (!set_cpu_node(r, (unsigned)cpu, node, err)) {
            return false;
        }
    }
    return true;
}

static bool add_all_cpus(NumaReader *r, unsigned node, KeyVal *kv, Error **err)
{
    for (guint i = 0; i < kv->pairs->len; i++) {
        KeyValPair *pair = kv->pairs->pdata[i];

        if (strcmp(pair->key, "cpus") != 0) {
            continue;
        }
        pair->used = true;
        if (!add_cpus(r, node, pair->value, err)) {
            return false;
        }
    }
    return true;
}

static MemoryBackend *find_backend(NumaReader *r, const char *id, Error **err)
{
    MemoryBackend *backend =
        memory_backend_find(g_str_has_prefix(id, "/objects/") ? id + strlen("/objects/") : id, err);

    for (unsigned i = 0; backend && i < NUMA_NODES_MAX; i++) {
        if (r->numa->nodes[i].backend == backend) {
            error_set(err, "memdev=%s: another node has that memory", backend->obj.name);
            return NULL;
        }
    }
    return backend;
}

/* A bare number of mem= means MiB. */
static bool add_memory(NumaReader *r, NumaNode *node, KeyVal *kv, Error **err)
{
    const char *mem = keyval_get(kv, "mem"), *memdev = keyval_get(kv, "memdev");

    r->has_mem |= mem != NULL;
    r->has_memdev |= memdev != NULL;
    if (r->has_mem && r->has_memdev) {
        return error_set(err, "mem= and memdev= do not mix: all nodes use the same of them");
    }
    if (mem && !parse_size(mem, 1 << 20, &node->size, NULL)) {
        return error_set(err, "Parameter 'mem' expects a size value");
    }
    if (node->size % TARGET_PAGE_SIZE) {
        return error_set(err, "mem=%s is no whole number of pages", mem);
    }
    if (memdev) {
        node->backend = find_backend(r, memdev, err);
        node->size = node->backend ? node->backend->size : 0;
    }
    return !memdev || node->backend;
}

static bool add_node(NumaReader *r, KeyVal *kv, Error **err)
{
    static const char *const known[] = {"nodeid", "mem", "memdev", "cpus", "initiator", NULL};
    uint64_t id = r->numa->count;

    if (!numa_get_number(kv, "nodeid", "a whole number", &id, err)) {
        return false;
    }
    if (id >= NUMA_NODES_MAX) {
        return error_set(err, "nodeid=%" G_GUINT64_FORMAT ": there may be %d nodes", (guint64)id,
                         NUMA_NODES_MAX);
    }
    if (r->present[id]) {
        return error_set(err, "there are two nodes with nodeid=%" G_GUINT64_FORMAT, (guint64)id);
    }
    if (!numa_add_initiator(r, (unsigned)id, kv, err) || !add_all_cpus(r, (unsigned)id, kv, err) ||
        !add_memory(r, &r->numa->nodes[id], kv, err) || !keyval_check_unused(kv, known, err)) {
        return false;
    }
    r->present[id] = true;
    r->numa->count++;
    return true;
}

/* -- dist -------------------------------------------------------------------------------------- */

static bool get_distance_node(KeyVal *kv, const char *key, uint64_t *ret_node, Error **err)
{
    if (!numa_get_needed_number(kv, key, ret_node, err)) {
        return false;
    }
    return *ret_node < NUMA_NODES_MAX ||
           error_set(err, "Parameter '%s' expects a node, 0 to %d", key, NUMA_NODES_MAX - 1);
}

static bool add_distance(NumaReader *r, KeyVal *kv, Error **err)
{
    static const char *const known[] = {"src", "dst", "val", NULL};
    uint64_t src, dst, val;

    if (!get_distance_node(kv, "src", &src, err) || !get_distance_node(kv, "dst", &dst, err) ||
        !numa_get_needed_number(kv, "val", &val, err) || !keyval_check_unused(kv, known, err)) {
        return false;
    }
    if (val > UINT8_MAX) {
        return error_set(err, "val=%" G_GUINT64_FORMAT ": a distance is at most 255", (guint64)val);
    }
    if (!r->present[src] || !r->present[dst]) {
        error_set(err, "there is no node %" G_GUINT64_FORMAT " yet",
                  (guint64)(r->present[src] ? dst : src));
        error_hint(err, "declare it first, by '-numa node'");
        return false;
    }
    if (val < NUMA_DISTANCE_LOCAL) {
        return error_set(err, "val=%" G_GUINT64_FORMAT ": a distance is at least %d", (guint64)val,
                         NUMA_DISTANCE_LOCAL);
    }
    if (src == dst && val != NUMA_DISTANCE_LOCAL) {
        return error_set(err, "the distance of node %" G_GUINT64_FORMAT " to itself is %d",
                         (guint64)src, NUMA_DISTANCE_LOCAL);
    }
    r->numa->distances[src][dst] = (uint8_t)val;
    r->numa->has_distances = true;
    return true;
}

/* One distance of each pair is enough as long as none differs from that of the way back. */
static bool complete_distances(Numa *numa, Error **err)
{
    bool is_one_way = false, lacks_one = false;

    for (unsigned a = 0; a < numa->count; a++) {
        numa->distances[a][a] = NUMA_DISTANCE_LOCAL;
        for (unsigned b = a + 1; b < numa->count; b++) {
            uint8_t *there = &numa->distances[a][b], *back = &numa->distances[b][a];

            if (!*there && !*back) {
                error_set(err, "no distance is given between nodes %u and %u", a, b);
                error_hint(err, "-numa dist says all distances or none");
                return false;
            }
            lacks_one |= !*there || !*back;
            is_one_way |= *there && *back && *there != *back;
            *there = *there ? *there : *back;
            *back = *back ? *back : *there;
        }
    }
    if (is_one_way && lacks_one) {
        error_set(err, "a distance differs from that of the way back");
        error_hint(err, "then '-numa dist' is needed for both directions of all pairs");
        return false;
    }
    return true;
}

/* -- cpu --------------------------------------------------------------------------------------- */

enum { PLACE_SOCKET, PLACE_DIE, PLACE_CORE, PLACE_THREAD, PLACE_COUNT };
static const char *const place_keys[PLACE_COUNT] = {"socket-id", "die-id", "core-id", "thread-id"};

static bool is_at(const Machine *machine, unsigned cpu, const uint64_t *wanted)
{
    CpuPlace place = machine_cpu_place(machine, cpu);
    const unsigned parts[PLACE_COUNT] = {place.socket, place.die, place.core, place.thread};

    for (unsigned i = 0; i < PLACE_COUNT; i++) {
        if (wanted[i] != UINT64_MAX && wanted[i] != parts[i]) {
            return false;
        }
    }
    return true;
}

/* All CPUs at that place: what it leaves out may be anything. */
static bool add_cpu(NumaReader *r, KeyVal *kv, Error **err)
{
    static const char *const known[] = {"node-id", "socket-id", "die-id",
                                        "core-id", "thread-id", NULL};
    uint64_t wanted[PLACE_COUNT] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    uint64_t node = UINT64_MAX;
    bool found = false;

    if (!keyval_get(kv, "node-id")) {
        return error_set(err, "Parameter 'node-id' is missing");
    }
    if (!numa_get_number(kv, "node-id", "a whole number", &node, err)) {
        return false;
    }
    for (unsigned i = 0; i < PLACE_COUNT; i++) {
        if (!numa_get_number(kv, place_keys[i], "a whole number", &wanted[i], err)) {
            return false;
        }
    }
    if (!keyval_check_unused(kv, known, err)) {
        return false;
    }
    if (node >= NUMA_NODES_MAX || !r->present[node]) {
        error_set(err, "there is no node %s yet", keyval_get(kv, "node-id"));
        error_hint(err, "declare the node first, by -numa node,nodeid=ID");
        return false;
    }
    if (wanted[PLACE_DIE] != UINT64_MAX && r->machine->cpus.dies < 2) {
        return error_set(err, "die-id is not supported: -smp dies= makes more than one");
    }
    for (unsigned cpu = 0; cpu < r->machine->cpus.max; cpu++) {
        if (is_at(r->machine, cpu, wanted)) {
            found = true;
            if (!set_cpu_node(r, cpu, (unsigned)node, err)) {
                return false;
            }
        }
    }
    return found || error_set(err, "there is no such CPU");
}

/* -- All --------------------------------------------------------------------------------------- */

static bool add_option(NumaReader *r, KeyVal *kv, Error **err)
{
    static const struct {
        const char *name;
        bool (*add)(NumaReader *r, KeyVal *kv, Error **err);
    } kinds[] = {{"node", add_node},
                 {"dist", add_distance},
                 {"cpu", add_cpu},
                 {"hmat-lb", numa_add_rate},
                 {"hmat-cache", numa_add_cache}};
    const char *type = keyval_get(kv, "type");
    Suggest suggest;

    if (!type || !*type) {
        return error_set(err, "Parameter 'type' is missing");
    }
    suggest_init(&suggest, type);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(type, kinds[i].name) == 0) {
            return kinds[i].add(r, kv, err);
        }
        suggest_offer(&suggest, kinds[i].name);
    }
    error_set(err, "Parameter 'type' does not accept value '%s'%s", type, suggest_text(&suggest));
    error_hint(err, "there are node, dist, cpu, hmat-lb and hmat-cache");
    return false;
}

/* Without a word about CPUs, whole sockets in turn; else those that were forgotten join node 0. */
static void complete_cpus(NumaReader *r)
{
    const Machine *machine = r->machine;
    bool given = false, lacks_one = false;

    for (unsigned cpu = 0; cpu < machine->cpus.max; cpu++) {
        bool has_node = r->numa->node_of_cpu[cpu] != NO_NODE;
        given |= has_node;
        lacks_one |= !has_node;
    }
    for (unsigned cpu = 0; cpu < machine->cpus.max; cpu++) {
        uint8_t *node = &r->numa->node_of_cpu[cpu];
        unsigned turn = machine_cpu_place(machine, cpu).socket % r->numa->count;

        *node = *node != NO_NODE ? *node : given ? 0 : (uint8_t)turn;
    }
    if (given && lacks_one) {
        warn_report("-numa: CPUs that no node names (there can be %u CPUs) belong to node 0",
                    machine->cpus.max);
    }
}

static bool complete(NumaReader *r, Error **err)
{
    const Machine *machine = r->machine;
    uint64_t total = 0;

    for (unsigned i = 0; i < r->numa->count; i++) {
        if (!r->present[i]) {
            return error_set(err, "-numa: node %u is missing below others", i);
        }
        if (__builtin_add_overflow(total, r->numa->nodes[i].size, &total)) {
            total = UINT64_MAX;
            break;
        }
    }
    if (total != machine->ram_size) {
        error_set(err,
                  "-numa: the nodes have 0x%" G_GINT64_MODIFIER
                  "x bytes, the machine has 0x%" G_GINT64_MODIFIER "x",
                  (guint64)total, (guint64)machine->ram_size);
        error_hint(err, "mem= or memdev= says how much of it a node has");
        return false;
    }
    if (r->has_memdev && machine->memory_backend) {
        return error_set(err, "-machine memory-backend= and -numa memdev= exclude each other");
    }
    if (r->has_memdev && machine->ram_path) {
        return error_set(err, "-mem-path and '-numa memdev' exclude each other");
    }
    if (r->numa->has_distances && !complete_distances(r->numa, err)) {
        return false;
    }
    complete_cpus(r);
    r->numa->has_attributes = machine->hmat;
    return !machine->hmat || numa_check_initiators(r, err);
}

Numa *numa_new(const Machine *machine, Error **err)
{
    NumaReader reader = {.machine = machine, .numa = g_new0(Numa, 1)};

    reader.numa->node_of_cpu = g_malloc(machine->cpus.max);
    memset(reader.numa->node_of_cpu, NO_NODE, machine->cpus.max);
    for (guint i = 0; i < machine->numa_options->len; i++) {
        const NumaOption *option = machine->numa_options->pdata[i];

        if (!add_option(&reader, option->kv, err)) {
            error_prefix(err, "%s: ", option->origin);
            numa_free(reader.numa);
            return NULL;
        }
    }
    if (!complete(&reader, err)) {
        numa_free(reader.numa);
        return NULL;
    }
    return reader.numa;
}

void numa_free(Numa *numa)
{
    if (numa) {
        for (unsigned i = 0; i < NUMA_HIERARCHIES * NUMA_DATA_TYPES; i++) {
            g_clear_pointer(&numa->rates[i / NUMA_DATA_TYPES][i % NUMA_DATA_TYPES].list,
                            g_array_unref);
        }
        g_free(numa->node_of_cpu);
        g_free(numa);
    }
}

/* SPDX-License-Identifier: MIT */
/*
 * Attributes of the memory of NUMA nodes, for the ACPI table HMAT:
 *
 *     -numa node,...,initiator=N                       whose CPUs are nearest to it
 *     -numa hmat-lb,initiator=N,target=N,hierarchy=H,data-type=T,latency=NS|bandwidth=SIZE
 *     -numa hmat-cache,node-id=N,size=SIZE,level=L,associativity=A,policy=P,line=BYTES
 */
#include "hw/core/numa-private.h"

#include "util/suggest.h"

#include <string.h>

#define MIB (1ull << 20)

static bool need_hmat(const Machine *machine, Error **err)
{
    if (machine->hmat) {
        return true;
    }
    error_set(err, "the board has no table of memory attributes (HMAT)");
    error_hint(err, "-machine hmat=on enables it");
    return false;
}

/* Index of the key's value among `names`, which must be there. */
static bool get_choice(KeyVal *kv, const char *key, const char *const *names, unsigned *ret_index,
                       Error **err)
{
    const char *value = keyval_get(kv, key);
    Suggest suggest;

    if (!value) {
        return error_set(err, "Parameter '%s' is missing", key);
    }
    suggest_init(&suggest, value);
    for (unsigned i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *ret_index = i;
            return true;
        }
        suggest_offer(&suggest, names[i]);
    }
    return error_set(err, "Parameter '%s' does not accept value '%s'%s", key, value,
                     suggest_text(&suggest));
}

static bool get_node(const NumaReader *r, KeyVal *kv, const char *key, uint64_t *ret_node,
                     Error **err)
{
    if (!numa_get_needed_number(kv, key, ret_node, err)) {
        return false;
    }
    return (*ret_node < r->numa->count && r->present[*ret_node]) ||
           error_set(err, "%s=%" G_GUINT64_FORMAT ": there is no such node yet", key,
                     (guint64)*ret_node);
}

/* -- initiator= -------------------------------------------------------------------------------- */

bool numa_add_initiator(NumaReader *r, unsigned node, KeyVal *kv, Error **err)
{
    uint64_t initiator = 0;

    r->numa->nodes[node].initiator = -1;
    if (!keyval_get(kv, "initiator")) {
        return true;
    }
    if (!need_hmat(r->machine, err) ||
        !numa_get_number(kv, "initiator", "a uint16 value", &initiator, err)) {
        return false;
    }
    if (initiator >= NUMA_NODES_MAX) {
        return error_set(err, "initiator=%" G_GUINT64_FORMAT ": a node is between 0 and %d",
                         (guint64)initiator, NUMA_NODES_MAX - 1);
    }
    r->numa->nodes[node].initiator = (int)initiator;
    return true;
}

/* A node with CPUs is its own. */
bool numa_check_initiators(NumaReader *r, Error **err)
{
    Numa *numa = r->numa;

    for (unsigned i = 0; i < numa->count; i++) {
        int *initiator = &numa->nodes[i].initiator;

        if (numa_has_cpus(numa, r->machine, i)) {
            if (*initiator >= 0 && *initiator != (int)i) {
                return error_set(err, "node %u has CPUs and so is its own initiator, not %d", i,
                                 *initiator);
            }
            *initiator = (int)i;
        } else if (*initiator >= 0 && !numa_has_cpus(numa, r->machine, (unsigned)*initiator)) {
            return error_set(err, "the initiator of node %u has no CPUs", i);
        }
    }
    return true;
}

/* -- hmat-lb ----------------------------------------------------------------------------------- */

const char *const numa_hierarchies[] = {"memory", "first-level", "second-level", "third-level",
                                        NULL};
const char *const numa_data_types[] = {"access-latency",
                                       "read-latency",
                                       "write-latency",
                                       "access-bandwidth",
                                       "read-bandwidth",
                                       "write-bandwidth",
                                       NULL};

/* Nanoseconds or MiB/s: whichever the data type is about. */
static bool get_rate(KeyVal *kv, bool is_latency, uint64_t *ret_value, Error **err)
{
    const char *wanted = is_latency ? "latency" : "bandwidth";
    const char *other = is_latency ? "bandwidth" : "latency";
    const char *text = keyval_get(kv, wanted);

    if (keyval_get(kv, other)) {
        return error_set(err, "%s= does not go with a data-type of %s", other, wanted);
    }
    if (!text) {
        return error_set(err, "Parameter '%s' is missing", wanted);
    }
    if (is_latency) {
        return numa_get_number(kv, wanted, "a whole number", ret_value, err);
    }
    if (!parse_size(text, 1, ret_value, NULL)) {
        return error_set(err, "Parameter 'bandwidth' expects a size value");
    }
    if (*ret_value % MIB) {
        return error_set(err, "bandwidth=%s is no whole number of MiB", text);
    }
    *ret_value /= MIB;
    return true;
}

/* The unit is the largest power of 10 (latency) or 2 (bandwidth) that divides all values. */
static bool check_unit(NumaRates *rates, unsigned factor, Error **err)
{
    uint64_t largest = 0, unit = UINT64_MAX;

    for (guint i = 0; i < rates->list->len; i++) {
        uint64_t value = g_array_index(rates->list, NumaRate, i).value, own = 1;

        while (value && value % (own * factor) == 0) {
            own *= factor;
        }
        unit = value ? MIN(unit, own) : unit;
        largest = MAX(largest, value);
    }
    rates->unit = unit == UINT64_MAX ? 1 : unit;
    return largest / rates->unit <= NUMA_RATE_MAX ||
           error_set(err,
                     "%" G_GUINT64_FORMAT " is more than %d times the unit that all values of this "
                     "kind are multiples of",
                     (guint64)largest, NUMA_RATE_MAX);
}

static bool put_rate(NumaRates *rates, NumaRate rate, bool is_latency, Error **err)
{
    if (!rates->list) {
        rates->list = g_array_new(FALSE, FALSE, sizeof(NumaRate));
    }
    for (guint i = 0; i < rates->list->len; i++) {
        const NumaRate *other = &g_array_index(rates->list, NumaRate, i);

        if (other->initiator == rate.initiator && other->target == rate.target) {
            return error_set(err, "the %s from initiator=%u to target=%u is given twice",
                             is_latency ? "latency" : "bandwidth", rate.initiator, rate.target);
        }
    }
    g_array_append_val(rates->list, rate);
    return check_unit(rates, is_latency ? 10 : 2, err);
}

bool numa_add_rate(NumaReader *r, KeyVal *kv, Error **err)
{
    static const char *const known[] = {"type",      "initiator", "target",    "hierarchy",
                                        "data-type", "latency",   "bandwidth", NULL};
    uint64_t initiator = 0, target = 0, value = 0;
    unsigned hierarchy = 0, type = 0;

    if (!need_hmat(r->machine, err) || !keyval_check_known(kv, known, err) ||
        !get_node(r, kv, "initiator", &initiator, err)) {
        return false;
    }
    if (!numa_has_cpus(r->numa, r->machine, (unsigned)initiator)) {
        return error_set(err, "initiator=%" G_GUINT64_FORMAT ": that node has no CPUs",
                         (guint64)initiator);
    }
    if (!get_node(r, kv, "target", &target, err) ||
        !get_choice(kv, "hierarchy", numa_hierarchies, &hierarchy, err) ||
        !get_choice(kv, "data-type", numa_data_types, &type, err)) {
        return false;
    }
    bool is_latency = type < NUMA_FIRST_BANDWIDTH;
    return get_rate(kv, is_latency, &value, err) &&
           put_rate(&r->numa->rates[hierarchy][type],
                    (NumaRate){(uint8_t)initiator, (uint8_t)target, value}, is_latency, err);
}

/* -- hmat-cache -------------------------------------------------------------------------------- */

/* Something is known about how fast memory of the node itself is, in time and in amount. */
static bool has_rates(const Numa *numa, uint64_t node)
{
    bool found[2] = {false, false};

    for (unsigned type = 0; type < NUMA_DATA_TYPES; type++) {
        const GArray *list = numa->rates[0][type].list;
        for (guint i = 0; list && i < list->len; i++) {
            found[type >= NUMA_FIRST_BANDWIDTH] |= g_array_index(list, NumaRate, i).target == node;
        }
    }
    return found[0] && found[1];
}

static bool check_level(const NumaNode *node, uint64_t id, uint64_t level, uint64_t size,
                        Error **err)
{
    if (level < 1 || level > NUMA_CACHE_LEVELS) {
        return error_set(err, "level=%" G_GUINT64_FORMAT ": a cache is of level 1 to %d",
                         (guint64)level, NUMA_CACHE_LEVELS);
    }
    if (level <= node->cache_levels) {
        return error_set(
            err, "node-id=%" G_GUINT64_FORMAT " has a cache of level=%" G_GUINT64_FORMAT " already",
            (guint64)id, (guint64)level);
    }
    if (level > node->cache_levels + 1) {
        return error_set(err, "the cache of level=%" G_GUINT64_FORMAT " comes first",
                         (guint64)level - 1);
    }
    uint64_t before = level > 1 ? node->caches[level - 2].size : 0;
    return size > before ||
           error_set(err,
                     "size=%" G_GUINT64_FORMAT " of level=%" G_GUINT64_FORMAT
                     ": the cache of the level before has %" G_GUINT64_FORMAT " already",
                     (guint64)size, (guint64)level, (guint64)before);
}

const char *const numa_associativities[] = {"none", "direct", "complex", NULL};
const char *const numa_policies[] = {"none", "write-back", "write-through", NULL};

static bool get_cache(KeyVal *kv, NumaCache *cache, uint64_t *ret_level, Error **err)
{
    const char *size = keyval_get(kv, "size");
    uint64_t line = 0;

    if (!size) {
        return error_set(err, "Parameter 'size' is missing");
    }
    if (!parse_size(size, 1, &cache->size, NULL)) {
        return error_set(err, "Parameter 'size' expects a size value");
    }
    if (!numa_get_needed_number(kv, "level", ret_level, err) ||
        !get_choice(kv, "associativity", numa_associativities, &cache->associativity, err) ||
        !get_choice(kv, "policy", numa_policies, &cache->policy, err) ||
        !numa_get_needed_number(kv, "line", &line, err)) {
        return false;
    }
    cache->line = (uint16_t)line;
    return line <= UINT16_MAX ||
           error_set(err, "line=%" G_GUINT64_FORMAT ": a line has at most 65535 bytes",
                     (guint64)line);
}

bool numa_add_cache(NumaReader *r, KeyVal *kv, Error **err)
{
    static const char *const known[] = {"type",          "node-id", "size", "level",
                                        "associativity", "policy",  "line", NULL};
    uint64_t id = 0, level = 0;
    NumaCache cache = {0};

    if (!need_hmat(r->machine, err) || !keyval_check_known(kv, known, err) ||
        !get_node(r, kv, "node-id", &id, err) || !get_cache(kv, &cache, &level, err)) {
        return false;
    }
    if (!has_rates(r->numa, id)) {
        return error_set(err, "hmat-lb of node-id=%" G_GUINT64_FORMAT " comes before its caches",
                         (guint64)id);
    }
    NumaNode *node = &r->numa->nodes[id];
    if (!check_level(node, id, level, cache.size, err)) {
        return false;
    }
    node->caches[node->cache_levels++] = cache;
    return true;
}

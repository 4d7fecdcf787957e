/* SPDX-License-Identifier: MIT */
/*
 * Commands that type and point: sendkey, mouse_move, mouse_button, mouse_set, info mice,
 * input-send-event. Keys go through a queue in guest time: what is typed while the machine is
 * stopped, or faster than it can be held down, waits.
 */
#include "hw/ps2.h"
#include "softmmu/monitor/monitor-private.h"
#include "ui/keys.h"
#include "util/suggest.h"

#include <inttypes.h>
#include <string.h>

#define HOLD_DEFAULT_MS 100
#define HOLD_MAX_MS 3600000
#define KEYS_MAX 16
#define QUEUE_MAX 1024
#define NS_PER_MS 1000000ll

/* -- The devices ------------------------------------------------------------------------------- */

static Object *find_of_type(Object *at, const Type *type)
{
    if (at->type == type) {
        return at;
    }
    for (guint i = 0; i < at->children->len; i++) {
        Object *found = find_of_type(at->children->pdata[i], type);

        if (found) {
            return found;
        }
    }
    return NULL;
}

static Object *find_keyboard(Error **err)
{
    Object *keyboard = find_of_type(object_root(), &ps2_keyboard_type);

    if (!keyboard) {
        error_set(err, "this machine has no keyboard");
    }
    return keyboard;
}

static Object *find_mouse(Error **err)
{
    Object *mouse = find_of_type(object_root(), &ps2_mouse_type);

    if (!mouse) {
        error_set(err, "this machine has no mouse");
    }
    return mouse;
}

/* -- The queue of keys ------------------------------------------------------------------------- */

typedef struct QueuedKey {
    uint8_t key;
    bool down;
    uint32_t wait_ms; /* before the next one */
} QueuedKey;

static GQueue queue = G_QUEUE_INIT; /* of QueuedKey * */
static Timer queue_timer;

/* Types up to the next one that is to be held. */
static void type_queued(void *opaque)
{
    QueuedKey *next;

    while ((next = g_queue_pop_head(&queue)) != NULL) {
        Object *keyboard = find_keyboard(NULL);
        uint32_t wait_ms = next->wait_ms;

        if (keyboard) {
            ps2_keyboard_key(keyboard, next->key, next->down);
        }
        g_free(next);
        if (wait_ms) {
            int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
            timer_mod_ns(&queue_timer, now + wait_ms * NS_PER_MS);
            return;
        }
    }
}

static void queue_key(unsigned key, bool down, uint32_t wait_ms)
{
    QueuedKey *entry = g_new(QueuedKey, 1);

    *entry = (QueuedKey){(uint8_t)key, down, wait_ms};
    g_queue_push_tail(&queue, entry);
}

/* Presses them in this order, holds them, and lets go in the other order; then as long passes
 * before what is queued behind. */
static bool press_keys(const uint8_t *keys, unsigned count, int64_t hold_ms, Error **err)
{
    if (hold_ms < 0 || hold_ms > HOLD_MAX_MS) {
        return error_set(err, "keys can be held for 0 to %d ms", HOLD_MAX_MS);
    }
    if (!find_keyboard(err)) {
        return false;
    }
    if (queue.length > QUEUE_MAX) {
        return error_set(err, "the guest has not taken the last %d keys yet", QUEUE_MAX);
    }
    for (unsigned i = 0; i < count; i++) {
        queue_key(keys[i], true, i + 1 == count ? (uint32_t)hold_ms : 0);
    }
    for (unsigned i = count; i > 0; i--) {
        queue_key(keys[i - 1], false, i == 1 ? (uint32_t)hold_ms : 0);
    }
    if (!queue_timer.loop) {
        timer_init(&queue_timer, main_loop(), CLOCK_TYPE_VIRTUAL, type_queued, NULL);
    }
    if (!timer_pending(&queue_timer)) {
        timer_mod_ns(&queue_timer, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    }
    return true;
}

/* -- sendkey, send-key ------------------------------------------------------------------------- */

static bool parse_key(const char *name, uint8_t *ret_key, Error **err)
{
    unsigned key;
    Suggest suggest;
    uint64_t number;

    if (key_find(strcmp(name, "<") == 0 ? "less" : name, &key)) {
        *ret_key = (uint8_t)key;
        return true;
    }
    if (g_str_has_prefix(name, "0x") && parse_u64(name, &number, NULL) && number <= UINT8_MAX) {
        *ret_key = (uint8_t)number;
        return true;
    }
    suggest_init(&suggest, name);
    for (const KeyName *row = key_names; row->name; row++) {
        suggest_offer(&suggest, row->name);
    }
    return error_set(err, "invalid parameter: %s%s", name, suggest_text(&suggest));
}

static bool run_sendkey(Monitor *monitor, const MonitorValue *values, Error **err)
{
    g_auto(GStrv) names = g_strsplit(values[0].text, "-", KEYS_MAX + 1);
    uint8_t keys[KEYS_MAX];
    unsigned count = 0;

    for (char **name = names; *name; name++) {
        if (count == KEYS_MAX) {
            return error_set(err, "%d keys at a time can be pressed", KEYS_MAX);
        }
        if (!parse_key(*name, &keys[count++], err)) {
            return false;
        }
    }
    return press_keys(keys, count, values[1].present ? values[1].number : HOLD_DEFAULT_MS, err);
}

/* The last key of a combination. */
static void complete_keys(const char *prefix, GPtrArray *words)
{
    const char *dash = strrchr(prefix, '-');
    size_t before = dash ? (size_t)(dash + 1 - prefix) : 0;

    for (const KeyName *row = key_names; row->name; row++) {
        if (g_str_has_prefix(row->name, prefix + before)) {
            g_ptr_array_add(words, g_strdup_printf("%.*s%s", (int)before, prefix, row->name));
        }
    }
}

static const MonitorCommand sendkey_command = {
    .name = "sendkey",
    .help = "press keys, as ctrl-alt-f1, for a time in milliseconds",
    .args = {{"keys", MONITOR_ARG_WORD, .complete = complete_keys},
             {"hold-time", MONITOR_ARG_INT, .optional = true}},
    .run = run_sendkey,
};
MONITOR_COMMAND(sendkey_command);

static const char *const key_kinds[] = {"number", "qcode", NULL};
static const JsonType key_kind_type = {.kind = JSON_KIND_ENUM, .values = key_kinds};
static const JsonMember key_value_members[] = {
    {"type", &key_kind_type}, {"data", &json_type_any}, {NULL}};
static const JsonType key_value_type = {.kind = JSON_KIND_OBJECT, .members = key_value_members};
static const JsonType key_values_type = {.kind = JSON_KIND_ARRAY, .element = &key_value_type};

static bool read_key_value(const json_t *value, uint8_t *ret_key, Error **err)
{
    const json_t *data = json_object_get(value, "data");

    if (strcmp(json_string_value(json_object_get(value, "type")), "qcode") == 0) {
        return json_is_text(data) ? parse_key(json_string_value(data), ret_key, err)
                                    : error_set(err, "the data of a qcode is its name");
    }
    if (!json_is_integer(data) || json_integer_value(data) < 0 ||
        json_integer_value(data) > UINT8_MAX) {
        return error_set(err, "the data of a number is 0 to 255");
    }
    *ret_key = (uint8_t)json_integer_value(data);
    return true;
}

static bool run_send_key(Monitor *monitor, const MonitorValue *values, Error **err)
{
    size_t count = json_array_size(values[0].json);
    uint8_t keys[KEYS_MAX];

    if (count > KEYS_MAX) {
        return error_set(err, "%d keys at a time can be pressed", KEYS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_key_value(json_array_get(values[0].json, i), &keys[i], err)) {
            return false;
        }
    }
    return press_keys(keys, (unsigned)count, values[1].present ? values[1].number : HOLD_DEFAULT_MS,
                      err);
}

static const MonitorCommand send_key_command = {
    .qmp = "send-key",
    .help = "press keys for a time in milliseconds",
    .args = {{"keys", MONITOR_ARG_JSON, .type = &key_values_type},
             {"hold-time", MONITOR_ARG_INT, .optional = true}},
    .run = run_send_key,
};
MONITOR_COMMAND(send_key_command);

/* -- The mouse --------------------------------------------------------------------------------- */

static unsigned buttons_held; /* as ps2_mouse_event() takes them */

static bool parse_offset(const MonitorValue *value, int *ret_offset, Error **err)
{
    char *end;

    if (!value->present) {
        return true;
    }
    gint64 number = g_ascii_strtoll(value->text, &end, 0);
    if (*end || end == value->text || number < -G_MAXINT16 || number > G_MAXINT16) {
        return error_set(err, "'%s' is not a distance (-32767 to 32767)", value->text);
    }
    *ret_offset = (int)number;
    return true;
}

static bool run_mouse_move(Monitor *monitor, const MonitorValue *values, Error **err)
{
    Object *mouse = find_mouse(err);
    int dx = 0, dy = 0, wheel = 0;

    if (!mouse || !parse_offset(&values[0], &dx, err) || !parse_offset(&values[1], &dy, err) ||
        !parse_offset(&values[2], &wheel, err)) {
        return false;
    }
    /* The wheel turns by one, away from the user when positive. */
    ps2_mouse_event(mouse, dx, dy, (wheel < 0) - (wheel > 0), buttons_held);
    return true;
}

/* Words: "-5 -3" would be one expression. */
static const MonitorCommand mouse_move_command = {
    .name = "mouse_move",
    .help = "move the mouse to the right and down, and turn its wheel",
    .args = {{"dx", MONITOR_ARG_WORD},
             {"dy", MONITOR_ARG_WORD},
             {"dz", MONITOR_ARG_WORD, .optional = true}},
    .run = run_mouse_move,
};
MONITOR_COMMAND(mouse_move_command);

enum { BUTTON_LEFT = 1, BUTTON_RIGHT = 2, BUTTON_MIDDLE = 4, BUTTON_SIDE = 8, BUTTON_EXTRA = 16 };

static bool run_mouse_button(Monitor *monitor, const MonitorValue *values, Error **err)
{
    int64_t state = values[0].number;
    Object *mouse = find_mouse(err);

    if (!mouse) {
        return false;
    }
    if (state < 0 || state > 7) {
        return error_set(err, "the buttons are 1, 2 and 4, and their sums");
    }
    buttons_held = (state & 1 ? BUTTON_LEFT : 0) | (state & 2 ? BUTTON_MIDDLE : 0) |
                   (state & 4 ? BUTTON_RIGHT : 0);
    ps2_mouse_event(mouse, 0, 0, 0, buttons_held);
    return true;
}

static const MonitorCommand mouse_button_command = {
    .name = "mouse_button",
    .help = "press the buttons of the sum and release the others: 1 left, 2 middle, 4 right",
    .args = {{"state", MONITOR_ARG_INT}},
    .run = run_mouse_button,
};
MONITOR_COMMAND(mouse_button_command);

/* The number QEMU's PC gives its one mouse. */
#define MOUSE_INDEX 2

static const JsonMember mouse_members[] = {{"name", &json_type_string},
                                           {"index", &json_type_int},
                                           {"current", &json_type_bool},
                                           {"absolute", &json_type_bool},
                                           {NULL}};
static const JsonType mouse_type = {.kind = JSON_KIND_OBJECT, .members = mouse_members};
static const JsonType mice_type = {.kind = JSON_KIND_ARRAY, .element = &mouse_type};

static bool run_info_mice(Monitor *monitor, const MonitorValue *values, Error **err)
{
    json_t *list = json_array();

    if (find_mouse(NULL)) {
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:b, s:b}", "name", "QEMU PS/2 Mouse", "index",
                                        MOUSE_INDEX, "current", true, "absolute", false));
    }
    monitor_return(monitor, list);
    return true;
}

static void print_mice(Monitor *monitor, const json_t *result)
{
    if (json_array_size(result) == 0) {
        monitor_printf(monitor, "No mouse devices connected\n");
    }
    for (size_t i = 0; i < json_array_size(result); i++) {
        const json_t *mouse = json_array_get(result, i);

        monitor_printf(monitor, "* Mouse #%" JSON_INTEGER_FORMAT ": %s\n",
                       json_integer_value(json_object_get(mouse, "index")),
                       json_string_value(json_object_get(mouse, "name")));
    }
}

static const MonitorCommand info_mice_command = {
    .name = "info mice",
    .qmp = "query-mice",
    .help = "show which mouse gets what is pointed at",
    .returns = &mice_type,
    .run = run_info_mice,
    .print = print_mice,
};
MONITOR_COMMAND(info_mice_command);

static bool run_mouse_set(Monitor *monitor, const MonitorValue *values, Error **err)
{
    return (values[0].number == MOUSE_INDEX && find_mouse(NULL)) ||
           error_set(err, "there is no mouse %" PRId64, values[0].number);
}

static const MonitorCommand mouse_set_command = {
    .name = "mouse_set",
    .help = "choose the mouse that gets what is pointed at, by its number of info mice",
    .args = {{"index", MONITOR_ARG_INT}},
    .run = run_mouse_set,
};
MONITOR_COMMAND(mouse_set_command);

/* -- input-send-event -------------------------------------------------------------------------- */

static const char *const event_kinds[] = {"key", "btn", "rel", "abs", "mtt", NULL};
static const JsonType event_kind_type = {.kind = JSON_KIND_ENUM, .values = event_kinds};
static const JsonType open_type = {.kind = JSON_KIND_OBJECT, .open = true};
static const JsonMember event_members[] = {
    {"type", &event_kind_type}, {"data", &open_type}, {NULL}};
static const JsonType input_event_type = {.kind = JSON_KIND_OBJECT, .members = event_members};
static const JsonType input_events_type = {.kind = JSON_KIND_ARRAY, .element = &input_event_type};

static const JsonMember key_event_members[] = {
    {"down", &json_type_bool}, {"key", &key_value_type}, {NULL}};
static const JsonType key_event_type = {.kind = JSON_KIND_OBJECT, .members = key_event_members};

static const char *const buttons[] = {"left",  "right",    "middle",     "side",
                                      "extra", "wheel-up", "wheel-down", NULL};
static const JsonType button_type = {.kind = JSON_KIND_ENUM, .values = buttons};
static const JsonMember button_event_members[] = {
    {"down", &json_type_bool}, {"button", &button_type}, {NULL}};
static const JsonType button_event_type = {.kind = JSON_KIND_OBJECT,
                                           .members = button_event_members};

static const char *const axes[] = {"x", "y", NULL};
static const JsonType axis_type = {.kind = JSON_KIND_ENUM, .values = axes};
static const JsonMember move_event_members[] = {
    {"axis", &axis_type}, {"value", &json_type_int}, {NULL}};
static const JsonType move_event_type = {.kind = JSON_KIND_OBJECT, .members = move_event_members};

typedef struct InputEvent {
    const JsonType *shape;
    Object *(*find)(Error **err);
    bool (*send)(Object *device, const json_t *data, Error **err);
} InputEvent;

static bool send_key_event(Object *keyboard, const json_t *data, Error **err)
{
    uint8_t key = 0;

    if (!read_key_value(json_object_get(data, "key"), &key, err)) {
        return false;
    }
    if (keyboard) {
        ps2_keyboard_key(keyboard, key, json_is_true(json_object_get(data, "down")));
    }
    return true;
}

static bool send_button_event(Object *mouse, const json_t *data, Error **err)
{
    const char *name = json_string_value(json_object_get(data, "button"));
    bool down = json_is_true(json_object_get(data, "down"));
    unsigned bit = 0;
    int wheel = 0;

    while (strcmp(buttons[bit], name) != 0) {
        bit++;
    }
    if (bit >= 5) {
        wheel = down ? (bit == 5 ? -1 : 1) : 0;
    } else if (mouse) {
        buttons_held = down ? buttons_held | 1u << bit : buttons_held & ~(1u << bit);
    }
    if (mouse) {
        ps2_mouse_event(mouse, 0, 0, wheel, buttons_held);
    }
    return true;
}

static bool send_move_event(Object *mouse, const json_t *data, Error **err)
{
    bool is_x = *json_string_value(json_object_get(data, "axis")) == 'x';
    int64_t value = json_integer_value(json_object_get(data, "value"));

    if (value < -G_MAXINT16 || value > G_MAXINT16) {
        return error_set(err, "a movement of %" PRId64 " is too far", value);
    }
    if (mouse) {
        ps2_mouse_event(mouse, is_x ? (int)value : 0, is_x ? 0 : (int)value, 0, buttons_held);
    }
    return true;
}

static const InputEvent input_events[] = {
    {&key_event_type, find_keyboard, send_key_event},
    {&button_event_type, find_mouse, send_button_event},
    {&move_event_type, find_mouse, send_move_event},
};

/* `test`: only looks whether it could be sent. */
static bool handle_input_event(const json_t *event, bool test, Error **err)
{
    const char *kind = json_string_value(json_object_get(event, "type"));
    const json_t *data = json_object_get(event, "data");
    size_t index = 0;

    while (strcmp(event_kinds[index], kind) != 0) {
        index++;
    }
    if (index >= G_N_ELEMENTS(input_events)) {
        return error_set(err, "no device takes events of the type '%s'", kind);
    }
    const InputEvent *row = &input_events[index];
    Object *device = json_type_check(row->shape, data, "data", err) ? row->find(err) : NULL;
    return device && row->send(test ? NULL : device, data, err);
}

static bool run_input_send_event(Monitor *monitor, const MonitorValue *values, Error **err)
{
    size_t count = json_array_size(values[0].json);

    for (size_t i = 0; i < 2 * count; i++) {
        if (!handle_input_event(json_array_get(values[0].json, i % count), i < count, err)) {
            return false;
        }
    }
    return true;
}

static const MonitorCommand input_send_event_command = {
    .qmp = "input-send-event",
    .help = "press or release keys and buttons, move the mouse: all events or none",
    .args = {{"events", MONITOR_ARG_JSON, .type = &input_events_type},
             {"device", MONITOR_ARG_WORD, .optional = true},
             {"head", MONITOR_ARG_INT, .optional = true}},
    .run = run_input_send_event,
};
MONITOR_COMMAND(input_send_event_command);

/* SPDX-License-Identifier: MIT */
/* What QMP's chardev-add and chardev-change take: {"type": "socket", "data": {"addr": ...}}. Only
 * what programs look for in the schema is told in full; data may hold more, which the back end
 * checks. */
#include "softmmu/monitor/monitor-private.h"

static const char *const kinds[] = {"file", "serial",  "parallel", "pipe",  "socket",
                                    "udp",  "pty",     "null",     "stdio", "hub",
                                    "vc",   "ringbuf", "memory",   NULL};
static const JsonType kind_type = {.kind = JSON_KIND_ENUM, .values = kinds};
static const JsonType address_type = {.kind = JSON_KIND_OBJECT, .open = true};

/* Name of the table, of the type, and of the type around it. */
#define DATA(variable, is_optional, ...)                                                           \
    static const JsonMember variable##_members[] = {                                               \
        __VA_ARGS__{"logfile", &json_type_string, true},                                           \
        {"logappend", &json_type_bool, true},                                                      \
        {NULL}};                                                                                   \
    static const JsonType variable##_data = {                                                      \
        .kind = JSON_KIND_OBJECT, .members = variable##_members, .open = true};                    \
    static const JsonMember variable##_wrapped[] = {{"data", &variable##_data, is_optional},       \
                                                    {NULL}};                                       \
    static const JsonType variable##_type = {.kind = JSON_KIND_OBJECT,                             \
                                             .members = variable##_wrapped}

DATA(plain, true, );
DATA(file, false, {"in", &json_type_string, true}, {"out", &json_type_string},
     {"append", &json_type_bool, true}, );
DATA(host_device, false, {"device", &json_type_string}, );
DATA(socket, false, {"addr", &address_type}, {"tls-creds", &json_type_string, true},
     {"tls-authz", &json_type_string, true}, {"server", &json_type_bool, true},
     {"wait", &json_type_bool, true}, {"nodelay", &json_type_bool, true},
     {"telnet", &json_type_bool, true}, {"tn3270", &json_type_bool, true},
     {"websocket", &json_type_bool, true}, {"reconnect", &json_type_int, true}, );
DATA(udp, false, {"remote", &address_type}, {"local", &address_type, true}, );
DATA(stdio, true, {"signal", &json_type_bool, true}, );
DATA(ringbuf, true, {"size", &json_type_int, true}, );

static const JsonVariant variants[] = {{"file", &file_type},
                                       {"serial", &host_device_type},
                                       {"parallel", &host_device_type},
                                       {"pipe", &host_device_type},
                                       {"socket", &socket_type},
                                       {"udp", &udp_type},
                                       {"pty", &plain_type},
                                       {"null", &plain_type},
                                       {"stdio", &stdio_type},
                                       {"hub", &plain_type},
                                       {"vc", &plain_type},
                                       {"ringbuf", &ringbuf_type},
                                       {"memory", &ringbuf_type},
                                       {NULL}};
static const JsonMember members[] = {{"type", &kind_type}, {NULL}};

const JsonType monitor_chardev_backend_type = {
    .kind = JSON_KIND_OBJECT, .members = members, .tag = "type", .variants = variants};

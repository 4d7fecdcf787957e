/* SPDX-License-Identifier: MIT */
/* Linker sets: tables whose rows live beside the code they describe. */
#ifndef UTIL_LINKER_SET_H
#define UTIL_LINKER_SET_H

/*
 * LINKER_SET_ENTRY(set, object) puts the address of `object` into the section `set`. Iterate with
 *     LINKER_SET_DECLARE(Type, device_types);
 *     LINKER_SET_FOREACH(const Type, t, device_types) { use(*t); }
 * Objects must be linked directly or with link_whole: an archive member nobody refers to is
 * dropped.
 */
#define LINKER_SET_ENTRY(set, object)                                                              \
    static const void *const set##_entry_##object                                                  \
        __attribute__((used, section(#set), aligned(sizeof(void *)))) = &object

#define LINKER_SET_DECLARE(type, set)                                                              \
    extern type *const __start_##set[] __attribute__((weak, visibility("hidden")));                \
    extern type *const __stop_##set[] __attribute__((weak, visibility("hidden")))

#define LINKER_SET_FOREACH(type, variable, set)                                                    \
    for (type *const *variable = __start_##set; variable < __stop_##set; variable++)

#endif

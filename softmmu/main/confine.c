/* SPDX-License-Identifier: MIT */
/* -sandbox, -run-with (-chroot, -runas) and -overcommit mem-lock=. */
#include "softmmu/main/confine.h"

#include "softmmu/memory.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* -- System calls ------------------------------------------------------------------------------ */

typedef enum CallGroup {
    CALLS_ALWAYS, /* nothing an emulator does */
    CALLS_OBSOLETE,
    CALLS_ELEVATE,
    CALLS_SPAWN,
    CALLS_RESOURCE,
    CALL_GROUP_COUNT
} CallGroup;

typedef struct CallRow {
    int number;
    CallGroup group;
} CallRow;

/* Names a kernel or an architecture lacks have negative numbers, which the library leaves out. */
static const CallRow call_rows[] = {
    {SCMP_SYS(reboot), CALLS_ALWAYS},
    {SCMP_SYS(swapon), CALLS_ALWAYS},
    {SCMP_SYS(swapoff), CALLS_ALWAYS},
    {SCMP_SYS(syslog), CALLS_ALWAYS},
    {SCMP_SYS(mount), CALLS_ALWAYS},
    {SCMP_SYS(umount2), CALLS_ALWAYS},
    {SCMP_SYS(pivot_root), CALLS_ALWAYS},
    {SCMP_SYS(kexec_load), CALLS_ALWAYS},
    {SCMP_SYS(kexec_file_load), CALLS_ALWAYS},
    {SCMP_SYS(init_module), CALLS_ALWAYS},
    {SCMP_SYS(finit_module), CALLS_ALWAYS},
    {SCMP_SYS(delete_module), CALLS_ALWAYS},
    {SCMP_SYS(acct), CALLS_ALWAYS},
    {SCMP_SYS(afs_syscall), CALLS_ALWAYS},
    {SCMP_SYS(getpmsg), CALLS_ALWAYS},
    {SCMP_SYS(putpmsg), CALLS_ALWAYS},
    {SCMP_SYS(security), CALLS_ALWAYS},
    {SCMP_SYS(tuxcall), CALLS_ALWAYS},
    {SCMP_SYS(vserver), CALLS_ALWAYS},
    {SCMP_SYS(_sysctl), CALLS_OBSOLETE},
    {SCMP_SYS(create_module), CALLS_OBSOLETE},
    {SCMP_SYS(get_kernel_syms), CALLS_OBSOLETE},
    {SCMP_SYS(query_module), CALLS_OBSOLETE},
    {SCMP_SYS(nfsservctl), CALLS_OBSOLETE},
    {SCMP_SYS(sysfs), CALLS_OBSOLETE},
    {SCMP_SYS(uselib), CALLS_OBSOLETE},
    {SCMP_SYS(ustat), CALLS_OBSOLETE},
    {SCMP_SYS(setuid), CALLS_ELEVATE},
    {SCMP_SYS(setgid), CALLS_ELEVATE},
    {SCMP_SYS(setpgid), CALLS_ELEVATE},
    {SCMP_SYS(setsid), CALLS_ELEVATE},
    {SCMP_SYS(setreuid), CALLS_ELEVATE},
    {SCMP_SYS(setregid), CALLS_ELEVATE},
    {SCMP_SYS(setresuid), CALLS_ELEVATE},
    {SCMP_SYS(setresgid), CALLS_ELEVATE},
    {SCMP_SYS(setfsuid), CALLS_ELEVATE},
    {SCMP_SYS(setfsgid), CALLS_ELEVATE},
    {SCMP_SYS(fork), CALLS_SPAWN},
    {SCMP_SYS(vfork), CALLS_SPAWN},
    {SCMP_SYS(execve), CALLS_SPAWN},
    {SCMP_SYS(execveat), CALLS_SPAWN},
    {SCMP_SYS(setpriority), CALLS_RESOURCE},
    {SCMP_SYS(sched_setparam), CALLS_RESOURCE},
    {SCMP_SYS(sched_setscheduler), CALLS_RESOURCE},
    {SCMP_SYS(sched_setaffinity), CALLS_RESOURCE},
    {SCMP_SYS(sched_setattr), CALLS_RESOURCE},
};

/* A clone() that makes a process is fork(); clone3() hides its flags from filters, and the C
 * library falls back to clone() when there is none. */
static int deny_new_processes(scmp_filter_ctx filter, uint32_t action)
{
    int result = seccomp_rule_add(filter, action, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));

    return result < 0 ? result
                      : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int add_rules(scmp_filter_ctx filter, const bool *denied)
{
    bool can_end_process = seccomp_api_get() >= 3;
    uint32_t end = can_end_process ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_TRAP;
    int result = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(call_rows) && result >= 0; i++) {
        const CallRow *row = &call_rows[i];
        uint32_t action = row->group == CALLS_RESOURCE ? SCMP_ACT_ERRNO(EPERM) : end;

        if (denied[row->group]) {
            result = seccomp_rule_add(filter, action, row->number, 0);
        }
    }
    if (result >= 0 && denied[CALLS_SPAWN]) {
        result = deny_new_processes(filter, end);
    }
    /* Threads that are there already obey, too. */
    result = result < 0 ? result : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    return result < 0 ? result : seccomp_load(filter);
}

static bool load_filter(const bool *denied, Error **err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int result = filter ? add_rules(filter, denied) : -ENOMEM;

    seccomp_release(filter);
    return result >= 0 || error_set_errno(err, -result, "the system call filter cannot be loaded");
}

/* allow or deny; and a third word where there is one, which sets *ret_other. */
static bool get_verdict(KeyVal *kv, const char *key, const char *other, bool *ret_denied,
                        bool *ret_other, Error **err)
{
    const char *value = keyval_get(kv, key);

    if (!value || strcmp(value, "allow") == 0) {
        return true;
    }
    if (strcmp(value, "deny") == 0) {
        *ret_denied = true;
        return true;
    }
    if (other && strcmp(value, other) == 0) {
        *ret_other = true;
        return true;
    }
    return error_set(err, "%s=%s is not one of allow, deny%s%s", key, value, other ? ", " : "",
                     other ? other : "");
}

bool confine_sandbox(KeyVal *kv, Error **err)
{
    static const char *const known[] = {"enable", "obsolete",        "elevateprivileges",
                                        "spawn",  "resourcecontrol", NULL};
    bool denied[CALL_GROUP_COUNT] = {[CALLS_ALWAYS] = true};
    bool enable = false, children = false;

    if (!keyval_get(kv, "obsolete")) {
        denied[CALLS_OBSOLETE] = true;
    }

    if (!keyval_get_bool(kv, "enable", &enable, err) ||
        !get_verdict(kv, "obsolete", NULL, &denied[CALLS_OBSOLETE], NULL, err) ||
        !get_verdict(kv, "elevateprivileges", "children", &denied[CALLS_ELEVATE], &children, err) ||
        !get_verdict(kv, "spawn", NULL, &denied[CALLS_SPAWN], NULL, err) ||
        !get_verdict(kv, "resourcecontrol", NULL, &denied[CALLS_RESOURCE], NULL, err) ||
        !keyval_check_unused(kv, known, err)) {
        return false;
    }
    if (!enable) {
        return true;
    }
    if (children && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_set_errno(err, errno, "elevateprivileges=children");
    }
    return load_filter(denied, err);
}

/* -- Root folder and user ---------------------------------------------------------------------- */

typedef struct User {
    uid_t uid;
    gid_t gid;
    const char *name; /* whose further groups there are; NULL: none */
} User;

static bool find_user(const char *text, User *ret_user, Error **err)
{
    const struct passwd *entry = getpwnam(text);
    g_auto(GStrv) parts = g_strsplit(text, ":", -1);
    uint64_t uid, gid;

    if (entry) {
        *ret_user = (User){entry->pw_uid, entry->pw_gid, text};
        return true;
    }
    if (g_strv_length(parts) == 2 && parse_u64(parts[0], &uid, NULL) &&
        parse_u64(parts[1], &gid, NULL) && uid < UINT32_MAX && gid < UINT32_MAX) {
        *ret_user = (User){(uid_t)uid, (gid_t)gid, NULL};
        return true;
    }
    error_set(err, "there is no user '%s'", text);
    error_hint(err, "a name or UID:GID is understood");
    return false;
}

static bool become(const User *user, Error **err)
{
    int result = setgid(user->gid);

    if (result == 0) {
        result = user->name ? initgroups(user->name, user->gid) : setgroups(0, NULL);
    }
    if (result < 0 || setuid(user->uid) < 0) {
        return error_set_errno(err, errno, "cannot become user %u, group %u", user->uid, user->gid);
    }
    if (user->uid != 0 && setuid(0) == 0) {
        return error_set(err, "the rights of root cannot be given up");
    }
    return true;
}

bool confine_process(const char *root, const char *user, Error **err)
{
    User found;

    if (user && !find_user(user, &found, err)) {
        return false;
    }
    if (root && (chroot(root) < 0 || chdir("/") < 0)) {
        return error_set_errno(err, errno, "cannot make '%s' the root folder", root);
    }
    return !user || become(&found, err);
}

/* -- Memory ------------------------------------------------------------------------------------ */

bool confine_lock_memory(Error **err)
{
    /* All of the guest's, of the emulator's own what is in use: it reserves much more. */
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0) {
        error_set_errno(err, errno, "memory cannot be locked");
    } else if (ram_lock_all(err)) {
        return true;
    }
    error_hint(err, "the limit is that of 'ulimit -l'; it must cover guest memory and more");
    return false;
}

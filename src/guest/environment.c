/* SPDX-License-Identifier: Apache-2.0 */
/* environment.c - a script's environment: the user's variables, filtered, and ours. */
#include "guest/environment.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/str.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const refused_prefixes[] = {"LD_", "VDI_", "BASH_FUNC_", "MALLOC_", "RESOLV_"};
static const char *const refused_names[] = {
    /* shells */
    "BASH_ENV", "BASHOPTS", "CDPATH", "ENV", "GLOBIGNORE", "IFS", "PS4", "SHELLOPTS", "ZDOTDIR",
    /* libc */
    "GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN", "LOCPATH",
    "NIS_PATH", "NLSPATH", "RES_OPTIONS", "TZDIR",
    /* said by the owner's account */
    "HOME", "LOGNAME", "SHELL", "USER"};

bool environment_may_pass(const char *variable)
{
    size_t len = strcspn(variable, "=");

    if (len == 0 || !variable[len])
        return false;
    for (size_t i = 0; i < ELEMENTS(refused_prefixes); i++)
        if (str_starts_with(variable, refused_prefixes[i]))
            return false;
    for (size_t i = 0; i < ELEMENTS(refused_names); i++)
        if (strlen(refused_names[i]) == len && strncmp(variable, refused_names[i], len) == 0)
            return false;
    return true;
}

static size_t count(char *const *strings)
{
    size_t n = 0;
    while (strings && strings[n])
        n++;
    return n;
}

/* Takes the string; false: there is none, no memory. */
static bool add(char **list, size_t *io_n, char *string)
{
    list[*io_n] = string;
    *io_n += string != NULL;
    return string != NULL;
}

static bool add_all(char **list, size_t *io_n, char *const *strings, bool are_ours)
{
    for (char *const *s = strings; s && *s; s++)
        if (are_ours ? str_starts_with(*s, "VDI_") : environment_may_pass(*s))
            if (!add(list, io_n, strdup(*s)))
                return false;
    return true;
}

static bool has_path(char *const *strings)
{
    for (char *const *s = strings; s && *s; s++)
        if (str_starts_with(*s, "PATH="))
            return true;
    return false;
}

char **environment_new(const struct runner_owner *owner, char *const *ours, char *const *users)
{
    size_t n = 0;
    char **list = calloc(count(ours) + count(users) + 8, sizeof(*list));
    if (!list)
        return NULL;
    bool ok = add(list, &n, str_printf("HOME=%s", owner->home)) &&
              add(list, &n, str_printf("USER=%s", owner->name)) &&
              add(list, &n, str_printf("LOGNAME=%s", owner->name)) &&
              add(list, &n, strdup("SHELL=/bin/sh")) &&
              (has_path(users) || add(list, &n, strdup("PATH=" DEFAULT_PATH))) &&
              add_all(list, &n, ours, true) && add_all(list, &n, users, false);
    if (!ok) {
        strings_free(list);
        return NULL;
    }
    return list;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* auth_error.h - filling struct vdi_error and finding settings, for the auth plugins. */
#ifndef AUTH_ERROR_H
#define AUTH_ERROR_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vdi/plugin.h>

/* Returns -code, so that `return auth_fail(...)` works. err may be NULL; remedy too. */
__attribute__((format(printf, 5, 6))) static inline int auth_fail(struct vdi_error *err, int code,
                                                                  const char *field,
                                                                  const char *remedy,
                                                                  const char *format, ...)
{
    if (!err)
        return -code;
    va_list ap;
    memset(err, 0, sizeof(*err));
    err->code = code;
    snprintf(err->field, sizeof(err->field), "%s", field);
    snprintf(err->remedy, sizeof(err->remedy), "%s", remedy ? remedy : "");
    va_start(ap, format);
    vsnprintf(err->detail, sizeof(err->detail), format, ap);
    va_end(ap);
    return -code;
}

/* NULL when it is not there or empty. */
static inline const char *auth_setting(const struct vdi_setting_value *settings, size_t n,
                                       const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(settings[i].name, name) == 0 && settings[i].value && *settings[i].value)
            return settings[i].value;
    return NULL;
}

#endif

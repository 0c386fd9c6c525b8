/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdi/types.h - words that the daemons and their plugins share.
 *
 * Times are int64_t microseconds since the Unix epoch (`_usec`) or seconds
 * (`_sec`); sizes say their unit in their name. Strings are UTF-8, NUL
 * terminated and, unless said otherwise, borrowed for the call.
 */
#ifndef VDI_TYPES_H
#define VDI_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a refusal says to a person. Filled by the function that knows; `code`
 * is a positive errno. Empty members are left out of the printed sentence.
 */
struct vdi_error {
    int code;
    char field[48];   /* which field, setting or file:line */
    char detail[320]; /* one full sentence: what is wrong, with the value */
    char limit[64];   /* the limit that was met, with its unit */
    char remedy[160]; /* what to do about it */
};

/* Who asks, as a verified credential says; never as a request body says. */
#define VDI_REALM_MAX 32
#define VDI_NAME_MAX 64
#define VDI_PRINCIPAL_GROUPS_MAX 64

struct vdi_principal {
    char realm[VDI_REALM_MAX]; /* "unix", "keystone:..." */
    char name[VDI_NAME_MAX];
    uint32_t uid; /* UINT32_MAX when the realm has none */
    uint32_t gid;
    uint32_t n_groups;
    char groups[VDI_PRINCIPAL_GROUPS_MAX][VDI_NAME_MAX];
    char scope[VDI_NAME_MAX]; /* token scope; empty: everything it may do */
};

/* An instance (a VM) is named in every order by this pair. */
struct vdi_instance_id {
    uint64_t id;
    uint32_t generation; /* a restart of the same instance counts up */
};

#ifdef __cplusplus
}
#endif
#endif

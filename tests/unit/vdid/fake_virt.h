/* SPDX-License-Identifier: Apache-2.0 */
/* fake_virt.h - a libvirt that lives in the test: its domains are names, its answers are chosen. */
#ifndef TEST_FAKE_VIRT_H
#define TEST_FAKE_VIRT_H

#include "vdid/virt.h"

#define FAKE_DOMAINS_MAX 16

/* Outlives every struct virt, as libvirtd does. */
struct fake_libvirtd {
    char domains[FAKE_DOMAINS_MAX][DOMAIN_NAME_MAX];
    unsigned n_create, n_destroy, n_save, n_restore, n_screenshots;
    int save_result;            /* of the next save, which leaves a piece of a file; then 0 again */
    bool is_blank;              /* what screenshots show */
    int create_result;          /* of the next create; then 0 again */
    bool create_anyway;         /* it does create, whatever the result says: the answer was lost */
    unsigned n_disks, n_shares; /* plugged into the one domain that gets any */
    unsigned n_attach;
    int attach_result;  /* of the next; then 0 again */
    bool attach_anyway; /* as above */
    char plugged[2048]; /* the last */
};

extern struct fake_libvirtd fake;

bool fake_has(const char *name);
void fake_add(const char *name);
void fake_remove(const char *name);
/* As libvirt's event, from the loop. */
void fake_event(struct virt *v, const char *name, enum virt_event event);
extern struct virt *fake_virt; /* the newest */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* become.h - a helper of vdid gives up all it has of root, and is a job's owner from then on. */
#ifndef VDID_BECOME_H
#define VDID_BECOME_H

/*
 * Uid, gid and "GID,GID..." as text, from the command line. All of it or nothing: what is left of
 * root would open files that the owner may not. -E2BIG: no ids; errno of the step that failed.
 */
int become_owner(const char *uid, const char *gid, const char *groups);

#endif

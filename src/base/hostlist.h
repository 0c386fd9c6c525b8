/* SPDX-License-Identifier: Apache-2.0 */
/* hostlist.h - Slurm's hostlists: "gpu[01-16,20],login". */
#ifndef BASE_HOSTLIST_H
#define BASE_HOSTLIST_H

#include <stddef.h>

#define HOSTLIST_MAX 65536 /* names that one text may stand for */

struct hostlist {
    char **names; /* in the order written */
    size_t n;
};

/* -EINVAL: not a hostlist; -E2BIG: more than max (<= HOSTLIST_MAX) names. */
int hostlist_parse(const char *text, size_t max, struct hostlist *ret);
void hostlist_done(struct hostlist *h);
/* The shortest text for the names, ranges folded, sorted. Caller frees; NULL: no memory. */
char *hostlist_fold(const char *const *names, size_t n);

#endif

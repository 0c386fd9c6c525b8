/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_hostlist.c - hostlists of any bytes: what is parsed folds into the same set of names. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/hostlist.h"

#define NAMES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, without repetitions. */
static size_t set_of(struct hostlist *h)
{
    size_t n = 0;
    qsort(h->names, h->n, sizeof(char *), compare);
    for (size_t i = 0; i < h->n; i++) {
        if (n == 0 || strcmp(h->names[n - 1], h->names[i]) != 0) {
            char *name = h->names[i];
            h->names[i] = h->names[n];
            h->names[n++] = name;
        }
    }
    return n;
}

static void round_trip(struct hostlist *h)
{
    struct hostlist again;
    _cleanup_(freep) char *text = hostlist_fold((const char *const *)h->names, h->n);
    if (!text || hostlist_parse(text, NAMES_MAX, &again) < 0)
        abort();
    size_t n = set_of(h), m = set_of(&again);
    if (n != m)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (strcmp(h->names[i], again.names[i]) != 0)
            abort();
    }
    hostlist_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hostlist h = {0};
    _cleanup_(freep) char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (hostlist_parse(text, NAMES_MAX, &h) < 0)
        return 0;
    if (h.n > NAMES_MAX)
        abort();
    if (h.n > 0)
        round_trip(&h);
    hostlist_done(&h);
    return 0;
}

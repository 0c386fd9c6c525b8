/* SPDX-License-Identifier: Apache-2.0 */
/* cleanup.h - scope-bound ownership: _cleanup_(x_freep) and TAKE_PTR. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Hands the pointer on and leaves NULL behind. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) *_pp = &(p);                                                                 \
        __typeof__(p) _p = *_pp;                                                                   \
        *_pp = NULL;                                                                               \
        _p;                                                                                        \
    })

#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int *_pfd = &(fd);                                                                         \
        int _fd = *_pfd;                                                                           \
        *_pfd = -1;                                                                                \
        _fd;                                                                                       \
    })

/* Defines `name`p(), the cleanup function for a pointer of type T freed by fn. */
#define DEFINE_FREEP(T, fn)                                                                        \
    static inline void fn##p(T **p)                                                                \
    {                                                                                              \
        if (*p)                                                                                    \
            fn(*p);                                                                                \
    }

static inline void freep(void *p)
{
    free(*(void **)p);
}

static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void fclosep(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#endif

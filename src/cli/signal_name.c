/* SPDX-License-Identifier: Apache-2.0 */
/* signal_name.c - signals as people write them: "USR1", "SIGUSR1", "10". */
#include "cli/signal_name.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

int signal_from_name(const char *text)
{
    uint64_t n;
    if (str_to_u64(text, 1, NSIG - 1, &n) == 0)
        return (int)n;
    const char *word = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcasecmp(known, word) == 0)
            return i;
    }
    return -EINVAL;
}

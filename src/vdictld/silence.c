/* SPDX-License-Identifier: Apache-2.0 */
/* silence.c - a node that does not answer costs a sentence, not the whole answer. */
#include "vdictld/silence.h"

#include <errno.h>

#include "base/error.h"
#include "base/time.h"
#include "vdictld/nodelink.h"

bool silence_is(int result)
{
    return result == -ENOTCONN || result == -ETIMEDOUT;
}

void silence_explain(struct core *core, const char *node, struct vdi_error *err)
{
    int64_t silent = nodelink_silent_usec(core->links, node);
    int64_t since = (loop_now_usec(core->loop) - silent) / USEC_PER_SEC * USEC_PER_SEC;
    char when[40];

    if (silent)
        error_set(err, ENOTCONN, "node", "node %s is silent since %s", node,
                  time_to_rfc3339(since, when));
    else
        error_set(err, ENOTCONN, "node", "node %s is connected, but does not answer", node);
    error_hint(err, NULL, "ask again when the node is back; vdictl show node says more");
}

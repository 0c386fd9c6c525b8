/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_script.c - what vdisubmit is given: a script, its #VDI lines (and #SBATCH, when the
 * first byte is odd), and the request that is made of them. Each refusal says a sentence.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/submit.h"
#include "codec/job_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
    if (!what)
        abort();
}

/* What is sent, the server's decoder reads, or says why not. */
static void try_body(const struct submit *submit, const struct script *script)
{
    char *no_words[] = {NULL}, *environment[] = {(char *)"HOME=/home/user", NULL};
    struct buf body = BUF_INIT(0);
    struct job_event event = {.type = JOB_EVENT_SUBMIT};
    struct vdi_error err = {0};
    bool hold;
    int r = submit_body(submit, script, no_words, 0, environment, &body, &err);

    must(r >= 0 || err.detail[0]);
    if (r >= 0) {
        r = job_submit_decode(body.data, body.len, SCRIPT_MAX, &event.spec, &event.payload, &hold,
                              &err);
        must(r >= 0 || err.detail[0]);
        if (r >= 0)
            job_event_done(&event);
    }
    buf_done(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct option_list list = {0};
    struct submit submit = {.now_usec = 1790000000000000};
    struct script script = {.name = "script"};
    struct vdi_error err = {0};

    if (!size)
        return 0;
    script.len = size - 1;
    script.text = malloc(size);
    if (!script.text)
        return 0;
    memcpy(script.text, data + 1, size - 1);
    script.text[size - 1] = '\0';
    int r = script_check(&script, &err);
    if (r >= 0)
        r = script_options(&script, data[0] & 1, &list, &err);
    if (r >= 0)
        r = options_apply(&list, &submit, &err);
    must(r >= 0 || err.detail[0]);
    if (r >= 0)
        try_body(&submit, &script);
    script_done(&script);
    return 0;
}

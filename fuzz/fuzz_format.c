/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_format.c - any -o or -O text, over a job whose cells are from the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/job_columns.h"
#include "codec/document.h"
#include "codec/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void row(const struct format *format, const char *text)
{
    static const struct format_context context = {.now_usec = INT64_C(1791885600000000)};
    struct buf json = BUF_INIT(0), out = BUF_INIT(1 << 24);
    struct document *document = NULL;
    buf_puts(&json, "{\"id\":9,\"state\":\"RUNNING\",\"name\":");
    json_write_string(&json, text);
    buf_puts(&json, ",\"start_time\":");
    json_write_string(&json, text);
    buf_putc(&json, '}');
    format_header(format, &out);
    format_fields(format, "id", &out);
    if (document_parse(json.data, json.len, &document, NULL) == 0)
        format_row(format, document_root(document), &context, &out);
    document_free(document);
    buf_done(&json);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct format format;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (format_parse(text, job_columns, &format, NULL) == 0)
        row(&format, text);
    if (format_parse_names(text, job_columns, &format, NULL) == 0)
        row(&format, text);
    free(text);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format.c - `-o "%.18i %.9P"` and `-O name:width,...`: rows of a table for people and scripts.
 *
 * The text is taken apart once; a row then costs one write per column. Texts,
 * widths and the number of columns are bounded, and nothing of the user's text
 * ever reaches a printf.
 */
#include "cli/format.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

const struct column *column_find(const struct column *columns, char letter)
{
    for (const struct column *c = columns; letter && c->name; c++)
        if (c->letter == letter)
            return c;
    return NULL;
}

static const struct column *column_named(const struct column *columns, const char *name, size_t len)
{
    for (const struct column *c = columns; c->name; c++)
        if (strlen(c->name) == len && strncasecmp(c->name, name, len) == 0)
            return c;
    return NULL;
}

static int refuse(struct vdi_error *err, const char *what, size_t len, const char *why,
                  const char *limit)
{
    error_set(err, EINVAL, "format", "%.*s: %s", (int)(len > 60 ? 60 : len), what, why);
    error_hint(err, limit, "the man page lists the columns");
    return -EINVAL;
}

static int item_add(struct format *f, const struct column *column, struct vdi_error *err)
{
    if (f->n == FORMAT_ITEMS_MAX)
        return refuse(err, "", 0, "too many columns", "at most 128");
    f->items[f->n++] = (struct format_item){.column = column, .text = (uint16_t)f->texts_len};
    return 0;
}

/* Text goes to the last item; before the first column there is one without a column. */
static int text_add(struct format *f, const char *text, size_t len, struct vdi_error *err)
{
    if (f->texts_len + len > FORMAT_TEXT_MAX)
        return refuse(err, "", 0, "too long", "at most 4096 bytes");
    if (f->n == 0 && item_add(f, NULL, err) < 0)
        return -EINVAL;
    memcpy(f->texts + f->texts_len, text, len);
    f->texts_len += len;
    f->items[f->n - 1].text_len += (uint16_t)len;
    return 0;
}

/* Reads [.][width]; *p is left behind it. */
static int width_read(const char **p, struct format_item *item, struct vdi_error *err)
{
    const char *start = *p;
    item->right = **p == '.';
    *p += item->right;
    for (; isdigit((unsigned char)**p); ++*p) {
        item->width = item->width * 10 + (unsigned)(**p - '0');
        if (item->width > FORMAT_WIDTH_MAX)
            return refuse(err, start, strspn(start, ".0123456789"), "wider than a column may be",
                          "at most 1024");
    }
    return 0;
}

static int add_all(struct format *f, const struct column *columns, struct vdi_error *err)
{
    for (const struct column *c = columns; c->name; c++) {
        if (!c->letter)
            continue;
        if (f->n && text_add(f, "|", 1, err) < 0)
            return -EINVAL;
        if (item_add(f, c, err) < 0)
            return -EINVAL;
    }
    return 0;
}

/* One %[.][width]letter; *p is behind the '%'. */
static int directive(struct format *f, const char **p, const struct column *columns,
                     struct vdi_error *err)
{
    const char *start = *p - 1;
    if (**p == '%') {
        ++*p;
        return text_add(f, "%", 1, err);
    }
    if (str_starts_with(*p, "all")) {
        *p += 3;
        return add_all(f, columns, err);
    }
    struct format_item item = {.width = 0};
    if (width_read(p, &item, err) < 0)
        return -EINVAL;
    const struct column *column = column_find(columns, **p);
    if (!column)
        return refuse(err, start, (size_t)(*p - start) + (**p != '\0'), "no such column", NULL);
    ++*p;
    if (item_add(f, column, err) < 0)
        return -EINVAL;
    f->items[f->n - 1].width = item.width;
    f->items[f->n - 1].right = item.right;
    return 0;
}

int format_parse(const char *text, const struct column *columns, struct format *ret,
                 struct vdi_error *err)
{
    memset(ret, 0, sizeof(*ret));
    if (strlen(text) > FORMAT_TEXT_MAX)
        return refuse(err, text, 20, "too long", "at most 4096 bytes");
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "%");
        if (n && text_add(ret, p, n, err) < 0)
            return -EINVAL;
        p += n;
        if (*p == '%' && (p++, directive(ret, &p, columns, err) < 0))
            return -EINVAL;
    }
    return 0;
}

static int named_item(struct format *f, const char *text, size_t len, const struct column *columns,
                      struct vdi_error *err)
{
    const char *end = text + len, *colon = memchr(text, ':', len);
    const struct column *c = column_named(columns, text, (size_t)((colon ? colon : end) - text));
    if (!c)
        return refuse(err, text, len, "no such column", NULL);
    if (item_add(f, c, err) < 0)
        return -EINVAL;
    struct format_item *item = &f->items[f->n - 1];
    if (!colon) {
        item->width = FORMAT_NAME_WIDTH;
        return 0;
    }
    const char *p = colon + 1;
    if (width_read(&p, item, err) < 0)
        return -EINVAL;
    if (p < end)
        return text_add(f, p, (size_t)(end - p), err);
    if (!item->width)
        item->width = FORMAT_NAME_WIDTH;
    return 0;
}

int format_parse_names(const char *text, const struct column *columns, struct format *ret,
                       struct vdi_error *err)
{
    memset(ret, 0, sizeof(*ret));
    if (strlen(text) > FORMAT_TEXT_MAX)
        return refuse(err, text, 20, "too long", "at most 4096 bytes");
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        if (named_item(ret, p, n, columns, err) < 0)
            return -EINVAL;
        p += n + (p[n] == ',');
    }
    if (ret->n == 0)
        return refuse(err, text, strlen(text), "names no column", NULL);
    return 0;
}

static int list_item(struct format *f, const char *text, size_t len, const struct column *columns,
                     bool plain, struct vdi_error *err)
{
    const char *end = text + len, *mark = memchr(text, '%', len);
    const struct column *c = column_named(columns, text, (size_t)((mark ? mark : end) - text));
    if (!c)
        return refuse(err, text, len, "no such column", NULL);
    if (item_add(f, c, err) < 0)
        return -EINVAL;
    struct format_item *item = &f->items[f->n - 1];
    bool left = mark && mark + 1 < end && mark[1] == '-';
    const char *p = mark ? mark + 1 + left : end;
    if (width_read(&p, item, err) < 0)
        return -EINVAL;
    if (p != end || item->right)
        return refuse(err, text, len, "not NAME or NAME%WIDTH", NULL);
    if (!item->width)
        item->width = c->width ? c->width : FORMAT_NAME_WIDTH;
    item->right = !left;
    if (plain)
        item->width = 0;
    return 0;
}

int format_parse_list(const char *text, const struct column *columns, const char *delimiter,
                      struct format *ret, struct vdi_error *err)
{
    const char *between = delimiter ? delimiter : " ";
    memset(ret, 0, sizeof(*ret));
    if (strlen(text) > FORMAT_TEXT_MAX)
        return refuse(err, text, 20, "too long", "at most 4096 bytes");
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        if (ret->n && text_add(ret, between, strlen(between), err) < 0)
            return -EINVAL;
        if (list_item(ret, p, n, columns, delimiter, err) < 0)
            return -EINVAL;
        p += n + (p[n] == ',');
    }
    if (ret->n == 0)
        return refuse(err, text, strlen(text), "names no column", NULL);
    return 0;
}

int format_end(struct format *format, const char *text, struct vdi_error *err)
{
    return text_add(format, text, strlen(text), err);
}

static bool list_has(const char *list, const char *word, size_t len)
{
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == len && memcmp(p, word, len) == 0)
            return true;
    return false;
}

static void fields_add(struct buf *out, const char *fields)
{
    for (const char *p = fields; p && *p; p += *p == ',') {
        size_t n = strcspn(p, ",");
        if (!list_has(out->data, p, n)) {
            if (out->len)
                buf_putc(out, ',');
            buf_append(out, p, n);
        }
        p += n;
    }
}

void format_fields(const struct format *format, const char *more, struct buf *out)
{
    for (size_t i = 0; i < format->n; i++)
        if (format->items[i].column)
            fields_add(out, format->items[i].column->fields);
    fields_add(out, more);
}

/* Bytes of the character at s; a broken one counts as one byte. */
static size_t char_len(const char *s, size_t left)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    for (size_t i = 1; i < n; i++)
        if (i >= left || ((unsigned char)s[i] & 0xc0) != 0x80)
            return 1;
    return n;
}

static size_t text_width(const char *s, size_t len, size_t max, size_t *ret_bytes)
{
    size_t n = 0, at = 0;
    while (at < len && n < max) {
        at += char_len(s + at, len - at);
        n++;
    }
    *ret_bytes = at;
    return n;
}

static void put_plain(struct buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        bool c1 = c == 0xc2 && i + 1 < len && (unsigned char)s[i + 1] < 0xa0; /* U+0080..9F */
        buf_putc(out, c < 32 || c == 127 || c1 ? '?' : s[i]);
        i += c1;
    }
}

static void put_cell(const struct format_item *item, const char *cell, size_t len, struct buf *out)
{
    size_t bytes;
    size_t width = text_width(cell, len, item->width ? item->width : SIZE_MAX, &bytes);
    size_t pad = item->width > width ? item->width - width : 0;
    for (size_t i = 0; item->right && i < pad; i++)
        buf_putc(out, ' ');
    put_plain(out, cell, bytes);
    for (size_t i = 0; !item->right && i < pad; i++)
        buf_putc(out, ' ');
}

static void put_line(const struct format *f, const void *row, const struct format_context *context,
                     struct buf *out)
{
    _cleanup_(buf_done) struct buf cell = BUF_INIT(1 << 20);
    for (size_t i = 0; i < f->n; i++) {
        const struct format_item *item = &f->items[i];
        buf_clear(&cell);
        if (item->column && context)
            item->column->write(row, context, &cell);
        else if (item->column)
            buf_puts(&cell, item->column->title);
        if (item->column)
            put_cell(item, cell.data ? cell.data : "", cell.len, out);
        buf_append(out, f->texts + item->text, item->text_len);
    }
    buf_putc(out, '\n');
}

void format_header(const struct format *format, struct buf *out)
{
    put_line(format, NULL, NULL, out);
}

void format_rule(const struct format *format, struct buf *out)
{
    for (size_t i = 0; i < format->n; i++) {
        for (unsigned n = 0; n < format->items[i].width; n++)
            buf_putc(out, '-');
        buf_append(out, format->texts + format->items[i].text, format->items[i].text_len);
    }
    buf_putc(out, '\n');
}

void format_row(const struct format *format, const void *row, const struct format_context *context,
                struct buf *out)
{
    put_line(format, row, context, out);
}

void format_key(const struct format *format, const void *row, const struct format_context *context,
                struct buf *out)
{
    for (size_t i = 0; i < format->n; i++) {
        const struct column *column = format->items[i].column;
        if (!column || column->sum)
            continue;
        column->write(row, context, out);
        buf_putc(out, '\x1f');
    }
}

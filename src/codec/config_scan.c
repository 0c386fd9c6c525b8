/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_scan.c - the lexical check of vdi.conf.
 *
 * Only what passes here is handed to libconfuse: bare words of a few characters,
 * strings without expansions, braces that match. Scanning goes on after an error,
 * so that all of them are told in one run.
 */
#include "codec/config_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vdi/types.h>

#include "base/cleanup.h"
#include "base/str.h"

#define DEPTH_MAX 8
#define FINDINGS_MAX 200

struct scan {
    const char *p, *end;
    int line;
    struct config_findings *f;
    struct buf *out;
    char last[3]; /* kinds of the last tokens, newest first: 'w' word, 's' string, or the mark */
    size_t token_at, token_len; /* where the last word or string is in `out` */
    int open_line[DEPTH_MAX];
    unsigned depth, blocks;
    unsigned before; /* errors that are not ours: one of ours may unbalance the braces */
};

void config_finding(struct config_findings *f, int line, const struct vdi_error *err)
{
    if (f->mute || ++f->errors > FINDINGS_MAX)
        return;
    if (f->errors == FINDINGS_MAX) {
        buf_printf(f->out, "%s: more findings are left out\n", f->path);
        return;
    }
    if (line > 0)
        buf_printf(f->out, "%s:%d: %s: %s", f->path, line, err->field, err->detail);
    else
        buf_printf(f->out, "%s: %s: %s", f->path, err->field, err->detail);
    if (*err->limit)
        buf_printf(f->out, " (limit: %s)", err->limit);
    if (*err->remedy)
        buf_printf(f->out, "; %s", err->remedy);
    buf_putc(f->out, '\n');
}

void config_finding_text(struct config_findings *f, int line, const char *field, const char *remedy,
                         const char *format, ...)
{
    struct vdi_error err = {.code = EINVAL};
    va_list ap;
    va_start(ap, format);
    vsnprintf(err.detail, sizeof(err.detail), format, ap);
    va_end(ap);
    str_copy(err.field, sizeof(err.field), field);
    str_copy(err.remedy, sizeof(err.remedy), remedy);
    config_finding(f, line, &err);
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("._:-", c));
}

static bool at(const struct scan *s, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(s->end - s->p) >= len && memcmp(s->p, text, len) == 0;
}

static void skip_line(struct scan *s)
{
    while (s->p < s->end && *s->p != '\n')
        s->p++;
}

static void skip_comment(struct scan *s)
{
    int opened = s->line;
    for (s->p += 2; s->p < s->end && !at(s, "*/"); s->p++) {
        if (*s->p == '\n') {
            s->line++;
            buf_putc(s->out, '\n');
        }
    }
    if (s->p == s->end)
        config_finding_text(s->f, opened, "syntax", "close it with */", "a comment is not closed");
    else
        s->p += 2;
    buf_putc(s->out, ' ');
}

/* One byte of a string; says what is wrong with it, or NULL. Advances by one or two. */
static const char *string_byte(struct scan *s, char quote)
{
    if (*s->p == '|')
        return "a string holds '|', which can't be taken here";
    if (at(s, "${"))
        return "a string holds ${, and variables are not expanded in this file";
    if (*s->p == '\\') {
        if (s->p + 1 == s->end || (s->p[1] != '\\' && s->p[1] != quote))
            return "a string holds \\ before something else than \\ or the quote";
        s->p++;
    }
    s->p++;
    return NULL;
}

static void push_kind(struct scan *s, char kind)
{
    s->last[2] = s->last[1];
    s->last[1] = s->last[0];
    s->last[0] = kind;
}

/* Copies a word or a string, which ends at s->p. */
static void put_token(struct scan *s, char kind, const char *begin)
{
    s->token_at = s->out->len;
    s->token_len = (size_t)(s->p - begin);
    buf_append(s->out, begin, s->token_len);
    push_kind(s, kind);
}

static void scan_string(struct scan *s)
{
    const char *begin = s->p, *wrong = NULL;
    char quote = *s->p++;
    while (!wrong && s->p < s->end && *s->p != quote && *s->p != '\n')
        wrong = string_byte(s, quote);
    if (wrong)
        config_finding_text(s->f, s->line, "syntax", "write the value itself", "%s", wrong);
    while (wrong && s->p < s->end && *s->p != quote && *s->p != '\n')
        s->p++;
    if (s->p == s->end || *s->p == '\n') {
        config_finding_text(s->f, s->line, "syntax", "put both quotes on one line",
                            "a string is not closed");
    } else {
        s->p++;
    }
    if (s->p - begin > CONFIG_STRING_MAX)
        config_finding_text(s->f, s->line, "syntax", "make it shorter than 16384 bytes",
                            "a string is too long");
    if (s->last[0] == 's')
        config_finding_text(s->f, s->line, "syntax",
                            "separate them with a comma, or write keys bare",
                            "two strings follow each other");
    put_token(s, 's', begin);
}

static void scan_word(struct scan *s)
{
    const char *begin = s->p;
    while (s->p < s->end && is_word_byte(*s->p))
        s->p++;
    if (s->p - begin > 255)
        config_finding_text(s->f, s->line, "syntax", "make it shorter than 256 bytes",
                            "a word is too long");
    put_token(s, 'w', begin);
}

/* WORD TITLE before a brace: the title moves into the block, as a value of it. */
static void move_title(struct scan *s)
{
    bool named = s->last[1] == 'w' && s->last[2] != '=';
    if (!named || (s->last[0] != 'w' && s->last[0] != 's') ||
        buf_reserve(s->out, s->token_len + 64) < 0)
        return;
    char *title = s->out->data + s->token_at;
    buf_puts(s->out, CONFIG_TITLE_KEY " = ");
    buf_append(s->out, title, s->token_len);
    buf_putc(s->out, ' ');
    memset(title, ' ', s->token_len);
}

static void open_brace(struct scan *s)
{
    bool is_list = s->last[0] == '=';
    if (s->depth == DEPTH_MAX) {
        config_finding_text(s->f, s->line, "syntax", "close some", "blocks are nested too deeply");
        s->p = s->end;
        return;
    }
    s->open_line[s->depth++] = s->line;
    buf_putc(s->out, '{');
    if (!is_list) {
        if (++s->blocks == CONFIG_BLOCKS_MAX) {
            config_finding_text(s->f, s->line, "syntax", "describe nodes together with a hostlist",
                                "the file has more than %d blocks", CONFIG_BLOCKS_MAX);
            s->p = s->end;
            return;
        }
        buf_printf(s->out, " " CONFIG_LINE_KEY " = %d ", s->line);
        move_title(s);
    }
}

static void scan_mark(struct scan *s)
{
    char c = *s->p;
    if (c == '=' && s->last[0] == 's')
        config_finding_text(s->f, s->line, "syntax", "write keys without quotes",
                            "a quoted string stands before '='");
    if (c == '}' && s->depth == 0) {
        if (s->f->errors == s->before)
            config_finding_text(s->f, s->line, "syntax", "take it out", "} closes nothing");
    } else if (c == '{') {
        open_brace(s);
    } else {
        s->depth -= c == '}';
        buf_putc(s->out, c);
    }
    push_kind(s, c);
    if (s->p < s->end)
        s->p++;
}

/* Something that no token begins with. The rest of the line is not looked at. */
static void refuse_byte(struct scan *s)
{
    unsigned char c = (unsigned char)*s->p;
    if (c == '(')
        config_finding_text(s->f, s->line, "syntax", "write everything in one file",
                            "functions like include() are not taken");
    else if (c == '+')
        config_finding_text(s->f, s->line, "syntax", "write the list in one place",
                            "+= is not taken");
    else if (c < 0x20 || c >= 0x7f)
        config_finding_text(s->f, s->line, "syntax", "take it out, or put the text in quotes",
                            "the byte 0x%02x stands outside a string", c);
    else
        config_finding_text(s->f, s->line, "syntax", "put the value in quotes",
                            "'%c' stands outside a string", c);
    skip_line(s);
}

static void scan_token(struct scan *s)
{
    char c = *s->p;
    if (c == '\n') {
        s->line++;
        buf_putc(s->out, *s->p++);
    } else if (c == ' ' || c == '\t' || c == '\r') {
        buf_putc(s->out, ' ');
        s->p++;
    } else if (c == '#' || at(s, "//")) {
        skip_line(s);
    } else if (at(s, "/*")) {
        skip_comment(s);
    } else if (c == '"' || c == '\'') {
        scan_string(s);
    } else if (c && strchr("{}=,", c)) {
        scan_mark(s);
    } else if (is_word_byte(c)) {
        scan_word(s);
    } else {
        refuse_byte(s);
    }
}

/* The first line that is not UTF-8 or holds a control character; 0: none. */
static int find_bad_line(const char *text, size_t len)
{
    int line = 1;
    const char *end = text + len;
    for (const char *p = text; p < end; line++) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((nl ? nl : end) - p);
        _cleanup_(freep) char *copy = strndup(p, n);
        if (!copy || strlen(copy) != n)
            return line;
        for (char *c = copy; *c; c++)
            *c = *c == '\t' || *c == '\r' ? ' ' : *c;
        if (!str_is_text(copy, n, false))
            return line;
        p += n + 1;
    }
    return 0;
}

int config_scan(const char *text, size_t len, struct config_findings *f, struct buf *out)
{
    struct scan s = {
        .p = text, .end = text + len, .line = 1, .f = f, .out = out, .before = f->errors};
    int bad = find_bad_line(text, len);
    if (bad > 0) {
        config_finding_text(f, bad, "syntax", "save it as UTF-8 without control characters",
                            "the line is not text");
        return -EINVAL;
    }
    while (s.p < s.end)
        scan_token(&s);
    for (unsigned i = 0; i < s.depth && f->errors == s.before; i++)
        config_finding_text(f, s.open_line[i], "syntax", "close it with }",
                            "the block or list that begins here is not closed");
    if (out->failed)
        return -ENOMEM;
    return f->errors > s.before ? -EINVAL : 0;
}

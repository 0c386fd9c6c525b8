/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_tree.c - libconfuse behind a narrow door.
 *
 * libconfuse stops at the first key it does not know. So that one run tells all of
 * them, such a key is noted, added to its block's table, and the text is parsed
 * again. Every option is a list of texts here: config_key.c knows types better.
 */
#include "codec/config_tree.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define EXTRA_MAX 64 /* keys that the tables don't have; so many times it is parsed again */

struct extra {
    char block[32];
    char key[64];
};

/* One attempt: what libconfuse complained about, if it did. */
struct attempt {
    char block[32];
    char text[256];
    int line;
};

struct tree {
    struct config_findings *f;
    struct extra extra[EXTRA_MAX];
    size_t n_extra;
};

/* libconfuse's callbacks have no argument of ours. */
static struct attempt attempt;
static struct config_findings *attempt_findings;

/*
 * The line is kept in the default of the option, which no list of texts uses. A
 * value that comes first in its list while there is a line already: given twice.
 */
static int value_callback(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    if (opt->def.number > 0 && opt->nvalues == 1)
        config_finding_text(attempt_findings, cfg->line, opt->name, "keep one of them",
                            "it is given twice, first in line %ld", opt->def.number);
    if (opt->nvalues <= 1)
        opt->def.number = cfg->line;
    *(const char **)result = value;
    return 0;
}

static void error_callback(cfg_t *cfg, const char *format, va_list ap)
{
    attempt.line = cfg->line;
    str_copy(attempt.block, sizeof(attempt.block), cfg->name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(attempt.text, sizeof(attempt.text), format, ap);
#pragma GCC diagnostic pop
}

static cfg_opt_t text_option(const char *name)
{
    return (cfg_opt_t)CFG_STR_LIST_CB(name, NULL, CFGF_NODEFAULT, value_callback);
}

static void free_options(cfg_opt_t *opts)
{
    for (cfg_opt_t *o = opts; o && o->name; o++)
        free_options(o->subopts);
    free(opts);
}

static size_t count_keys(const struct config_key *keys)
{
    size_t n = 0;
    while (keys[n].name)
        n++;
    return n;
}

static size_t count_blocks(const struct config_block *blocks)
{
    size_t n = 0;
    while (blocks && blocks[n].name)
        n++;
    return n;
}

/* The options of one block as libconfuse wants them; NULL: no memory. */
static cfg_opt_t *make_options(const struct tree *t, const char *name,
                               const struct config_key *keys, const struct config_block *blocks)
{
    size_t n = 0;
    cfg_opt_t *opts =
        calloc(count_keys(keys) + count_blocks(blocks) + t->n_extra + 3, sizeof(*opts));
    if (!opts)
        return NULL;
    opts[n++] = text_option(CONFIG_LINE_KEY);
    opts[n++] = text_option(CONFIG_TITLE_KEY);
    for (; keys->name; keys++)
        opts[n++] = text_option(keys->name);
    for (size_t i = 0; i < t->n_extra; i++) {
        if (str_equal(t->extra[i].block, name))
            opts[n++] = text_option(t->extra[i].key);
    }
    for (const struct config_block *b = blocks; b && b->name; b++) {
        cfg_opt_t *sub = make_options(t, b->name, b->keys, b->blocks);
        if (!sub) {
            free_options(opts);
            return NULL;
        }
        opts[n++] = (cfg_opt_t)CFG_SEC(b->name, sub, CFGF_MULTI);
    }
    return opts;
}

/* Messages in English: one of them is looked at below. */
static int parse_untranslated(cfg_t *cfg, FILE *file)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t former = c ? uselocale(c) : (locale_t)0;
    int r = cfg_parse_fp(cfg, file);
    if (c) {
        uselocale(former);
        freelocale(c);
    }
    return r;
}

static cfg_t *parse_once(const struct tree *t, const char *text, bool *ret_complete)
{
    _cleanup_(fclosep) FILE *file = fmemopen((char *)text, strlen(text), "r");
    cfg_opt_t *opts = make_options(t, "root", config_keys, config_blocks);
    cfg_t *cfg = file && opts ? cfg_init(opts, CFGF_NONE) : NULL;
    free_options(opts);
    if (!cfg)
        return NULL;
    attempt = (struct attempt){0};
    cfg_set_error_function(cfg, error_callback);
    *ret_complete = parse_untranslated(cfg, file) == CFG_SUCCESS;
    return cfg;
}

static const struct config_block *find_block(const char *name)
{
    for (const struct config_block *b = config_blocks; b->name; b++) {
        if (str_equal(b->name, name))
            return b;
    }
    return NULL;
}

/* Was it a key that the tables don't have? Then it is noted, and told unless a plugin's. */
static bool note_unknown_key(struct tree *t)
{
    struct extra *e = &t->extra[t->n_extra];
    const struct config_block *block = find_block(attempt.block);
    int end = 0;
    if (t->n_extra == EXTRA_MAX ||
        sscanf(attempt.text, "no such option '%63[^']'%n", e->key, &end) != 1 || end == 0)
        return false;
    str_copy(e->block, sizeof(e->block), attempt.block);
    t->n_extra++;
    if (!block || !(block->flags & CONFIG_BLOCK_FREE))
        config_finding_text(t->f, attempt.line, e->key, "see vdi.conf(5) for the keys",
                            "there is no such key%s%s", block ? " in a block " : "",
                            block ? block->name : "");
    return true;
}

static void tell_syntax(struct tree *t)
{
    const struct extra *last = t->n_extra ? &t->extra[t->n_extra - 1] : NULL;
    char word[64];
    /* An unknown block was told of as an unknown key already. */
    if (last && sscanf(attempt.text, "missing equal sign after option '%63[^']", word) == 1 &&
        str_equal(word, last->key))
        return;
    config_finding_text(t->f, attempt.line > 0 ? attempt.line : 1, "syntax",
                        "correct it; what follows in the file was not looked at", "%s",
                        *attempt.text ? attempt.text : "the text is not understood");
}

cfg_t *config_tree(const char *text, struct config_findings *f, bool *ret_complete)
{
    struct tree t = {.f = f};
    struct buf told = BUF_INIT(0); /* in the last attempt, which alone sees all of the text */
    struct config_findings in_attempt;
    cfg_t *cfg = NULL;
    do {
        if (cfg)
            cfg_free(cfg);
        buf_clear(&told);
        in_attempt = (struct config_findings){.path = f->path, .out = &told};
        attempt_findings = &in_attempt;
        cfg = parse_once(&t, text, ret_complete);
    } while (cfg && !*ret_complete && note_unknown_key(&t));
    attempt_findings = NULL;
    if (cfg && !*ret_complete)
        tell_syntax(&t);
    f->errors += in_attempt.errors;
    buf_append(f->out, told.data ? told.data : "", told.len);
    buf_done(&told);
    return cfg;
}

bool config_tree_is_set(const cfg_opt_t *opt)
{
    return opt && opt->type == CFGT_STR && (opt->flags & CFGF_MODIFIED) && opt->name[0] != '@';
}

const char *config_tree_title(cfg_t *block)
{
    return cfg_getstr(block, CONFIG_TITLE_KEY);
}

int config_tree_block_line(cfg_t *block)
{
    const char *text = cfg_getstr(block, CONFIG_LINE_KEY);
    int64_t line;
    if (!text || str_to_i64(text, 1, INT_MAX, &line) < 0)
        return block->line;
    return (int)line;
}

int config_tree_line(const cfg_opt_t *opt, cfg_t *block)
{
    return opt->def.number > 0 ? (int)opt->def.number : config_tree_block_line(block);
}

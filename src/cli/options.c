/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - a command's options: one table from which all about them comes.
 *
 * getopt_long(3) is driven from the rows. Its own messages are off: every
 * refusal is a struct vdi_error, so that a line of a script and a variable of
 * the environment are refused in the same words as the command line.
 */
#include "config.h"

#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

#define ROWS_MAX 192
#define ROW_CODE 1000 /* getopt's value of row i is ROW_CODE + i */

static const struct option_row common_rows[] = {
    {"help", 0, NULL, "print this and exit", .line_only = true},
    {"version", 'V', NULL, "print the version and exit", .line_only = true},
    {NULL},
};

/* How getopt is told about a table; `rows` maps its codes back. */
struct getopt_table {
    const struct option_row *rows[ROWS_MAX];
    struct option longs[ROWS_MAX + 2];
    char shorts[2 + 3 * ROWS_MAX];
    size_t n;
};

static bool arg_is_optional(const struct option_row *row)
{
    return row->arg && row->arg[0] == '[';
}

static void table_add(struct getopt_table *t, const struct option_row *row)
{
    if (t->n == ROWS_MAX)
        return;
    int has_arg = !row->arg              ? no_argument
                  : arg_is_optional(row) ? optional_argument
                                         : required_argument;
    t->longs[t->n] = (struct option){row->name, has_arg, NULL, ROW_CODE + (int)t->n};
    t->rows[t->n] = row;
    t->n++;
    if (row->letter) {
        char *end = t->shorts + strlen(t->shorts);
        *end++ = row->letter;
        for (int i = 0; i < has_arg; i++)
            *end++ = ':';
        *end = '\0';
    }
}

static void table_init(struct getopt_table *t, const struct command *command)
{
    memset(t, 0, sizeof(*t));
    str_copy(t->shorts, sizeof(t->shorts), command->stops_at_word ? "+:" : ":");
    for (const struct option_row *row = command->rows; row->name; row++)
        table_add(t, row);
    for (const struct option_row *row = common_rows; row->name; row++)
        table_add(t, row);
    t->longs[t->n] = (struct option){"print-completion", no_argument, NULL, ROW_CODE - 1};
}

static const struct option_row *table_row(const struct getopt_table *t, int code)
{
    if (code >= ROW_CODE)
        return t->rows[code - ROW_CODE];
    for (size_t i = 0; i < t->n; i++)
        if (code && t->rows[i]->letter == code)
            return t->rows[i];
    return NULL;
}

const char *option_title(const struct option_row *row, char *buf, size_t size)
{
    if (row->letter)
        snprintf(buf, size, "--%s (-%c)", row->name, row->letter);
    else
        snprintf(buf, size, "--%s", row->name);
    return buf;
}

static int refuse_row(const struct option_row *row, struct vdi_error *err)
{
    char title[64], field[48];
    snprintf(field, sizeof(field), "--%s", row->name);
    error_set(err, EINVAL, field, "%s is not supported by this version",
              option_title(row, title, sizeof(title)));
    error_hint(err, NULL, row->instead);
    return -EINVAL;
}

static int list_add(struct option_list *list, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    if (row->instead)
        return refuse_row(row, err);
    if (list->n == OPTIONS_GIVEN_MAX) {
        error_set(err, E2BIG, "options", "too many options");
        error_hint(err, "at most 512 are read", NULL);
        return -EINVAL;
    }
    list->given[list->n++] = (struct option_given){row, value};
    return 0;
}

static int refuse_getopt(int code, int opt, const char *word, const struct getopt_table *t,
                         const struct command *command, struct vdi_error *err)
{
    const struct option_row *row = table_row(t, opt);
    char title[64], remedy[96];
    snprintf(remedy, sizeof(remedy), "%s --help lists the options", command->name);
    if (row && code == ':')
        error_set(err, EINVAL, row->name, "%s needs a value: %s",
                  option_title(row, title, sizeof(title)), row->arg);
    else if (row)
        error_set(err, EINVAL, row->name, "%s takes no value",
                  option_title(row, title, sizeof(title)));
    else if (opt)
        error_set(err, EINVAL, "option", "-%c: no such option", opt);
    else
        error_set(err, EINVAL, "option", "%.100s: no such option, or not the whole name of one",
                  word);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

/* --help and its like end the program when they are met. */
static bool is_common(const struct command *command, const struct option_row *row)
{
    if (row == &common_rows[0])
        options_help(command);
    else if (row == &common_rows[1])
        printf("%s (OSVDI) %s\n", command->name, PACKAGE_VERSION);
    else
        return false;
    return true;
}

int options_parse(const struct command *command, int argc, char **argv, struct option_list *list,
                  int *ret_first, struct vdi_error *err)
{
    struct getopt_table t;
    table_init(&t, command);
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    opterr = 0;
    for (;;) {
        int at = optind ? optind : 1;
        int code = getopt_long(argc, argv, t.shorts, t.longs, NULL);
        if (code == -1)
            break;
        if (code == '?' || code == ':')
            return refuse_getopt(code, optopt, at < argc ? argv[at] : "", &t, command, err);
        if (code == ROW_CODE - 1) {
            options_completion(command);
            return OPTIONS_EXIT;
        }
        const struct option_row *row = table_row(&t, code);
        if (is_common(command, row))
            return OPTIONS_EXIT;
        int r = list_add(list, row, optarg, err);
        if (r < 0)
            return r;
    }
    *ret_first = optind;
    return 0;
}

const struct option_row *option_find(const struct option_row *rows, const char *name)
{
    for (const struct option_row *row = rows; row->name; row++)
        if (str_equal(row->name, name))
            return row;
    return NULL;
}

/* "JOB_NAME" stands for the row "job-name". */
static const struct option_row *row_of_variable(const struct option_row *rows, const char *name,
                                                size_t len)
{
    char option[64];
    if (len >= sizeof(option))
        return NULL;
    for (size_t i = 0; i < len; i++)
        option[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    option[len] = '\0';
    return option_find(rows, option);
}

static int variable_add(const struct option_row *row, const char *variable, const char *value,
                        struct option_list *list, struct vdi_error *err)
{
    if (row->arg)
        return list_add(list, row, arg_is_optional(row) && !*value ? NULL : value, err);
    if (str_equal(value, "1") || str_equal(value, "yes"))
        return list_add(list, row, NULL, err);
    if (str_is_empty(value) || str_equal(value, "0") || str_equal(value, "no"))
        return 0;
    error_set(err, EINVAL, row->name, "%.60s=%.60s: --%s takes no value", variable, value,
              row->name);
    error_hint(err, NULL, "set the variable to 1 or 0, or unset it");
    return -EINVAL;
}

int options_from_environment(const struct command *command, const char *prefix, char **environment,
                             struct option_list *list, struct vdi_error *err)
{
    size_t skip = strlen(prefix);
    for (char **e = environment; *e; e++) {
        const char *equals = strchr(*e, '=');
        if (!equals || !str_starts_with(*e, prefix))
            continue;
        const struct option_row *row =
            row_of_variable(command->rows, *e + skip, (size_t)(equals - *e) - skip);
        if (!row || row->line_only) {
            error_set(err, EINVAL, "environment", "%.*s: no option of %s has that name",
                      (int)(equals - *e), *e, command->name);
            error_hint(err, NULL, "unset the variable");
            return -EINVAL;
        }
        int r = variable_add(row, *e, equals + 1, list, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int options_apply(const struct option_list *list, void *to, struct vdi_error *err)
{
    for (size_t i = 0; i < list->n; i++) {
        int r = list->given[i].row->set(to, list->given[i].row, list->given[i].value, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int options_read(const struct command *command, int argc, char **argv, void *to, int *ret_first,
                 struct vdi_error *err)
{
    struct option_list list = {.n = 0};
    int r = options_parse(command, argc, argv, &list, ret_first, err);
    return r ? r : options_apply(&list, to, err);
}

int option_set_flag(void *to, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    *(bool *)((char *)to + row->offset) = true;
    return 0;
}

int option_clear_flag(void *to, const struct option_row *row, const char *value,
                      struct vdi_error *err)
{
    *(bool *)((char *)to + row->offset) = false;
    return 0;
}

int option_set_string(void *to, const struct option_row *row, const char *value,
                      struct vdi_error *err)
{
    *(const char **)((char *)to + row->offset) = value;
    return 0;
}

int option_set_u32(void *to, const struct option_row *row, const char *value, struct vdi_error *err)
{
    uint64_t n;
    if (str_to_u64(value, 1, INT32_MAX, &n) < 0) {
        error_set(err, EINVAL, row->name, "--%s=%.60s: not a whole number", row->name, value);
        error_hint(err, "1 to 2147483647", NULL);
        return -EINVAL;
    }
    *(uint32_t *)((char *)to + row->offset) = (uint32_t)n;
    return 0;
}

int option_set_minutes(void *to, const struct option_row *row, const char *value,
                       struct vdi_error *err)
{
    if (str_to_duration_sec(value, 60, (int64_t *)((char *)to + row->offset)) >= 0)
        return 0;
    error_set(err, EINVAL, row->name, "--%s=%.60s: not a length of time", row->name, value);
    error_hint(err, NULL, "write minutes, 90m, 4h, HH:MM:SS or D-HH:MM");
    return -EINVAL;
}

static void help_row(const struct option_row *row)
{
    char left[80];
    int n = row->letter ? snprintf(left, sizeof(left), "  -%c, --%s", row->letter, row->name)
                        : snprintf(left, sizeof(left), "      --%s", row->name);
    if (arg_is_optional(row))
        snprintf(left + n, sizeof(left) - (size_t)n, "[=%s", row->arg + 1);
    else if (row->arg)
        snprintf(left + n, sizeof(left) - (size_t)n, "=%s", row->arg);
    if (strlen(left) > 29)
        printf("%s\n%-30s%s\n", left, "", row->help);
    else
        printf("%-30s%s\n", left, row->help);
}

static void help_refused(const struct command *command)
{
    int column = 0;
    for (const struct option_row *row = command->rows; row->name; row++) {
        if (!row->instead)
            continue;
        if (!column)
            printf("\nRefused by name, with what to use instead:");
        int n = (int)strlen(row->name) + 3;
        if (!column || column + n > 78) {
            printf("\n ");
            column = 1;
        }
        column += printf(" --%s", row->name);
    }
    if (column)
        printf("\n");
}

void options_help(const struct command *command)
{
    printf("Usage: %s %s\n%s\n\n", command->name, command->usage, command->summary);
    if (command->help)
        command->help();
    for (const struct option_row *row = command->rows; row->name; row++)
        if (row->help)
            help_row(row);
    for (const struct option_row *row = common_rows; row->name; row++)
        help_row(row);
    help_refused(command);
    printf("\nSee %s(1) for the rest.\n", command->name);
}

static void completion_options(const struct option_row *rows)
{
    for (const struct option_row *row = rows; row->name; row++)
        if (row->help)
            printf(" --%s%s", row->name, row->arg && !arg_is_optional(row) ? "=" : "");
}

/*
 * Values that are words known here are offered after `--name=`; files otherwise. Needs
 * nothing but bash: readline breaks "--name=value" into three words.
 */
void options_completion(const struct command *command)
{
    printf("# bash completion of %s; made by %s --print-completion\n", command->name,
           command->name);
    printf("_%s()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
           "    [[ $cur == = ]] && cur=\n"
           "    COMPREPLY=()\n    case \"$prev\" in\n",
           command->name);
    for (const struct option_row *row = command->rows; row->name; row++)
        if (row->help && row->words)
            printf("    --%s)\n        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n"
                   "        return\n        ;;\n",
                   row->name, row->words);
    printf("    esac\n    case \"$cur\" in\n    -*)\n        COMPREPLY=($(compgen -W '");
    completion_options(command->rows);
    completion_options(common_rows);
    printf("' -- \"$cur\"))\n        [[ ${COMPREPLY-} == *= ]] && compopt -o nospace\n"
           "        return\n        ;;\n    esac\n");
    if (command->words)
        printf("    [[ $COMP_CWORD -le 2 ]] && COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n",
               command->words);
    printf("} && complete -o bashdefault -o default -F _%s %s\n", command->name, command->name);
}

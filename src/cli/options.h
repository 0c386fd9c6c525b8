/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - a command's options: one table from which all about them comes.
 *
 * A row says name, letter, argument, help and where the value goes. Parsing,
 * --help, bash completion and the checks against the man page read the same
 * rows. A row with `instead` is one that hands know from Slurm and that has no
 * effect here: it is refused by name, with what to do instead; none is ignored.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include <vdi/types.h>

struct option_row;

/* Puts the value (NULL: none given) into `to`. Fills err and returns -EINVAL if it is wrong. */
typedef int option_set_fn(void *to, const struct option_row *row, const char *value,
                          struct vdi_error *err);

struct option_row {
    const char *name; /* "time"; NULL ends a table */
    char letter;      /* 't', or 0 */
    const char *arg;  /* "TIME"; "[TIME]" if it may be left out; NULL: takes none */
    const char *help; /* one line; NULL for refused rows */
    option_set_fn *set;
    size_t offset;       /* the member of `to` */
    const char *instead; /* refused: what to use */
    bool line_only;      /* on the command line alone: not in the environment, not in a script */
    const char *words;   /* values for completion, blank separated */
};

#define OPTION_REFUSED(long_name, short_letter, arg_name, what_instead)                            \
    {                                                                                              \
        .name = long_name, .letter = short_letter, .arg = arg_name, .instead = what_instead        \
    }

/* Setters for plain members. */
option_set_fn option_set_flag;   /* bool: true */
option_set_fn option_clear_flag; /* bool: false */
option_set_fn option_set_string; /* const char *: borrowed */
option_set_fn option_set_u32;
option_set_fn option_set_minutes; /* int64_t seconds; a bare number is minutes, as in Slurm */

struct command {
    const char *name;    /* "vdiqueue" */
    const char *usage;   /* "[OPTION]... [JOB]..." */
    const char *summary; /* one line */
    const struct option_row *rows;
    bool stops_at_word; /* what follows the first word belongs to it */
    const char *words;  /* first words, for completion; NULL: none */
    void (*help)(void); /* more of --help, before the options; NULL: none */
};

/* One option as it was given, kept until it is known in which order sources count. */
struct option_given {
    const struct option_row *row;
    const char *value;
};

#define OPTIONS_GIVEN_MAX 512

struct option_list {
    struct option_given given[OPTIONS_GIVEN_MAX];
    size_t n;
};

enum { OPTIONS_EXIT = 1 }; /* --help, --version, --print-completion: all is said */

/*
 * Reads argv into `list`; *ret_first is the first word. OPTIONS_EXIT when the
 * program is to end with 0; -EINVAL with err for what is wrong.
 */
int options_parse(const struct command *command, int argc, char **argv, struct option_list *list,
                  int *ret_first, struct vdi_error *err);
/* Every PREFIX_NAME of the environment; an unknown one is refused like an unknown option. */
int options_from_environment(const struct command *command, const char *prefix, char **environment,
                             struct option_list *list, struct vdi_error *err);
/* Sets `to` from the list, in order; later ones win. */
int options_apply(const struct option_list *list, void *to, struct vdi_error *err);
/* The three steps for a command with nothing but a command line. */
int options_read(const struct command *command, int argc, char **argv, void *to, int *ret_first,
                 struct vdi_error *err);

const struct option_row *option_find(const struct option_row *rows, const char *name);
/* "--time (-t)" for messages, in buf. */
const char *option_title(const struct option_row *row, char *buf, size_t size);
void options_help(const struct command *command);
void options_completion(const struct command *command);

#endif

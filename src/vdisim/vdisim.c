/* SPDX-License-Identifier: Apache-2.0 */
/* vdisim.c - replays a workload on a cluster, under a virtual clock: what if? */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "codec/config.h"
#include "vdisim/plot.h"
#include "vdisim/report.h"
#include "vdisim/world.h"

#define EXIT_USAGE 2

struct command {
    const char *config, *trace, *classes, *starts, *seats, *plot;
    int64_t pool; /* a cluster of one node with so many processors, instead of a configuration */
    bool json;
    struct world_options options;
};

static const struct option rows[] = {
    {"config", required_argument, NULL, 'c'},
    {"pool", required_argument, NULL, 'P'},
    {"partition", required_argument, NULL, 'p'},
    {"unit", required_argument, NULL, 'u'},
    {"share", required_argument, NULL, 'm'},
    {"no-wait", no_argument, NULL, 'w'},
    {"class", required_argument, NULL, 'k'},
    {"classes", required_argument, NULL, 'C'},
    {"epoch", required_argument, NULL, 'E'},
    {"lead", required_argument, NULL, 'l'},
    {"limit", required_argument, NULL, 'n'},
    {"factor", required_argument, NULL, 'f'},
    {"boot", required_argument, NULL, 'b'},
    {"qos", required_argument, NULL, 'q'},
    {"class-qos", required_argument, NULL, 'Q'},
    {"save", required_argument, NULL, 'v'},
    {"fail", required_argument, NULL, 'F'},
    {"second", required_argument, NULL, '2'},
    {"seed", required_argument, NULL, 's'},
    {"starts", required_argument, NULL, 'S'},
    {"seats", required_argument, NULL, 'T'},
    {"plot", required_argument, NULL, 'g'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void usage(FILE *f)
{
    fputs("Usage: vdisim [OPTION]... --config FILE|--pool N TRACE\n"
          "Replays TRACE (CSV or SWF, perhaps packed by xz) on a cluster under a virtual clock,\n"
          "with the planner of vdictld, and says how long jobs waited.\n"
          "\n"
          "      --config=FILE      the cluster: a vdi.conf\n"
          "      --pool=N           the cluster: N equal units in one place\n"
          "      --partition=NAME   partition of the jobs (default: the default one)\n"
          "      --unit=UNIT        what a job asks for: traced (processors, memory, GPUs),\n"
          "                         or so many units as it had gpus, cpus, nodes\n"
          "      --share=MIB        a fraction of a GPU asks for a profile of as much of MIB, not\n"
          "                         for a whole one\n"
          "      --no-wait          a job that cannot start when it comes is turned away\n"
          "      --class=CLASS      jobs of this class of the trace alone\n"
          "      --classes=FILE     a timetable, whose seats are kept free, as CSV or iCalendar\n"
          "                         (.ics), in place of the configuration's classes\n"
          "      --epoch=TIME       time 0 of the trace, for an .ics file, and classes and\n"
          "                         reservations of the configuration (default: 00:00 of the day\n"
          "                         of the first)\n"
          "      --lead=SECONDS     seats are kept free from so long before a class at least\n"
          "                         (default 300); longer where vdictld would for such boots\n"
          "      --limit=N          the first N jobs alone\n"
          "      --factor=X         time limit where the trace has none: X times the duration\n"
          "                         (default 1)\n"
          "      --boot=SEC[:SEC]   time from start to running: always, or median:p99\n"
          "      --qos=NAME[:SECONDS],...\n"
          "                         QOS of the jobs: the first whose SECONDS a limit is within\n"
          "      --class-qos=NAME   QOS of the classes: jobs of those that it preempts make room\n"
          "      --save=SEC[:SEC]   time to save a job, and until it is back (default 20:60)\n"
          "      --fail=P           a start fails with probability P and is made again\n"
          "      --second=SECONDS   a seat that boots for longer gets a second one, and so a\n"
          "                         third (default: as vdictld, by the last boots); 0: none does\n"
          "      --seed=N           seed of what is drawn (default 1)\n"
          "      --starts=FILE      write when and where each job ran, as CSV\n"
          "      --seats=FILE       write where each seat of a class is, as CSV\n"
          "      --plot=FILE        write a picture of use and queue over time, as SVG\n"
          "      --json             print one JSON object\n"
          "      --help             print this and exit\n"
          "      --version          print the version and exit\n",
          f);
}

static int refuse(struct vdi_error *err, const char *option, const char *value, const char *remedy)
{
    error_set(err, EINVAL, option, "--%s: '%.60s' will not do", option, value);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

static int set_unit(struct command *c, const char *value, struct vdi_error *err)
{
    for (int i = 0; i < WORLD_N_UNITS; i++) {
        if (!strcmp(world_unit_names[i], value)) {
            c->options.unit = (enum world_unit)i;
            return 0;
        }
    }
    return refuse(err, "unit", value, "it is traced, gpus, cpus or nodes");
}

static int set_number(const char *option, const char *value, int64_t max, int64_t *ret,
                      struct vdi_error *err)
{
    return str_to_i64(value, 0, max, ret) < 0
               ? refuse(err, option, value, "write a whole number of 0 or more")
               : 0;
}

static int set_real(const char *option, const char *value, double min, double max, double *ret,
                    struct vdi_error *err)
{
    char *end;
    double x = strtod(value, &end);

    if (end == value || *end || !(x >= min && x <= max))
        return refuse(err, option, value, "write a number in its range, such as 0.5");
    *ret = x;
    return 0;
}

/* "short:3600,long" */
static int set_qos(struct world_options *o, const char *value, struct vdi_error *err)
{
    static const char remedy[] = "write NAME:SECONDS,... with up to 8 names, the last without "
                                 "SECONDS: short:3600,long";

    for (const char *p = value; *p; p += *p == ',') {
        struct world_qos *q = &o->qos[o->n_qos];
        size_t len = strcspn(p, ":,"), digits;
        char text[24];

        if (o->n_qos == WORLD_QOS_MAX || !len || len >= sizeof(q->name))
            return refuse(err, "qos", value, remedy);
        *q = (struct world_qos){.max_sec = INT64_MAX};
        str_copy(q->name, len + 1, p);
        o->n_qos++;
        p += len;
        if (*p != ':')
            continue;
        digits = strcspn(++p, ",");
        if (digits >= sizeof(text))
            return refuse(err, "qos", value, remedy);
        str_copy(text, digits + 1, p);
        if (str_to_i64(text, 1, INT64_C(1000000000), &q->max_sec) < 0)
            return refuse(err, "qos", value, remedy);
        p += digits;
    }
    return 0;
}

static int set_option(struct command *c, int letter, const char *value, struct vdi_error *err)
{
    struct world_options *o = &c->options;
    int64_t number = 0;
    int r;

    switch (letter) {
    case 'c':
        c->config = value;
        return 0;
    case 'P':
        return set_number("pool", value, 65536, &c->pool, err);
    case 'p':
        o->partition = value;
        return 0;
    case 'u':
        return set_unit(c, value, err);
    case 'm':
        r = set_number("share", value, 1 << 20, &number, err);
        o->share_mib = (uint32_t)number;
        return r;
    case 'k':
        o->kind = value;
        return 0;
    case 'f':
        return set_real("factor", value, 0.001, 1e6, &o->factor, err);
    case 'b':
        return draw_time_parse(value, &o->boot, err);
    case 'q':
        return set_qos(o, value, err);
    case 'Q':
        o->class_qos = value;
        return 0;
    case 'v':
        return draw_time_parse(value, &o->save, err);
    case 'F':
        return set_real("fail", value, 0, 0.99, &o->fail, err);
    case '2':
        return set_real("second", value, 0, 86400, &o->second_sec, err);
    case 'C':
        c->classes = value;
        return 0;
    case 'l':
        return set_number("lead", value, 86400, &o->lead_sec, err);
    case 'S':
        c->starts = value;
        return 0;
    case 'E':
        return time_from_rfc3339(value, &o->epoch_usec) < 0
                   ? refuse(err, "epoch", value, "write it as 2026-10-12T00:00:00+02:00")
                   : 0;
    case 'T':
        c->seats = value;
        return 0;
    case 'g':
        c->plot = value;
        return 0;
    default:
        r = set_number(letter == 'n' ? "limit" : "seed", value, INT64_MAX, &number, err);
        *(letter == 'n' ? &o->limit : &o->seed) = (uint64_t)number;
        return r;
    }
}

static bool is_ics(const char *path)
{
    size_t len = path ? strlen(path) : 0;

    return len > 4 && !strcmp(path + len - 4, ".ics");
}

/* 1: all is said. */
static int read_options(int argc, char **argv, struct command *c, struct vdi_error *err)
{
    int letter, r = 0;

    while (r == 0 && (letter = getopt_long(argc, argv, "hV", rows, NULL)) != -1) {
        if (letter == '?')
            return error_set(err, EINVAL, "", "see vdisim --help");
        if (letter == 'h' || letter == 'V') {
            if (letter == 'h')
                usage(stdout);
            else
                puts("vdisim " PACKAGE_VERSION);
            return 1;
        }
        if (letter == 'j')
            c->json = true;
        else if (letter == 'w')
            c->options.no_wait = true;
        else
            r = set_option(c, letter, optarg, err);
    }
    if (r < 0)
        return r;
    if (argc - optind != 1 || !c->config == !c->pool)
        return error_set(err, EINVAL, "", "it takes one TRACE, and one of --config and --pool");
    if (c->options.epoch_usec && !c->config)
        return error_set(
            err, EINVAL, "epoch",
            "--epoch is for --classes of an .ics file, and classes and reservations of --config");
    if (c->pool && c->options.unit == WORLD_AS_TRACED)
        c->options.unit = WORLD_GPUS;
    c->trace = argv[optind];
    return 0;
}

/* ---- the cluster ---- */

static int read_cluster(const struct command *c, struct config **ret)
{
    struct buf findings = BUF_INIT(65536), text = BUF_INIT(4096);
    int r;

    if (c->config) {
        r = config_read(c->config, ret, &findings);
    } else {
        buf_printf(&text,
                   "site \"fake\" { }\nnode \"pool\" { cpus = %lld  memory = \"64M\" }\n"
                   "partition \"pool\" { nodes = \"pool\"  default = true }\n",
                   (long long)c->pool);
        r = text.failed ? -ENOMEM : config_read_text("--pool", text.data, text.len, ret, &findings);
    }
    if (findings.len)
        fputs(findings.data, stderr);
    buf_done(&findings);
    buf_done(&text);
    return r;
}

/* ---- what it came to ---- */

static int write_file(const char *path, const struct buf *text, struct vdi_error *err)
{
    FILE *f = fopen(path, "we");
    bool bad = !f || fwrite(text->data, 1, text->len, f) != text->len;

    if (f && fclose(f) != 0)
        bad = true;
    return bad ? error_set(err, errno ? errno : EIO, "output", "%s cannot be written: %s", path,
                           strerror(errno))
               : 0;
}

static int write_with(const char *path, const struct world *w,
                      void (*write)(const struct world *w, struct buf *out), struct vdi_error *err)
{
    struct buf out = BUF_INIT(0);
    int r;

    if (!path)
        return 0;
    write(w, &out);
    r = out.failed ? error_set(err, ENOMEM, "", "out of memory") : write_file(path, &out, err);
    buf_done(&out);
    return r;
}

static int tell(const struct command *c, const struct world *w, struct vdi_error *err)
{
    struct buf out = BUF_INIT(0);
    struct report report;
    int r = report_make(w, &report);

    if (r < 0)
        return error_set(err, ENOMEM, "", "out of memory");
    (c->json ? report_write_json : report_write_text)(&report, &out);
    fputs(out.data ? out.data : "", stdout);
    buf_done(&out);
    r = write_with(c->starts, w, report_write_starts, err);
    if (r == 0)
        r = write_with(c->seats, w, report_write_seats, err);
    return r < 0 ? r : write_with(c->plot, w, plot_write, err);
}

static int replay(struct command *c, struct vdi_error *err)
{
    struct world_options *o = &c->options;
    struct config *config = NULL;
    struct trace trace = {0};
    struct timetable timetable = {0};
    struct world world = {0};
    int r;

    if (read_cluster(c, &config) < 0)
        return error_set(err, EINVAL, "config", "the cluster could not be read");
    r = trace_read(c->trace, &trace, err);
    if (r == 0 && is_ics(c->classes))
        r = timetable_read_ics(c->classes, config, &o->epoch_usec, &timetable, err);
    else if (r == 0 && c->classes)
        r = timetable_read(c->classes, &timetable, err);
    if (r == 0 && !o->epoch_usec)
        r = reservations_first_day(config, !c->classes, &o->epoch_usec, err);
    if (r == 0 && !c->classes)
        r = timetable_of_config(config, o->epoch_usec, &timetable, err);
    if (r == 0)
        r = world_run(config, &trace, &timetable, o, &world, err);
    if (r == 0)
        r = tell(c, &world, err);
    world_done(&world);
    trace_done(&trace);
    timetable_done(&timetable);
    config_free(config);
    return r;
}

static void complain(const struct vdi_error *err)
{
    fprintf(stderr, "vdisim: %s%s%s\n", err->detail, *err->remedy ? "; " : "", err->remedy);
}

int main(int argc, char **argv)
{
    struct command c = {.options = {.partition = "",
                                    .kind = "",
                                    .factor = 1,
                                    .lead_sec = 300,
                                    .seed = 1,
                                    .second_sec = -1,
                                    .class_qos = "",
                                    .save = {20, 60}}};
    struct vdi_error err = {0};
    int r;

    log_init("vdisim", VDI_LOG_WARNING);
    r = read_options(argc, argv, &c, &err);
    if (r > 0)
        return EXIT_SUCCESS;
    if (r < 0) {
        complain(&err);
        return EXIT_USAGE;
    }
    if (replay(&c, &err) == 0)
        return EXIT_SUCCESS;
    complain(&err);
    return EXIT_FAILURE;
}

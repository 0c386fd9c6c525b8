/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdiqueue.c - shows jobs, as squeue(1) does.
 *
 * Only the members that are printed are asked for, and pages are printed as
 * they come: a queue of any length takes the memory of one page, unless -S
 * wants it sorted another way.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/client.h"
#include "cli/format.h"
#include "cli/job_columns.h"
#include "cli/job_list.h"
#include "cli/options.h"
#include "cli/queue_follow.h"
#include "model/array.h"

#define NAME "vdiqueue"
#define SORT_MAX 8

struct queue {
    struct job_filter filter;
    const char *format, *names, *sort, *states, *jobs;
    bool each_task;
    bool all, noheader, is_long, start, why, json, follow, noconvert;
    uint32_t iterate_sec;
};

/* Jobs kept for sorting, as documents of their own. */
struct sorted {
    struct document **documents;
    size_t n, size;
};

struct sort_key {
    const struct column *column;
    bool descending;
};

/* Pending tasks of one array, which are shown as one line: the first, and which they are. */
struct gathered {
    struct document *first;
    uint32_t *tasks;
    size_t n, size;
};

/* One round of output. */
struct round {
    const struct queue *queue;
    struct client *client;
    struct format format;
    struct format_context context;
    struct sort_key keys[SORT_MAX];
    size_t n_keys, n_jobs;
    struct sorted sorted;
    struct gathered gathered;
    struct buf out;
    struct vdi_error *err; /* of the round */
};

#define AT(member) offsetof(struct queue, member)

static const struct option_row rows[] = {
    {"account", 'A', "ACCOUNTS", "jobs of these accounts", option_set_string, AT(filter.account)},
    {"all", 'a', NULL, "all jobs that you may see (the default)", option_set_flag, AT(all)},
    {"array", 'r', NULL, "a line for each task of an array, also for those that wait",
     option_set_flag, AT(each_task)},
    {"follow", 0, NULL, "print what happens to jobs as it happens", option_set_flag, AT(follow)},
    {"format", 'o', "FORMAT", "columns, \"%.18i %.9P %j\"", option_set_string, AT(format)},
    {"Format", 'O', "COLUMNS", "columns by name, JobID:10,Name:20", option_set_string, AT(names)},
    {"iterate", 'i', "SEC", "show it again every SEC seconds", option_set_u32, AT(iterate_sec)},
    {"jobs", 'j', "IDS", "these jobs: 17,20-25", option_set_string, AT(jobs)},
    {"json", 0, NULL, "print the documents of the REST API", option_set_flag, AT(json)},
    {"long", 'l', NULL, "more columns", option_set_flag, AT(is_long)},
    {"me", 0, NULL, "my jobs", option_set_flag, AT(filter.me)},
    {"name", 'n', "NAMES", "jobs of these names", option_set_string, AT(filter.name)},
    {"noconvert", 0, NULL, "sizes in MiB as they are (4096M, not 4G)", option_set_flag,
     AT(noconvert)},
    {"nodelist", 'w', "NODES", "jobs on these nodes", option_set_string, AT(filter.nodes)},
    {"noheader", 'h', NULL, "no header line", option_set_flag, AT(noheader)},
    {"partition", 'p', "PARTITIONS", "jobs of these partitions", option_set_string,
     AT(filter.partition)},
    {"qos", 'q', "QOS", "jobs of these qualities of service", option_set_string, AT(filter.qos)},
    {"reservation", 'R', "CLASSES", "jobs that have seats of these classes", option_set_string,
     AT(filter.reservation)},
    {"sort", 'S', "LETTERS", "sort by format letters: P,-t,i", option_set_string, AT(sort)},
    {"start", 0, NULL, "when and where pending jobs are expected to start", option_set_flag,
     AT(start)},
    {"states", 't', "STATES", "jobs in these states (PD,R,...), or all", option_set_string,
     AT(states),
     .words = "all PENDING CONFIGURING RUNNING SUSPENDED COMPLETING COMPLETED "
              "FAILED CANCELLED TIMEOUT PREEMPTED NODE_FAIL BOOT_FAIL DEADLINE"},
    {"user", 'u', "USERS", "jobs of these users", option_set_string, AT(filter.user)},
    {"why", 0, NULL, "what keeps a pending job from starting, and its priority", option_set_flag,
     AT(why)},
    OPTION_REFUSED("array-unique", 0, NULL, "pending tasks are one line without --array"),
    OPTION_REFUSED("clusters", 'M', "CLUSTERS", "set VDI_URL to one cluster"),
    OPTION_REFUSED("federation", 0, NULL, "set VDI_URL to one cluster"),
    OPTION_REFUSED("licenses", 'L', "LIST", "use -O jobid,licenses and grep"),
    OPTION_REFUSED("priority", 'P', NULL, "a job has one partition; use -S -p"),
    OPTION_REFUSED("steps", 's', "[IDS]", "jobs have no steps; leave it out"),
    OPTION_REFUSED("yaml", 0, NULL, "use --json"),
    {NULL},
};

static const struct command command = {
    .name = NAME,
    .usage = "[OPTION]... [IDS]",
    .summary = "Shows jobs and why they wait.",
    .rows = rows,
};

static int flush(struct round *round)
{
    size_t n = fwrite(round->out.data ? round->out.data : "", 1, round->out.len, stdout);
    bool short_write = n < round->out.len;
    buf_clear(&round->out);
    return short_write || fflush(stdout) < 0 ? -EPIPE : 0;
}

static int page_done(void *arg)
{
    return flush(arg);
}

static int print_row(struct round *round, const struct value *job)
{
    if (round->queue->json) {
        buf_puts(&round->out, round->n_jobs ? ",\n  " : "\n  ");
        value_write(job, 0, &round->out);
    } else {
        format_row(&round->format, job, &round->context, &round->out);
    }
    round->n_jobs++;
    return round->out.failed ? -ENOMEM : 0;
}

static int compare_tasks(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int gathered_print(struct round *round)
{
    struct gathered *g = &round->gathered;
    _cleanup_(buf_done) struct buf tasks = BUF_INIT(0);
    if (!g->first)
        return 0;
    const struct value *job = document_root(g->first);
    const char *limit = strchr(value_get_string(job, "array", ""), '%');
    qsort(g->tasks, g->n, sizeof(*g->tasks), compare_tasks); /* -S may have turned them round */
    array_write(g->tasks, g->n, &tasks);
    buf_puts(&tasks, limit ? limit : "");
    round->context.tasks = g->n > 1 ? tasks.data : NULL;
    int r = print_row(round, job);
    round->context.tasks = NULL;
    document_free(g->first);
    g->first = NULL;
    g->n = 0;
    return r;
}

/* Those of one array come one after the other, as their ids do. */
static int gather(struct round *round, const struct value *job)
{
    struct gathered *g = &round->gathered;
    int r = 0;
    if (g->first && id_of(document_root(g->first)).job != id_of(job).job)
        r = gathered_print(round);
    if (r == 0 && g->n == g->size) {
        size_t size = g->size ? 2 * g->size : 256;
        uint32_t *grown = reallocarray(g->tasks, size, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        g->tasks = grown;
        g->size = size;
    }
    if (r == 0 && !g->first) { /* a copy, because the page it came with goes */
        _cleanup_(buf_done) struct buf text = BUF_INIT(0);
        value_write(job, 0, &text);
        r = document_parse(text.data, text.len, &g->first, NULL);
    }
    if (r == 0)
        g->tasks[g->n++] = (uint32_t)id_of(job).task;
    return r;
}

static int print_job(void *arg, const struct value *job)
{
    struct round *round = arg;
    if (!round->queue->json && !round->queue->each_task && id_of(job).task >= 0 &&
        str_equal(value_get_string(job, "state", ""), "PENDING"))
        return gather(round, job);
    int r = gathered_print(round);
    return r < 0 ? r : print_row(round, job);
}

/* A copy, because the page it came with goes. */
static int keep_job(void *arg, const struct value *job)
{
    struct sorted *sorted = &((struct round *)arg)->sorted;
    _cleanup_(buf_done) struct buf text = BUF_INIT(0);
    if (sorted->n == sorted->size) {
        size_t size = sorted->size ? 2 * sorted->size : 256;
        struct document **grown = reallocarray(sorted->documents, size, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        sorted->documents = grown;
        sorted->size = size;
    }
    value_write(job, 0, &text);
    int r = document_parse(text.data, text.len, &sorted->documents[sorted->n], NULL);
    sorted->n += r == 0;
    return r;
}

static int compare(const void *a, const void *b, void *arg)
{
    const struct round *round = arg;
    const struct value *x = document_root(*(struct document *const *)a);
    const struct value *y = document_root(*(struct document *const *)b);
    for (size_t i = 0; i < round->n_keys; i++) {
        int r = job_compare(round->keys[i].column, x, y, &round->context);
        if (r)
            return round->keys[i].descending ? -r : r;
    }
    int64_t i = value_get_int(x, "id", 0), j = value_get_int(y, "id", 0);
    return (i > j) - (i < j);
}

static int print_sorted(struct round *round)
{
    struct sorted *sorted = &round->sorted;
    int r = 0;
    if (sorted->n)
        qsort_r(sorted->documents, sorted->n, sizeof(*sorted->documents), compare, round);
    for (size_t i = 0; i < sorted->n; i++) {
        if (r == 0)
            r = print_job(round, document_root(sorted->documents[i]));
        document_free(sorted->documents[i]);
    }
    free(sorted->documents);
    *sorted = (struct sorted){.n = 0};
    return r;
}

/* "-p,t" -> two keys */
static int sort_parse(const char *text, struct round *round, struct vdi_error *err)
{
    for (const char *p = text; *p; p += *p == ',') {
        bool descending = *p == '-';
        p += *p == '-' || *p == '+';
        const struct column *column = column_find(job_columns, *p);
        if (!column || (p[1] && p[1] != ',') || round->n_keys == SORT_MAX) {
            error_set(err, EINVAL, "sort", "--sort=%.60s: not a list of columns", text);
            error_hint(err, "8 letters of --format", "write P,-t,i; a minus turns the order");
            return -EINVAL;
        }
        round->keys[round->n_keys++] = (struct sort_key){column, descending};
        p++;
    }
    return 0;
}

static void fields_make(const struct round *round, struct buf *out)
{
    format_fields(&round->format, ID_FIELDS ",array,state", out);
    for (size_t i = 0; i < round->n_keys; i++) {
        struct format one = {.n = 1};
        _cleanup_(buf_done) struct buf list = BUF_INIT(4096);
        one.items[0].column = round->keys[i].column;
        buf_append(&list, out->data, out->len);
        buf_clear(out);
        format_fields(&one, list.data, out);
    }
}

/* "estimates" is a parameter, not a member: takes it out of the list. */
static bool estimates_take(struct buf *fields)
{
    char *at = fields->data ? strstr(fields->data, JOB_ESTIMATES) : NULL;
    if (!at)
        return false;
    size_t n = strlen(JOB_ESTIMATES) + (at[strlen(JOB_ESTIMATES)] == ',');
    if (at > fields->data && !at[n])
        at--, n++;
    memmove(at, at + n, strlen(at + n) + 1);
    fields->len -= n;
    return true;
}

/* To a person, a header alone looks like a fault; a script gets what it always gets. */
static void say_none(const struct queue *queue)
{
    const struct job_filter *f = &queue->filter;
    if (queue->json || !isatty(STDOUT_FILENO) || !isatty(STDERR_FILENO))
        return;
    if (f->user || f->partition || f->state || f->name || f->nodes || f->account || f->qos ||
        f->ids.n)
        fprintf(stderr, "no such jobs\n");
    else
        fprintf(stderr, "%s; vdisubmit --desktop TEMPLATE starts a desktop\n",
                f->me ? "you have no jobs" : "there are no jobs that you may see");
}

static int show_list(struct round *round, struct vdi_error *err)
{
    const struct queue *queue = round->queue;
    _cleanup_(buf_done) struct buf fields = BUF_INIT(4096);
    bool estimates = queue->json;
    if (!queue->json) {
        fields_make(round, &fields);
        estimates = estimates_take(&fields);
        if (!queue->noheader)
            format_header(&round->format, &round->out);
    } else {
        buf_puts(&round->out, "{\"jobs\": [");
    }
    int r = job_list_paged(round->client, &queue->filter, queue->json ? NULL : fields.data,
                           estimates, round->n_keys ? keep_job : print_job,
                           round->n_keys ? NULL : page_done, round, err);
    if (round->sorted.documents) {
        int s = print_sorted(round);
        r = r < 0 ? r : s;
    }
    int last = gathered_print(round);
    r = r < 0 ? r : last;
    if (queue->json && r == 0)
        buf_puts(&round->out, round->n_jobs ? "\n]}\n" : "]}\n");
    r = r < 0 ? r : flush(round);
    if (r == 0 && !round->n_jobs)
        say_none(queue);
    return r;
}

static int print_why(void *arg, const struct value *job)
{
    struct round *round = arg;
    char target[64];
    _cleanup_(document_freep) struct document *document = NULL;
    snprintf(target, sizeof(target), "/v1/jobs/%" PRId64 "/why", value_get_int(job, "id", 0));
    int r = client_get(round->client, target, &document, round->err);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* it has ended meanwhile */
    if (round->queue->json) {
        buf_puts(&round->out, round->n_jobs++ ? ",\n  " : "\n  ");
        value_write(document_root(document), 0, &round->out);
    } else {
        queue_print_why(document_root(document), &round->out);
    }
    return flush(round);
}

static int show_why(struct round *round, struct vdi_error *err)
{
    struct job_filter filter = round->queue->filter;
    if (!filter.state && !filter.ids.n)
        filter.state = "PENDING";
    if (round->queue->json)
        buf_puts(&round->out, "{\"why\": [");
    int r = job_list(round->client, &filter, "id,state", false, print_why, round, err);
    if (round->queue->json)
        buf_puts(&round->out, "\n]}\n");
    return r < 0 ? r : flush(round);
}

static int format_choose(const struct queue *queue, struct format *ret, struct vdi_error *err)
{
    if (queue->names && queue->format)
        return error_set(err, EINVAL, "", "--format and --Format exclude each other");
    if (queue->names)
        return format_parse_names(queue->names, job_columns, ret, err);
    const char *text = getenv("VDIQUEUE_FORMAT");
    if (queue->start)
        text = JOB_FORMAT_START;
    else if (queue->is_long)
        text = JOB_FORMAT_LONG;
    else if (str_is_empty(text))
        text = JOB_FORMAT;
    return format_parse(queue->format ? queue->format : text, job_columns, ret, err);
}

static int show_once(struct round *round, struct vdi_error *err)
{
    round->context.now_usec = time_now_usec();
    round->n_jobs = 0;
    round->err = err;
    return round->queue->why ? show_why(round, err) : show_list(round, err);
}

/* -i: an answer that does not come is said, and asked for again. */
static int show(struct round *round)
{
    struct vdi_error err = {.code = 0};
    for (;;) {
        if (round->queue->iterate_sec) {
            time_t now = time(NULL);
            char text[40];
            strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", localtime(&now));
            printf("%s\n", text);
        }
        int r = show_once(round, &err);
        if (r == -EPIPE && !*err.detail)
            return EXIT_REFUSED; /* who read our output is gone */
        int code = r < 0 ? (int)client_fail(NAME, r, &err) : EXIT_OK;
        if (!round->queue->iterate_sec || (code && code != EXIT_UNREACHABLE))
            return code;
        printf("\n");
        fflush(stdout);
        sleep(round->queue->iterate_sec);
    }
}

/* The stream has all that the caller may see, or one job; it knows no other filter. */
static int check_follow(const struct queue *q, struct vdi_error *err)
{
    const struct job_filter *f = &q->filter;
    if (!q->follow ||
        !(f->user || f->partition || f->name || f->nodes || f->account || f->qos || f->me ||
          q->states || q->sort || q->format || q->names || q->start || q->why || q->iterate_sec))
        return 0;
    error_set(err, EINVAL, "", "--follow goes with --jobs and --json alone");
    return -EINVAL;
}

static int prepare(struct round *round, struct queue *queue, struct buf *states,
                   struct vdi_error *err)
{
    int r = check_follow(queue, err);
    if (r == 0)
        r = format_choose(queue, &round->format, err);
    if (r == 0 && queue->sort)
        r = sort_parse(queue->sort, round, err);
    if (r == 0 && queue->start && !queue->sort)
        r = sort_parse("S", round, err);
    if (r == 0 && queue->jobs)
        r = ids_add(&queue->filter.ids, queue->jobs, err);
    if (r == 0 && queue->states)
        r = job_states_parse(queue->states, states, err);
    queue->filter.state = queue->states ? states->data : queue->start ? "PENDING" : NULL;
    return r;
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct queue queue = {.all = false};
    struct round round = {.queue = &queue, .out = BUF_INIT(0)};
    _cleanup_(buf_done) struct buf states = BUF_INIT(1024);
    _cleanup_(client_freep) struct client *client = NULL;
    int first;
    int r = options_read(&command, argc, argv, &queue, &first, &err);
    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0 && first + 1 == argc && !queue.jobs) { /* vdiqueue --why 17 */
        queue.jobs = argv[first];
    } else if (r == 0 && first < argc) {
        error_set(&err, EINVAL, "", "%.60s: not an option", argv[first]);
        error_hint(&err, NULL, "for some jobs: vdiqueue 17,20-25");
        r = -EINVAL;
    }
    if (r == 0)
        r = prepare(&round, &queue, &states, &err);
    if (r == 0)
        r = client_new(&client, &err);
    if (r < 0)
        return (int)client_fail(NAME, r, &err);
    round.client = client;
    round.context.noconvert = queue.noconvert;
    int code = queue.follow ? queue_follow(client, &queue.filter, queue.json) : show(&round);
    buf_done(&round.out);
    free(round.gathered.tasks);
    ids_done(&queue.filter.ids);
    return code;
}

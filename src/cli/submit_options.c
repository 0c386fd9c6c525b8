/* SPDX-License-Identifier: Apache-2.0 */
/*
 * submit_options.c - the option grammar of vdisubmit: every option that hands know from sbatch(1).
 *
 * A row either has its effect or is refused by name with what to use instead.
 */
#include "cli/submit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/hostlist.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/signal_name.h"
#include "model/array.h"
#include "model/dependency.h"
#include "model/job.h"

#define SIGNAL_SEC_DEFAULT 60 /* sbatch(1), --signal */
#define MEMORY_MIB_MAX (64u << 20)

static int refuse(const struct option_row *row, const char *value, const char *why,
                  const char *remedy, struct vdi_error *err)
{
    error_set(err, EINVAL, row->name, "--%s=%.80s: %s", row->name, value ? value : "", why);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

static int set_time(void *to, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    struct submit *submit = to;
    if (time_from_slurm(value, submit->now_usec, (int64_t *)((char *)to + row->offset)) >= 0)
        return 0;
    return refuse(row, value, "not a point in time",
                  "write 16:00, 2026-10-13T10:15, now+2hours or tomorrow", err);
}

/* N, or as sbatch has it a range: of one number. */
static int set_nodes(void *to, const struct option_row *row, const char *value,
                     struct vdi_error *err)
{
    const char *dash = strchr(value, '-');
    uint64_t n, most;
    size_t len = dash ? (size_t)(dash - value) : strlen(value);
    char least[24];

    if (len < sizeof(least))
        str_copy(least, len + 1, value);
    if (len >= sizeof(least) || str_to_u64(least, 1, JOB_NODES_MAX, &n) < 0 ||
        (dash && str_to_u64(dash + 1, 1, JOB_NODES_MAX, &most) < 0)) {
        error_set(err, EINVAL, row->name, "--%s=%.80s: not a number of nodes", row->name, value);
        error_hint(err, "1 to 64", NULL);
        return -EINVAL;
    }
    if (dash && most != n)
        return refuse(row, value, "a job has as many nodes as it asks for, no more and no fewer",
                      "write one number", err);
    ((struct submit *)to)->nodes = (uint32_t)n;
    return 0;
}

static int set_one(void *to, const struct option_row *row, const char *value, struct vdi_error *err)
{
    if (str_equal(value, "1"))
        return 0;
    return refuse(row, value, "each node has one task",
                  "write 1; --nodes asks for more, --cpus-per-task for more CPUs", err);
}

static int set_memory(void *to, const struct option_row *row, const char *value,
                      struct vdi_error *err)
{
    uint64_t mib;
    if (str_to_mib(value, MEMORY_MIB_MAX, &mib) < 0 || mib == 0)
        return refuse(row, value, "not an amount of memory", "write 4096 (MiB), 512M or 16G", err);
    ((struct submit *)to)->memory_mib = mib;
    return 0;
}

static int set_nice(void *to, const struct option_row *row, const char *value,
                    struct vdi_error *err)
{
    if (str_to_i64(value ? value : "100", -1000000, 1000000, &((struct submit *)to)->nice) >= 0)
        return 0;
    return refuse(row, value, "not a number from -1000000 to 1000000", NULL, err);
}

static int set_requeue(void *to, const struct option_row *row, const char *value,
                       struct vdi_error *err)
{
    ((struct submit *)to)->requeue = REQUEUE_YES;
    return 0;
}

static int set_no_requeue(void *to, const struct option_row *row, const char *value,
                          struct vdi_error *err)
{
    ((struct submit *)to)->requeue = REQUEUE_NO;
    return 0;
}

static int set_hosts(void *to, const struct option_row *row, const char *value,
                     struct vdi_error *err)
{
    struct hostlist hosts = {.n = 0};
    if (hostlist_parse(value, HOSTLIST_MAX, &hosts) < 0)
        return refuse(row, value, "not a list of nodes", "write gpu01 or gpu[01-16,20]", err);
    hostlist_done(&hosts);
    return option_set_string(to, row, value, err);
}

/* [B:]SIG[@SECONDS] */
static int set_signal(void *to, const struct option_row *row, const char *value,
                      struct vdi_error *err)
{
    struct submit *submit = to;
    const char *p = value;
    if (strncasecmp(p, "R:", 2) == 0)
        return refuse(row, value, "R: is not supported by this version", "leave it out", err);
    if (strncasecmp(p, "B:", 2) == 0)
        p += 2;
    size_t len = strcspn(p, "@");
    char name[16];
    snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : 0, p);
    int signo = signal_from_name(name);
    uint64_t sec = SIGNAL_SEC_DEFAULT;
    if (signo < 0)
        return refuse(row, value, "no such signal", "write USR1, TERM@120 or 10@60", err);
    if (p[len] && str_to_u64(p + len + 1, 0, UINT16_MAX, &sec) < 0)
        return refuse(row, value, "the time before the limit must be 0 to 65535 seconds", NULL,
                      err);
    submit->signal = (uint32_t)signo;
    submit->signal_sec = (uint32_t)sec;
    return 0;
}

static int set_key(void *to, const struct option_row *row, const char *value, struct vdi_error *err)
{
    if (!str_is_name(value, 64))
        return refuse(row, value, "a key has 1 to 64 letters, digits, '.', '_' and '-'", NULL, err);
    return option_set_string(to, row, value, err);
}

/* Words are checked here, what this cluster can tell by the controller. */
static int set_mail_type(void *to, const struct option_row *row, const char *value,
                         struct vdi_error *err)
{
    struct submit *submit = to;
    uint32_t types = 0;
    int r = notice_types_parse(value, &types, err);
    if (r < 0)
        return r;
    notice_types_write(types, submit->mail_type);
    if (!types) /* said: it takes back what a line of the script asks for */
        str_copy(submit->mail_type, sizeof(submit->mail_type), "NONE");
    return 0;
}

static int set_mail_user(void *to, const struct option_row *row, const char *value,
                         struct vdi_error *err)
{
    if (!notice_is_address(value))
        return refuse(row, value, "not an address", "write NAME or NAME@DOMAIN, unquoted", err);
    return option_set_string(to, row, value, err);
}

/* The site's limit is the controller's to tell. "" takes back what a line of the script says. */
static int set_array(void *to, const struct option_row *row, const char *value,
                     struct vdi_error *err)
{
    struct array_tasks tasks = {.n = 0};
    int r = array_parse(value, ARRAY_SIZE_MAX, &tasks, err);
    array_tasks_done(&tasks);
    return r < 0 ? -EINVAL : option_set_string(to, row, value, err);
}

/* "" takes back what a line of the script asks for. */
static int set_dependency(void *to, const struct option_row *row, const char *value,
                          struct vdi_error *err)
{
    struct dependency dependency = {.n = 0};
    int r = dependency_parse(value, &dependency, err);
    dependency_done(&dependency);
    return r < 0 ? r : option_set_string(to, row, value, err);
}

static int set_kill_on_invalid_dep(void *to, const struct option_row *row, const char *value,
                                   struct vdi_error *err)
{
    bool yes = str_equal(value, "yes");
    if (!yes && !str_equal(value, "no"))
        return refuse(row, value, "neither yes nor no", NULL, err);
    ((struct submit *)to)->kill_on_invalid_dep = yes;
    return 0;
}

#define AT(member) offsetof(struct submit, member)
#define LINE .line_only = true
#define ONE_TASK "each node has one task; use --nodes and --cpus-per-task"
#define ONE_NODE "any nodes are as good, all of them or none; leave it out"
#define PLACED "the template and the scheduler place the instance; leave it out"
#define MEMORY "use --mem=SIZE, the memory of each node"
#define GPUS "use --gpus=N or --gpu PROFILE[:N]"

const struct option_row submit_rows[] = {
    {"account", 'A', "ACCOUNT", "account to charge", option_set_string, AT(account)},
    {"array", 'a', "INDEXES", "so many jobs, by their indexes: 0-99, 1,3,5, 0-99:10; %N at once",
     set_array, AT(array)},
    {"begin", 'b', "TIME", "do not start before TIME (16:00, now+2hours)", set_time,
     AT(begin_usec)},
    {"chdir", 'D', "DIR", "working directory of the script (default: this one)", option_set_string,
     AT(work_dir)},
    {"comment", 0, "TEXT", "a comment to keep with the job", option_set_string, AT(comment)},
    {"constraint", 'C', "FEATURES", "features the node must have, joined by &", option_set_string,
     AT(constraint)},
    {"cpus-per-task", 'c', "N", "number of CPUs (default: the template's)", option_set_u32,
     AT(cpus)},
    {"deadline", 0, "TIME", "give the job up once it can't end by TIME", set_time,
     AT(deadline_usec)},
    {"dependency", 'd', "LIST",
     "wait for jobs: after:ID[+MIN], afterok:ID, afterany:ID, afternotok:ID, singleton; joined by , "
     "(all) or ? (any)",
     set_dependency, AT(dependency)},
    {"desktop", 0, "TEMPLATE", "an interactive desktop of TEMPLATE instead of a script",
     option_set_string, AT(desktop), LINE},
    {"error", 'e', "FILE", "file for the script's errors (%j: job id)", option_set_string,
     AT(error)},
    {"exclude", 'x', "NODES", "nodes that must not be used", set_hosts, AT(exclude)},
    {"export", 0, "WHAT",
     "environment to pass: ALL (default of a script), NONE (of a desktop) or NAME[=VALUE],...",
     option_set_string, AT(export), .words = "ALL NONE"},
    {"gpu", 0, "GPU", "a count (2), a framebuffer (8g[:2]) or a profile (nvidia-a40-4q[:2])",
     submit_set_gpu},
    {"gpus", 'G', "N", "N or PROFILE:N, of all nodes together", submit_set_gpu},
    {"gpus-per-node", 0, "N", "the same, of each node", submit_set_gpu},
    {"gres", 0, "GRES", "gpu:N or gpu:PROFILE:N", submit_set_gres},
    {"hold", 'H', NULL, "submit it held; vdictl release lets it start", option_set_flag, AT(hold)},
    {"idempotency-key", 0, "KEY", "a retry with the same KEY returns the same job", set_key,
     AT(idempotency_key), LINE},
    {"job-name", 'J', "NAME", "name of the job (default: the script's)", option_set_string,
     AT(name)},
    {"json", 0, NULL, "print the job document of the REST API", option_set_flag, AT(json), LINE},
    {"kill-on-invalid-dep", 0, "YESNO", "yes: cancel it when --dependency can't be met any more",
     set_kill_on_invalid_dep, AT(kill_on_invalid_dep), .words = "yes no"},
    {"licenses", 'L', "LIST", "licences that it uses, as in matlab:2,ansys", option_set_string,
     AT(licences)},
    {"mail-type", 0, "TYPES",
     "tell of BEGIN, END, FAIL, REQUEUE, TIME_LIMIT, TIME_LIMIT_90 (_80, _50); ALL or NONE",
     set_mail_type,
     .words = "BEGIN END FAIL REQUEUE TIME_LIMIT TIME_LIMIT_90 TIME_LIMIT_80 "
              "TIME_LIMIT_50 ALL NONE"},
    {"mail-user", 0, "ADDRESS", "tell ADDRESS (default: who submits)", set_mail_user,
     AT(mail_user)},
    {"mem", 0, "SIZE", "memory, 4096 (MiB) or 16G (default: the template's)", set_memory},
    {"nice", 0, "[N]", "lower the priority by N (default 100)", set_nice},
    {"no-requeue", 0, NULL, "never start it a second time", set_no_requeue},
    {"nodelist", 'w', "NODES", "nodes that it may run on", set_hosts, AT(nodelist)},
    {"nodes", 'N', "N", "number of nodes: the script runs on each (default 1)", set_nodes},
    {"ntasks", 'n', "N", "number of tasks: as many as nodes", option_set_u32, AT(tasks)},
    {"ntasks-per-node", 0, "1", "number of tasks of a node: 1", set_one},
    {"output", 'o', "FILE", "file for the script's output (%j: job id)", option_set_string,
     AT(output)},
    {"parsable", 0, NULL, "print the job id and nothing else", option_set_flag, AT(parsable)},
    {"partition", 'p', "PARTITION", "partition to run in", option_set_string, AT(partition)},
    {"qos", 'q', "QOS", "quality of service", option_set_string, AT(qos)},
    {"quiet", 'Q', NULL, "print errors only", option_set_flag, AT(quiet)},
    {"read-sbatch", 0, NULL, "read #SBATCH lines of the script as #VDI lines", option_set_flag,
     AT(read_sbatch)},
    {"requeue", 0, NULL, "queue it again when its node fails or it is preempted", set_requeue},
    {"reservation", 0, "CLASS", "a desktop: one of the seats of CLASS", option_set_string,
     AT(reservation)},
    {"signal", 0, "SIG[@SEC]", "send SIG so long before the time limit (default 60 s)", set_signal},
    {"template", 0, "TEMPLATE", "template of the instance the script runs in", option_set_string,
     AT(template_name)},
    {"test-only", 0, NULL, "submit nothing; say when and where it would start", option_set_flag,
     AT(test_only)},
    {"time", 't', "TIME", "time limit: minutes, 90m, 4h, HH:MM:SS or D-HH:MM", option_set_minutes,
     AT(time_limit_sec)},
    {"time-min", 0, "TIME", "accept a limit as short as this for an earlier start",
     option_set_minutes, AT(time_min_sec)},
    {"verbose", 'v', NULL, "say more", option_set_flag, AT(verbose)},
    {"wait", 'W', NULL, "wait for its end and return its exit code", option_set_flag, AT(wait)},
    {"wrap", 0, "COMMAND", "run COMMAND in a shell instead of a script", option_set_string,
     AT(wrap), LINE},

    OPTION_REFUSED("acctg-freq", 0, "FREQ", "nothing is sampled; leave it out"),
    OPTION_REFUSED("batch", 0, "FEATURES", "use --constraint"),
    OPTION_REFUSED("bb", 0, "SPEC", "there are no burst buffers; leave it out"),
    OPTION_REFUSED("bbf", 0, "FILE", "there are no burst buffers; leave it out"),
    OPTION_REFUSED("cluster-constraint", 0, "FEATURES", "set VDI_URL to one cluster"),
    OPTION_REFUSED("clusters", 'M', "CLUSTERS", "set VDI_URL to one cluster"),
    OPTION_REFUSED("consolidate-segments", 0, NULL, ONE_NODE),
    OPTION_REFUSED("container", 0, "PATH", "start the container in the script"),
    OPTION_REFUSED("container-id", 0, "ID", "start the container in the script"),
    OPTION_REFUSED("contiguous", 0, NULL, ONE_NODE),
    OPTION_REFUSED("core-spec", 'S', "N", PLACED),
    OPTION_REFUSED("cores-per-socket", 0, "N", PLACED),
    OPTION_REFUSED("cpu-freq", 0, "FREQ", PLACED),
    OPTION_REFUSED("cpus-per-gpu", 0, "N", "use --cpus-per-task"),
    OPTION_REFUSED("delay-boot", 0, "MINUTES", "use --begin"),
    OPTION_REFUSED("distribution", 'm', "HOW", ONE_TASK),
    OPTION_REFUSED("exclusive", 0, "[HOW]", "ask for the CPUs, memory and GPUs of a whole node"),
    OPTION_REFUSED("export-file", 0, "FILE", "use --export=NAME=VALUE,..."),
    OPTION_REFUSED("external-launcher", 0, NULL, ONE_TASK),
    OPTION_REFUSED("extra", 0, "TEXT", "use --comment"),
    OPTION_REFUSED("extra-node-info", 'B', "S[:C[:T]]", PLACED),
    OPTION_REFUSED("get-user-env", 0, "[HOW]", "the guest logs you in; use --export"),
    OPTION_REFUSED("gid", 0, "GROUP", "a job runs as who submits it"),
    OPTION_REFUSED("gpu-bind", 0, "HOW", PLACED),
    OPTION_REFUSED("gpu-freq", 0, "FREQ", PLACED),
    OPTION_REFUSED("gpus-per-socket", 0, "N", GPUS),
    OPTION_REFUSED("gpus-per-task", 0, "N", GPUS),
    OPTION_REFUSED("gres-flags", 0, "FLAGS", PLACED),
    OPTION_REFUSED("hint", 0, "HINT", PLACED),
    OPTION_REFUSED("ignore-pbs", 0, NULL, "#PBS lines are never read; leave it out"),
    OPTION_REFUSED("immediate", 'I', "[SEC]", "use --test-only first"),
    OPTION_REFUSED("input", 'i', "FILE", "redirect the input in the script"),
    OPTION_REFUSED("mcs-label", 0, "LABEL", "leave it out"),
    OPTION_REFUSED("mem-bind", 0, "HOW", PLACED),
    OPTION_REFUSED("mem-per-cpu", 0, "SIZE", MEMORY),
    OPTION_REFUSED("mem-per-gpu", 0, "SIZE", MEMORY),
    OPTION_REFUSED("mincpus", 0, "N", "use --cpus-per-task"),
    OPTION_REFUSED("network", 0, "SPEC", "the template says which network"),
    OPTION_REFUSED("no-kill", 'k', "[OFF]", ONE_NODE),
    OPTION_REFUSED("nodefile", 'F', "FILE", "use --nodelist=NODES"),
    OPTION_REFUSED("ntasks-per-core", 0, "N", ONE_TASK),
    OPTION_REFUSED("ntasks-per-gpu", 0, "N", ONE_TASK),
    OPTION_REFUSED("ntasks-per-socket", 0, "N", ONE_TASK),
    OPTION_REFUSED("oom-kill-step", 0, "[YESNO]", ONE_TASK),
    OPTION_REFUSED("open-mode", 0, "MODE", "redirect with >> in the script"),
    OPTION_REFUSED("overcommit", 'O', NULL, "use --cpus-per-task"),
    OPTION_REFUSED("oversubscribe", 's', NULL, "an instance has its CPUs to itself; leave it out"),
    OPTION_REFUSED("power", 0, "FLAGS", "leave it out"),
    OPTION_REFUSED("prefer", 0, "FEATURES", "use --constraint"),
    OPTION_REFUSED("priority", 0, "N", "use --nice"),
    OPTION_REFUSED("profile", 0, "WHAT", "nothing is sampled; for a GPU profile use --gpu PROFILE"),
    OPTION_REFUSED("propagate", 0, "[LIMITS]", "set limits in the script with ulimit"),
    OPTION_REFUSED("reboot", 0, NULL, "every instance boots anew; leave it out"),
    OPTION_REFUSED("resv-ports", 0, "[N]", ONE_TASK),
    OPTION_REFUSED("segment", 0, "N", ONE_NODE),
    OPTION_REFUSED("sockets-per-node", 0, "N", PLACED),
    OPTION_REFUSED("spread-job", 0, NULL, ONE_NODE),
    OPTION_REFUSED("stepmgr", 0, NULL, ONE_TASK),
    OPTION_REFUSED("switches", 0, "N", ONE_NODE),
    OPTION_REFUSED("thread-spec", 0, "N", PLACED),
    OPTION_REFUSED("threads-per-core", 0, "N", PLACED),
    OPTION_REFUSED("tmp", 0, "SIZE", "the template says how large the disk is"),
    OPTION_REFUSED("tres-bind", 0, "HOW", PLACED),
    OPTION_REFUSED("tres-per-task", 0, "LIST", "use --cpus-per-task, --mem and --gpus"),
    OPTION_REFUSED("uid", 0, "USER", "a job runs as who submits it"),
    OPTION_REFUSED("usage", 0, NULL, "use --help"),
    OPTION_REFUSED("use-min-nodes", 0, NULL, ONE_NODE),
    OPTION_REFUSED("wait-all-nodes", 0, "N", ONE_NODE),
    OPTION_REFUSED("wckey", 0, "KEY", "use --account or --comment"),
    {NULL},
};

const struct command submit_command = {
    .name = "vdisubmit",
    .usage = "[OPTION]... [SCRIPT [ARGUMENT]...] | --desktop TEMPLATE | --reservation CLASS |\n"
             "                 --wrap COMMAND",
    .summary = "Submits a job: a desktop, or a script that runs in an instance of a template.",
    .rows = submit_rows,
    .stops_at_word = true,
};

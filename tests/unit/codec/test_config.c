/* SPDX-License-Identifier: Apache-2.0 */
/* test_config.c - vdi.conf: what is taken, what is refused with which words, what changed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "codec/config.h"
#include "codec/config_key.h"

DEFINE_FREEP(struct config, config_free)

#define BASE "site \"fake\" { }\nauth \"munge\" { }\n" /* two lines */

static int read_text(const char *text, struct config **ret, struct buf *findings)
{
    *ret = NULL;
    return config_read_text("vdi.conf", text, strlen(text), ret, findings);
}

/* Reads without a finding, or the test fails with what was found. */
static struct config *take(const char *text)
{
    struct config *c;
    struct buf findings = BUF_INIT(0);
    if (read_text(text, &c, &findings) < 0 || findings.len)
        fail_msg("%s", findings.data);
    buf_done(&findings);
    return c;
}

/* Must be refused with exactly these findings. */
static void refuse(const char *text, const char *expected)
{
    struct config *c;
    struct buf findings = BUF_INIT(0);
    assert_int_equal(read_text(text, &c, &findings), -EINVAL);
    assert_null(c);
    assert_string_equal(findings.data, expected);
    buf_done(&findings);
}

/* Must be refused, and this must be among the findings. */
static void refuse_with(const char *text, size_t len, const char *words)
{
    struct config *c = NULL;
    struct buf findings = BUF_INIT(0);
    assert_int_equal(config_read_text("vdi.conf", text, len, &c, &findings), -EINVAL);
    assert_null(c);
    if (!strstr(findings.data, words))
        fail_msg("\"%s\" is not in \"%s\"", words, findings.data);
    buf_done(&findings);
}

static void example_file(void **state)
{
    const char *top = getenv("top_srcdir");
    _cleanup_(freep) char *path = str_printf("%s/etc/vdi.conf.example", top ? top : ".");
    struct buf findings = BUF_INIT(0);
    _cleanup_(config_freep) struct config *c = NULL;
    if (config_read(path, &c, &findings) < 0 || findings.len)
        fail_msg("%s", findings.data);
    buf_done(&findings);
    assert_int_equal(c->n_nodes, 16);
    assert_string_equal(c->nodes[2].name, "gpu03");
    assert_int_equal(c->nodes[2].cpus, 64);
    assert_int_equal(c->nodes[2].memory_mib, 512 * 1024);
    assert_string_equal(c->nodes[15].gpu_type, "NVIDIA A40");
    assert_string_equal(c->nodes[15].gpu_law, "homogeneous");
    assert_int_equal(c->nodes[15].gpus, 4);
    assert_int_equal(c->nodes[15].gpu_profiles.n, 3);
    assert_ptr_equal(c->nodes[15].kind, c->nodes[0].kind); /* one for all that say the same */
    assert_int_equal(c->n_kinds, 1);
    assert_int_equal(c->kinds[0].law, GPU_HOMOGENEOUS);
    assert_int_equal(c->kinds[0].offers[0].instances, 24); /* 48 GiB by the largest, 2 each */
    assert_string_equal(c->nodes[15].features, "a40");
    assert_ptr_equal(config_node(c, "gpu16"), &c->nodes[15]);
    assert_null(config_node(c, "gpu17"));
    assert_string_equal(config_default_partition(c)->name, "desktops");
    assert_int_equal(config_partition(c, "desktops")->max_time_sec, 12 * 3600);
    assert_int_equal(config_partition(c, "batch")->priority_tier, 0);
    assert_true(config_partition(c, "batch")->up);
    assert_int_equal(config_partition(c, "batch")->nodes.n, 16);
    assert_int_equal(config_template(c, "cad")->gpus, 1); /* a profile is one at least */
    assert_int_equal(config_template(c, "batch")->gpus, 0);
    assert_string_equal(config_template(c, "cad")->at_limit, "save");
    assert_true(config_names_has(&config_template(c, "cad")->groups, "staff"));
    assert_int_equal(config_qos(c, "teaching")->priority, 1000);
    assert_string_equal(c->site.name, "libvirt");
    assert_string_equal(c->site.settings[0].name, "uri");
    assert_string_equal(c->site.settings[0].value, "qemu:///system");
    assert_int_equal(c->n_auth, 2);
    assert_int_equal(c->listen.n, 2);
    assert_int_equal(c->keep_done_sec, 3600);
    assert_int_equal(strlen(c->digest), 64);
}

#define NODE(gpu) "node \"g1\" { cpus = 8  memory = \"8G\"  gpu \"X\" { " gpu " } }\n"

/* Cards by slices and pools say what their names can't. */
static void gpus_of_all_laws(void **state)
{
    _cleanup_(config_freep) struct config *c = take(BASE NODE(
        "law = slices  capacity = 8  profiles = {\"1g.10gb\", \"3g.40gb\"}") "profile \"1g.10gb\" { slices = 1  placements = {0, 1, 2, 3, 4, 5, 6}  display = no }\n"
                                                                             "profile \"3g.40gb\" { slices = 4  placements = {0, 4}  instances = 2 }\n");
    const struct gpu_kind *k = c->nodes[0].kind;

    assert_int_equal(k->offers[0].starts, 0x7f);
    assert_int_equal(k->offers[1].starts, 0x11);
    assert_int_equal(k->offers[1].size, 4);
    assert_int_equal(k->offers[0].framebuffer_mib, 10240);
    assert_false(k->offers[0].display);
    assert_true(k->offers[1].display);
}

static void refuse_gpu(const char *text, const char *words)
{
    refuse_with(text, strlen(text), words);
}

static void gpus_that_cannot_be_are_refused(void **state)
{
    refuse_gpu(BASE NODE("law = slices  capacity = 8  profiles = {\"1g.10gb\"}"),
               "node \"g1\" gpu 1g.10gb: a profile of a card by slices needs slices and "
               "placements");
    refuse_gpu(BASE NODE("law = slices  profiles = {\"1g.10gb\"}"),
               "a card by slices needs their number");
    refuse_gpu(BASE NODE("law = homogeneous"), "a card of this law has none; name the profiles");
    refuse_gpu(BASE NODE("law = pool  profiles = {\"small\"}"), "its framebuffer is not known");
    refuse_gpu(BASE NODE("law = homogeneous  framebuffer = \"8G\"  profiles = {\"x-16q\"}"),
               "its framebuffer is larger than the card's");
    refuse_gpu(BASE NODE("law = mixed  profiles = {\"x-2q\", \"x-6q\", \"x-16q\"}"),
               "its framebuffer is no power of two of the smallest size");
    refuse_gpu(
        BASE NODE(
            "law = slices  capacity = 8  profiles = {\"p\"}") "profile \"p\" { slices = 4  placements = {6} }\n",
        "a placement ends beyond the card's slices");
    refuse_gpu(BASE NODE("profiles = {\"p\"}") "profile \"p\" { placements = {x} }\n",
               "profile \"p\" placements: \"x\" is not a number from 0 to 63");
    refuse_gpu(
        BASE NODE("profiles = {\"p\"}") "profile \"p\" { max_resolution = \"1280x1024\" }\n"
                                        "template \"cad\" { image = \"i\"  profile = {\"p\"} }\n",
        "template \"cad\" resolution: 1920x1080 is larger than profile \"p\" allows "
        "(1280x1024)");
}

/* The design's own example: all of it parses. */
static void design_example(void **state)
{
    refuse("cluster = \"campus\"\n"
           "store   = \"sqlite:/var/lib/vdi/vdi.db\"            # or \"pgsql:service=vdi\"\n"
           "site \"libvirt\" { uri = \"qemu:///system\" }\n"
           "node \"gpu[01-16]\" { cpus = 64  memory = \"512G\"  features = {\"a40\"}\n"
           "  gpu \"NVIDIA A40\" { count = 4  law = homogeneous  profiles = {\"nvidia-a40-2q\", "
           "\"nvidia-a40-4q\", \"nvidia-a40-48q\"} } }\n"
           "partition \"desktops\" { nodes = \"gpu[01-16]\"  default = true  max_time = \"12h\" }\n"
           "partition \"batch\"    { nodes = \"gpu[01-16]\"  priority_tier = 0  "
           "batch_template = \"batch\" }\n"
           "qos \"batch\"    { priority = 0 }\n"
           "qos \"teaching\" { priority = 1000  preempts = {\"batch\"}  "
           "preempt_modes = {save, requeue}  grace = \"2m\" }\n"
           "template \"cad\" { image = \"ubuntu-cad\"  vcpus = 4  memory = \"16G\"  "
           "profile = {\"nvidia-a40-4q\", \"nvidia-l40s-4q\"}  resolution = \"2560x1440\"  "
           "groups = {\"cad1\", \"staff\"} }\n"
           "class \"cad1-lab\" { template = \"cad\"  seats = 30  groups = {\"cad1\"}  "
           "qos = \"teaching\"  starts = \"2026-10-13T10:15\"  duration = \"90m\"  "
           "zone = \"Europe/Berlin\"\n"
           "  repeat = \"FREQ=WEEKLY;UNTIL=20270212T225959Z\"  "
           "except = {\"2026-12-22/2027-01-06\"}  lead = \"5m\"  no_show = \"10m\" }\n",
           "vdi.conf:7: partition \"batch\" batch_template: there is no template \"batch\"; "
           "write a template block of that name\n");
    refuse("site \"fake\" { }\nlisten = {\"http:127.0.0.1:6820\"}\n",
           "vdi.conf: auth: there is none, so nobody could sign in over TCP; write a block, as in "
           "auth \"munge\" { }\n");
}

#define PLACE                                                                                      \
    "node \"n1\" { cpus = 4  memory = \"8G\" }\n"                                                  \
    "partition \"p\" { nodes = \"n1\"  default = true }\n"
#define CAD "template \"cad\" { image = \"i\" }\nqos \"teaching\" { }\n"
#define CLASS(more) BASE CAD PLACE "class \"lab\" { template = \"cad\"  seats = 30 " more " }\n"
#define TIMES "starts = \"2026-10-13T10:15\"  duration = \"90m\" "

static void classes(void **state)
{
    _cleanup_(config_freep) struct config *c = take(
        CLASS("groups = {\"cad1\", \"cad2\"}  users = {\"ada\", \"unix:bob\"}  account = \"cs\" "
              "partition = \"p\"  qos = \"teaching\"  zone = \"Europe/Berlin\" " TIMES
              "repeat = \"FREQ=WEEKLY;COUNT=14\"  except = {\"2026-12-22/2027-01-06\"} "
              "lead = \"10m\"  grace = \"5m\"  no_show = \"20m\"  cleaning = \"1m\" "));
    const struct config_class *k = &c->classes[0];

    assert_int_equal(c->n_classes, 1);
    assert_string_equal(k->name, "lab");
    assert_string_equal(k->template_name, "cad");
    assert_string_equal(k->partition, "p");
    assert_string_equal(k->qos, "teaching");
    assert_string_equal(k->account, "cs");
    assert_string_equal(k->groups.names[1], "cad2");
    assert_string_equal(k->users.names[1], "unix:bob");
    assert_string_equal(k->starts, "2026-10-13T10:15");
    assert_string_equal(k->zone, "Europe/Berlin");
    assert_string_equal(k->repeat, "FREQ=WEEKLY;COUNT=14");
    assert_string_equal(k->except.names[0], "2026-12-22/2027-01-06");
    assert_true(k->seats == 30 && k->duration_sec == 5400 && k->lead_sec == 600);
    assert_true(k->grace_sec == 300 && k->no_show_sec == 1200 && k->cleaning_sec == 60);
    config_free(c);
    c = take(CLASS("users = {\"ada\"} " TIMES));
    assert_string_equal(c->classes[0].zone, "UTC");
    assert_true(c->classes[0].lead_sec == 300 && !c->classes[0].no_show_sec);
}

/* Megapixels a second of its resolution, rounded up. */
static void encoders(void **state)
{
    static const struct {
        const char *resolution;
        uint32_t mpix;
    } cases[] = {{"1920x1080", 63}, {"320x200", 2}, {"2560x1440", 111}, {"16384x16384", 8054}};
    _cleanup_(config_freep) struct config *c =
        take(BASE "node \"n1\" { cpus = 4  memory = \"8G\"  encode = 500 }\n" CAD
                  "node \"n2\" { cpus = 4  memory = \"8G\" }\n"
                  "node \"n3\" { cpus = 4  memory = \"8G\"  encoder = software }\n");

    assert_true(config_node_is_software(config_node(c, "n3")));
    assert_int_equal(c->encode_per_cpu, CONFIG_ENCODE_PER_CPU);
    assert_int_equal(config_node(c, "n1")->encode_mpix, 500);
    assert_int_equal(config_node(c, "n2")->encode_mpix, 0);
    assert_false(config_node_is_software(config_node(c, "n2")));
    assert_int_equal(config_template_encode(&c->templates[0]), 63);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_template t = {.resolution = (char *)cases[i].resolution};

        assert_int_equal(config_template_encode(&t), cases[i].mpix);
    }
}

/* Each is named with its line and its key. */
static void classes_that_cannot_be_are_refused(void **state)
{
    static const char *const wrong[][2] = {
        {CLASS(TIMES), "class \"lab\" groups: nobody could take a seat"},
        {CLASS("users = {\"a\"} "), "class \"lab\" starts"},
        {CLASS("users = {\"a\"}  partition = \"x\" " TIMES), "there is no partition \"x\""},
        {CLASS("users = {\"a\"}  qos = \"x\" " TIMES), "there is no qos \"x\""},
        {CLASS("users = {\"a\"}  zone = \"Mars/Olympus\" " TIMES), "class \"lab\" zone"},
        {CLASS("users = {\"a\"}  repeat = \"FREQ=SOMETIMES\" " TIMES), "class \"lab\" repeat"},
        {CLASS("users = {\"a\"}  repeat = \"FREQ=WEEKLY;BYDAY=WE\" " TIMES),
         "class \"lab\" starts"},
        {CLASS("users = {\"a\"}  except = {\"soon\"} " TIMES), "class \"lab\" except"},
        {CLASS("users = {\"a\"}  starts = \"tomorrow\"  duration = \"90m\" "),
         "class \"lab\" starts"},
        {CLASS("users = {\"a\"}  starts = \"2026-10-13T10:15\"  duration = \"8d\" "), "duration"},
        {CLASS("roster = \"x\" " TIMES), "roster: \"x\" is not an absolute path"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-13\"} " TIMES), "moves no date"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-13 skip\"} " TIMES), "moves no date"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-13 2026-10-14T10:15 2h x\"} " TIMES),
         "moves no date"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-13 2026-10-14T10:15 1s\"} " TIMES),
         "moves no date"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-14 2026-10-14T12:15\"} " TIMES),
         "class \"lab\" moved"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-13 2026-10-28T12:15\"} " TIMES),
         "too far from"},
        {CLASS("users = {\"a\"}  moved = {\"2026-10-13 2026-10-14T12:15\", "
               "\"2026-10-13 2026-10-15T12:15\"} " TIMES),
         "\"2026-10-13\" is moved twice"},
        {BASE CAD PLACE "class \"lab\" { template = \"x\"  seats = 1  users = {\"a\"} " TIMES "}\n",
         "there is no template \"x\""},
        {BASE CAD PLACE "class \"lab\" { template = \"cad\"  seats = 0  users = {\"a\"} " TIMES
                        "}\n",
         "class \"lab\" seats"},
        {BASE CAD "class \"lab\" { template = \"cad\"  seats = 1  users = {\"a\"} " TIMES "}\n",
         "no partition is the default one"},
        {BASE CAD PLACE "role \"r\" { users = {\"a\"}  may = {\"class.create\"}  "
                        "templates = {\"x\"} }\n",
         "role \"r\" templates: there is no template \"x\""},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        refuse_with(wrong[i][0], strlen(wrong[i][0]), wrong[i][1]);
}

/* Who makes room for whom: names, modes, and no circle. */
static void preemption_is_checked(void **state)
{
    _cleanup_(config_freep) struct config *c =
        take(BASE "qos \"batch\" { preempt_exempt_time = \"5m\" }\n"
                  "qos \"teaching\" { preempts = {\"batch\"} preempt_modes = {save, requeue} "
                  "grace = \"2m\" }\n");

    assert_string_equal(c->qos[1].preempts.names[0], "batch");
    assert_string_equal(c->qos[1].preempt_modes.names[0], "save");
    assert_int_equal(c->qos[1].grace_sec, 120);
    assert_int_equal(c->qos[0].preempt_exempt_sec, 300);
    assert_string_equal(c->qos[0].preempt_modes.names[0], "requeue");
    assert_int_equal(c->qos[0].grace_sec, 0);
    refuse(BASE "qos \"a\" { preempts = {\"b\", \"nobody\"} }\n"
                "qos \"b\" { preempts = {\"c\"} }\n"
                "qos \"c\" { preempts = {\"b\"} }\n"
                "qos \"d\" { preempt_modes = {pause, save, kill} }\n",
           "vdi.conf:3: qos \"a\" preempts: there is no qos \"nobody\"; write a qos block of that "
           "name\n"
           "vdi.conf:4: qos \"b\" preempts: its own jobs would make room for those that make room "
           "for them; take one out of the circle\n"
           "vdi.conf:5: qos \"c\" preempts: its own jobs would make room for those that make room "
           "for them; take one out of the circle\n"
           "vdi.conf:6: qos \"d\" preempt_modes: pause: a paused guest keeps its memory and GPUs, "
           "so nobody gets room; name some of save, requeue and cancel, the best first\n"
           "vdi.conf:6: qos \"d\" preempt_modes: \"kill\" is no mode; name some of save, requeue "
           "and cancel, the best first\n");
}

static void defaults_are_in_range(void **state)
{
    _cleanup_(config_freep) struct config *c = take(BASE);
    assert_string_equal(c->cluster, "vdi");
    assert_string_equal(c->listen.names[0], "unix:/run/vdi/vdictld.sock");
    assert_string_equal(c->node_listen, "");
    assert_int_equal(c->node_down_after_sec, 15);
    assert_int_equal(c->node_fail_after_sec, 300);
    assert_int_equal(c->idle_timeout_sec, 60);
    assert_false(c->visible_all);
    assert_int_equal(c->n_nodes, 0);
    const struct {
        const struct config_key *keys;
        size_t size;
    } tables[] = {
        {config_node_keys, sizeof(struct config_node)},
        {config_gpu_keys, sizeof(struct config_node)},
        {config_partition_keys, sizeof(struct config_partition)},
        {config_qos_keys, sizeof(struct config_qos)},
        {config_template_keys, sizeof(struct config_template)},
        {config_role_keys, sizeof(struct config_role)},
    };
    for (size_t i = 0; i < ELEMENTS(tables); i++) {
        for (const struct config_key *k = tables[i].keys; k->name; k++) {
            struct config_key one[] = {*k, {.name = NULL}};
            union {
                char bytes[4096];
                int64_t align;
            } base = {{0}};
            assert_in_range(tables[i].size, 1, sizeof(base));
            assert_int_equal(config_keys_default(one, &base), 0);
            if (k->type == CONFIG_LIST || k->type == CONFIG_HOSTS) {
                struct config_names *names = (void *)(base.bytes + k->offset);
                for (size_t n = 0; n < names->n; n++)
                    free(names->names[n]);
                free(names->names);
            } else if (k->type <= CONFIG_CHOICE || k->type == CONFIG_JOINED) {
                free(*(char **)(base.bytes + k->offset));
            }
        }
    }
}

static void many_findings(void **state)
{
    refuse(
        BASE "cluster = \"two words\"\n"
             "colour = blue\n"
             "max_jobs = many\n"
             "max_body_kib = 1\n"
             "node_listen = \"localhost:1\"\n"
             "listen = {\"http:0.0.0.0:80\", \"unix:here\"}\n"
             "visible_all = perhaps\n"
             "log_level = loud\n"
             "node \"n[1-2]\" {\n"
             "  cpus = 0\n"
             "  shape = round\n"
             "  memory = {\"1G\", \"2G\"}\n"
             "}\n"
             "node \"n2\" { cpus = 1 memory = 1G }\n"
             "partition \"p\" { nodes = \"n[1-4]\" max_time = \"soon\" }\n",
        "vdi.conf:4: colour: there is no such key; see vdi.conf(5) for the keys\n"
        "vdi.conf:13: shape: there is no such key in a block node; see vdi.conf(5) for the keys\n"
        "vdi.conf:3: cluster: \"two words\" is not a name; use letters, digits, '.', '_' and '-', "
        "not beginning with '.' or '-'\n"
        "vdi.conf:8: listen: \"http:0.0.0.0:80\" would send credentials unencrypted over the "
        "network; use https: with tls_cert and tls_key, or a loopback address\n"
        "vdi.conf:7: node_listen: \"localhost:1\" is not an address to listen on; write "
        "ADDRESS:PORT, as in \"0.0.0.0:6819\" or \"[::]:6819\"\n"
        "vdi.conf:10: log_level: \"loud\" is not one of the choices; write one of error, "
        "warning, info, debug\n"
        "vdi.conf:5: max_jobs: \"many\" is not a number (limit: 1 to 10000000); write a whole "
        "number in the range\n"
        "vdi.conf:6: max_body_kib: \"1\" is out of range (limit: 16 to 65536); write a whole "
        "number in the range\n"
        "vdi.conf:9: visible_all: \"perhaps\" is neither yes nor no; write yes or no\n"
        "vdi.conf:12: node \"n[1-2]\" cpus: \"0\" is out of range (limit: 1 to 65536); write a "
        "whole number in the range\n"
        "vdi.conf:14: node \"n[1-2]\" memory: it takes one value, and 2 are given; write the "
        "value without { }\n"
        "vdi.conf:17: partition \"p\" max_time: \"soon\" is not a duration (limit: 0 to 31536000 "
        "seconds); write it as 90s, 15m, 12h or 2d\n"
        "vdi.conf:16: node: \"n2\" is described in line 11, too; describe it in one place\n"
        "vdi.conf:17: partition \"p\" nodes: there are no nodes \"n3\" and 1 more of the list; "
        "describe them in node blocks or take them out\n");
}

static void twice(void **state)
{
    refuse(BASE "cluster = a\n\ncluster = b\n"
                "site \"x\" { uri = 1\n uri = 2 }\n",
           "vdi.conf:5: cluster: it is given twice, first in line 3; keep one of them\n"
           "vdi.conf:7: uri: it is given twice, first in line 6; keep one of them\n"
           "vdi.conf:6: site \"x\": there is a site already, in line 1; keep one of them\n");
    refuse(BASE "qos \"a\" { }\nqos \"b\" { }\nqos\n'a'\n{ priority = -1 }\nqos \"b\" { }\n"
                "qos { }",
           "vdi.conf:7: qos \"a\": there is one already, in line 3; keep one of them, or give it "
           "another title\n"
           "vdi.conf:8: qos \"b\": there is one already, in line 4; keep one of them, or give it "
           "another title\n"
           "vdi.conf:9: qos: the block has no title; write NAME \"TITLE\" { }\n");
    refuse(
        BASE "node \"n\" { cpus = 1 memory = 1G }\n"
             "partition \"p\" { nodes = n default = yes }\n"
             "partition \"q\" { nodes = \"n,n\" default = yes }\n",
        "vdi.conf:5: partition \"q\" nodes: \"n\" is in the list twice; take one out\n"
        "vdi.conf:5: partition: \"p\" and \"q\" are both the default; leave default = yes in one "
        "of them\n");
}

static void syntax(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"cluster = \"a\n", "vdi.conf:1: syntax: a string is not closed"},
        {"\ncluster = \"${HOME}\"\n", "vdi.conf:2: syntax: a string holds ${"},
        {"cluster = ${HOME}\n", "vdi.conf:1: syntax: '$' stands outside"},
        {"include(\"/etc/shadow\")\n", "vdi.conf:1: syntax: functions like include()"},
        {"listen += {a}\n", "+= is not taken"},
        {"store = sqlite:/var\n", "'/' stands outside a string; put the value in quotes"},
        {"/* open\n\n", "vdi.conf:1: syntax: a comment is not closed"},
        {"/* a\nb */ cluster = \"\\n\"", "vdi.conf:2: syntax: a string holds \\ before"},
        {"qos \"a\" {\n", "vdi.conf:1: syntax: the block or list that begins here is not closed"},
        {"}\n", "vdi.conf:1: syntax: } closes nothing"},
        {"a { b { c { d { e { f { g { h { i { j {", "nested too deeply"},
        {"\"qos|x|y\" = 1", "a string holds '|'"},
        {"\"cluster\" = 1", "a quoted string stands before '='"},
        {"cluster", "syntax: premature end of file"},
        {"cluster = \n", "syntax: premature end of file"},
        {"cluster x", "missing equal sign after option 'cluster'"},
        {"cluster = x qos { }", "the block has no title"},
        {"cluster = \"x\" qos { }", "the block has no title"},
        {"qos a b { }", "missing opening brace for section 'qos'"},
        {"\xff\n", "vdi.conf:1: syntax: the line is not text"},
        {"a = \"\x01\"\n", "vdi.conf:1: syntax: the line is not text"},
        {"nonsense \"x\" { y = 1 }\n", "vdi.conf:1: nonsense: there is no such key"},
        {"# \n#\ncluster = \"-\" /* a\n b */ colour = 1", "vdi.conf:4: colour: there is no such"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++)
        refuse_with(rows[i].text, strlen(rows[i].text), rows[i].words);
    refuse_with("cluster = a\n\0b = c", 18, "vdi.conf:2: syntax: the line is not text");
}

/* A syntax error late in the file does not hide a wrong value before it. */
static void values_before_a_syntax_error(void **state)
{
    refuse(
        BASE "max_jobs = 0\npartition \"p\" { nodes = n }\nqos x y",
        "vdi.conf:5: syntax: missing opening brace for section 'qos'; correct it; what follows "
        "in the file was not looked at\n"
        "vdi.conf:3: max_jobs: \"0\" is out of range (limit: 1 to 10000000); write a whole number "
        "in the range\n");
}

static void relations(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"listen = \"https:0.0.0.0:1\"", "needs a certificate; write tls_cert and tls_key"},
        {"tls_cert = \"/a\"", "the other half of the pair is missing"},
        {"tls_cert = \"a\"", "is not an absolute path"},
        {"node_down_after = 5m", "node_fail_after: 300 seconds are not more than"},
        {"max_body_kib = 1000\nmax_script_kib = 600", "does not fit a body"},
        {"requests_per_sec = 9999", "is less than requests_per_sec (9999)"},
        {"max_jobs = 5", "max_jobs_user: 20000 is more than max_jobs (5)"},
        {"listen = {}", "listen: the list is empty"},
        {"store = nothing", "does not say where events are kept"},
        {"role \"r\" { users = {u} may = {job.fly} }", "there is no request \"job.fly\""},
        {"role \"r\" { may = {job.list} }", "nobody has the role"},
        {"role \"r\" { users = {u} }", "role \"r\" may: it is missing"},
        {"template \"t\" { image = i idle = 5m }", "300 s are not shorter than idle"},
        {"template \"t\" { image = i idle = 1h idle_warn = 2h }", "give a shorter one"},
        {"template \"t\" { image = i idle_action = log-out }", "idle_action"},
        {"template \"t\" { image = i resolution = big }", "is not the size of a display"},
        {"template \"t\" { image = i timezone = \"/etc\" }", "is not the name of a time zone"},
        {"template \"t\" { vcpus = 1 }", "template \"t\" image: it is missing"},
        {"template \"t\" { image = i usb = {x} }", "usb: it is not supported yet"},
        {"template \"t\" { image = i licence = {x} }", "licence: there is no licence \"x\""},
        {"template \"t\" { image = i licence = {\"x:0\"} }", "\"x:0\" is no licence and a number"},
        {"licence \"x\" { count = 2 } template \"t\" { image = i licence = {\"x:3\"} }",
         "it asks for 3 of licence \"x\", and there are 2"},
        {"template \"t\" { image = i mount \"home\" { source = a target = \"/b\" } }",
         "mount \"home\" source: \"a\" is not an absolute path"},
        {"mount \"h\" { source = \"/a/%x\" target = \"/b\" }", "has a % that means nothing"},
        {"mount \"h\" { source = \"/a\" }", "mount \"h\" target: it is missing"},
        {"mount \"h\" { source = \"/a\" target = \"/b\" type = 9p }", "9p: QEMU would serve it"},
        {"mount \"h\" { source = \"/a\" target = \"/b\" type = smb }",
         "mount \"h\" source: \"/a\" is no source of type smb"},
        {"mount \"h\" { source = \"//n/a\" target = \"/b\" type = nfs-krb5 }",
         "no source of type nfs-krb5"},
        {"mount \"h\" { source = \"n:/a,sec=sys\" target = \"/b\" type = nfs-krb5 }",
         "a character that a mount's path may not have"},
        {"mount \"h\" { source = \"/a\" target = \"/b\" ticket = \"/t\" }",
         "are for types nfs-krb5 and smb"},
        {"mount \"h\" { source = \"n:/a\" target = \"/b\" type = nfs-krb5 ticket = \"KCM:\" }",
         "names the kind of a credential cache"},
        {"mount \"h\" { source = \"n:/a\" target = \"/b\" type = nfs-krb5 security = sys }",
         "security: \"sys\" is no kind of security"},
        {"mount \"h\" { source = \"n:/a\" target = \"/b\" type = nfs-krb5 }\n"
         "mount \"i\" { source = \"//n/a\" target = \"/c\" type = smb ticket = \"/t\" }\n"
         "template \"t\" { image = i mounts = {h, i} }",
         "have different tickets"},
        {"mount \"h\" { source = \"/a\" target = \"/b\" type = nfs }", "virtiofs, nfs-krb5"},
        {"mount \"h\" { source = \"/a\" target = \"/proc/x\" }", "would hide /proc"},
        {"template \"t\" { image = i mounts = {h} }", "there is no mount \"h\""},
        {"mount \"h\" { source = \"/a\" target = \"/b\" }\n"
         "template \"t\" { image = i os = windows mounts = {h} }",
         "not there for windows"},
        {"template \"t\" { image = i disk \"d\" { target = \"/d\" } }",
         "disk \"d\" size: it is missing"},
        {"template \"t\" { image = i disk \"d\" { size = 1G } }",
         "disk \"d\" target: it is missing"},
        {"template \"t\" { image = i disk \"d\" { size = 0G target = \"/d\" } }",
         "\"0G\" is out of range"},
        {"template \"t\" { image = i disk \"d\" { size = 1G target = \"d\" } }",
         "\"d\" is not an absolute path"},
        {"template \"t\" { image = i disk \"d\" { size = 1G target = \"/dev/d\" } }",
         "would hide /dev"},
        {"template \"t\" { image = i disk \"d\" { size = 1G target = \"/d\" persistence = x } }",
         "discard, job, personal"},
        {"template \"t\" { image = i disk \"d\" { size = 1G target = \"/d\" where = x } }",
         "node, shared"},
        {"template \"t\" { image = i disk \"d\" { size = 1G target = \"/d\" }\n"
         "disk \"e\" { size = 1G target = \"/d\" } }",
         "disk \"e\" target: \"/d\" is the target of another"},
        {"template \"t\" { image = i disk \"d\" { size = 1G target = \"/d\" }\n"
         "disk \"d\" { size = 1G target = \"/e\" } }",
         "it has two of the name \"d\""},
        {"template \"t\" { image = i os = windows disk \"d\" { size = 1G target = \"/d\" } }",
         "template \"t\" disk: the guest runner"},
        {"disk_space_max = 3G\ntemplate \"t\" { image = i\n"
         "disk \"d\" { size = 4G target = \"/d\" } }",
         "have 4 GiB: more than disk_space_max (3 GiB)"},
        {"template \"../t\" { image = i }", "\"../t\" is not a name"},
        {"node \"n\" { cpus = 1 memory = 1G gpu \"a\" { } gpu \"b\" { } }", "a second type of GPU"},
        {"node \"n[1-\" { cpus = 1 memory = 1G }", "the title is not a hostlist"},
        {"node \"n[1-70000]\" { cpus = 1 memory = 1G }", "there are too many nodes"},
        {"node \"n/a\" { cpus = 1 memory = 1G }", "the title is not a hostlist"},
        {"node \"n\" { cpus = 1 memory = 1X }", "is not a size"},
        {"node \"n\" { cpus = 1 memory = 1M }", "\"1M\" is out of range (limit: 64 to"},
        {"node \"n\" { cpus = 1 memory = 1G features = {a, a} }", "\"a\" is in the list twice"},
        {"node \"n\" { cpus = 1 memory = 1G }\npartition \"p\" { nodes = n max_time = 1h "
         "default_time = 2h }",
         "default_time: 7200 seconds are more than max_time"},
        {"auth \"a\" { k = {1, 2} }", "it takes one value, and 2 are given"},
    };
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        _cleanup_(freep) char *text = str_printf(BASE "%s\n", rows[i].text);
        refuse_with(text, strlen(text), rows[i].words);
    }
}

static void files(void **state)
{
    char path[] = "/tmp/vdi-test-config-XXXXXX";
    struct config *c = NULL;
    struct buf findings = BUF_INIT(0);
    assert_int_equal(config_read("/nonexistent/vdi.conf", &c, &findings), -ENOENT);
    assert_non_null(strstr(findings.data, "/nonexistent/vdi.conf: file: it can't be read"));
    buf_clear(&findings);
    assert_int_equal(config_read("/", &c, &findings), -EINVAL);
    assert_int_equal(config_read("/dev/zero", &c, &findings), -EINVAL);
    assert_non_null(strstr(findings.data, "/dev/zero: file: it is not a regular file"));
    buf_clear(&findings);
    _cleanup_(closep) int fd = mkstemp(path);
    assert_int_equal(ftruncate(fd, CONFIG_FILE_MAX + 1), 0);
    assert_int_equal(config_read(path, &c, &findings), -EFBIG);
    assert_non_null(strstr(findings.data, "(limit: 4 MiB)"));
    buf_clear(&findings);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(config_read(path, &c, &findings), -EINVAL); /* no site */
    assert_null(c);
    unlink(path);
    buf_done(&findings);
}

#define NODES "node \"gpu[01-03]\" { cpus = 64 memory = 512G gpu \"A40\" { count = 4 } }\n"

static void diff(void **state)
{
    _cleanup_(config_freep) struct config *a =
        take(BASE NODES "partition \"d\" { nodes = \"gpu[01-03]\" }\nqos \"q\" { }\n");
    _cleanup_(config_freep) struct config *b =
        take("site \"fake\" { delay = 5 }\nauth \"token\" { }\nmax_jobs_user = 7\n"
             "node \"gpu[01-02]\" { cpus = 64 memory = 512G gpu \"A40\" { count = 4 } }\n"
             "node \"gpu03\" { cpus = 32 memory = 512G gpu \"A40\" { count = 3 } }\n"
             "partition \"d\" { nodes = \"gpu[01-02]\" max_time = 12h }\n"
             "partition \"batch\" { nodes = gpu03 }\n");
    _cleanup_(config_freep) struct config *moved =
        take(BASE NODES "partition \"d\" { nodes = \"gpu[01-03]\" }\nqos \"q\" { }\n"
                        "store = \"sqlite:/else\"\n");
    struct buf out = BUF_INIT(0);
    bool restart = true;
    config_diff(a, a, &out, &restart);
    assert_int_equal(out.len, 0);
    assert_false(restart);
    config_diff(a, b, &out, &restart);
    assert_string_equal(out.data, "max_jobs_user 20000 -> 7\n"
                                  "plugin fake: delay added\n"
                                  "auth munge: removed\n"
                                  "auth token: added\n"
                                  "node gpu03: cpus 64 -> 32\n"
                                  "node gpu03: count 4 -> 3\n"
                                  "partition batch: added\n"
                                  "partition d: nodes gpu[01-03] -> gpu[01-02]\n"
                                  "partition d: max_time 0 -> 12h\n"
                                  "qos q: removed\n");
    assert_false(restart);
    buf_clear(&out);
    config_diff(a, moved, &out, &restart);
    assert_string_equal(out.data, "store sqlite:/var/lib/vdi/vdi.db -> sqlite:/else (after a "
                                  "restart)\n");
    assert_true(restart);
    buf_done(&out);
}

static char *read_page(const char *name)
{
    const char *top = getenv("top_srcdir");
    _cleanup_(freep) char *path = str_printf("%s/doc/man/%s", top ? top : ".", name);
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    char *page = calloc(1, 1 << 18);
    assert_non_null(f);
    assert_non_null(page);
    assert_in_range(fread(page, 1, (1 << 18) - 1, f), 1, (1 << 18) - 2);
    return page;
}

/* The part of the page that begins with this line, up to the next heading. Caller frees. */
static char *section(const char *page, const char *heading)
{
    const char *begin = strstr(page, heading);
    if (!begin)
        fail_msg("vdi.conf.5 has no%s", heading);
    begin += strlen(heading);
    const char *end = strstr(begin, "\n.S");
    return strndup(begin - 1, end ? (size_t)(end - begin) + 2 : strlen(begin) + 1);
}

/* Every key and every block has its paragraph in the man page, in its place, with its default. */
static void man_page(void **state)
{
    _cleanup_(freep) char *page = read_page("vdi.conf.5");
    char *part = section(page, "\n.Sh KEYS\n"), *save = NULL;
    struct buf out = BUF_INIT(0);
    unsigned n = 0;
    config_print_reference(&out);
    for (char *line = strtok_r(out.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *fields = line, *name = strsep(&fields, "\t"), *type = strsep(&fields, "\t");
        const char *initial = strsep(&fields, "\t"), *dot = strchr(name, '.');
        if (str_equal(type, "block")) {
            _cleanup_(freep) char *heading = str_printf("\n.Ss The %s block\n", name);
            free(part);
            part = section(page, heading);
            continue;
        }
        if (str_equal(name, "plugin_dir"))
            initial = "set at build time";
        _cleanup_(freep) char *entry =
            str_printf("\n.It Cm %s Pq %s\n", dot ? dot + 1 : name, initial);
        if (!strstr(part, entry))
            fail_msg("vdi.conf.5 has no%s in the part of %s", entry, name);
        n++;
    }
    size_t entries = 0;
    for (const char *p = page; (p = strstr(p, "\n.It Cm ")); p++)
        entries++;
    assert_int_equal(entries, n); /* and none is explained that is not there */
    free(part);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_file),
        cmocka_unit_test(gpus_of_all_laws),
        cmocka_unit_test(gpus_that_cannot_be_are_refused),
        cmocka_unit_test(design_example),
        cmocka_unit_test(classes),
        cmocka_unit_test(encoders),
        cmocka_unit_test(classes_that_cannot_be_are_refused),
        cmocka_unit_test(preemption_is_checked),
        cmocka_unit_test(defaults_are_in_range),
        cmocka_unit_test(many_findings),
        cmocka_unit_test(twice),
        cmocka_unit_test(syntax),
        cmocka_unit_test(values_before_a_syntax_error),
        cmocka_unit_test(relations),
        cmocka_unit_test(files),
        cmocka_unit_test(diff),
        cmocka_unit_test(man_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

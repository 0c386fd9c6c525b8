/* SPDX-License-Identifier: Apache-2.0 */
/* test_submit.c - the grammar of vdisubmit: sbatch's options, GPUs, scripts, what counts more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/submit.h"
#include "codec/document.h"

#define WORDS_MAX 16

/* Reads a command line, "--time=5 -H"; no quotes. */
static int read_line(const char *line, struct submit *submit, struct vdi_error *err)
{
    static char copies[64][256];
    static unsigned next;
    char *copy = copies[next++ % 64], *words[WORDS_MAX] = {(char *)"vdisubmit"};
    struct option_list list = {.n = 0};
    int n = 1, first;
    str_copy(copy, 256, line);
    for (char *w; (w = strsep(&copy, " ")) && n < WORDS_MAX - 1;)
        if (*w)
            words[n++] = w;
    *err = (struct vdi_error){.code = 0};
    int r = options_parse(&submit_command, n, words, &list, &first, err);
    return r ? r : options_apply(&list, submit, err);
}

/* Every option of sbatch(1) by its letter; whether it has its effect or is refused by name. */
static const struct {
    const char *name;
    char letter;
    const char *value; /* NULL: takes none */
    bool works;
} sbatch[] = {
    {"account", 'A', "lab", true},
    {"acctg-freq", 0, "30", false},
    {"array", 'a', "0-15", true},
    {"batch", 0, "x", false},
    {"bb", 0, "x", false},
    {"bbf", 0, "x", false},
    {"begin", 'b', "now+1hour", true},
    {"chdir", 'D', "/tmp", true},
    {"cluster-constraint", 0, "x", false},
    {"clusters", 'M', "x", false},
    {"comment", 0, "x", true},
    {"constraint", 'C', "a40", true},
    {"container", 0, "x", false},
    {"container-id", 0, "x", false},
    {"contiguous", 0, NULL, false},
    {"core-spec", 'S', "1", false},
    {"cores-per-socket", 0, "1", false},
    {"cpu-freq", 0, "low", false},
    {"cpus-per-gpu", 0, "1", false},
    {"cpus-per-task", 'c', "4", true},
    {"deadline", 0, "now+1hour", true},
    {"delay-boot", 0, "1", false},
    {"dependency", 'd', "afterok:1", true},
    {"distribution", 'm', "block", false},
    {"error", 'e', "err.txt", true},
    {"exclude", 'x', "gpu[1-2]", true},
    {"exclusive", 0, NULL, false},
    {"export", 0, "NONE", true},
    {"export-file", 0, "x", false},
    {"extra", 0, "x", false},
    {"extra-node-info", 'B', "1", false},
    {"get-user-env", 0, NULL, false},
    {"gid", 0, "x", false},
    {"gpu-bind", 0, "x", false},
    {"gpu-freq", 0, "x", false},
    {"gpus", 'G', "2", true},
    {"gpus-per-node", 0, "2", true},
    {"gpus-per-socket", 0, "2", false},
    {"gpus-per-task", 0, "2", false},
    {"gres", 0, "gpu:1", true},
    {"gres-flags", 0, "x", false},
    {"hint", 0, "x", false},
    {"hold", 'H', NULL, true},
    {"ignore-pbs", 0, NULL, false},
    {"input", 'i', "x", false},
    {"job-name", 'J', "x", true},
    {"kill-on-invalid-dep", 0, "yes", true},
    {"licenses", 'L', "x", true},
    {"mail-type", 0, "END,TIME_LIMIT_90", true},
    {"mail-user", 0, "ann@example.org", true},
    {"mcs-label", 0, "x", false},
    {"mem", 0, "4G", true},
    {"mem-bind", 0, "x", false},
    {"mem-per-cpu", 0, "1G", false},
    {"mem-per-gpu", 0, "1G", false},
    {"mincpus", 0, "1", false},
    {"network", 0, "x", false},
    {"nice", 0, NULL, true},
    {"no-kill", 'k', NULL, false},
    {"no-requeue", 0, NULL, true},
    {"nodefile", 'F', "x", false},
    {"nodelist", 'w', "gpu1", true},
    {"nodes", 'N', "1", true},
    {"ntasks", 'n', "1", true},
    {"ntasks-per-core", 0, "1", false},
    {"ntasks-per-gpu", 0, "1", false},
    {"ntasks-per-node", 0, "1", true},
    {"ntasks-per-socket", 0, "1", false},
    {"oom-kill-step", 0, NULL, false},
    {"open-mode", 0, "append", false},
    {"output", 'o', "out.txt", true},
    {"overcommit", 'O', NULL, false},
    {"oversubscribe", 's', NULL, false},
    {"parsable", 0, NULL, true},
    {"partition", 'p', "batch", true},
    {"power", 0, "x", false},
    {"prefer", 0, "x", false},
    {"priority", 0, "1", false},
    {"profile", 0, "all", false},
    {"propagate", 0, NULL, false},
    {"qos", 'q', "x", true},
    {"quiet", 'Q', NULL, true},
    {"reboot", 0, NULL, false},
    {"requeue", 0, NULL, true},
    {"reservation", 0, "x", true},
    {"resv-ports", 0, NULL, false},
    {"segment", 0, "1", false},
    {"signal", 0, "B:USR1@60", true},
    {"sockets-per-node", 0, "1", false},
    {"spread-job", 0, NULL, false},
    {"stepmgr", 0, NULL, false},
    {"switches", 0, "1", false},
    {"test-only", 0, NULL, true},
    {"thread-spec", 0, "1", false},
    {"threads-per-core", 0, "1", false},
    {"time", 't', "60", true},
    {"time-min", 0, "10", true},
    {"tmp", 0, "1G", false},
    {"tres-bind", 0, "x", false},
    {"tres-per-task", 0, "x", false},
    {"uid", 0, "x", false},
    {"usage", 0, NULL, false},
    {"use-min-nodes", 0, NULL, false},
    {"verbose", 'v', NULL, true},
    {"wait", 'W', NULL, true},
    {"wait-all-nodes", 0, "1", false},
    {"wckey", 0, "x", false},
    {"wrap", 0, "true", true},
};

static void check_row(const char *line, const char *name, bool works)
{
    struct submit submit = {.now_usec = 1000000};
    struct vdi_error err;
    int r = read_line(line, &submit, &err);
    if (works && r != 0)
        fail_msg("%s: %s", line, err.detail);
    if (works)
        return;
    if (r != -EINVAL || !strstr(err.detail, name) || !*err.remedy)
        fail_msg("%s is not refused by name with a remedy: '%s' '%s'", line, err.detail,
                 err.remedy);
}

static void every_sbatch_option_works_or_is_refused_by_name(void **state)
{
    char line[128];
    for (size_t i = 0; i < ELEMENTS(sbatch); i++) {
        const char *value = sbatch[i].value;
        snprintf(line, sizeof(line), "--%s%s%s", sbatch[i].name, value ? "=" : "",
                 value ? value : "");
        check_row(line, sbatch[i].name, sbatch[i].works);
        snprintf(line, sizeof(line), "--%s%s%s", sbatch[i].name, value ? " " : "",
                 value ? value : "");
        check_row(line, sbatch[i].name, sbatch[i].works);
        if (!sbatch[i].letter)
            continue;
        snprintf(line, sizeof(line), "-%c%s", sbatch[i].letter, value ? value : "");
        check_row(line, sbatch[i].name, sbatch[i].works);
    }
}

/* A row without effect and without refusal would be an option that is ignored. */
static void no_row_is_ignored(void **state)
{
    for (const struct option_row *row = submit_rows; row->name; row++) {
        assert_true((row->set != NULL) != (row->instead != NULL));
        assert_true((row->help != NULL) != (row->instead != NULL));
        for (const struct option_row *other = row + 1; other->name; other++) {
            assert_string_not_equal(row->name, other->name);
            assert_false(row->letter && row->letter == other->letter);
        }
    }
}

static void values_mean_what_slurm_means(void **state)
{
    struct submit s = {.now_usec = 1000000};
    struct vdi_error err;
    assert_int_equal(read_line("-t 90 -c 8 --mem=16G --nice --signal=B:USR1@120", &s, &err), 0);
    assert_int_equal(s.time_limit_sec, 5400);
    assert_int_equal(s.cpus, 8);
    assert_int_equal(s.memory_mib, 16384);
    assert_int_equal(s.nice, 100);
    assert_int_equal(s.signal, 10);
    assert_int_equal(s.signal_sec, 120);
    assert_int_equal(read_line("--time=1-02:03:04 --signal=15 --nice=-5", &s, &err), 0);
    assert_int_equal(s.time_limit_sec, 86400 + 2 * 3600 + 184);
    assert_int_equal(s.signal, 15);
    assert_int_equal(s.signal_sec, 60);
    assert_int_equal(s.nice, -5);
    assert_int_equal(read_line("--requeue --no-requeue", &s, &err), 0);
    assert_int_equal(s.requeue, REQUEUE_NO);
}

static void wrong_values_are_refused(void **state)
{
    static const char *const lines[] = {
        "--time=soon",
        "-N 0",
        "-N 2-4",
        "--ntasks=0",
        "--mem=0",
        "--mem=lots",
        "--cpus-per-task=0",
        "--signal=NOPE",
        "--signal=USR1@99999",
        "--signal=R:USR1",
        "--begin=never",
        "--nodelist=a[1-",
        "--nice=1e9",
        "--idempotency-key=a/b",
        "--no-such",
        "--hold=yes",
        "--time",
        "-y",
        "--gres=gpu:",
        "--gres=disk:1",
        "--gres=gpu:1,disk:1",
    };
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        struct submit s = {.now_usec = 1000000};
        struct vdi_error err;
        if (read_line(lines[i], &s, &err) != -EINVAL || !*err.detail)
            fail_msg("%s was taken", lines[i]);
    }
}

static void gpus_are_asked_for_in_all_forms(void **state)
{
    static const struct {
        const char *line;
        uint32_t gpus;
        const char *profile;
    } good[] = {
        {"--gpu 2", 2, ""},
        {"--gpu nvidia-a40-4q", 1, "nvidia-a40-4q"},
        {"--gpu nvidia-a40-4q:3", 3, "nvidia-a40-4q"},
        {"--gpu 1g.10gb:2", 2, "1g.10gb"},
        {"-G 4", 4, ""},
        {"--gpus=a40:2", 2, "a40"},
        {"--gres=gpu", 1, ""},
        {"--gres=gpu:2", 2, ""},
        {"--gres=gpu:nvidia-a40-4q:1", 1, "nvidia-a40-4q"},
        {"--gres=none", 0, ""},
        {"--gpu a40 --gpu 2", 2, ""},
        {"--gpu 8g", 1, "fb>=8192"},
        {"--gpu 4096M:2", 2, "fb>=4096"},
        {"--gres=gpu:8G:3", 3, "fb>=8192"},
    };
    for (size_t i = 0; i < ELEMENTS(good); i++) {
        struct submit s = {.gpus = 77};
        struct vdi_error err;
        if (read_line(good[i].line, &s, &err) != 0)
            fail_msg("%s: %s", good[i].line, err.detail);
        assert_int_equal(s.gpus, good[i].gpus);
        assert_true(s.gpus_said);
        assert_string_equal(s.profile, good[i].profile);
    }
    static const char *const bad[] = {"--gpu 0g",   "--gpu 8g:",  "--gpu 99t",
                                      "--gpu 8GiB", "--gpu a40:", "--gpu a40:x",
                                      "--gpu 65",   "--gpu -1",   "--gpu a b/c:1"};
    for (size_t i = 0; i + 1 < ELEMENTS(bad); i++) {
        struct submit s = {.gpus = 77};
        struct vdi_error err;
        if (read_line(bad[i], &s, &err) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(s.gpus, 77);
    }
}

static struct script script_of(const char *text)
{
    return (struct script){.text = strdup(text), .len = strlen(text), .name = "train.sh"};
}

static void script_lines_are_options(void **state)
{
    struct script script = script_of("#!/bin/sh\n\n# a comment\n#VDI --time=5 -J \"two words\"\n"
                                     "#VDI\t--comment='a # b' --hold # not --wait\n"
                                     "#SBATCH --mem=1G\n#SBATCH --mem=2G\n"
                                     "echo\n#VDI --time=99\n");
    struct option_list list = {.n = 0};
    struct submit s = {.cpus = 0};
    struct vdi_error err = {.code = 0};
    assert_int_equal(script_options(&script, false, &list, &err), 0);
    assert_int_equal(options_apply(&list, &s, &err), 0);
    assert_int_equal(s.time_limit_sec, 300);
    assert_string_equal(s.name, "two words");
    assert_string_equal(s.comment, "a # b");
    assert_true(s.hold);
    assert_false(s.wait);
    assert_int_equal(s.memory_mib, 0);
    assert_int_equal(script.sbatch_lines, 2);
    script_done(&script);
}

static void sbatch_lines_are_read_when_asked(void **state)
{
    struct script script = script_of("#!/bin/sh\n#VDI --mem=1G\n#SBATCH --mem=2G\n");
    struct option_list list = {.n = 0};
    struct submit s = {.cpus = 0};
    struct vdi_error err = {.code = 0};
    assert_int_equal(script_options(&script, true, &list, &err), 0);
    assert_int_equal(options_apply(&list, &s, &err), 0);
    assert_int_equal(s.memory_mib, 2048);
    assert_int_equal(script.sbatch_lines, 0);
    script_done(&script);
}

static void a_wrong_script_line_is_named(void **state)
{
    static const char *const texts[] = {
        "#!/bin/sh\n#VDI --prefer=a40\n",     "#!/bin/sh\n#VDI --arry\n",
        "#!/bin/sh\n#VDI --comment=\"open\n", "#!/bin/sh\n#VDI word\n",
        "#!/bin/sh\n#VDI --wrap=true\n",      "#!/bin/sh\n#VDI --idempotency-key=k\n",
    };
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        struct script script = script_of(texts[i]);
        struct option_list list = {.n = 0};
        struct vdi_error err = {.code = 0};
        assert_int_equal(script_options(&script, false, &list, &err), -EINVAL);
        if (!str_starts_with(err.detail, "train.sh:2: "))
            fail_msg("the line is not named: %s", err.detail);
        script_done(&script);
    }
}

static void scripts_are_checked(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } bad[] = {
        {"", 0},
        {"echo hello\n", 11},
        {"#!/bin/sh\r\necho\r\n", 17},
        {"#!/bin/sh\nec\0ho\n", 16},
        {"#!/bin/sh\necho \xff\xfe\n", 18},
    };
    struct vdi_error err;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        struct script script = {(char *)bad[i].text, bad[i].len, "x", NULL, 0};
        assert_int_equal(script_check(&script, &err), -EINVAL);
        assert_true(*err.remedy);
    }
    struct script good = {(char *)"#!/bin/sh\nprintf '\033[1m\t\xc3\xa4'\n", 31, "x", NULL, 0};
    good.len = strlen(good.text);
    assert_int_equal(script_check(&good, &err), 0);
    struct script large = {good.text, SCRIPT_MAX + 1, "x", NULL, 0};
    assert_int_equal(script_check(&large, &err), -EINVAL);
    assert_string_equal(err.limit, "4 MiB");
}

static void the_environment_is_read_like_options(void **state)
{
    char *good[] = {(char *)"PATH=/bin", (char *)"VDISUBMIT_JOB_NAME=x", (char *)"VDISUBMIT_HOLD=1",
                    (char *)"VDISUBMIT_QUIET=0", NULL};
    struct option_list list = {.n = 0};
    struct submit s = {.cpus = 0};
    struct vdi_error err = {.code = 0};
    assert_int_equal(options_from_environment(&submit_command, "VDISUBMIT_", good, &list, &err), 0);
    assert_int_equal(options_apply(&list, &s, &err), 0);
    assert_string_equal(s.name, "x");
    assert_true(s.hold);
    assert_false(s.quiet);
    static const char *const bad[] = {"VDISUBMIT_JOBNAME=x", "VDISUBMIT_PREFER=a40",
                                      "VDISUBMIT_HOLD=maybe", "VDISUBMIT_WRAP=true"};
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        char *one[] = {(char *)bad[i], NULL};
        struct option_list none = {.n = 0};
        assert_int_equal(options_from_environment(&submit_command, "VDISUBMIT_", one, &none, &err),
                         -EINVAL);
    }
}

static void the_body_says_what_was_asked_and_no_more(void **state)
{
    struct submit s = {.now_usec = 1000000};
    struct vdi_error err = {.code = 0};
    struct script script = script_of("#!/bin/sh\necho \"$1\"\n");
    char *args[] = {(char *)"a b", NULL};
    char *environment[] = {(char *)"HOME=/home/a",
                           (char *)"BASH_FUNC_x%%=() {}",
                           (char *)"VDISUBMIT_HOLD=1",
                           (char *)"BAD=\xff",
                           (char *)"A=env",
                           NULL};
    struct buf out = BUF_INIT(0);
    struct document *document;
    assert_int_equal(read_line("--gpu 2 --mem=1G --export=ALL,A=said,NEW=1", &s, &err), 0);
    assert_int_equal(submit_body(&s, &script, args, 1, environment, &out, &err), 0);
    assert_int_equal(document_parse(out.data, out.len, &document, &err), 0);
    const struct value *root = document_root(document);
    assert_string_equal(value_get_string(root, "kind", ""), "batch");
    assert_string_equal(value_get_string(root, "name", ""), "train.sh");
    assert_string_equal(value_get_string(root, "script", ""), script.text);
    assert_string_equal(value_string(value_item(value_get(root, "args"), 0), ""), "a b");
    assert_int_equal(value_get_int(root, "gpus", 0), 2);
    assert_int_equal(value_get_int(root, "memory_mib", 0), 1024);
    assert_string_equal(value_get_string(root, "environment.HOME", ""), "/home/a");
    assert_string_equal(value_get_string(root, "environment.A", ""), "said");
    assert_string_equal(value_get_string(root, "environment.NEW", ""), "1");
    assert_null(value_get(root, "environment.BAD"));
    assert_null(value_get(root, "environment.VDISUBMIT_HOLD"));
    assert_null(value_get(root, "time_limit_sec"));
    assert_null(value_get(root, "hold"));
    assert_null(value_get(root, "requeue"));
    document_free(document);
    buf_done(&out);
    script_done(&script);
}

static void a_desktop_has_no_script(void **state)
{
    struct submit s = {.now_usec = 1000000};
    struct vdi_error err = {.code = 0};
    struct buf out = BUF_INIT(0);
    char *environment[] = {(char *)"HOME=/home/a", NULL};
    assert_int_equal(read_line("--desktop cad --hold", &s, &err), 0);
    assert_int_equal(submit_body(&s, NULL, NULL, 0, environment, &out, &err), 0);
    assert_string_equal(out.data, "{\"name\":\"cad\",\"kind\":\"interactive\","
                                  "\"template\":\"cad\",\"hold\":true}");
    buf_done(&out);
    out = BUF_INIT(0);
    assert_int_equal(read_line("--desktop cad --export=A=1", &s, &err), 0);
    assert_int_equal(submit_body(&s, NULL, NULL, 0, environment, &out, &err), 0);
    assert_non_null(strstr(out.data, "\"environment\":{\"A\":\"1\"}"));
    assert_null(strstr(out.data, "HOME"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sbatch_option_works_or_is_refused_by_name),
        cmocka_unit_test(no_row_is_ignored),
        cmocka_unit_test(values_mean_what_slurm_means),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(gpus_are_asked_for_in_all_forms),
        cmocka_unit_test(script_lines_are_options),
        cmocka_unit_test(sbatch_lines_are_read_when_asked),
        cmocka_unit_test(a_wrong_script_line_is_named),
        cmocka_unit_test(scripts_are_checked),
        cmocka_unit_test(the_environment_is_read_like_options),
        cmocka_unit_test(the_body_says_what_was_asked_and_no_more),
        cmocka_unit_test(a_desktop_has_no_script),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

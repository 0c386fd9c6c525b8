/* SPDX-License-Identifier: Apache-2.0 */
/* test_node_config.c - vdid.conf: what is needed, and where SPICE may be served without TLS */
#include "codec/node_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD "node = \"n1\"\ncontroller = \"127.0.0.1:6819\"\n"

/* The findings of a file of GOOD and these lines; "": it is good. Static. */
static const char *findings_of(const char *lines, bool *ret_has_tls)
{
    static char text[4096];
    char path[] = "/tmp/test_node_config.XXXXXX";
    struct node_config *config = NULL;
    struct buf findings = BUF_INIT(sizeof(text) - 1);
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    int r;

    assert_non_null(f);
    fprintf(f, "%s%s\n", GOOD, lines);
    fclose(f);
    r = node_config_read(path, &config, &findings);
    unlink(path);
    assert_int_equal(r, findings.len ? -EINVAL : 0);
    snprintf(text, sizeof(text), "%s", findings.data ? findings.data : "");
    if (r == 0 && ret_has_tls)
        *ret_has_tls = node_config_has_tls(config);
    node_config_free(config);
    buf_done(&findings);
    return text;
}

static void test_good(void **state)
{
    static const char *const good[] = {
        "",
        "spice_address = \"127.8.8.8\"",
        "spice_address = \"::1\"",
        "spice_address = \"192.0.2.1\"\nspice_tls = \"yes\"",
        "spice_address = \"2001:db8::1\"\nspice_tls = \"yes\"",
        "spice_address = \"0.0.0.0\"\nspice_tls = \"yes\"\nspice_host = \"n1.example.org\"",
        "spice_address = \"::\"\nspice_tls = \"yes\"\nspice_host = \"2001:db8::1\"",
    };
    bool has_tls = true;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_string_equal(findings_of(good[i], NULL), "");
    findings_of(good[0], &has_tls);
    assert_false(has_tls);
    findings_of(good[3], &has_tls);
    assert_true(has_tls);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *lines, *field, *words;
    } bad[] = {
        {"spice_address = \"192.0.2.1\"", "spice_address", "spice_tls = \"yes\""},
        {"spice_address = \"0.0.0.0\"", "spice_address", "spice_tls = \"yes\""},
        {"spice_address = \"::ffff:127.0.0.1\"", "spice_address", "spice_tls = \"yes\""},
        {"spice_address = \"n1.example.org\"\nspice_tls = \"yes\"", "spice_address", "IP address"},
        {"spice_address = \"0.0.0.0\"\nspice_tls = \"yes\"", "spice_host", "clients"},
        {"spice_address = \"::\"\nspice_tls = \"yes\"", "spice_host", "clients"},
        {"spice_host = \"a\\nb\"", "spice_host", "a host's name"},
        {"spice_tls = \"maybe\"", "spice_tls", "yes or no"},
        {"accel = \"hope\"", "accel", "kvm"},
        {"port_min = 30000", "port_max", "below"},
        {"colour = \"red\"", "colour", "no such option"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *said = findings_of(bad[i].lines, NULL);

        if (!strstr(said, bad[i].field) || !strstr(said, bad[i].words))
            fail_msg("%s: %s", bad[i].lines, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

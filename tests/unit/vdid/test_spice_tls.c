/* SPDX-License-Identifier: Apache-2.0 */
/* test_spice_tls.c - QEMU's certificates: made at enrolment, checked at start, told in a ticket */
#include "vdid/spice_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "codec/document.h"
#include "vdid/ticket.h"
#include "wire/pki.h"

#define DAY 86400

struct place {
    char top[40], pki[64], dir[64], ca[4096];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct vdi_error err = {0};
    char path[96];
    X509 *cert = NULL;
    char *pem;

    assert_non_null(p);
    snprintf(p->top, sizeof(p->top), "/tmp/test_spice_tls.XXXXXX");
    assert_non_null(mkdtemp(p->top));
    snprintf(p->pki, sizeof(p->pki), "%s/pki", p->top);
    snprintf(p->dir, sizeof(p->dir), "%s/spice", p->top);
    assert_int_equal(pki_init(p->pki, "test", time(NULL), &err), 0);
    snprintf(path, sizeof(path), "%s/ca.crt", p->pki);
    assert_int_equal(pki_read_cert(path, &cert, &err), 0);
    pem = pki_cert_to_pem(cert);
    snprintf(p->ca, sizeof(p->ca), "%s", pem);
    free(pem);
    X509_free(cert);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char *const argv[] = {(char *)"rm", (char *)"-rf", p->top, NULL};
    pid_t pid = fork();

    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    free(p);
    return 0;
}

/* As vdid and vdictld do it, at another time of the year. */
static void enrol(struct place *p, int64_t now_sec, unsigned days)
{
    struct vdi_error err = {0};
    char *csr = NULL, *cert = NULL;

    assert_int_equal(spice_tls_request(p->dir, "n1", &csr, &err), 0);
    assert_int_equal(pki_issue_spice(p->pki, "n1", csr, days, now_sec, &cert, &err), 0);
    assert_int_equal(spice_tls_install(p->dir, cert, p->ca, &err), 0);
    free(csr);
    free(cert);
}

static unsigned mode_of(const struct place *p, const char *name)
{
    char path[96];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void test_enrolment(void **state)
{
    struct place *p = *state;
    struct spice_trust trust;
    struct vdi_error err = {0};

    assert_int_equal(spice_tls_load(p->dir, &trust, &err), -ENOENT);
    assert_non_null(strstr(err.remedy, "--enroll"));
    enrol(p, time(NULL), 365);
    assert_int_equal(mode_of(p, "server-key.pem"), 0640);
    assert_int_equal(mode_of(p, "server-cert.pem"), 0644);
    assert_int_equal(mode_of(p, "server-key.new"), 0);
    assert_int_equal(spice_tls_load(p->dir, &trust, &err), 0);
    assert_string_equal(trust.subject, "CN=n1");
    assert_string_equal(trust.ca, p->ca);
    spice_trust_done(&trust);
    enrol(p, time(NULL), 365);
}

static void test_expired(void **state)
{
    struct place *p = *state;
    struct spice_trust trust;
    struct vdi_error err = {0};

    enrol(p, time(NULL) - 10 * DAY, 9);
    assert_int_equal(spice_tls_load(p->dir, &trust, &err), -EKEYEXPIRED);
    enrol(p, time(NULL) - 10 * DAY, 11);
    assert_int_equal(spice_tls_load(p->dir, &trust, &err), 0);
    spice_trust_done(&trust);
}

/* Of an authority that is not the one that clients would be told. */
static void test_not_a_pair(void **state)
{
    struct place *p = *state;
    struct spice_trust trust;
    struct vdi_error err = {0};
    char ca[96], server[96], other[64];

    enrol(p, time(NULL), 365);
    snprintf(other, sizeof(other), "%s/other", p->top);
    assert_int_equal(pki_init(other, "elsewhere", time(NULL), &err), 0);
    snprintf(ca, sizeof(ca), "%s/ca-cert.pem", p->dir);
    snprintf(server, sizeof(server), "%s/ca.crt", other);
    assert_int_equal(rename(server, ca), 0);
    assert_int_equal(spice_tls_load(p->dir, &trust, &err), -EKEYREJECTED);
}

static void test_a_sites_own(void **state)
{
    struct place *p = *state;
    struct vdi_error err = {0};
    char to[96], *csr = NULL;
    int fd;

    assert_int_equal(mkdir(p->dir, 0750), 0);
    snprintf(to, sizeof(to), "%s/server-cert.pem", p->dir);
    fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, "theirs", 6), 6);
    close(fd);
    assert_int_equal(spice_tls_request(p->dir, "n1", &csr, &err), -EEXIST);
    assert_null(csr);
}

static void test_names(void **state)
{
    struct place *p = *state;
    struct vdi_error err = {0};
    char *csr = NULL, *cert = NULL;

    /* With it a node could pass for the controller. */
    assert_int_equal(spice_tls_request(p->dir, "vdictld.test", &csr, &err), 0);
    assert_int_equal(pki_issue_spice(p->pki, "vdictld.test", csr, 1, time(NULL), &cert, &err),
                     -EINVAL);
    assert_null(cert);
    free(csr);
}

static void test_ticket(void **state)
{
    struct spice_trust trust = {.ca = (char *)"-----BEGIN\n\"x\"\n", .subject = (char *)"CN=n1"};
    struct ticket ticket;
    struct buf out = BUF_INIT(TICKET_MAX);
    struct document *doc = NULL;
    const struct value *v;

    assert_int_equal(ticket_new(&ticket, 1893456000), 0);
    ticket_write(&ticket, "n1.example.org", 24000, &trust, &out);
    assert_int_equal(document_parse(out.data, out.len, &doc, NULL), 0);
    v = document_root(doc);
    assert_int_equal(value_get_int(v, "tls_port", 0), 24000);
    assert_true(value_is_null(value_get(v, "port")));
    assert_string_equal(value_get_string(v, "ca", ""), trust.ca);
    assert_string_equal(value_get_string(v, "host_subject", ""), "CN=n1");
    assert_string_equal(value_get_string(v, "expires", ""), "2030-01-01T00:00:00Z");
    document_free(doc);
    buf_done(&out);
    out = BUF_INIT(TICKET_MAX);
    ticket_write(&ticket, "127.0.0.1", 24000, NULL, &out);
    assert_non_null(strstr(out.data, "\"port\":24000"));
    assert_null(strstr(out.data, "tls_port"));
    buf_done(&out);
    ticket_done(&ticket);
    assert_int_equal(ticket.password[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_enrolment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_sites_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test(test_ticket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

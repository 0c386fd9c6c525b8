/* SPDX-License-Identifier: Apache-2.0 */
/* test_pki.c - the CA: what it makes, what it refuses, tokens, revocation, enrollment */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "codec/link_codec.h"
#include "link_fixture.h"

static int64_t now_sec(void)
{
    return time_now_usec() / SEC;
}

static int setup(void **state)
{
    struct scratch *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    scratch_init(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scratch_done(*state);
    free(*state);
    return 0;
}

static void info_of(struct scratch *s, const char *file, struct pki_cert_info *ret)
{
    struct vdi_error err = {0};
    char path[96];
    X509 *cert = NULL;
    scratch_path(s, file, path);
    assert_int_equal(pki_read_cert(path, &cert, &err), 0);
    assert_int_equal(pki_cert_info(cert, ret), 0);
    X509_free(cert);
}

static char *slurp(struct scratch *s, const char *file)
{
    char path[96];
    static char text[8192];
    scratch_path(s, file, path);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* ---- the CA ---- */

static void test_what_is_made(void **state)
{
    struct scratch *s = *state;
    static const char *const files[] = {"ca.key", "ca.crt", "server.key", "server.crt", "issued"};
    struct stat st;
    struct pki_cert_info ca, server;
    assert_int_equal(stat(s->dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        char path[96];
        scratch_path(s, files[i], path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    info_of(s, "ca.crt", &ca);
    info_of(s, "server.crt", &server);
    assert_true(ca.is_ca && !ca.is_client && !ca.is_server);
    assert_true(!server.is_ca && !server.is_client && server.is_server);
    assert_string_equal(server.name, "vdictld.test");
    assert_int_equal(pki_days_left(&ca, now_sec() - 60), 3650);
    assert_int_equal(pki_days_left(&ca, ca.not_after_sec), 0);
    assert_int_equal(pki_days_left(&ca, ca.not_after_sec + 1), -1);
    assert_int_equal(strlen(ca.fingerprint), 64);
    assert_string_not_equal(ca.serial, server.serial);
    assert_non_null(strstr(slurp(s, "issued"), server.serial));
}

static void test_no_overwriting(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    struct pki_cert_info before, after;
    info_of(s, "ca.crt", &before);
    assert_int_equal(pki_init(s->dir, "test", now_sec(), &err), -EEXIST);
    assert_non_null(strstr(err.detail, "ca.key"));
    info_of(s, "ca.crt", &after);
    assert_string_equal(before.fingerprint, after.fingerprint);
    /* One file left over is enough. */
    char path[96];
    assert_int_equal(unlink(s->ca), 0);
    scratch_path(s, "ca.key", path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pki_init(s->dir, "test", now_sec(), &err), -EEXIST);
}

static void test_bad_clusters(void **state)
{
    struct vdi_error err = {0};
    static const char *const bad[] = {
        "", "a b", "a,DNS:b", "../x", "a_b", "a23456789012345678901234567890123456789012345"};
    for (size_t i = 0; i < ELEMENTS(bad); i++)
        assert_int_equal(pki_init("/nonexistent/pki", bad[i], now_sec(), &err), -EINVAL);
    assert_int_equal(pki_init("/nonexistent/pki", "good", now_sec(), &err), -ENOENT);
}

static void test_renewal(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    struct pki_cert_info before, after;
    info_of(s, "server.crt", &before);
    assert_int_equal(pki_renew_server(s->dir, "test", now_sec() + 86400, &err), 0);
    info_of(s, "server.crt", &after);
    assert_string_not_equal(before.serial, after.serial);
    assert_true(after.not_after_sec > before.not_after_sec);
}

static int run_openssl(char *const argv[])
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], argv);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What we make is good to a stock verifier, for its own purpose and for no other. */
static void test_openssl_verify(void **state)
{
    struct scratch *s = *state;
    char node[96];
    char *version[] = {"openssl", "version", NULL};
    if (run_openssl(version) == 127)
        skip();
    scratch_node(s, "gpu01.rack-2", 30, now_sec());
    scratch_path(s, "gpu01.rack-2.crt", node);
    char *as_client[] = {"openssl", "verify", "-x509_strict", "-purpose", "sslclient",
                         "-CAfile", s->ca,    node,           NULL};
    char *as_server[] = {"openssl", "verify", "-purpose", "sslserver",
                         "-CAfile", s->ca,    node,       NULL};
    char *server[] = {"openssl", "verify", "-x509_strict",     "-purpose",     "sslserver",
                      "-CAfile", s->ca,    "-verify_hostname", "vdictld.test", s->server_cert,
                      NULL};
    char *other_host[] = {"openssl",          "verify", "-CAfile",      s->ca,
                          "-verify_hostname", "x.test", s->server_cert, NULL};
    assert_int_equal(run_openssl(as_client), 0);
    assert_int_not_equal(run_openssl(as_server), 0);
    assert_int_equal(run_openssl(server), 0);
    assert_int_not_equal(run_openssl(other_host), 0);
}

/* ---- nodes ---- */

static void test_node_certificate(void **state)
{
    struct scratch *s = *state;
    struct pki_cert_info info;
    scratch_node(s, "gpu01", 30, now_sec());
    info_of(s, "gpu01.crt", &info);
    assert_string_equal(info.name, "gpu01");
    assert_true(info.is_client && !info.is_server && !info.is_ca);
    assert_int_equal(pki_days_left(&info, now_sec() - 60), 30);
    assert_non_null(strstr(slurp(s, "issued"), " gpu01 "));
}

static void test_bad_requests(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    char path[96];
    char *csr = NULL, *cert = NULL;
    scratch_path(s, "n.key", path);
    assert_int_equal(pki_make_csr(path, "gpu01", &csr, &err), 0);
    assert_int_equal(pki_issue_node(s->dir, "gpu02", csr, 1, now_sec(), &cert, &err), -EINVAL);
    assert_string_equal(err.field, "csr");
    assert_int_equal(pki_issue_node(s->dir, "gpu01", csr, 0, now_sec(), &cert, &err), -ERANGE);
    assert_int_equal(pki_issue_node(s->dir, "gpu01", csr, 3651, now_sec(), &cert, &err), -ERANGE);
    assert_int_equal(pki_issue_node(s->dir, "gpu01", "", 1, now_sec(), &cert, &err), -EINVAL);
    assert_int_equal(pki_issue_node(s->dir, "a/b", csr, 1, now_sec(), &cert, &err), -EINVAL);
    csr[strlen(csr) / 2] ^= 1; /* its signature is not good any more, or it cannot be read */
    assert_int_equal(pki_issue_node(s->dir, "gpu01", csr, 1, now_sec(), &cert, &err), -EINVAL);
    assert_null(cert);
    free(csr);
    char *huge = malloc(PKI_PEM_MAX + 2);
    memset(huge, 'A', PKI_PEM_MAX + 1);
    huge[PKI_PEM_MAX + 1] = '\0';
    assert_int_equal(pki_issue_node(s->dir, "gpu01", huge, 1, now_sec(), &cert, &err), -E2BIG);
    free(huge);
    assert_int_equal(pki_make_csr(path, "../etc", &csr, &err), -EINVAL);
}

/* A request made by other tools for another kind of key. */
static void test_weak_request(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    char path[96], key[96];
    char *cert = NULL;
    scratch_path(s, "rsa.csr", path);
    scratch_path(s, "rsa.key", key);
    char *make[] = {"openssl",   "req",     "-newkey", "rsa:1024", "-nodes", "-subj",
                    "/CN=gpu01", "-keyout", key,       "-out",     path,     NULL};
    if (run_openssl(make) != 0)
        skip();
    assert_int_equal(
        pki_issue_node(s->dir, "gpu01", slurp(s, "rsa.csr"), 1, now_sec(), &cert, &err), -EINVAL);
}

static void test_open_keys(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    EVP_PKEY *key = NULL;
    char path[96];
    char *csr = NULL, *cert = NULL;
    static const mode_t modes[] = {0640, 0604, 0620, 0601, 0660, 0666};
    scratch_path(s, "n.key", path);
    assert_int_equal(pki_make_csr(path, "gpu01", &csr, &err), 0);
    for (size_t i = 0; i < ELEMENTS(modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(pki_read_key(path, &key, &err), -EPERM);
        char *again = NULL;
        assert_int_equal(pki_make_csr(path, "gpu01", &again, &err), -EPERM);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(pki_read_key(path, &key, &err), 0);
    EVP_PKEY_free(key);
    /* The CA's key, and its directory. */
    scratch_path(s, "ca.key", path);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(pki_issue_node(s->dir, "gpu01", csr, 1, now_sec(), &cert, &err), -EPERM);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(s->dir, 0750), 0);
    assert_int_equal(pki_issue_node(s->dir, "gpu01", csr, 1, now_sec(), &cert, &err), -EPERM);
    assert_int_equal(chmod(s->dir, 0700), 0);
    assert_int_equal(pki_issue_node(s->dir, "gpu01", csr, 1, now_sec(), &cert, &err), 0);
    free(csr);
    free(cert);
    /* The link does not use it either. */
    struct link_tls *tls = NULL;
    struct link_tls_config config = {
        .ca_file = s->ca, .cert_file = s->server_cert, .key_file = s->server_key};
    assert_int_equal(chmod(s->server_key, 0644), 0);
    assert_int_equal(link_tls_new_server(&config, NULL, &tls, &err), -EPERM);
    /* A link to a key is no key. */
    char link_path[96];
    scratch_path(s, "link.key", link_path);
    assert_int_equal(symlink(path, link_path), 0);
    assert_true(pki_read_key(link_path, &key, &err) < 0);
}

/* ---- revocation ---- */

static void test_revoke(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    struct pki_revoked *revoked = NULL;
    struct pki_cert_info first, second;
    unsigned n = 0;
    scratch_node(s, "gpu01", 30, now_sec());
    info_of(s, "gpu01.crt", &first);
    scratch_node(s, "gpu01", 30, now_sec());
    info_of(s, "gpu01.crt", &second);
    assert_int_equal(pki_revoked_load(s->dir, &revoked, &err), 0); /* no list yet */
    assert_false(pki_revoked_has(revoked, first.serial));
    pki_revoked_free(revoked);
    assert_int_equal(pki_revoke(s->dir, first.serial, &err), 0);
    assert_int_equal(pki_revoked_load(s->dir, &revoked, &err), 0);
    assert_true(pki_revoked_has(revoked, first.serial));
    assert_false(pki_revoked_has(revoked, second.serial));
    pki_revoked_free(revoked);
    assert_int_equal(pki_revoke_node(s->dir, "gpu01", &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(pki_revoked_load(s->dir, &revoked, &err), 0);
    assert_true(pki_revoked_has(revoked, second.serial));
    pki_revoked_free(revoked);
    assert_int_equal(pki_revoke_node(s->dir, "gpu0", &n, &err), -ENOENT);
    assert_int_equal(pki_revoke(s->dir, "not hex", &err), -EINVAL);
    assert_false(pki_revoked_has(NULL, second.serial));
}

static void test_broken_list(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    struct pki_revoked *revoked = NULL;
    char path[96];
    scratch_path(s, "revoked", path);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("# stolen laptop\n\n00ff # gpu07\n00ff\n", f);
    fclose(f);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(pki_revoked_load(s->dir, &revoked, &err), 0);
    assert_true(pki_revoked_has(revoked, "00ff"));
    pki_revoked_free(revoked);
    f = fopen(path, "ae");
    fputs("00FE\n", f);
    fclose(f);
    assert_int_equal(pki_revoked_load(s->dir, &revoked, &err), -EINVAL);
    assert_non_null(strstr(err.detail, "Line 5"));
}

/* ---- tokens ---- */

static void test_token(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    char text[PKI_TOKEN_LEN], again[PKI_TOKEN_LEN], name[PKI_NAME_MAX + 1];
    struct pki_token token;
    struct pki_cert_info ca;
    info_of(s, "ca.crt", &ca);
    assert_int_equal(pki_token_new(s->dir, "gpu.01", 600, 1000, text, &err), 0);
    assert_int_equal(pki_token_new(s->dir, "gpu.01", 600, 1000, again, &err), 0);
    assert_string_not_equal(text, again);
    assert_int_equal(pki_token_parse(text, &token, &err), 0);
    assert_string_equal(token.name, "gpu.01");
    assert_string_equal(token.ca_fingerprint, ca.fingerprint);
    assert_null(strstr(slurp(s, "tokens"), token.secret)); /* hashed */
    assert_int_equal(pki_token_redeem(s->dir, text, 1599, name, &err), 0);
    assert_string_equal(name, "gpu.01");
    assert_int_equal(pki_token_redeem(s->dir, text, 1599, name, &err), -EKEYREJECTED);
    assert_int_equal(pki_token_redeem(s->dir, again, 1600, name, &err), -EKEYREJECTED);
    assert_int_equal(pki_token_redeem(s->dir, again, 1500, name, &err), 0);
}

static void test_forged_tokens(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    char text[PKI_TOKEN_LEN], forged[PKI_TOKEN_LEN], name[PKI_NAME_MAX + 1] = "untouched";
    assert_int_equal(pki_token_new(s->dir, "gpu01", 3600, 1000, text, &err), 0);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        strcpy(forged, text);
        forged[i] = forged[i] == '7' ? '8' : '7';
        assert_true(pki_token_redeem(s->dir, forged, 1000, name, &err) < 0);
        strcpy(forged, text);
        forged[i] = '\0';
        assert_int_equal(pki_token_redeem(s->dir, forged, 1000, name, &err), -EINVAL);
    }
    assert_string_equal(name, "untouched");
    assert_int_equal(pki_token_redeem(s->dir, text, 1000, name, &err), 0);
    assert_int_equal(pki_token_new(s->dir, "gpu01", 3601, 1000, text, &err), -ERANGE);
    assert_int_equal(pki_token_new(s->dir, "gpu01", 0, 1000, text, &err), -ERANGE);
    assert_int_equal(pki_token_new(s->dir, "gpu 01", 60, 1000, text, &err), -EINVAL);
    assert_int_equal(pki_token_new(s->dir, "-x", 60, 1000, text, &err), -EINVAL);
}

/* Two controllers' workers with one token: one of them gets it. */
static void test_token_race(void **state)
{
    struct scratch *s = *state;
    struct vdi_error err = {0};
    char text[PKI_TOKEN_LEN], name[PKI_NAME_MAX + 1];
    enum { N = 8 };
    pid_t pids[N];
    int won = 0;
    assert_int_equal(pki_token_new(s->dir, "gpu01", 3600, 1000, text, &err), 0);
    for (int i = 0; i < N; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(pki_token_redeem(s->dir, text, 1000, name, &err) == 0 ? 1 : 0);
    }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        won += WEXITSTATUS(status);
    }
    assert_int_equal(won, 1);
}

/* ---- enrollment, all the way ---- */

struct enroll {
    struct scratch *s;
    struct loop *loop;
    const char *token;
    char key[96];
    char *cert, *ca;
    int asked, closed;
    char bye[160];
};

static void send_message(struct link_conn *conn, const struct link_message *m)
{
    struct buf out = BUF_INIT(0);
    link_message_encode(m, &out);
    assert_int_equal(link_conn_send(conn, out.data, out.len), 0);
    buf_done(&out);
}

static void on_enroll(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct enroll *e = arg;
    struct link_message m;
    struct vdi_error err = {0};
    char name[PKI_NAME_MAX + 1];
    char *cert = NULL;
    e->asked++;
    int r = link_message_decode(data, len, &m, &err);
    if (r == 0 && m.type != LINK_TYPE_ENROLL)
        r = -EINVAL;
    if (r == 0)
        r = pki_token_redeem(e->s->dir, m.enroll.token, now_sec(), name, &err);
    if (r == 0)
        r = pki_issue_node(e->s->dir, name, m.enroll.csr, PKI_NODE_DAYS, now_sec(), &cert, &err);
    if (r == 0) {
        struct link_message answer = {.type = LINK_TYPE_ENROLLED};
        answer.enrolled.cert = cert;
        answer.enrolled.ca = slurp(e->s, "ca.crt");
        send_message(conn, &answer);
    } else {
        struct link_message bye = {.type = LINK_TYPE_BYE};
        str_copy(bye.bye.reason, sizeof(bye.bye.reason), err.detail);
        send_message(conn, &bye);
    }
    free(cert);
    link_message_done(&m);
    link_conn_close(conn, "enrolled");
}

static void on_authenticated(void *arg, struct link_conn *conn, const char *node)
{
    fail_msg("%s was let in without a certificate", node);
}

static void on_any(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    fail_msg("a frame of nobody");
}

static void on_server_closed(void *arg, struct link_conn *conn, const char *reason)
{
}

static void on_connected(void *arg, struct link_conn *conn)
{
    struct enroll *e = arg;
    struct vdi_error err = {0};
    struct link_message m = {.type = LINK_TYPE_ENROLL};
    str_copy(m.enroll.token, sizeof(m.enroll.token), e->token);
    assert_int_equal(pki_make_csr(e->key, "gpu09", &m.enroll.csr, &err), 0);
    send_message(conn, &m);
    free(m.enroll.csr);
}

static void on_answer(void *arg, struct link_conn *conn, const void *data, size_t len)
{
    struct enroll *e = arg;
    struct link_message m;
    struct vdi_error err = {0};
    assert_int_equal(link_message_decode(data, len, &m, &err), 0);
    if (m.type == LINK_TYPE_ENROLLED) {
        e->cert = TAKE_PTR(m.enrolled.cert);
        e->ca = TAKE_PTR(m.enrolled.ca);
    } else
        str_copy(e->bye, sizeof(e->bye), m.bye.reason);
    link_message_done(&m);
}

static void on_closed(void *arg, struct link_conn *conn, const char *reason)
{
    struct enroll *e = arg;
    e->closed++;
    loop_stop(e->loop);
}

static void on_failed(void *arg, const char *reason, int64_t retry_usec)
{
    struct enroll *e = arg;
    e->closed++;
    str_copy(e->bye, sizeof(e->bye), reason);
    loop_stop(e->loop);
}

static void enroll_once(struct enroll *e, struct link_server *server, const char *pin)
{
    static const struct link_client_ops ops = {
        .connected = on_connected, .frame = on_answer, .closed = on_closed, .failed = on_failed};
    struct vdi_error err = {0};
    struct link_tls *tls = NULL;
    struct link_client *client = NULL;
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%u", link_server_port(server));
    assert_int_equal(link_tls_new_enroll(pin, &tls, &err), 0);
    struct link_client_config config = {.address = address};
    assert_int_equal(link_client_new(e->loop, tls, &config, &ops, e, &client, &err), 0);
    assert_int_equal(loop_run(e->loop), 0);
    link_client_free(client);
    link_tls_free(tls);
}

static void test_enrollment(void **state)
{
    struct scratch *s = *state;
    static const struct link_server_ops ops = {.authenticated = on_authenticated,
                                               .frame = on_any,
                                               .closed = on_server_closed,
                                               .enroll = on_enroll};
    struct vdi_error err = {0};
    struct enroll e = {.s = s, .loop = loop_new()};
    struct link_tls *tls = NULL;
    struct link_server *server = NULL;
    char text[PKI_TOKEN_LEN];
    struct pki_token token;
    struct link_tls_config config = {
        .ca_file = s->ca, .cert_file = s->server_cert, .key_file = s->server_key};
    assert_int_equal(link_tls_new_server(&config, NULL, &tls, &err), 0);
    assert_int_equal(link_server_new(e.loop, tls, "127.0.0.1:0", NULL, &ops, &e, &server, &err), 0);
    assert_int_equal(pki_token_new(s->dir, "gpu09", 60, now_sec(), text, &err), 0);
    assert_int_equal(pki_token_parse(text, &token, &err), 0);
    e.token = text;
    scratch_path(s, "gpu09.key", e.key);

    /* Somebody else's controller never sees the token. */
    char pin[PKI_FINGERPRINT_LEN];
    strcpy(pin, token.ca_fingerprint);
    pin[5] = pin[5] == '0' ? '1' : '0';
    enroll_once(&e, server, pin);
    assert_int_equal(e.asked, 0);
    assert_non_null(strstr(e.bye, "not accepted"));

    enroll_once(&e, server, token.ca_fingerprint);
    assert_int_equal(e.asked, 1);
    assert_non_null(e.cert);
    X509 *cert = pki_cert_from_pem(e.cert);
    struct pki_cert_info info;
    assert_int_equal(pki_cert_info(cert, &info), 0);
    assert_string_equal(info.name, "gpu09");
    EVP_PKEY *key = NULL;
    assert_int_equal(pki_read_key(e.key, &key, &err), 0);
    assert_int_equal(X509_check_private_key(cert, key), 1);
    EVP_PKEY_free(key);
    X509_free(cert);

    enroll_once(&e, server, token.ca_fingerprint); /* once is enough */
    assert_int_equal(e.asked, 2);
    assert_string_equal(e.bye, "The enroll token is not good.");
    free(e.cert);
    free(e.ca);
    link_server_free(server);
    link_tls_free(tls);
    loop_free(e.loop);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_made),  TEST(test_no_overwriting), TEST(test_bad_clusters),
        TEST(test_renewal),       TEST(test_openssl_verify), TEST(test_node_certificate),
        TEST(test_bad_requests),  TEST(test_weak_request),   TEST(test_open_keys),
        TEST(test_revoke),        TEST(test_broken_list),    TEST(test_token),
        TEST(test_forged_tokens), TEST(test_token_race),     TEST(test_enrollment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

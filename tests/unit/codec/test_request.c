/* SPDX-License-Identifier: Apache-2.0 */
/* test_request.c - every row is found by its path, and nothing else is */
#include <codec/request.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct request_match match;
static char allow[64];

static int find(const char *verb, const char *path)
{
    match = (struct request_match){0};
    return request_find(verb, path, &match, allow, sizeof(allow));
}

/* The path of a row with a value in place of each of its parameters; returns how many it has. */
static unsigned path_of(const struct request *r, const char *value, char *buf, size_t size)
{
    const char *at = r->path, *open;
    unsigned n = 0;
    size_t len = 0;

    for (; (open = strchr(at, '{')); at = strchr(open, '}') + 1, n++)
        len += (size_t)snprintf(buf + len, size - len, "%.*s%s", (int)(open - at), at, value);
    snprintf(buf + len, size - len, "%s", at);
    return n;
}

static void rows_are_sound(void **state)
{
    for (size_t i = 0; i < REQUEST_N; i++) {
        const struct request *r = &requests[i];

        assert_int_equal(r->id, i);
        assert_true(r->path[0] == '/');
        assert_true(*r->summary && *r->name);
        assert_non_null(r->query);
        assert_in_range(r->role, ROLE_NOBODY, ROLE_ADMIN);
        assert_true(!strcmp(r->verb, "GET") || !strcmp(r->verb, "POST") ||
                    !strcmp(r->verb, "PATCH") || !strcmp(r->verb, "DELETE"));
        assert_false(!strcmp(r->verb, "GET") && (r->changes || r->input));
        if (r->role == ROLE_NOBODY)
            assert_true(r->id == REQUEST_PING || r->id == REQUEST_OPENAPI);
        if (strcmp(r->verb, "GET") != 0)
            assert_true(r->changes);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(r->name, requests[k].name);
            assert_false(!strcmp(r->path, requests[k].path) && !strcmp(r->verb, requests[k].verb));
        }
    }
}

static void every_row_is_reachable(void **state)
{
    char path[200];

    for (size_t i = 0; i < REQUEST_N; i++) {
        const struct request *r = &requests[i];

        unsigned n = path_of(r, "4711", path, sizeof(path));

        assert_int_equal(find(r->verb, path), 0);
        assert_ptr_equal(match.request, r);
        assert_string_equal(match.params[0], n > 0 ? "4711" : "");
        assert_string_equal(match.params[1], n > 1 ? "4711" : "");
    }
}

static void other_verbs_are_named(void **state)
{
    assert_int_equal(find("PUT", "/v1/jobs"), -EOPNOTSUPP);
    assert_string_equal(allow, "GET, POST");
    assert_int_equal(find("POST", "/v1/jobs/1"), -EOPNOTSUPP);
    assert_string_equal(allow, "GET, PATCH, DELETE");
    assert_int_equal(find("get", "/v1/ping"), -EOPNOTSUPP);
    assert_string_equal(allow, "GET");
    assert_int_equal(find("", "/v1/jobs/1/hold"), -EOPNOTSUPP);
    assert_string_equal(allow, "POST");
    assert_null(match.request);
    assert_int_equal(find("GET", "/v1/jobs"), 0);
    assert_string_equal(allow, ""); /* nothing is left from before or from the way there */
    assert_int_equal(find("GET", "/v2/jobs"), -ENOENT);
    assert_string_equal(allow, "");
    for (size_t size = 1; size < 24; size++) {
        char small[24];

        memset(small, 'x', sizeof(small));
        assert_int_equal(request_find("PUT", "/v1/jobs/1", &match, small, size), -EOPNOTSUPP);
        assert_true(strlen(small) < size);
        for (size_t i = size; i < sizeof(small); i++)
            assert_int_equal(small[i], 'x');
    }
}

static void no_other_path(void **state)
{
    static const char *const paths[] = {
        "",
        "/",
        "//",
        "v1/jobs",
        "/v1",
        "/v1/",
        "/v1/jobs/",
        "/v1//jobs",
        "/v1/jobs//hold",
        "/v1/jobs/1/",
        "/v1/jobs/1/hold/",
        "/v1/jobs/1/hold/2",
        "/v1/jobs/1/holdx",
        "/v1/jobs/1/hol",
        "/V1/jobs",
        "/v1/job",
        "/v1/jobsx",
        "/v1/jobs/1//hold",
        "/v1/ping/",
        "/v1/jobs?x",
        "/v1/jobs/{id}/{id}",
        "/v1/tokens/a/b",
        "/v1/nodes/a/b",
        "*",
        "http://host/v1/jobs",
        "/metrics/",
        "/v1/openapi.jso",
        "/v1/openapi.json.gz",
    };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (find("GET", paths[i]) != -ENOENT)
            fail_msg("'%s' was found", paths[i]);
}

/* A parameter is one segment that names something: never a step in a path. */
static void path_traversal(void **state)
{
    static const char *const paths[] = {
        "/v1/../v1/jobs",   "/v1/jobs/..",        "/v1/jobs/.",    "/v1/jobs/../diag",
        "/v1/jobs/../hold", "/v1/jobs/../events", "/v1/nodes/..",  "/v1/nodes/../jobs/1",
        "/../etc/passwd",   "/v1/jobs/1/../2",    "/v1/tokens/..", "/v1/./jobs",
    };
    static const char *const verbs[] = {"GET", "POST", "PATCH", "DELETE"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        for (size_t v = 0; v < 4; v++)
            if (find(verbs[v], paths[i]) != -ENOENT)
                fail_msg("%s '%s' was found", verbs[v], paths[i]);
    assert_int_equal(find("GET", "/v1/nodes/..."), 0); /* odd, but a name */
    assert_int_equal(find("GET", "/v1/nodes/.a"), 0);
}

static void long_parameters(void **state)
{
    char path[300] = "/v1/nodes/";
    size_t len = strlen(path);

    memset(path + len, 'n', 79);
    assert_int_equal(find("GET", path), 0);
    assert_int_equal(strlen(match.params[0]), 79);
    path[len + 79] = 'n';
    assert_int_equal(find("GET", path), -ENOENT);
    memset(path + len, 'n', 280);
    assert_int_equal(find("GET", path), -ENOENT);
    assert_string_equal(match.params[0], "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_sound),        cmocka_unit_test(every_row_is_reachable),
        cmocka_unit_test(other_verbs_are_named), cmocka_unit_test(no_other_path),
        cmocka_unit_test(path_traversal),        cmocka_unit_test(long_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

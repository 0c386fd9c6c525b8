/* SPDX-License-Identifier: Apache-2.0 */
/* test_virt.c - calls, events and errors of libvirt, with its own driver for tests */
#include "vdid/virt.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define XML(name)                                                                                  \
    "<domain type='test'><name>" name "</name><memory unit='MiB'>8</memory><vcpu>1</vcpu>"         \
    "<os><type>hvm</type></os></domain>"

struct seen {
    struct loop *loop;
    bool is_up, is_answered;
    int result;
    char detail[320];
    size_t n_domains;
    bool has_name, is_paused;
    const char *name;
    unsigned events; /* bits of enum virt_event */
    unsigned wanted;
};

static void on_up(void *arg)
{
    struct seen *s = arg;

    s->is_up = true;
    loop_stop(s->loop);
}

static void on_down(void *arg, const char *why)
{
    ((struct seen *)arg)->is_up = false;
}

static void on_event(void *arg, const char *domain, enum virt_event event)
{
    struct seen *s = arg;

    if (!strcmp(domain, "vdi-1-1"))
        s->events |= 1u << event;
    if ((s->events & s->wanted) == s->wanted)
        loop_stop(s->loop);
}

static void on_answer(void *arg, int result, const struct virt_result *res,
                      const struct vdi_error *err)
{
    struct seen *s = arg;

    s->is_answered = true;
    s->result = result;
    snprintf(s->detail, sizeof(s->detail), "%s", result < 0 ? err->detail : "");
    s->n_domains = res->n_domains;
    s->has_name = s->is_paused = false;
    for (size_t i = 0; i < res->n_domains; i++)
        if (!strcmp(res->domains[i].name, "vdi-1-1")) {
            s->has_name = true;
            s->is_paused = res->domains[i].is_paused;
        }
    loop_stop(s->loop);
}

static int wait_for(struct seen *s, int r)
{
    assert_int_equal(r, 0);
    s->is_answered = false;
    while (!s->is_answered)
        loop_run(s->loop);
    return s->result;
}

static void wait_events(struct seen *s, unsigned wanted)
{
    s->wanted = wanted;
    while ((s->events & wanted) != wanted)
        loop_run(s->loop);
    s->wanted = ~0u;
    s->events = 0;
}

#define BIT(e) (1u << (e))

static void test_life(void **state)
{
    static const struct virt_handler handler = {on_up, on_down, on_event};
    struct seen s = {.loop = loop_new(), .wanted = ~0u};
    struct vdi_error err = {0};
    struct virt *v = virt_new(s.loop, "test:///default", &handler, &s, &err);
    char path[] = "/tmp/vdid-virt.XXXXXX";
    struct stat st;

    assert_non_null(v);
    assert_false(virt_is_up(v));
    assert_int_equal(wait_for(&s, virt_list(v, on_answer, &s)) == 0 || s.result == -ENOTCONN, 1);
    while (!s.is_up)
        loop_run(s.loop);
    assert_true(virt_is_up(v));

    assert_int_equal(wait_for(&s, virt_create(v, "vdi-1-1", XML("vdi-1-1"), on_answer, &s)), 0);
    wait_events(&s, BIT(VIRT_STARTED));
    assert_int_equal(wait_for(&s, virt_create(v, "vdi-1-1", XML("vdi-1-1"), on_answer, &s)), 0);
    assert_int_equal(wait_for(&s, virt_list(v, on_answer, &s)), 0);
    assert_int_equal(s.n_domains, 2); /* the driver's own, and one of ours, not two */
    assert_true(s.has_name);

    assert_int_equal(wait_for(&s, virt_pause(v, "vdi-1-1", on_answer, &s)), 0);
    wait_events(&s, BIT(VIRT_PAUSED));
    assert_int_equal(wait_for(&s, virt_list(v, on_answer, &s)), 0);
    assert_true(s.is_paused);
    assert_int_equal(wait_for(&s, virt_resume(v, "vdi-1-1", on_answer, &s)), 0);
    wait_events(&s, BIT(VIRT_RESUMED));

    close(mkstemp(path));
    assert_int_equal(wait_for(&s, virt_screenshot(v, "vdi-1-1", path, on_answer, &s)), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 100);
    assert_int_equal(wait_for(&s, virt_save(v, "vdi-1-1", path, on_answer, &s)), 0);
    wait_events(&s, BIT(VIRT_SAVED));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(wait_for(&s, virt_restore(v, "vdi-1-1", path, on_answer, &s)), 0);
    assert_int_equal(wait_for(&s, virt_list(v, on_answer, &s)), 0);
    assert_true(s.has_name);
    unlink(path);

    assert_int_equal(wait_for(&s, virt_destroy(v, "vdi-1-1", on_answer, &s)), 0);
    wait_events(&s, BIT(VIRT_ENDED));
    assert_int_equal(wait_for(&s, virt_destroy(v, "vdi-1-1", on_answer, &s)), 0);
    assert_int_equal(wait_for(&s, virt_pause(v, "vdi-1-1", on_answer, &s)), -ENOENT);
    assert_non_null(strstr(s.detail, "vdi-1-1"));
    assert_int_equal(wait_for(&s, virt_create(v, "x", "<domain", on_answer, &s)), -EIO);
    assert_true(strlen(s.detail) > 20);
    virt_free(v);
    loop_free(s.loop);
}

/* Nobody there: calls end, and the loop is never held up. */
static void test_no_libvirtd(void **state)
{
    static const struct virt_handler handler = {on_up, on_down, on_event};
    struct seen s = {.loop = loop_new(), .wanted = ~0u};
    struct vdi_error err = {0};
    struct virt *v =
        virt_new(s.loop, "qemu+unix:///system?socket=/nonexistent/s", &handler, &s, &err);

    assert_non_null(v);
    for (int i = 0; i < 20; i++)
        assert_int_equal(wait_for(&s, virt_pause(v, "vdi-1-1", on_answer, &s)), -ENOTCONN);
    assert_false(s.is_up);
    virt_free(v);
    loop_free(s.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_no_libvirtd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

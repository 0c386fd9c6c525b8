/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection.c - what a connection answer says, checked, and virt-viewer's file of it.
 *
 * The file: remote-viewer(1), CONNECTION FILE; its escapes: GLib's
 * g_key_file_get_string(). Limits are named and far above what is in use.
 */
#include "cli/connection.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/time.h"

#define HOST_MAX 253
#define LABEL_MAX 63
#define PASSWORD_MAX 256 /* SPICE itself takes 60 */
#define SUBJECT_MAX 1024
#define CA_MAX 65536
#define TITLE_MAX 128

/* Whoever provides the desktop, its viewer speaks SPICE (DESIGN of the session providers). */
static const char *const providers[] = {"qemu_spice", "vdisession"};

static int refuse(const char *member, struct vdi_error *err)
{
    error_set(err, EREMOTEIO, member,
              "the controller's answer is no connection: its %s is not usable", member);
    error_hint(err, NULL, "tell the administrator of the cluster");
    return -EREMOTEIO;
}

/* RFC 1123: labels of letters, digits and inner hyphens. */
static bool is_name(const char *host)
{
    size_t label = 0;
    for (const char *p = host; *p; p++) {
        bool is_edge = label == 0 || p[1] == '.' || !p[1];
        if (*p == '.' && label) {
            label = 0;
            continue;
        }
        if (!isalnum((unsigned char)*p) && (*p != '-' || is_edge))
            return false;
        if (++label > LABEL_MAX)
            return false;
    }
    return *host && strlen(host) <= HOST_MAX;
}

bool connection_host_is_good(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET6, host, &address) == 1 || is_name(host);
}

bool connection_is_loopback(const struct connection *c)
{
    return !c->proxy && (str_equal(c->host, "localhost") || str_equal(c->host, "::1") ||
                         str_starts_with(c->host, "127."));
}

static int read_port(const struct value *answer, const char *member, uint16_t *ret,
                     struct vdi_error *err)
{
    const struct value *value = value_get(answer, member);
    int64_t port = value_int(value, -1);
    *ret = 0;
    if (value_is_null(value))
        return 0;
    if (port < 1 || port > UINT16_MAX)
        return refuse(member, err);
    *ret = (uint16_t)port;
    return 0;
}

static int read_text(const struct value *answer, const char *member, size_t max, bool lines,
                     const char **ret, struct vdi_error *err)
{
    const struct value *value = value_get(answer, member);
    const char *text = value_string(value, NULL);
    *ret = NULL;
    if (value_is_null(value))
        return 0;
    if (str_is_empty(text) || strlen(text) > max || !str_is_text(text, strlen(text), lines))
        return refuse(member, err);
    *ret = text;
    return 0;
}

static bool is_provider(const char *name)
{
    for (size_t i = 0; i < ELEMENTS(providers); i++)
        if (str_equal(providers[i], name))
            return true;
    return false;
}

static int read_provider(const struct value *answer, struct vdi_error *err)
{
    const char *provider = value_get_string(answer, "provider", "");
    if (is_provider(provider))
        return 0;
    if (!str_is_name(provider, 64))
        return refuse("provider", err);
    error_set(err, EREMOTEIO, "provider",
              "the desktop is provided by '%s', which this version can't open", provider);
    error_hint(err, NULL, "use a newer vdiconnect");
    return -EREMOTEIO;
}

/* "http://HOST:PORT", https too; no user, no path: nothing secret is in a URL. */
static bool proxy_is_good(const char *proxy)
{
    char host[HOST_MAX + 1];
    uint64_t port;
    const char *at = str_starts_with(proxy, "https://")  ? proxy + 8
                     : str_starts_with(proxy, "http://") ? proxy + 7
                                                         : NULL;
    const char *colon = at ? strrchr(at, ':') : NULL;
    if (!colon || str_to_u64(colon + 1, 1, UINT16_MAX, &port) < 0)
        return false;
    bool in_brackets = *at == '[' && colon > at + 1 && colon[-1] == ']';
    size_t n = (size_t)(colon - at) - 2 * in_brackets;
    if (n >= sizeof(host))
        return false;
    memcpy(host, at + in_brackets, n);
    host[n] = '\0';
    return connection_host_is_good(host) && in_brackets == !!strchr(host, ':');
}

static int read_host(const struct value *answer, struct connection *c, struct vdi_error *err)
{
    int r = read_text(answer, "host", HOST_MAX, false, &c->host, err);
    if (r == 0 && !(c->host && connection_host_is_good(c->host)))
        r = refuse("host", err);
    if (r == 0)
        r = read_port(answer, "port", &c->port, err);
    if (r == 0)
        r = read_port(answer, "tls_port", &c->tls_port, err);
    return r == 0 && !c->port && !c->tls_port ? refuse("port", err) : r;
}

static int read_trust(const struct value *answer, struct connection *c, struct vdi_error *err)
{
    int r = read_text(answer, "ca", CA_MAX, true, &c->ca, err);
    if (r == 0 && c->ca && !str_starts_with(c->ca, "-----BEGIN CERTIFICATE-----\n"))
        r = refuse("ca", err);
    if (r == 0)
        r = read_text(answer, "host_subject", SUBJECT_MAX, false, &c->host_subject, err);
    if (r == 0)
        r = read_text(answer, "proxy", 2 * HOST_MAX, false, &c->proxy, err);
    return r == 0 && c->proxy && !proxy_is_good(c->proxy) ? refuse("proxy", err) : r;
}

int connection_read(const struct value *answer, struct connection *ret, struct vdi_error *err)
{
    struct connection c = {.host = NULL};
    const char *expires = NULL;
    if (!value_is_object(answer))
        return error_set(err, EREMOTEIO, "", "the controller's answer is no connection");
    int r = read_provider(answer, err);
    if (r == 0)
        r = read_host(answer, &c, err);
    if (r == 0)
        r = read_text(answer, "password", PASSWORD_MAX, false, &c.password, err);
    if (r == 0 && !c.password)
        r = refuse("password", err);
    if (r == 0)
        r = read_trust(answer, &c, err);
    if (r == 0)
        r = read_text(answer, "expires", 40, false, &expires, err);
    if (r == 0 && expires && time_from_rfc3339(expires, &c.expires_usec) < 0)
        r = refuse("expires", err);
    if (r == 0)
        *ret = c;
    return r;
}

/* Backslash and newline as GKeyFile's; it drops a leading blank that is none. */
static void write_text(struct buf *out, const char *key, const char *text)
{
    if (!text)
        return;
    buf_printf(out, "%s=", key);
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            buf_puts(out, "\\\\");
        else if (*p == '\n')
            buf_puts(out, "\\n");
        else if (*p == '\t')
            buf_puts(out, "\\t");
        else if (*p == ' ' && p == text)
            buf_puts(out, "\\s");
        else
            buf_putc(out, *p);
    }
    buf_putc(out, '\n');
}

/* Where there is TLS the other port is left out: the viewer would go there first. */
void connection_write_vv(const struct connection *c, const char *title, bool fullscreen,
                         struct buf *out)
{
    bool title_is_good = strlen(title) <= TITLE_MAX && str_is_text(title, strlen(title), false);
    buf_puts(out, "[virt-viewer]\ntype=spice\n");
    write_text(out, "host", c->host);
    if (c->tls_port)
        buf_printf(out, "tls-port=%u\n", c->tls_port);
    else
        buf_printf(out, "port=%u\n", c->port);
    write_text(out, "password", c->password);
    write_text(out, "ca", c->ca);
    write_text(out, "host-subject", c->host_subject);
    write_text(out, "proxy", c->proxy);
    write_text(out, "title", title_is_good ? title : "desktop");
    buf_printf(out, "fullscreen=%d\ndelete-this-file=1\n", fullscreen);
}

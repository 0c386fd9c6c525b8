/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_form.c - the form of single values: addresses, stores, resolutions, zones.
 *
 * Nothing here looks at the system: a name that does not exist is found by whoever
 * uses it, and vdictl check gives the same findings on every machine.
 */
#include "codec/config_key.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/str.h"
#include "model/notice.h"

int config_form_store(const char *value, struct vdi_error *err)
{
    char plugin[32];
    const char *colon = strchr(value, ':');
    size_t len = colon ? (size_t)(colon - value) : 0;
    if (colon && colon[1] && len < sizeof(plugin)) {
        memcpy(plugin, value, len);
        plugin[len] = '\0';
        if (str_is_name(plugin, len))
            return 0;
    }
    error_set(err, EINVAL, NULL, "\"%s\" does not say where events are kept", value);
    error_hint(err, NULL, "write PLUGIN:PLACE, as in \"sqlite:/var/lib/vdi/vdi.db\"");
    return -EINVAL;
}

/* ADDRESS:PORT with a numeric address, [] around IPv6. Says whether it is loopback. */
static int parse_inet(const char *text, bool *ret_loopback)
{
    char host[64];
    struct in_addr v4;
    struct in6_addr v6;
    uint64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || str_to_u64(colon + 1, 1, 65535, &port) < 0)
        return -EINVAL;
    size_t len = (size_t)(colon - text);
    bool brackets = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (len >= sizeof(host))
        return -EINVAL;
    memcpy(host, text + brackets, len - 2u * brackets);
    host[len - 2u * brackets] = '\0';
    if (brackets) {
        if (inet_pton(AF_INET6, host, &v6) != 1)
            return -EINVAL;
        *ret_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
        return 0;
    }
    if (inet_pton(AF_INET, host, &v4) != 1)
        return -EINVAL;
    *ret_loopback = ntohl(v4.s_addr) >> 24 == 127;
    return 0;
}

static int listen_unix(const char *path, struct vdi_error *err)
{
    const struct sockaddr_un *un = NULL;
    if (path[0] == '/' && strlen(path) < sizeof(un->sun_path))
        return 0;
    error_set(err, EINVAL, NULL, "\"unix:%s\" is not the path of a socket", path);
    error_hint(err, "107 bytes", "write an absolute path, as in \"unix:/run/vdi/vdictld.sock\"");
    return -EINVAL;
}

int config_form_listen(const char *value, struct vdi_error *err)
{
    bool loopback = false;
    if (str_starts_with(value, "unix:"))
        return listen_unix(value + 5, err);
    if (str_starts_with(value, "https:") && parse_inet(value + 6, &loopback) == 0)
        return 0;
    if (str_starts_with(value, "http:") && parse_inet(value + 5, &loopback) == 0) {
        if (loopback)
            return 0;
        error_set(err, EINVAL, NULL, "\"%s\" would send credentials unencrypted over the network",
                  value);
        error_hint(err, NULL, "use https: with tls_cert and tls_key, or a loopback address");
        return -EINVAL;
    }
    error_set(err, EINVAL, NULL, "\"%s\" is not an address to listen on", value);
    error_hint(err, NULL,
               "write unix:PATH, https:ADDRESS:PORT or http:127.0.0.1:PORT; [] around IPv6");
    return -EINVAL;
}

int config_form_node_listen(const char *value, struct vdi_error *err)
{
    bool loopback;
    if (!*value || parse_inet(value, &loopback) == 0)
        return 0;
    error_set(err, EINVAL, NULL, "\"%s\" is not an address to listen on", value);
    error_hint(err, NULL, "write ADDRESS:PORT, as in \"0.0.0.0:6819\" or \"[::]:6819\"");
    return -EINVAL;
}

int config_form_resolution(const char *value, struct vdi_error *err)
{
    char width[8] = "";
    uint64_t n;
    const char *x = strchr(value, 'x');
    if (x && (size_t)(x - value) < sizeof(width))
        str_copy(width, (size_t)(x - value) + 1, value);
    if (str_to_u64(width, 320, 16384, &n) == 0 && str_to_u64(x + 1, 200, 16384, &n) == 0)
        return 0;
    error_set(err, EINVAL, NULL, "\"%s\" is not the size of a display", value);
    error_hint(err, "320x200 to 16384x16384", "write WIDTHxHEIGHT, as in \"2560x1440\"");
    return -EINVAL;
}

int config_form_zone(const char *value, struct vdi_error *err)
{
    const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    if (value[0] != '/' && value[strspn(value, allowed)] == '\0')
        return 0;
    error_set(err, EINVAL, NULL, "\"%s\" is not the name of a time zone", value);
    error_hint(err, NULL, "write a name of tzdata, as in \"Europe/Berlin\"");
    return -EINVAL;
}

static int refuse_address(const char *value, const char *remedy, struct vdi_error *err)
{
    error_set(err, EINVAL, NULL, "\"%.80s\" is no address that needs no quoting", value);
    error_hint(err, NULL, remedy);
    return -EINVAL;
}

int config_form_mail_from(const char *value, struct vdi_error *err)
{
    if (!*value || notice_is_address(value))
        return 0;
    return refuse_address(value, "write NAME@DOMAIN, as in \"vdi@example.org\"", err);
}

/* As it stands behind the @. */
static bool is_domain(const char *value)
{
    char address[NOTICE_ADDRESS_MAX + 1];
    int n = snprintf(address, sizeof(address), "x@%s", value);

    return n < (int)sizeof(address) && notice_is_address(address);
}

int config_form_mail_domain(const char *value, struct vdi_error *err)
{
    if (!*value || is_domain(value))
        return 0;
    return refuse_address(value, "write a domain, as in \"example.org\"", err);
}

int config_form_mail_to(const char *value, struct vdi_error *err)
{
    if (str_equal(value, "own") || str_equal(value, "any") ||
        (value[0] == '@' && is_domain(value + 1)))
        return 0;
    return refuse_address(value, "write own, any or a domain as in \"@example.org\"", err);
}

/* http is for a listener on this host alone. */
static bool is_loopback_url(const char *url)
{
    static const char *const hosts[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t len = strlen(hosts[i]);

        if (strncmp(url, hosts[i], len) == 0 && (!url[len] || strchr(":/", url[len])))
            return true;
    }
    return false;
}

int config_form_webhook(const char *value, struct vdi_error *err)
{
    bool is_url = (str_starts_with(value, "https://") && value[8]) || is_loopback_url(value);

    for (const char *p = value; *p; p++)
        is_url = is_url && *p > ' ' && *p <= '~' && *p != '@'; /* no password in it */
    if (!*value || is_url)
        return 0;
    error_set(err, EINVAL, NULL, "\"%.80s\" is not an https URL", value);
    error_hint(err, NULL, "write https://HOST/PATH; http is for 127.0.0.1 and localhost alone");
    return -EINVAL;
}

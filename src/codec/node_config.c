/* SPDX-License-Identifier: Apache-2.0 */
/* node_config.c - the keys of vdid.conf, their defaults and checks. */
#include "codec/node_config.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

#define STRINGS(X)                                                                                 \
    X(node, NULL)                                                                                  \
    X(cluster, "vdi")                                                                              \
    X(controller, NULL)                                                                            \
    X(ca_file, VDI_SYSCONFDIR "/vdi/pki/ca.crt")                                                   \
    X(cert_file, VDI_SYSCONFDIR "/vdi/pki/node.crt")                                               \
    X(key_file, VDI_SYSCONFDIR "/vdi/pki/node.key")                                                \
    X(uri, "qemu:///system")                                                                       \
    X(state_dir, VDI_LOCALSTATEDIR "/lib/vdi/node")                                                \
    X(image_dir, VDI_LOCALSTATEDIR "/lib/vdi/images")                                              \
    X(image_cache, "")                                                                             \
    X(disk_dir, "")                                                                                \
    X(disk_shared_dir, "")                                                                         \
    X(run_dir, "/run/libvirt/qemu")                                                                \
    X(prefix, "vdi")                                                                               \
    X(emulator, "")                                                                                \
    X(bridge, "")                                                                                  \
    X(spice_address, "127.0.0.1")                                                                  \
    X(spice_host, "")                                                                              \
    X(spice_tls, "no")                                                                             \
    X(spice_tls_dir, VDI_SYSCONFDIR "/vdi/pki/spice")                                              \
    X(virtiofsd, "")                                                                               \
    X(accel, "auto")                                                                               \
    X(log_level, "info")

#define NUMBERS(X)                                                                                 \
    X(port_min, 24000, 1024, 65535)                                                                \
    X(port_max, 24999, 1024, 65535)                                                                \
    X(tcg_cache_mib, 0, 0, 65536)                                                                  \
    X(image_cache_mib, 102400, 0, 1073741824)                                                      \
    X(image_rate_mib, 0, 0, 1048576)                                                               \
    X(disk_max_gib, 0, 0, 1048576)                                                                 \
    X(boot_timeout_sec, 300, 1, 86400)                                                             \
    X(keep_gone_sec, 86400, 60, 31536000)                                                          \
    X(output_max_mib, 1024, 1, 1048576)                                                            \
    X(output_keep_mib, 10240, 1, 1073741824)                                                       \
    X(output_keep_sec, 604800, 60, 31536000)

#define HOST_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-"

static struct buf *findings_now; /* libconfuse's callbacks carry no argument of ours */

static void on_error(cfg_t *cfg, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void on_error(cfg_t *cfg, const char *format, va_list ap)
{
    buf_printf(findings_now, "%s:%d: ", cfg && cfg->filename ? cfg->filename : "vdid.conf",
               cfg ? cfg->line : 0);
    buf_vprintf(findings_now, format, ap);
    buf_putc(findings_now, '\n');
}

bool node_config_has_tls(const struct node_config *config)
{
    return !strcmp(config->spice_tls, "yes");
}

void node_config_free(struct node_config *config)
{
    if (!config)
        return;
#define X(name, initial) free(config->name);
    STRINGS(X)
#undef X
    free(config);
}

static void finding(struct buf *out, const char *path, const char *key, const char *text)
{
    buf_printf(out, "%s: %s: %s\n", path, key, text);
}

/* What a person sees and types goes over that way: never in clear over a network. */
static void check_spice(const struct node_config *c, const char *path, struct buf *out)
{
    struct in6_addr six;
    struct in_addr four;
    bool is_four = inet_pton(AF_INET, c->spice_address, &four) == 1;
    bool is_six = !is_four && inet_pton(AF_INET6, c->spice_address, &six) == 1;
    bool is_loopback =
        is_four ? ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET : is_six && IN6_IS_ADDR_LOOPBACK(&six);
    bool is_any =
        is_four ? four.s_addr == htonl(INADDR_ANY) : is_six && IN6_IS_ADDR_UNSPECIFIED(&six);

    if (strcmp(c->spice_tls, "yes") && strcmp(c->spice_tls, "no"))
        finding(out, path, "spice_tls", "it is yes or no");
    if (!is_four && !is_six)
        finding(out, path, "spice_address", "it must be an IP address of this node");
    else if (!is_loopback && !node_config_has_tls(c))
        finding(out, path, "spice_address",
                "desktops would be seen by the whole network; write spice_tls = \"yes\" (see "
                "vdid(8)), or a loopback address");
    else if (is_any && !*c->spice_host)
        finding(out, path, "spice_host",
                "write the name or address that clients reach this node by");
    if (*c->spice_host && strspn(c->spice_host, HOST_CHARACTERS) != strlen(c->spice_host))
        finding(out, path, "spice_host", "it must be a host's name, or an IP address");
}

static void check(const struct node_config *c, const char *path, struct buf *out)
{
    if (!str_is_name(c->node, 63))
        finding(out, path, "node", "it must be this node's name in vdi.conf; write it");
    if (!strchr(c->controller, ':'))
        finding(out, path, "controller", "it must be HOST:PORT of the controller's node_listen");
    if (c->port_min > c->port_max)
        finding(out, path, "port_max", "it is below port_min");
    check_spice(c, path, out);
    if (*c->disk_dir && c->disk_dir[0] != '/')
        finding(out, path, "disk_dir", "it must be an absolute path of a directory");
    if (*c->disk_shared_dir && c->disk_shared_dir[0] != '/')
        finding(out, path, "disk_shared_dir", "it must be an absolute path of a directory");
    if (*c->disk_shared_dir && str_equal(c->disk_shared_dir, c->disk_dir))
        finding(out, path, "disk_shared_dir", "it must be another directory than disk_dir");
    if (*c->virtiofsd && c->virtiofsd[0] != '/')
        finding(out, path, "virtiofsd", "it must be an absolute path of the program");
    if (strcmp(c->accel, "auto") && strcmp(c->accel, "kvm") && strcmp(c->accel, "tcg"))
        finding(out, path, "accel", "it is auto, kvm or tcg");
#define X(name, initial, least, most)                                                              \
    if (c->name < (least) || c->name > (most))                                                     \
        finding(out, path, #name, "it is out of range: " #least " to " #most);
    NUMBERS(X)
#undef X
}

/* cfg_getstr() and cfg_getint() by the rows above. */
static int take(cfg_t *cfg, struct node_config *c)
{
#define X(name, initial)                                                                           \
    c->name = strdup(cfg_getstr(cfg, #name) ? cfg_getstr(cfg, #name) : "");                        \
    if (!c->name)                                                                                  \
        return -ENOMEM;
    STRINGS(X)
#undef X
#define X(name, initial, least, most) c->name = cfg_getint(cfg, #name);
    NUMBERS(X)
#undef X
    return 0;
}

int node_config_read(const char *path, struct node_config **ret, struct buf *findings)
{
#define X(name, initial) CFG_STR(#name, (char *)(initial), CFGF_NONE),
#define Y(name, initial, least, most) CFG_INT(#name, (initial), CFGF_NONE),
    cfg_opt_t options[] = {STRINGS(X) NUMBERS(Y) CFG_END()};
#undef X
#undef Y
    struct node_config *c = calloc(1, sizeof(*c));
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    size_t before = findings->len;
    int r = c && cfg ? 0 : -ENOMEM;

    if (r >= 0) {
        findings_now = findings;
        cfg_set_error_function(cfg, on_error);
        r = cfg_parse(cfg, path);
        if (r == CFG_FILE_ERROR)
            finding(findings, path, "file", strerror(errno));
        else if (r != CFG_SUCCESS &&
                 findings->len == before) /* a NUL, and the library says nothing */
            finding(findings, path, "file", "it is no list of KEY = VALUE lines");
        r = r == CFG_SUCCESS ? take(cfg, c) : -EINVAL;
    }
    if (r >= 0)
        check(c, path, findings);
    if (cfg)
        cfg_free(cfg);
    if (r >= 0 && findings->len > before)
        r = -EINVAL;
    if (r < 0)
        node_config_free(c);
    else
        *ret = c;
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain_spec.c - names of domains, and what a specification must hold before XML is made of it.
 *
 * The XML writer escapes whatever it is given; these checks are there so that
 * nothing absurd reaches QEMU's command line, where libvirt's own escaping ends.
 */
#include "vdid/domain_spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

const char *const domain_firmware_names[] = {"bios", "uefi", "uefi-secure", NULL};
const char *const domain_os_names[] = {"linux", "windows", NULL};

const char *domain_name(const char *prefix, struct vdi_instance_id id, char *ret)
{
    snprintf(ret, DOMAIN_NAME_MAX, "%.*s-%" PRIu64 "-%" PRIu32, DOMAIN_PREFIX_MAX, prefix, id.id,
             id.generation);
    return ret;
}

const char *domain_share_tag(uint32_t i, char *ret)
{
    snprintf(ret, DOMAIN_TAG_MAX, "vdi-%" PRIu32, i);
    return ret;
}

const char *domain_disk_serial(uint32_t i, char *ret)
{
    snprintf(ret, DOMAIN_TAG_MAX, "vdi-disk-%u", (unsigned)i % DOMAIN_DISKS_MAX);
    return ret;
}

bool domain_name_parse(const char *prefix, const char *name, struct vdi_instance_id *ret)
{
    char again[DOMAIN_NAME_MAX], text[DOMAIN_NAME_MAX], *dash;
    size_t len = strlen(prefix);
    struct vdi_instance_id id;
    uint64_t generation;

    if (strncmp(name, prefix, len) != 0 || name[len] != '-' ||
        !str_copy(text, sizeof(text), name + len + 1))
        return false;
    dash = strchr(text, '-');
    if (!dash)
        return false;
    *dash = '\0';
    if (str_to_u64(text, 1, UINT64_MAX, &id.id) < 0 ||
        str_to_u64(dash + 1, 0, UINT32_MAX, &generation) < 0)
        return false;
    id.generation = (uint32_t)generation;
    /* "vdi-007-1" is somebody else's. */
    if (strcmp(domain_name(prefix, id, again), name) != 0)
        return false;
    *ret = id;
    return true;
}

/* An absolute path without "..", control characters, or what QEMU's options split at. */
static int check_path(const char *field, const char *path, struct vdi_error *err)
{
    size_t len;

    if (str_is_empty(path))
        return 0;
    len = strlen(path);
    if (path[0] != '/' || len >= 4096 || !str_is_text(path, len, false))
        return error_set(err, EINVAL, field, "'%.80s' is not an absolute path", path);
    if (strstr(path, "/../") || (len > 2 && !strcmp(path + len - 3, "/..")))
        return error_set(err, EINVAL, field, "'%.80s' leads upwards", path);
    return 0;
}

static int check_socket(const char *field, const char *path, struct vdi_error *err)
{
    if (!path || strlen(path) < DOMAIN_SOCKET_MAX)
        return 0;
    error_set(err, ENAMETOOLONG, field, "the path of a socket has %zu bytes: '%.80s...'",
              strlen(path), path);
    error_hint(err, "107 bytes", "choose a shorter state_dir");
    return -ENAMETOOLONG;
}

int domain_share_check(const char *socket, struct vdi_error *err)
{
    int r = str_is_empty(socket) ? error_set(err, EINVAL, "mounts", "a mount has no socket")
                                 : check_path("mounts", socket, err);

    return r < 0 ? r : check_socket("mounts", socket, err);
}

int domain_disk_check(const char *file, struct vdi_error *err)
{
    return str_is_empty(file) ? error_set(err, EINVAL, "disks", "a disk has no file")
                              : check_path("disks", file, err);
}

static int check_paths(const struct domain_spec *s, struct vdi_error *err)
{
    const struct {
        const char *field, *path;
    } paths[] = {
        {"emulator", s->emulator},   {"kernel", s->kernel},
        {"initrd", s->initrd},       {"overlay", s->overlay},
        {"base", s->base},           {"nvram", s->nvram},
        {"console", s->console_log}, {"job_socket", s->job_socket},
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(paths) / sizeof(paths[0]); i++)
        r = check_path(paths[i].field, paths[i].path, err);
    if (r == 0 && s->n_shares > DOMAIN_SHARES_MAX)
        return error_set(err, E2BIG, "mounts", "there are %" PRIu32 " mounts", s->n_shares);
    for (uint32_t i = 0; r == 0 && i < s->n_shares; i++)
        r = domain_share_check(s->share_sockets[i], err);
    if (r == 0 && s->n_disks > DOMAIN_DISKS_MAX)
        return error_set(err, E2BIG, "disks", "there are %" PRIu32 " disks", s->n_disks);
    for (uint32_t i = 0; r == 0 && i < s->n_disks; i++)
        r = domain_disk_check(s->disks[i], err);
    if (r == 0 && s->n_spare > DOMAIN_SHARES_MAX + DOMAIN_DISKS_MAX)
        return error_set(err, E2BIG, "seat", "there are places for %" PRIu32 " devices",
                         s->n_spare);
    return r < 0 ? r : check_socket("job_socket", s->job_socket, err);
}

static int check_words(const struct domain_spec *s, struct vdi_error *err)
{
    const char *zone = s->timezone ? s->timezone : "";
    size_t zone_len =
        strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/");

    if (!str_is_name(s->prefix ? s->prefix : "", DOMAIN_PREFIX_MAX))
        return error_set(err, EINVAL, "prefix", "'%.40s' is not a name of 1 to %d characters",
                         s->prefix ? s->prefix : "", DOMAIN_PREFIX_MAX);
    if (!s->uuid || strlen(s->uuid) != 36 || strspn(s->uuid, "0123456789abcdef-") != 36)
        return error_set(err, EINVAL, "uuid", "'%.40s' is not a UUID", s->uuid ? s->uuid : "");
    if (zone[zone_len] || zone_len > 63)
        return error_set(err, EINVAL, "timezone", "'%.40s' is not a time zone", zone);
    if (!str_is_empty(s->bridge) && !str_is_name(s->bridge, 15))
        return error_set(err, EINVAL, "bridge", "'%.40s' is not the name of a bridge", s->bridge);
    if (!str_is_empty(s->cmdline) &&
        (strlen(s->cmdline) > 2047 || !str_is_text(s->cmdline, strlen(s->cmdline), false)))
        return error_set(
            err, EINVAL, "cmdline",
            "the kernel's command line holds a control character, or is over 2047 bytes");
    return 0;
}

static int check_graphics(const struct domain_graphics *g, struct vdi_error *err)
{
    struct in6_addr address;
    size_t len = g->keymap ? strlen(g->keymap) : 0;

    if (!g->port && !g->tls_port)
        return 0;
    if (!g->address || (inet_pton(AF_INET, g->address, &address) != 1 &&
                        inet_pton(AF_INET6, g->address, &address) != 1))
        return error_set(err, EINVAL, "spice_address", "'%.60s' is not an IP address",
                         g->address ? g->address : "");
    if (len > 8 || (len && strspn(g->keymap, "abcdefghijklmnopqrstuvwxyz-") != len))
        return error_set(err, EINVAL, "keyboard", "'%.40s' is not a keyboard layout such as de",
                         g->keymap);
    return 0;
}

static int check_sizes(const struct domain_spec *s, struct vdi_error *err)
{
    if (s->vcpus < 1 || s->vcpus > DOMAIN_VCPUS_MAX)
        return error_set(err, ERANGE, "vcpus", "%" PRIu32 " is not 1 to %d", s->vcpus,
                         DOMAIN_VCPUS_MAX);
    if (s->memory_mib < 16 || s->memory_mib > DOMAIN_MEMORY_MAX_MIB)
        return error_set(err, ERANGE, "memory_mib", "%" PRIu32 " is not 16 to %u", s->memory_mib,
                         DOMAIN_MEMORY_MAX_MIB);
    if (s->width_px > 16384 || s->height_px > 16384)
        return error_set(err, ERANGE, "resolution", "%" PRIu32 "x%" PRIu32 " is over 16384x16384",
                         s->width_px, s->height_px);
    if (str_is_empty(s->kernel) && str_is_empty(s->overlay))
        return error_set(err, EINVAL, "image", "there is neither a disk nor a kernel to boot from");
    if (s->firmware != DOMAIN_BIOS && str_is_empty(s->nvram))
        return error_set(err, EINVAL, "firmware", "UEFI needs a file for its variables");
    return 0;
}

int domain_spec_check(const struct domain_spec *s, struct vdi_error *err)
{
    int r = check_words(s, err);

    if (r == 0)
        r = check_sizes(s, err);
    if (r == 0)
        r = check_paths(s, err);
    if (r == 0)
        r = check_graphics(&s->graphics, err);
    return r;
}

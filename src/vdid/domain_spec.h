/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain_spec.h - what one domain is made of; all that its XML may say.
 *
 * Strings are borrowed; NULL and "" both mean none. Nothing in it is text of a
 * user: names are checked, paths are ours, and there is no member for a secret.
 */
#ifndef VDID_DOMAIN_SPEC_H
#define VDID_DOMAIN_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include <vdi/types.h>

enum domain_accel { DOMAIN_ACCEL_KVM, DOMAIN_ACCEL_TCG };
enum domain_firmware { DOMAIN_BIOS, DOMAIN_UEFI, DOMAIN_UEFI_SECURE };
enum domain_os { DOMAIN_LINUX, DOMAIN_WINDOWS };
/* As image_video_names of codec/image_manifest.h. */
enum domain_video { DOMAIN_VIDEO_VGA, DOMAIN_VIDEO_QXL, DOMAIN_VIDEO_VIRTIO, DOMAIN_VIDEO_BOCHS };

extern const char *const domain_firmware_names[]; /* NULL-terminated, as templates write them */
extern const char *const domain_os_names[];

#define DOMAIN_PREFIX_MAX 16
#define DOMAIN_NAME_MAX (DOMAIN_PREFIX_MAX + 34)
#define DOMAIN_VCPUS_MAX 512
#define DOMAIN_MEMORY_MAX_MIB (16u << 20)
/* sun_path of a unix socket, with its NUL; unix(7) */
#define DOMAIN_SOCKET_MAX 108
#define DOMAIN_SHARES_MAX 16
#define DOMAIN_DISKS_MAX 8
#define DOMAIN_TAG_MAX 16

struct domain_graphics {
    const char *address; /* where SPICE listens: an IP address of this host */
    uint16_t port;       /* 0: none */
    uint16_t tls_port;   /* 0: none */
    const char *keymap;
};

struct domain_spec {
    struct vdi_instance_id id;
    const char *prefix; /* of the domain's name */
    const char *uuid;
    enum domain_accel accel;
    uint32_t tcg_cache_mib; /* 0: QEMU's own */
    enum domain_os os;
    enum domain_firmware firmware;
    bool tpm;
    uint32_t vcpus;
    uint32_t memory_mib;
    const char *emulator;                  /* NULL: libvirt's own */
    const char *kernel, *initrd, *cmdline; /* direct boot */
    const char *overlay, *base;            /* qcow2 files; overlay over base */
    const char *nvram;                     /* UEFI variables of this instance */
    const char *timezone;                  /* of the clock that Windows sees */
    const char *bridge;                    /* NULL: no network */
    const char *console_log;               /* what the serial console says is appended here */
    const char *job_socket;                /* port org.osvdi.job.0 */
    /* virtiofs: sockets of their servers; the tags are "vdi-0", "vdi-1" ... */
    const char *share_sockets[DOMAIN_SHARES_MAX];
    uint32_t n_shares;
    /* raw files; their serial numbers are "vdi-disk-0", "vdi-disk-1" ... */
    const char *disks[DOMAIN_DISKS_MAX];
    uint32_t n_disks;
    uint32_t n_spare;      /* places for disks and shares that are plugged in while it runs */
    bool is_memory_shared; /* for such shares; with n_shares it is */
    struct domain_graphics graphics;
    enum domain_video video;
    uint32_t width_px, height_px; /* 0: the device's own */
};

/* "PREFIX-ID-GENERATION"; ret has DOMAIN_NAME_MAX bytes. */
const char *domain_name(const char *prefix, struct vdi_instance_id id, char *ret);
/* The tag of that share in the guest; ret has DOMAIN_TAG_MAX bytes. */
const char *domain_share_tag(uint32_t i, char *ret);
/* The serial number of that disk; ret has DOMAIN_TAG_MAX bytes. */
const char *domain_disk_serial(uint32_t i, char *ret);
/* False: not a name of ours. */
bool domain_name_parse(const char *prefix, const char *name, struct vdi_instance_id *ret);
/* Of one of them. -EINVAL, -ENAMETOOLONG. */
int domain_share_check(const char *socket, struct vdi_error *err);
int domain_disk_check(const char *file, struct vdi_error *err);
/* -EINVAL, -ERANGE with err naming the member. */
int domain_spec_check(const struct domain_spec *spec, struct vdi_error *err);

#endif

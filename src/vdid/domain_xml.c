/* SPDX-License-Identifier: Apache-2.0 */
/*
 * domain_xml.c - a domain's XML as a tree of libxml2, so that no text can break out of its place.
 *
 * Element and attribute names are constants of this file; values go through
 * xmlNewProp and xmlNewTextChild, which escape. Format: libvirt's formatdomain.
 */
#include "vdid/domain_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/image_manifest.h"

#define METADATA_NS "https://osvdi.org/xmlns/domain/1"
#define LOCK_BYTES 16

static inline void doc_freep(xmlDocPtr *doc)
{
    xmlFreeDoc(*doc);
}

/* ---- writing; a NULL node (no memory) is passed on, and seen once at the end ---- */

struct writer {
    bool failed;
};

static xmlNodePtr element(struct writer *w, xmlNodePtr parent, const char *name)
{
    xmlNodePtr node = parent ? xmlNewChild(parent, NULL, BAD_CAST name, NULL) : NULL;

    w->failed = w->failed || !node;
    return node;
}

static xmlNodePtr text_element(struct writer *w, xmlNodePtr parent, const char *name,
                               const char *text)
{
    xmlNodePtr node = parent ? xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text) : NULL;

    w->failed = w->failed || !node;
    return node;
}

static void attribute(struct writer *w, xmlNodePtr node, const char *name, const char *value)
{
    if (!node || !xmlNewProp(node, BAD_CAST name, BAD_CAST value))
        w->failed = true;
}

static void number(struct writer *w, xmlNodePtr node, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    attribute(w, node, name, text);
}

/* <name attribute='value'/> */
static xmlNodePtr element_with(struct writer *w, xmlNodePtr parent, const char *name,
                               const char *attribute_name, const char *value)
{
    xmlNodePtr node = element(w, parent, name);

    attribute(w, node, attribute_name, value);
    return node;
}

static xmlNodePtr state(struct writer *w, xmlNodePtr parent, const char *name)
{
    return element_with(w, parent, name, "state", "on");
}

static int dump(xmlDocPtr doc, const struct writer *w, char **ret, struct vdi_error *err)
{
    xmlChar *text = NULL;
    int size = 0;
    char *copy;

    if (doc && !w->failed)
        xmlDocDumpFormatMemoryEnc(doc, &text, &size, "UTF-8", 1);
    copy = text ? strdup((const char *)text) : NULL;
    xmlFree(text);
    if (!copy)
        return error_set(err, ENOMEM, "domain", "no memory for the domain's XML");
    *ret = copy;
    return 0;
}

/* ---- parts ---- */

static void add_metadata(struct writer *w, xmlNodePtr root, struct vdi_instance_id id)
{
    xmlNodePtr node = element(w, element(w, root, "metadata"), "instance");
    xmlNsPtr ns = node ? xmlNewNs(node, BAD_CAST METADATA_NS, BAD_CAST "osvdi") : NULL;

    w->failed = w->failed || !ns;
    if (ns)
        xmlSetNs(node, ns);
    number(w, node, "id", id.id);
    number(w, node, "generation", id.generation);
}

static void add_size(struct writer *w, xmlNodePtr root, const struct domain_spec *s)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu32, s->memory_mib);
    attribute(w, text_element(w, root, "memory", text), "unit", "MiB");
    snprintf(text, sizeof(text), "%" PRIu32, s->vcpus);
    text_element(w, root, "vcpu", text);
}

static void add_firmware(struct writer *w, xmlNodePtr os, const struct domain_spec *s)
{
    bool secure = s->firmware == DOMAIN_UEFI_SECURE;
    xmlNodePtr features, node;

    if (s->firmware == DOMAIN_BIOS)
        return;
    attribute(w, os, "firmware", "efi");
    features = element(w, os, "firmware");
    node = element_with(w, features, "feature", "enabled", secure ? "yes" : "no");
    attribute(w, node, "name", "enrolled-keys");
    node = element_with(w, features, "feature", "enabled", secure ? "yes" : "no");
    attribute(w, node, "name", "secure-boot");
    if (secure)
        element_with(w, os, "loader", "secure", "yes");
    text_element(w, os, "nvram", s->nvram);
}

static void add_os(struct writer *w, xmlNodePtr root, const struct domain_spec *s)
{
    xmlNodePtr os = element(w, root, "os"), type = text_element(w, os, "type", "hvm");

    attribute(w, type, "arch", "x86_64");
    attribute(w, type, "machine", "q35");
    add_firmware(w, os, s);
    if (!str_is_empty(s->kernel)) {
        text_element(w, os, "kernel", s->kernel);
        if (!str_is_empty(s->initrd))
            text_element(w, os, "initrd", s->initrd);
        if (!str_is_empty(s->cmdline))
            text_element(w, os, "cmdline", s->cmdline);
    } else {
        element_with(w, os, "boot", "dev", "hd");
    }
}

/* What Windows is quicker with under KVM; TCG has none of it. */
static void add_hyperv(struct writer *w, xmlNodePtr features)
{
    static const char *const plain[] = {"relaxed", "vapic",  "vpindex",    "runtime",
                                        "synic",   "stimer", "frequencies"};
    xmlNodePtr hyperv = element_with(w, features, "hyperv", "mode", "custom");

    for (size_t i = 0; i < ELEMENTS(plain); i++)
        state(w, hyperv, plain[i]);
    number(w, state(w, hyperv, "spinlocks"), "retries", 8191);
}

static void add_features(struct writer *w, xmlNodePtr root, const struct domain_spec *s)
{
    xmlNodePtr features = element(w, root, "features"), cache;
    char text[24];

    element(w, features, "acpi");
    element(w, features, "apic");
    if (s->os == DOMAIN_WINDOWS && s->accel == DOMAIN_ACCEL_KVM)
        add_hyperv(w, features);
    if (s->firmware == DOMAIN_UEFI_SECURE)
        state(w, features, "smm");
    if (s->accel == DOMAIN_ACCEL_TCG && s->tcg_cache_mib) {
        snprintf(text, sizeof(text), "%" PRIu32, s->tcg_cache_mib);
        cache = text_element(w, element(w, features, "tcg"), "tb-cache", text);
        attribute(w, cache, "unit", "MiB");
    }
}

static void timer(struct writer *w, xmlNodePtr clock, const char *name, const char *attr,
                  const char *value)
{
    attribute(w, element_with(w, clock, "timer", "name", name), attr, value);
}

/* Windows reads the hardware clock as local time. */
static void add_clock(struct writer *w, xmlNodePtr root, const struct domain_spec *s)
{
    bool zone = s->os == DOMAIN_WINDOWS && !str_is_empty(s->timezone);
    const char *offset = zone ? "timezone" : s->os == DOMAIN_WINDOWS ? "localtime" : "utc";
    xmlNodePtr clock;

    element_with(w, root, "cpu", "mode",
                 s->accel == DOMAIN_ACCEL_KVM ? "host-passthrough" : "maximum");
    clock = element_with(w, root, "clock", "offset", offset);
    if (zone)
        attribute(w, clock, "timezone", s->timezone);
    timer(w, clock, "rtc", "tickpolicy", "catchup");
    timer(w, clock, "pit", "tickpolicy", "delay");
    timer(w, clock, "hpet", "present", "no");
    if (s->os == DOMAIN_WINDOWS && s->accel == DOMAIN_ACCEL_KVM)
        timer(w, clock, "hypervclock", "present", "yes");
}

/* The base is named here too: libvirt then never guesses a format from a file's content. */
static void add_disk(struct writer *w, xmlNodePtr devices, const struct domain_spec *s)
{
    xmlNodePtr disk, node;

    if (str_is_empty(s->overlay))
        return;
    disk = element_with(w, devices, "disk", "type", "file");
    attribute(w, disk, "device", "disk");
    node = element_with(w, disk, "driver", "name", "qemu");
    attribute(w, node, "type", "qcow2");
    attribute(w, node, "discard", "unmap");
    element_with(w, disk, "source", "file", s->overlay);
    if (!str_is_empty(s->base)) {
        node = element_with(w, disk, "backingStore", "type", "file");
        element_with(w, node, "format", "type", "qcow2");
        element_with(w, node, "source", "file", s->base);
        element(w, node, "backingStore");
    }
    node = element_with(w, disk, "target", "dev", "vda");
    attribute(w, node, "bus", "virtio");
}

/* Raw is said and never guessed from what a guest writes at the beginning of its disk. */
static void add_more_disk(struct writer *w, xmlNodePtr devices, const char *file, uint32_t i)
{
    xmlNodePtr disk = element_with(w, devices, "disk", "type", "file"), node;
    char serial[DOMAIN_TAG_MAX], dev[8];

    attribute(w, disk, "device", "disk");
    node = element_with(w, disk, "driver", "name", "qemu");
    attribute(w, node, "type", "raw");
    attribute(w, node, "discard", "unmap");
    element_with(w, disk, "source", "file", file);
    snprintf(dev, sizeof(dev), "vd%c", (char)('b' + i));
    node = element_with(w, disk, "target", "dev", dev);
    attribute(w, node, "bus", "virtio");
    text_element(w, disk, "serial", domain_disk_serial(i, serial));
}

/* Guests see the way out and not each other. */
static void add_network(struct writer *w, xmlNodePtr devices, const struct domain_spec *s)
{
    xmlNodePtr nic;

    if (str_is_empty(s->bridge))
        return;
    nic = element_with(w, devices, "interface", "type", "bridge");
    element_with(w, nic, "source", "bridge", s->bridge);
    element_with(w, nic, "model", "type", "virtio");
    element_with(w, nic, "port", "isolated", "yes");
}

static void channel(struct writer *w, xmlNodePtr devices, const char *name, const char *path)
{
    xmlNodePtr node = element_with(w, devices, "channel", "type", "unix"), source;

    if (path) {
        source = element_with(w, node, "source", "mode", "bind");
        attribute(w, source, "path", path);
    }
    node = element_with(w, node, "target", "type", "virtio");
    attribute(w, node, "name", name);
}

static void add_ports(struct writer *w, xmlNodePtr devices, const struct domain_spec *s)
{
    xmlNodePtr node, source;

    if (!str_is_empty(s->console_log)) {
        node = element_with(w, devices, "serial", "type", "file");
        source = element_with(w, node, "source", "path", s->console_log);
        attribute(w, source, "append", "on");
    }
    if (!str_is_empty(s->job_socket))
        channel(w, devices, "org.osvdi.job.0", s->job_socket);
    channel(w, devices, "org.qemu.guest_agent.0", NULL);
}

static xmlNodePtr add_graphics(struct writer *w, xmlNodePtr parent, const struct domain_graphics *g,
                               const char *password, int64_t expire_sec)
{
    xmlNodePtr node = element_with(w, parent, "graphics", "type", "spice");
    time_t at = (time_t)expire_sec;
    struct tm utc;
    char text[40] = "";

    if (g->port)
        number(w, node, "port", g->port);
    if (g->tls_port)
        number(w, node, "tlsPort", g->tls_port);
    attribute(w, node, "autoport", "no");
    if (!g->port)
        attribute(w, node, "defaultMode", "secure");
    attribute(w, node, "listen", g->address);
    if (!str_is_empty(g->keymap))
        attribute(w, node, "keymap", g->keymap);
    attribute(w, node, "passwd", password);
    if (gmtime_r(&at, &utc))
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    attribute(w, node, "passwdValidTo", text);
    node = element_with(w, node, "listen", "type", "address");
    attribute(w, node, "address", g->address);
    return node;
}

/* The smallest power of two that holds the picture, at least 16 MiB. */
static uint64_t video_kib(const struct domain_spec *s)
{
    uint64_t need = (uint64_t)s->width_px * s->height_px * 4 / 1024, kib = 16384;

    while (kib < need)
        kib *= 2;
    return kib;
}

static void add_video(struct writer *w, xmlNodePtr devices, const struct domain_spec *s)
{
    xmlNodePtr model =
        element_with(w, element(w, devices, "video"), "model", "type", image_video_names[s->video]);
    xmlNodePtr size;

    if (s->video == DOMAIN_VIDEO_QXL)
        number(w, model, "vgamem", video_kib(s));
    else if (s->video != DOMAIN_VIDEO_VIRTIO)
        number(w, model, "vram", video_kib(s));
    number(w, model, "heads", 1);
    attribute(w, model, "primary", "yes");
    if (s->width_px && s->height_px) {
        size = element(w, model, "resolution");
        number(w, size, "x", s->width_px);
        number(w, size, "y", s->height_px);
    }
}

/* virtiofs: the server reads and writes the guest's memory itself. */
static void add_memory(struct writer *w, xmlNodePtr root, const struct domain_spec *s)
{
    xmlNodePtr backing;

    if (!s->n_shares && !s->is_memory_shared)
        return;
    backing = element(w, root, "memoryBacking");
    element_with(w, backing, "source", "type", "memfd");
    element_with(w, backing, "access", "mode", "shared");
}

static void add_share(struct writer *w, xmlNodePtr devices, const char *socket, uint32_t i)
{
    xmlNodePtr node = element_with(w, devices, "filesystem", "type", "mount");
    char tag[DOMAIN_TAG_MAX];

    element_with(w, node, "driver", "type", "virtiofs");
    element_with(w, node, "source", "socket", socket);
    element_with(w, node, "target", "dir", domain_share_tag(i, tag));
}

/* libvirt makes a port for each device that is there at the start, and no more; and it gives those
 * that we name to the first devices it comes to. So all of them are named: those of virtio's disks,
 * shares, network, ports, rng, and of the tablet or its USB controller. */
static void add_slots(struct writer *w, xmlNodePtr devices, const struct domain_spec *s)
{
    uint32_t n =
        !str_is_empty(s->overlay) + s->n_disks + s->n_shares + !str_is_empty(s->bridge) + 3;
    xmlNodePtr root;

    if (!s->n_spare)
        return;
    root = element_with(w, devices, "controller", "type", "pci");
    number(w, root, "index", 0);
    attribute(w, root, "model", "pcie-root");
    for (uint32_t i = 0; i < n + s->n_spare; i++)
        attribute(w, element_with(w, devices, "controller", "type", "pci"), "model",
                  "pcie-root-port");
}

static void add_devices(struct writer *w, xmlNodePtr root, const struct domain_spec *s,
                        const char *lock)
{
    bool windows = s->os == DOMAIN_WINDOWS;
    xmlNodePtr devices = element(w, root, "devices"), node;

    if (!str_is_empty(s->emulator))
        text_element(w, devices, "emulator", s->emulator);
    add_disk(w, devices, s);
    for (uint32_t i = 0; i < s->n_disks; i++)
        add_more_disk(w, devices, s->disks[i], i);
    add_slots(w, devices, s);
    node = element_with(w, devices, "controller", "type", "usb");
    attribute(w, node, "model", windows ? "qemu-xhci" : "none");
    for (uint32_t i = 0; i < s->n_shares; i++)
        add_share(w, devices, s->share_sockets[i], i);
    add_network(w, devices, s);
    add_ports(w, devices, s);
    node = element_with(w, devices, "input", "type", "tablet");
    attribute(w, node, "bus", windows ? "usb" : "virtio");
    if (s->tpm) {
        node = element_with(w, devices, "tpm", "model", "tpm-crb");
        node = element_with(w, node, "backend", "type", "emulator");
        attribute(w, node, "version", "2.0");
    }
    if (s->graphics.port || s->graphics.tls_port)
        add_graphics(w, devices, &s->graphics, lock, 0);
    node = element_with(w, devices, "audio", "id", "1");
    attribute(w, node, "type", s->graphics.port || s->graphics.tls_port ? "spice" : "none");
    add_video(w, devices, s);
    element_with(w, devices, "memballoon", "model", "none");
    node = element_with(w, devices, "rng", "model", "virtio");
    attribute(w, text_element(w, node, "backend", "/dev/urandom"), "model", "random");
    element_with(w, devices, "panic", "model", "isa");
}

/* ---- whole documents ---- */

static int make_lock(char *ret, struct vdi_error *err)
{
    unsigned char bytes[LOCK_BYTES];

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return error_set(err, EIO, "spice", "the kernel gives no random bytes: %s",
                         strerror(errno));
    str_to_hex(bytes, sizeof(bytes), ret);
    return 0;
}

static void add_all(struct writer *w, xmlNodePtr root, const struct domain_spec *s,
                    const char *lock)
{
    char name[DOMAIN_NAME_MAX];

    attribute(w, root, "type", s->accel == DOMAIN_ACCEL_KVM ? "kvm" : "qemu");
    text_element(w, root, "name", domain_name(s->prefix, s->id, name));
    text_element(w, root, "uuid", s->uuid);
    add_metadata(w, root, s->id);
    add_size(w, root, s);
    add_memory(w, root, s);
    add_os(w, root, s);
    add_features(w, root, s);
    add_clock(w, root, s);
    text_element(w, root, "on_poweroff", "destroy");
    text_element(w, root, "on_reboot", "restart");
    text_element(w, root, "on_crash", "destroy");
    add_devices(w, root, s, lock);
}

int domain_xml(const struct domain_spec *s, char **ret, struct vdi_error *err)
{
    _cleanup_(doc_freep) xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr root = doc ? xmlNewNode(NULL, BAD_CAST "domain") : NULL;
    struct writer w = {.failed = !root};
    char lock[LOCK_BYTES * 2 + 1];
    int r;

    if (root)
        xmlDocSetRootElement(doc, root);
    r = domain_spec_check(s, err);
    if (r == 0)
        r = make_lock(lock, err);
    if (r < 0)
        return r;
    add_all(&w, root, s, lock);
    return dump(doc, &w, ret, err);
}

/* ---- one device ---- */

/* A document of what `holder` holds. */
static xmlNodePtr begin_device(xmlDocPtr doc)
{
    xmlNodePtr holder = doc ? xmlNewNode(NULL, BAD_CAST "devices") : NULL;

    if (holder)
        xmlDocSetRootElement(doc, holder);
    return holder;
}

static int end_device(xmlDocPtr doc, xmlNodePtr holder, struct writer *w, char **ret,
                      struct vdi_error *err)
{
    xmlNodePtr node = holder ? holder->children : NULL;

    w->failed = w->failed || !node;
    if (node) {
        xmlUnlinkNode(node);
        xmlDocSetRootElement(doc, node);
        xmlFreeNode(holder);
    }
    return dump(doc, w, ret, err);
}

int domain_xml_ticket(const struct domain_graphics *g, const char *password, int64_t expire_sec,
                      char **ret, struct vdi_error *err)
{
    _cleanup_(doc_freep) xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    struct writer w = {0};
    size_t len = strlen(password);
    xmlNodePtr holder;

    /* SPICE_MAX_PASSWORD_LENGTH of spice-protocol */
    if (len < 16 || len > 60 ||
        strspn(password, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH"
                         "IJKLMNOPQRSTUVWXYZ-_") != len)
        return error_set(err, EINVAL, "password", "a ticket has 16 to 60 letters and digits");
    holder = begin_device(doc);
    add_graphics(&w, holder, g, password, expire_sec);
    return end_device(doc, holder, &w, ret, err);
}

int domain_xml_disk(const char *file, uint32_t i, char **ret, struct vdi_error *err)
{
    _cleanup_(doc_freep) xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr holder = begin_device(doc);
    struct writer w = {0};
    int r = domain_disk_check(file, err);

    if (r < 0)
        return r;
    add_more_disk(&w, holder, file, i);
    return end_device(doc, holder, &w, ret, err);
}

int domain_xml_share(const char *socket, uint32_t i, char **ret, struct vdi_error *err)
{
    _cleanup_(doc_freep) xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
    xmlNodePtr holder = begin_device(doc);
    struct writer w = {0};
    int r = domain_share_check(socket, err);

    if (r < 0)
        return r;
    add_share(&w, holder, socket, i);
    return end_device(doc, holder, &w, ret, err);
}

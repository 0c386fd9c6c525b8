/* SPDX-License-Identifier: Apache-2.0 */
/* vdi-image.c - makes, prepares, checks and publishes images. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/client.h"
#include "cli/image.h"
#include "cli/options.h"

#define AT(member) offsetof(struct image_options, member)

static int set_memory(void *to, const struct option_row *row, const char *value,
                      struct vdi_error *err)
{
    uint64_t mib;

    if (str_to_mib(value, 1 << 20, &mib) < 0 || mib < 16) {
        error_set(err, EINVAL, row->name, "--memory=%.40s: not an amount of memory", value);
        error_hint(err, "16M to 1T", "write 512M or 2G");
        return -EINVAL;
    }
    ((struct image_options *)to)->memory_mib = (uint32_t)mib;
    return 0;
}

static int set_accel(void *to, const struct option_row *row, const char *value,
                     struct vdi_error *err)
{
    if (!str_equal(value, "auto") && !str_equal(value, "kvm") && !str_equal(value, "tcg")) {
        error_set(err, EINVAL, "accel", "--accel: '%.40s' will not do", value);
        error_hint(err, NULL, "it is auto, kvm or tcg");
        return -EINVAL;
    }
    return option_set_string(to, row, value, err);
}

static const struct option_row rows[] = {
    {"accel", 0, "HOW", "edit: kvm, tcg (software emulation), or auto: kvm where it is there",
     set_accel, AT(accel), .words = "auto kvm tcg"},
    {"boot", 0, NULL, "check: boot it by software emulation too, and wait until it is ready",
     option_set_flag, AT(boot)},
    {"cache", 0, "DIR", "demo: keep downloaded packages there", option_set_string, AT(cache)},
    {"dir", 'd', "DIR", "where images of this node are (" VDI_IMAGEDIR ")", option_set_string,
     AT(dir)},
    {"digest", 0, "HEX", "prefetch: this version; else the current one", option_set_string,
     AT(sha256)},
    {"firmware", 0, "WORD", "prepare, publish: what it boots by; else what the template says",
     option_set_string, AT(firmware), .words = "template bios uefi uefi-secure"},
    {"flatten", 0, NULL, "prepare: the file has a backing file; copy what both hold",
     option_set_flag, AT(flatten)},
    {"json", 0, NULL, "list: published images as JSON", option_set_flag, AT(json)},
    {"memory", 0, "SIZE", "check --boot, edit: of the guest (1G)", set_memory, 0},
    {"name", 'n', "NAME", "demo, prepare: what the image is called (demo)", option_set_string,
     AT(name)},
    {"no-wait", 0, NULL, "prefetch: do not wait until the nodes have it", option_set_flag,
     AT(no_wait)},
    {"programs", 0, "DIR", "demo, prepare: where vdi-runner and vdi-picture are", option_set_string,
     AT(programs)},
    {"ready", 0, "WHAT", "prepare, publish: what tells that a guest is ready (agent)",
     option_set_string, AT(ready), .words = "agent runner console:"},
    {"reason", 0, "TEXT", "publish, edit: what is new in the version", option_set_string,
     AT(reason)},
    {"recipe", 0, "DIR", "demo: the recipe of the image", option_set_string, AT(recipe)},
    {"runner", 0, NULL, "prepare: install vdi-runner in the disk, by virt-customize",
     option_set_flag, AT(runner)},
    {"source", 0, "URL", "publish: nodes get the disk from there: an https URL, or their own path",
     option_set_string, AT(source)},
    {"store", 0, "DIR", "edit: the controller's image_store (" VDI_IMAGESTORE ")",
     option_set_string, AT(store)},
    {"timeout", 0, "SECONDS", "check --boot: how long it is waited for (300)", option_set_u32,
     AT(timeout_sec)},
    {"video", 0, "WORD", "prepare, publish: its display device (vga)", option_set_string, AT(video),
     .words = "vga qxl virtio bochs"},
    {NULL},
};

static void print_verbs(void)
{
    printf("Verbs:\n"
           "  demo                     makes the demo image\n"
           "  prepare FILE             makes an image of a qcow2 file\n"
           "  check NAME|FILE          says what is wrong with an image, or a file for one\n"
           "  publish NAME|FILE AS     uploads it: a new version of the image AS\n"
           "  list [NAME]              shows what is published; with --dir, the images there\n"
           "  rollback NAME [SHA256]   makes an older version the current one\n"
           "  retire NAME [SHA256]     gives a version, or all, to no new instance\n"
           "  prefetch NAME [NODES]    has nodes get the current version now\n"
           "  edit NAME                boots the current version writable, publishes the result\n"
           "\n");
}

static const struct command command = {
    .name = IMAGE_COMMAND,
    .usage = "[OPTION]... VERB [ARGUMENT]...",
    .summary = "Makes, prepares, checks and publishes images.",
    .rows = rows,
    .help = print_verbs,
    .words = "demo prepare check publish list rollback retire prefetch edit",
};

/* Which verbs an option is for. */
static const struct {
    const char *option, *verbs;
} uses[] = {
    {"accel", "edit"},
    {"boot", "check"},
    {"cache", "demo"},
    {"dir", "demo prepare check publish list"},
    {"digest", "prefetch"},
    {"firmware", "prepare publish"},
    {"flatten", "prepare"},
    {"json", "list"},
    {"memory", "check edit"},
    {"name", "demo prepare"},
    {"no-wait", "prefetch"},
    {"programs", "demo prepare"},
    {"ready", "prepare publish"},
    {"reason", "publish edit"},
    {"recipe", "demo"},
    {"runner", "prepare"},
    {"source", "publish"},
    {"store", "edit"},
    {"timeout", "check"},
    {"video", "prepare publish"},
};

static int check_uses(const struct option_list *given, const char *verb, struct vdi_error *err)
{
    for (size_t i = 0; i < given->n; i++)
        for (size_t k = 0; k < ELEMENTS(uses); k++)
            if (str_equal(given->given[i].row->name, uses[k].option) &&
                !strstr(uses[k].verbs, verb)) {
                error_set(err, EINVAL, uses[k].option, "--%s is not for %s", uses[k].option, verb);
                error_hint(err, NULL, IMAGE_COMMAND " --help says what it is for");
                return -EINVAL;
            }
    return 0;
}

static int refuse_usage(struct vdi_error *err)
{
    error_set(err, EINVAL, "",
              "usage: " IMAGE_COMMAND " demo | prepare FILE | check NAME|FILE | publish NAME|FILE "
              "AS | list [NAME] | rollback NAME [SHA256] | retire NAME [SHA256] | prefetch NAME "
              "[NODES] | edit NAME");
    error_hint(err, NULL, IMAGE_COMMAND " --help says more");
    return -EINVAL;
}

/* What works on images of this machine. */
static int run_local(const struct image_options *o, char **words, int n, struct vdi_error *err)
{
    if (str_equal(words[0], "demo") && n == 1)
        return image_demo(o, err);
    if (str_equal(words[0], "prepare") && n == 2)
        return image_prepare(o, words[1], err);
    if (str_equal(words[0], "check") && n == 2)
        return image_check(o, words[1], err);
    if (str_equal(words[0], "publish") && n == 3)
        return image_publish(o, words[1], words[2], err);
    return refuse_usage(err);
}

static int run(struct image_options *o, char **words, int n, struct vdi_error *err)
{
    const char *verb = n > 0 ? words[0] : "", *second = n == 3 ? words[2] : NULL;

    if (str_equal(verb, "list") && o->dir && n == 1)
        return image_list(o, err);
    if (str_equal(verb, "list") && !o->dir && n <= 2)
        return image_list_published(o, n == 2 ? words[1] : "", err);
    if (str_equal(verb, "rollback") && (n == 2 || n == 3))
        return image_rollback(o, words[1], second, err);
    if (str_equal(verb, "retire") && (n == 2 || n == 3))
        return image_retire(o, words[1], second, err);
    if (str_equal(verb, "prefetch") && (n == 2 || n == 3))
        return image_prefetch(o, words[1], second, err);
    if (str_equal(verb, "edit") && n == 2)
        return image_edit(o, words[1], err);
    if (!o->dir)
        o->dir = VDI_IMAGEDIR;
    return n > 0 ? run_local(o, words, n, err) : refuse_usage(err);
}

int main(int argc, char **argv)
{
    struct vdi_error err = {.code = 0};
    struct option_list list = {.n = 0};
    struct image_options o = {
        .recipe = VDI_DEMODIR, .store = VDI_IMAGESTORE, .timeout_sec = 300, .memory_mib = 1024};
    int first, r = options_parse(&command, argc, argv, &list, &first, &err);

    if (r == OPTIONS_EXIT)
        return EXIT_OK;
    if (r == 0)
        r = options_apply(&list, &o, &err);
    if (r == 0 && first < argc)
        r = check_uses(&list, argv[first], &err);
    if (r == 0)
        r = run(&o, argv + first, argc - first, &err);
    return r < 0 ? (int)client_fail(IMAGE_COMMAND, r, &err) : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.c - fake instances that outlive the controller: state_dir.
 *
 * DIR/ID.json is one instance, replaced by rename, and DIR/ID.GENERATION.out and .err what it
 * writes: those stay. DIR/journal gets a line for each start and stop: "ID GENERATION NODE
 * start". A start is in the journal after its file and a stop before the file goes; what a
 * SIGKILL left between the two is made good at the next open. Nothing is synced: a power cut
 * ends the fake VMs as it would end real ones.
 */
#include "plugins/site/fake/fake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES 4096

static int write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int write_file(const struct fake *site, const char *name, const char *text)
{
    char draft[96];
    int fd, r;

    snprintf(draft, sizeof(draft), "%s.new", name);
    fd = openat(site->dir_fd, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    r = write_all(fd, text, strlen(text));
    if (close(fd) < 0 && r >= 0)
        r = -errno;
    if (r >= 0 && renameat(site->dir_fd, draft, site->dir_fd, name) < 0)
        r = -errno;
    if (r < 0)
        unlinkat(site->dir_fd, draft, 0);
    return r;
}

static void file_name(const struct fake_instance *in, char *ret, size_t size)
{
    snprintf(ret, size, "%" PRIu64 ".json", in->id.id);
}

int fake_keep_write(struct fake_instance *in)
{
    const struct fake_script *s = &in->script;
    char name[40], text[1024];

    if (in->site->dir_fd < 0)
        return 0;
    file_name(in, name, sizeof(name));
    snprintf(text, sizeof(text),
             "{\"id\":%" PRIu64 ",\"generation\":%" PRIu32 ",\"epoch\":%" PRIu64 ",\"job\":%" PRIu64
             ",\"seat\":%s,\"node\":\"%s\",\"batch\":%s,\"saved\":%s,\"ends\":%s,\"noboot\":%s,"
             "\"crash\":%s,\"ready_usec\":%" PRId64 ",\"bound_usec\":%" PRId64
             ",\"end_usec\":%" PRId64 ",\"left_usec\":%" PRId64 ",\"after_usec\":%" PRId64
             ",\"exit_code\":%d,\"exit_signal\":%d,\"every_usec\":%" PRId64 "}\n",
             in->id.id, in->id.generation, in->epoch, in->job, in->is_seat ? "true" : "false",
             in->node, in->batch ? "true" : "false", in->saved ? "true" : "false",
             s->ends ? "true" : "false", s->noboot ? "true" : "false", s->crash ? "true" : "false",
             in->ready_usec, in->bound_usec, in->end_usec, in->left_usec, s->after_usec,
             s->exit_code, s->exit_signal, s->every_usec);
    return write_file(in->site, name, text);
}

int fake_keep_epoch(struct fake *site)
{
    char text[32];

    if (site->dir_fd < 0)
        return 0;
    snprintf(text, sizeof(text), "%" PRIu64 "\n", site->epoch);
    return write_file(site, "epoch", text);
}

int fake_keep_journal(const struct fake_instance *in, const char *what)
{
    char line[160];
    int fd, r, len;

    if (in->site->dir_fd < 0)
        return 0;
    fd = openat(in->site->dir_fd, "journal", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                0600);
    if (fd < 0)
        return -errno;
    len = snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu32 " %s %s\n", in->id.id,
                   in->id.generation, in->node, what);
    r = write_all(fd, line, (size_t)len);
    close(fd);
    return r;
}

void fake_keep_remove(const struct fake_instance *in)
{
    char name[40];

    if (in->site->dir_fd < 0)
        return;
    file_name(in, name, sizeof(name));
    unlinkat(in->site->dir_fd, name, 0);
}

/* ---- output ---- */

static void output_name(struct vdi_instance_id id, const char *stream, char *ret, size_t size)
{
    snprintf(ret, size, "%" PRIu64 ".%" PRIu32 ".%s", id.id, id.generation, stream);
}

int fake_keep_write_output(const struct fake_instance *in)
{
    const char *const texts[] = {in->script.out, in->script.err};
    static const char *const streams[] = {"out", "err"};
    char name[60];
    int r = 0;

    for (size_t i = 0; i < 2 && r >= 0 && in->site->dir_fd >= 0; i++) {
        output_name(in->id, streams[i], name, sizeof(name));
        if (texts[i])
            r = write_file(in->site, name, texts[i]);
    }
    return r;
}

char *fake_keep_read_output(const struct fake *site, struct vdi_instance_id id, const char *stream)
{
    char name[60], *text = NULL;
    struct stat st;
    ssize_t n = -1;
    int fd;

    output_name(id, stream, name, sizeof(name));
    fd = site->dir_fd < 0 ? -1 : openat(site->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) == 0 && st.st_size <= 2 * FAKE_BYTES_MAX)
        text = malloc((size_t)st.st_size + 1);
    if (text)
        n = read(fd, text, (size_t)st.st_size);
    close(fd);
    if (n < 0) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

bool fake_keep_has_output(const struct fake *site, struct vdi_instance_id id)
{
    static const char *const streams[] = {"out", "err"};
    char name[60];
    bool found = false;

    for (size_t i = 0; i < 2 && site->dir_fd >= 0; i++) {
        output_name(id, streams[i], name, sizeof(name));
        found |= faccessat(site->dir_fd, name, F_OK, 0) == 0;
    }
    return found;
}

/* ---- reading it again ---- */

static int read_text(const struct fake *site, const char *name, char *ret, size_t size)
{
    int fd = openat(site->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = read(fd, ret, size - 1);
    close(fd);
    if (n < 0)
        return -EIO;
    if ((size_t)n == size - 1)
        return -EFBIG;
    ret[n] = '\0';
    return 0;
}

static int unpack(const char *text, uint64_t id, struct fake_instance *in)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int seat, batch, saved, ends, noboot, crash, r = -EBADMSG;
    json_int_t file_id, generation, epoch, job, ready, bound, end, left, after, every;
    const char *node;

    if (json_unpack(
            object, "{s:I,s:I,s:I,s:I,s:b,s:s,s:b,s:b,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:I,s:i,s:i,s:I}",
            "id", &file_id, "generation", &generation, "epoch", &epoch, "job", &job, "seat", &seat,
            "node", &node, "batch", &batch, "saved", &saved, "ends", &ends, "noboot", &noboot,
            "crash", &crash, "ready_usec", &ready, "bound_usec", &bound, "end_usec", &end,
            "left_usec", &left, "after_usec", &after, "exit_code", &in->script.exit_code,
            "exit_signal", &in->script.exit_signal, "every_usec", &every) == 0 &&
        (uint64_t)file_id == id && generation >= 0 && generation <= UINT32_MAX && epoch >= 0 &&
        strlen(node) < sizeof(in->node)) {
        in->id = (struct vdi_instance_id){id, (uint32_t)generation};
        in->epoch = (uint64_t)epoch;
        snprintf(in->node, sizeof(in->node), "%s", node);
        in->job = (uint64_t)job;
        in->is_seat = seat;
        in->batch = batch;
        in->saved = saved;
        in->ready_usec = ready;
        in->bound_usec = bound;
        in->end_usec = end;
        in->left_usec = left;
        in->script.ends = ends;
        in->script.noboot = noboot;
        in->script.crash = crash;
        in->script.after_usec = after;
        in->script.every_usec = every;
        r = 0;
    }
    json_decref(object);
    return r;
}

static int load_one(struct fake *site, const char *name)
{
    char text[FILE_MAX_BYTES], *rest;
    uint64_t id = strtoull(name, &rest, 10);
    struct fake_instance read = {.site = site}, *in;
    int r;

    if (rest == name || strcmp(rest, ".json") != 0)
        return 0; /* journal, epoch, output, a draft */
    r = read_text(site, name, text, sizeof(text));
    if (r >= 0)
        r = unpack(text, id, &read);
    if (r < 0) {
        site->api->log(site->host, VDI_LOG_WARNING,
                       "%s/%s cannot be read (%s): that instance is "
                       "gone",
                       site->state_dir, name, strerror(-r));
        return 0;
    }
    in = fake_get(site, id);
    if (!in)
        return -ENOMEM;
    *in = read;
    in->script.out = fake_keep_read_output(site, in->id, "out");
    in->script.err = fake_keep_read_output(site, in->id, "err");
    site->n_live++;
    return 0;
}

static int load_all(struct fake *site)
{
    int fd = fcntl(site->dir_fd, F_DUPFD_CLOEXEC, 0), r = 0;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!dir) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    while (r >= 0 && (entry = readdir(dir)))
        r = load_one(site, entry->d_name);
    closedir(dir);
    return r;
}

/* Every line is ours; one that was torn is passed over. */
static int read_journal(struct fake *site)
{
    int fd = openat(site->dir_fd, "journal", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    char line[160], what[8];
    struct vdi_instance_id id;

    if (!f)
        return errno == ENOENT ? 0 : -errno;
    while (fgets(line, sizeof(line), f)) {
        struct fake_instance *in;

        if (sscanf(line, "%" SCNu64 " %" SCNu32 " %*63s %7s", &id.id, &id.generation, what) != 3)
            continue;
        site->n_started += !strcmp(what, "start");
        in = fake_find(site, id.id);
        if (!in || in->id.generation != id.generation)
            continue;
        in->stopped = strcmp(what, "start") != 0;
        in->journaled = true;
    }
    fclose(f);
    return 0;
}

struct repair {
    struct fake *site;
    int result;
};

static void repair(const void *node, VISIT visit, void *closure)
{
    struct fake_instance *in = *(struct fake_instance *const *)node;
    struct repair *repair = closure;
    int r;

    if (visit != postorder && visit != leaf)
        return;
    if (in->stopped) {
        fake_keep_remove(in);
        repair->site->n_live--;
    } else if (!in->journaled) {
        r = fake_keep_journal(in, "start");
        in->journaled = r >= 0;
        repair->site->n_started++;
        if (r < 0)
            repair->result = r;
    }
}

static int load_state(struct fake *site)
{
    struct repair closure = {.site = site};
    char text[32];
    int r = read_text(site, "epoch", text, sizeof(text));

    if (r >= 0)
        site->epoch = strtoull(text, NULL, 10);
    else if (r != -ENOENT)
        return r;
    r = load_all(site);
    if (r >= 0)
        r = read_journal(site);
    if (r < 0)
        return r;
    twalk_r(site->instances, repair, &closure);
    return closure.result;
}

int fake_keep_open(struct fake *site, struct vdi_error *err)
{
    int r = 0;

    if (!site->state_dir)
        return 0;
    if (mkdir(site->state_dir, 0700) < 0 && errno != EEXIST)
        r = -errno;
    if (r >= 0) {
        site->dir_fd = open(site->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = site->dir_fd < 0 ? -errno : load_state(site);
    }
    if (r < 0)
        return fake_error(err, r, "state_dir", "'%.120s' cannot be used: %s", site->state_dir,
                          strerror(-r));
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * picture.c - vdi-picture: the desktop of the demo image, on the whole display.
 *
 * Its end is the end of the session: 0 for a log-out (Ctrl+Alt+Q) and for SIGTERM.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "guest/picture_input.h"
#include "guest/picture_scene.h"
#include "guest/picture_screen.h"

#define FONTS "/usr/share/vdi-picture"
#define MESSAGE "/run/message"
#define MESSAGE_SEC 60 /* how long one is shown */
#define POINTER_PX 11  /* radius */

static const char help[] =
    "Usage: vdi-picture [OPTION]...\n"
    "Shows a job, a clock and a QR code on the whole display, and what is typed; see\n"
    "vdi-picture(1).\n\n"
    "  -f, --fonts DIR      where regular.otf and bold.otf lie (" FONTS ")\n"
    "  -m, --message FILE   a text that is shown when it appears there (" MESSAGE ")\n"
    "  -o, --output FILE    draws once into a PPM file, and ends; no display is needed\n"
    "  -s, --size WxH       of that file (1280x800)\n"
    "  -w, --waiting        says that the desktop waits for its user; no input is read\n"
    "  -h, --help           prints this\n"
    "  -V, --version        prints the version\n";

struct options {
    const char *fonts, *message, *output;
    int width, height;
    bool is_waiting;
};

struct picture {
    struct loop *loop;
    const struct options *options;
    struct screen screen;
    struct scene scene;
    struct input input;
    struct source *tick;
    int64_t started_usec; /* monotonic */
    struct timespec message_time;
    int64_t message_until_sec; /* 0: none is shown */
    struct rect pointer;       /* where it was drawn */
};

/* ---- what is shown ---- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value && str_is_text(value, strlen(value), false) ? value : "";
}

static const char *either(const char *a, const char *b)
{
    return *a ? a : b;
}

static struct scene_facts facts_of_environment(const struct options *o, const char *device)
{
    return (struct scene_facts){.job = variable("VDI_JOB_ID"),
                                .name = variable("VDI_JOB_NAME"),
                                .user = either(variable("VDI_JOB_USER"), variable("USER")),
                                .cluster = variable("VDI_CLUSTER"),
                                .node = variable("VDI_NODE"),
                                .nonce = either(variable("DEMO_NONCE"), variable("VDI_NONCE")),
                                .device = device,
                                .is_waiting = o->is_waiting};
}

static struct rect pointer_at(int x, int y)
{
    int size = 2 * POINTER_PX + 3;

    return (struct rect){x - size / 2, y - size / 2, size, size};
}

static void show(struct picture *p, struct rect r)
{
    struct rect all = {0, 0, p->screen.frame.width, p->screen.frame.height};

    r = rect_cut(r, all);
    canvas_copy(&p->screen.frame, &p->scene.canvas, r);
    screen_flush(&p->screen, r);
}

/* The pointer lies over the scene, on the display only. */
static void refresh(struct picture *p)
{
    struct scene *s = &p->scene;

    for (int i = 0; i < s->n_damage; i++)
        show(p, s->damage[i]);
    s->n_damage = 0;
    if (p->options->is_waiting)
        return; /* there is no pointer */
    show(p, p->pointer);
    p->pointer = pointer_at(s->pointer_x, s->pointer_y);
    canvas_ring(&p->screen.frame, s->pointer_x, s->pointer_y, POINTER_PX, 3, 0xff2dd4bf);
    canvas_ring(&p->screen.frame, s->pointer_x, s->pointer_y, 3, 3, 0xffffffff);
    screen_flush(&p->screen, p->pointer);
}

/* ---- what happens ---- */

static int64_t running_sec(const struct picture *p)
{
    return (loop_monotonic_usec(p->loop) - p->started_usec) / USEC_PER_SEC;
}

/* The message program puts a file there, whole. */
static void look_for_message(struct picture *p, int64_t now_sec)
{
    char text[SCENE_MESSAGE_MAX];
    _cleanup_(closep) int fd = open(p->options->message, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n;

    if (p->message_until_sec && now_sec >= p->message_until_sec) {
        p->message_until_sec = 0;
        scene_message(&p->scene, "");
    }
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        (st.st_mtim.tv_sec == p->message_time.tv_sec &&
         st.st_mtim.tv_nsec == p->message_time.tv_nsec))
        return;
    p->message_time = st.st_mtim;
    n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    p->message_until_sec = now_sec + MESSAGE_SEC;
    scene_message(&p->scene, text);
}

static void on_tick(void *arg)
{
    struct picture *p = arg;
    int64_t now = loop_now_usec(p->loop);

    source_rearm(p->tick, USEC_PER_SEC - now % USEC_PER_SEC);
    look_for_message(p, now / USEC_PER_SEC);
    scene_tick(&p->scene, now / USEC_PER_SEC, running_sec(p));
    refresh(p);
}

static void on_key(void *arg, char letter)
{
    struct picture *p = arg;

    scene_key(&p->scene, letter);
    refresh(p);
}

static void on_pointer(void *arg, int x, int y, bool was_clicked)
{
    struct picture *p = arg;

    if (was_clicked)
        scene_click(&p->scene);
    scene_pointer(&p->scene, x, y);
    refresh(p);
}

static void on_quit(void *arg)
{
    struct picture *p = arg;

    loop_stop(p->loop);
}

static void on_signal(void *arg, int signo)
{
    on_quit(arg);
}

/* ---- the program ---- */

static int session_run(struct picture *p)
{
    static const struct input_handler handler = {on_key, on_pointer, on_quit};
    struct source *signals[] = {loop_signal(p->loop, SIGTERM, on_signal, p),
                                loop_signal(p->loop, SIGINT, on_signal, p),
                                loop_signal(p->loop, SIGHUP, on_signal, p)};
    struct stat st;
    int r = -ENOMEM;

    if (stat(p->options->message, &st) == 0) /* that was somebody else's */
        p->message_time = st.st_mtim;
    p->started_usec = loop_monotonic_usec(p->loop);
    p->tick = loop_timer(p->loop, 0, on_tick, p);
    if (!p->options->is_waiting)
        input_open(&p->input, p->loop, p->scene.canvas.width, p->scene.canvas.height, &handler, p);
    scene_draw(&p->scene, loop_now_usec(p->loop) / USEC_PER_SEC, 0);
    refresh(p);
    if (p->tick)
        r = loop_run(p->loop);
    input_close(&p->input);
    source_free(p->tick);
    for (size_t i = 0; i < ELEMENTS(signals); i++)
        source_free(signals[i]);
    return r;
}

static int session(const struct options *o, struct typeface *typeface, struct vdi_error *err)
{
    struct picture p = {.options = o};
    struct scene_facts facts;
    int r = screen_open(&p.screen, err);

    if (r < 0)
        return r;
    facts = facts_of_environment(o, p.screen.device);
    r = scene_init(&p.scene, p.screen.frame.width, p.screen.frame.height, typeface, &facts, err);
    p.loop = r < 0 ? NULL : loop_new();
    if (r == 0)
        r = p.loop ? session_run(&p) : -ENOMEM;
    if (r < 0 && !err->detail[0])
        error_set(err, r, "loop", "no event loop: %s", strerror(-r));
    loop_free(p.loop);
    scene_done(&p.scene);
    screen_close(&p.screen);
    return r;
}

static int write_ppm(const struct canvas *c, const char *path)
{
    _cleanup_(fclosep) FILE *f = fopen(path, "we");

    if (!f)
        return -errno;
    fprintf(f, "P6\n%d %d\n255\n", c->width, c->height);
    for (size_t i = 0; i < (size_t)c->width * (size_t)c->height; i++) {
        uint32_t pixel = c->pixels[i];
        unsigned char rgb[3] = {(unsigned char)(pixel >> 16), (unsigned char)(pixel >> 8),
                                (unsigned char)pixel};
        fwrite(rgb, 1, sizeof(rgb), f);
    }
    return fflush(f) < 0 || ferror(f) ? -EIO : 0;
}

static int draw_once(const struct options *o, struct typeface *typeface, struct vdi_error *err)
{
    struct scene_facts facts = facts_of_environment(o, "a file");
    struct scene scene;
    int r = scene_init(&scene, o->width, o->height, typeface, &facts, err);

    if (r == 0) {
        scene_draw(&scene, time_now_usec() / USEC_PER_SEC, 0);
        r = write_ppm(&scene.canvas, o->output);
        if (r < 0)
            error_set(err, r, "output", "%s can't be written: %s", o->output, strerror(-r));
    }
    scene_done(&scene);
    return r;
}

static const struct option long_options[] = {
    {"fonts", required_argument, NULL, 'f'},  {"message", required_argument, NULL, 'm'},
    {"output", required_argument, NULL, 'o'}, {"size", required_argument, NULL, 's'},
    {"waiting", no_argument, NULL, 'w'},      {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0},
};

static bool parse_size(char *text, struct options *o)
{
    uint64_t width, height;
    char *x = strchr(text, 'x');

    if (!x)
        return false;
    *x = '\0';
    if (str_to_u64(text, 1, CANVAS_PX_MAX, &width) < 0 ||
        str_to_u64(x + 1, 1, CANVAS_PX_MAX, &height) < 0)
        return false;
    o->width = (int)width;
    o->height = (int)height;
    return true;
}

/* -1: go on; else the program's exit status. */
static int parse(int argc, char **argv, struct options *o)
{
    for (int c; (c = getopt_long(argc, argv, "f:m:o:s:whV", long_options, NULL)) >= 0;) {
        if (c == 'f')
            o->fonts = optarg;
        else if (c == 'm')
            o->message = optarg;
        else if (c == 'o')
            o->output = optarg;
        else if (c == 's' && parse_size(optarg, o))
            continue;
        else if (c == 'w')
            o->is_waiting = true;
        else if (c == 'h')
            return fputs(help, stdout) < 0;
        else if (c == 'V')
            return printf("vdi-picture (OSVDI) %s\n", PACKAGE_VERSION) < 0;
        else if (c == 's')
            return fprintf(stderr, "vdi-picture: a size is written 1280x800\n"), 2;
        else
            return 2;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "vdi-picture: '%s' is not an option; see vdi-picture --help\n", argv[optind]);
    return 2;
}

int main(int argc, char **argv)
{
    struct options options = {.fonts = FONTS, .message = MESSAGE, .width = 1280, .height = 800};
    struct typeface *typeface = NULL;
    struct vdi_error err = {0};
    char text[640];
    int r = parse(argc, argv, &options);

    if (r >= 0)
        return r;
    log_init("vdi-picture", VDI_LOG_INFO);
    r = typeface_new(options.fonts, &typeface, &err);
    if (r == 0)
        r = options.output ? draw_once(&options, typeface, &err)
                           : session(&options, typeface, &err);
    typeface_free(typeface);
    if (r < 0)
        fprintf(stderr, "vdi-picture: %s\n", error_text(&err, text, sizeof(text)));
    return r < 0;
}

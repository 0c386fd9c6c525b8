/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - vdid: this node's instances, as the controller orders.
 *
 * Neither its end nor its crash ends an instance: each is found again at the next start.
 */
#include <config.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "codec/node_config.h"
#include "loop/loop.h"
#include "vdid/agent.h"
#include "vdid/enroll.h"

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'}, {"enroll", no_argument, NULL, 'e'},
    {"check", no_argument, NULL, 'k'},        {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0},
};

static void usage(FILE *f)
{
    fputs("usage: vdid [--config FILE] [--check | --enroll]\n"
          "The node daemon of OSVDI: starts and stops instances as the controller orders.\n\n"
          "  -c, --config FILE   read FILE instead of " VDI_SYSCONFDIR "/vdid.conf\n"
          "      --check         read the file, print what is wrong with it, and exit\n"
          "      --enroll        read a one-time token from standard input, get this node's\n"
          "                      certificate with it, and exit\n"
          "  -h, --help          print this and exit\n"
          "  -V, --version       print the version and exit\n",
          f);
}

static void stop(void *arg, int signo)
{
    log_info("stopping on signal %d; instances run on", signo);
    loop_stop(arg);
}

static int fail(const struct vdi_error *err)
{
    char text[800];

    fprintf(stderr, "vdid: %s\n", error_text(err, text, sizeof(text)));
    return EXIT_FAILURE;
}

static int serve(const struct node_config *config)
{
    struct loop *loop = loop_new();
    struct vdi_error err = {0};
    struct agent *agent = NULL;
    struct source *term, *intr;
    int r;

    if (!loop)
        return EXIT_FAILURE;
    signal(SIGPIPE, SIG_IGN);
    term = loop_signal(loop, SIGTERM, stop, loop);
    intr = loop_signal(loop, SIGINT, stop, loop);
    r = agent_new(loop, config, &agent, &err);
    if (r >= 0)
        r = loop_run(loop);
    else
        fail(&err);
    agent_free(agent);
    source_free(term);
    source_free(intr);
    loop_free(loop);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int enroll_here(const struct node_config *config)
{
    char token[512];
    struct vdi_error err = {0};
    int r;

    if (!fgets(token, sizeof(token), stdin)) {
        fputs("vdid: no token on standard input; get one with vdictl node enroll\n", stderr);
        return EXIT_FAILURE;
    }
    token[strcspn(token, "\r\n")] = '\0';
    r = enroll(config, token, &err);
    explicit_bzero(token, sizeof(token));
    if (r < 0)
        return fail(&err);
    printf("%s: enrolled\n", config->cert_file);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *path = VDI_SYSCONFDIR "/vdid.conf";
    struct node_config *config = NULL;
    struct buf findings = BUF_INIT(65536);
    int c, mode = 0, r;

    log_init("vdid", VDI_LOG_INFO);
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        if (c == 'c') {
            path = optarg;
        } else if (c == 'h') {
            usage(stdout);
            return EXIT_SUCCESS;
        } else if (c == 'V') {
            puts("vdid " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        } else if (c == 'e' || c == 'k') {
            mode = c;
        } else {
            usage(stderr);
            return 2;
        }
    }
    r = node_config_read(path, &config, &findings);
    if (findings.len)
        fputs(findings.data, stderr);
    buf_done(&findings);
    if (r < 0)
        return EXIT_FAILURE;
    log_set_level(log_level_from(config->log_level));
    if (mode == 'k')
        printf("%s: good\n", path);
    r = mode == 'k' ? EXIT_SUCCESS : mode == 'e' ? enroll_here(config) : serve(config);
    node_config_free(config);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.c - runs a fuzz target over its corpus in `make check`, without libFuzzer.
 *
 * Usage: fuzz_NAME [DIRECTORY...]; the default is $top_srcdir/fuzz/corpus/NAME. Each file
 * is run as it is, then cut short and with single bytes changed, at up to MUTATIONS places
 * of each kind. The input is copied to the end of its own allocation, so that a sanitizer
 * sees the first byte read past it. Prints TAP, one test a directory; an empty one fails.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define INPUT_MAX (1024 * 1024)
#define MUTATIONS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_mutations(uint8_t *data, size_t size)
{
    size_t step = size > MUTATIONS ? size / MUTATIONS : 1;
    for (size_t i = 0; i < size; i += step) {
        static const uint8_t changes[] = {0x01, 0x20, 0x80, 0xff};
        uint8_t change = changes[(i / step) % sizeof(changes)];
        run(data, i);
        data[i] ^= change;
        run(data, size);
        data[i] ^= change;
    }
}

static int run_file(const char *path)
{
    _cleanup_(fclosep) FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    _cleanup_(freep) uint8_t *data = malloc(INPUT_MAX);
    if (!data)
        return -ENOMEM;
    size_t size = fread(data, 1, INPUT_MAX, f);
    if (ferror(f))
        return -EIO;
    run(data, size);
    run_mutations(data, size);
    return 0;
}

static int run_directory(const char *directory, unsigned *ret_files)
{
    struct dirent **names;
    int n = scandir(directory, &names, NULL, alphasort);
    if (n < 0)
        return -errno;
    int r = 0;
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]->d_name);
        if (r == 0 && names[i]->d_name[0] != '.') {
            r = run_file(path);
            if (r < 0)
                printf("# %s: %s\n", path, strerror(-r));
            else
                ++*ret_files;
        }
        free(names[i]);
    }
    free(names);
    return r;
}

static int check_directory(int number, const char *directory)
{
    unsigned files = 0;
    int r = run_directory(directory, &files);
    if (r == 0 && files == 0)
        r = -ENOENT;
    printf("%sok %d - %u inputs and their mutations", r < 0 ? "not " : "", number, files);
    if (r < 0)
        printf(": %s: %s", directory, strerror(-r));
    printf("\n");
    return r;
}

int main(int argc, char **argv)
{
    char fallback[4096];
    char *fallback_argv[] = {argv[0], fallback};
    if (argc < 2) {
        const char *top = getenv("top_srcdir");
        const char *name = strstr(program_invocation_short_name, "fuzz_");
        if (!top || !name) {
            fprintf(stderr, "usage: %s DIRECTORY... (or set top_srcdir)\n", argv[0]);
            return 2;
        }
        snprintf(fallback, sizeof(fallback), "%s/fuzz/corpus/%s", top, name + strlen("fuzz_"));
        argv = fallback_argv;
        argc = 2;
    }
    printf("1..%d\n", argc - 1);
    fflush(stdout);
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= check_directory(i, argv[i]) < 0;
    return failed;
}

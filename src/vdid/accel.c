/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accel.c - proves that KVM boots a guest.
 *
 * A nested or paravirtual KVM may offer /dev/kvm, run a BIOS, and then emulate
 * every instruction of an operating system one by one. So the guest below goes
 * where an operating system goes: protected mode, page tables, long mode; there
 * it computes 16 million rounds, milliseconds on a processor and minutes under
 * such an emulation, and only then says its word to QEMU's isa-debug-exit port.
 */
#include "vdid/accel.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/time.h"
#include "vdid/child.h"
#include "vdid/file.h"

#define SECTOR_BYTES 512
#define WORD 0x2a                   /* what the guest says */
#define WORD_STATUS (WORD << 1 | 1) /* isa-debug-exit ends QEMU with it */
#define DEADLINE_USEC (10 * USEC_PER_SEC)

const char *const accel_mode_names[] = {"auto", "kvm", "tcg", NULL};

extern const unsigned char accel_guest[SECTOR_BYTES];

/* The BIOS loads it at 0x7c00, in real mode. Page tables go to 0x1000-0x3fff, 2 MiB identity. */
__asm__(".section .rodata\n"
        ".globl accel_guest\n"
        "accel_guest:\n"
        ".code16\n"
        "    cli\n"
        "    xorw %ax, %ax\n"
        "    movw %ax, %ds\n"
        "    movw %ax, %es\n"
        "    cld\n"
        "    movw $0x1000, %di\n"
        "    movw $0x1800, %cx\n" /* words: three pages of zeros */
        "    rep stosw\n"
        "    movw $0x2003, 0x1000\n" /* level 4 -> level 3 */
        "    movw $0x3003, 0x2000\n" /* level 3 -> level 2 */
        "    movw $0x0083, 0x3000\n" /* one page of 2 MiB, writable */
        "    lgdtl (accel_gdtr - accel_guest + 0x7c00)\n"
        "    movl %cr0, %eax\n"
        "    orl $1, %eax\n"
        "    movl %eax, %cr0\n"
        "    ljmpl $8, $(accel_protected - accel_guest + 0x7c00)\n"
        ".code32\n"
        "accel_protected:\n"
        "    movw $16, %ax\n"
        "    movw %ax, %ds\n"
        "    movw %ax, %ss\n"
        "    movl %cr4, %eax\n"
        "    orl $0x20, %eax\n" /* PAE */
        "    movl %eax, %cr4\n"
        "    movl $0x1000, %eax\n"
        "    movl %eax, %cr3\n"
        "    movl $0xc0000080, %ecx\n" /* EFER: long mode */
        "    rdmsr\n"
        "    orl $0x100, %eax\n"
        "    wrmsr\n"
        "    movl %cr0, %eax\n"
        "    orl $0x80000000, %eax\n" /* paging */
        "    movl %eax, %cr0\n"
        "    ljmpl $24, $(accel_long - accel_guest + 0x7c00)\n"
        ".code64\n"
        "accel_long:\n"
        "    movl $16000000, %ecx\n"
        "    xorl %ebx, %ebx\n"
        "1:  addq %rcx, %rbx\n"
        "    movq %rbx, 0x4000\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    movabsq $128000008000000, %rax\n" /* 1 + 2 + ... + 16,000,000 */
        "    cmpq %rax, 0x4000\n"
        "    jne 2f\n"
        "    movb $0x2a, %al\n"
        "    movw $0x501, %dx\n"
        "    outb %al, %dx\n"
        "2:  hlt\n"
        "    jmp 2b\n"
        ".balign 8\n"
        "accel_gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff\n"
        "accel_gdtr: .word 31\n"
        "    .long accel_gdt - accel_guest + 0x7c00\n"
        ".org accel_guest + 510\n"
        "    .byte 0x55, 0xaa\n"
        ".text\n");

struct accel {
    enum accel_mode mode;
    char path[PATH_MAX];
    struct child *child;
    accel_fn fn;
    void *arg;
};

void accel_free(struct accel *a)
{
    if (!a)
        return;
    child_free(a->child);
    unlink(a->path);
    free(a);
}

static const char *accel_word(enum accel_mode mode)
{
    return mode == ACCEL_TCG ? "tcg" : "kvm";
}

/* The first line, without what a terminal would take badly. */
static void first_line(const char *output, char *ret, size_t size)
{
    char *line = ret;

    str_copy(ret, size, output);
    for (; *line && *line != '\n'; line++)
        if ((unsigned char)*line < 0x20)
            *line = ' ';
    *line = '\0';
}

static void on_end(void *arg, int status, const char *output)
{
    struct accel *a = arg;
    struct vdi_error err = {0};
    char line[200];
    int r = 0;

    unlink(a->path);
    first_line(output, line, sizeof(line));
    if (status == -ETIMEDOUT)
        r = error_set(&err, ETIMEDOUT, "accel",
                      "a guest of 512 bytes did not get through its start under %s in %d s: it "
                      "does not run guests here",
                      accel_word(a->mode), (int)(DEADLINE_USEC / USEC_PER_SEC));
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != WORD_STATUS)
        r = error_set(&err, ENODEV, "accel", "QEMU does not run a guest under %s: %s",
                      accel_word(a->mode), *line ? line : "it ended without a word");
    if (r < 0)
        error_hint(&err, NULL, "see the BIOS and /dev/kvm, or set accel = tcg (slow) for tests");
    a->fn(a->arg, r, &err);
}

int accel_prove(struct loop *loop, enum accel_mode mode, const char *emulator, const char *dir,
                accel_fn fn, void *arg, struct accel **ret, struct vdi_error *err)
{
    struct accel *a = calloc(1, sizeof(*a));
    char drive[PATH_MAX + 64];
    int r;

    if (!a)
        return error_set(err, ENOMEM, "accel", "no memory");
    a->mode = mode;
    a->fn = fn;
    a->arg = arg;
    snprintf(a->path, sizeof(a->path), "%s/accel-guest", dir);
    snprintf(drive, sizeof(drive), "if=floppy,format=raw,readonly=on,file=%s", a->path);
    r = strchr(dir, ',') ? -EINVAL : file_replace(a->path, (const char *)accel_guest, SECTOR_BYTES);
    if (r < 0) {
        error_set(err, r, "state_dir", "%s cannot be written: %s", a->path, strerror(-r));
    } else {
        const char *const argv[] = {str_is_empty(emulator) ? "qemu-system-x86_64" : emulator,
                                    "-accel",
                                    accel_word(mode),
                                    "-cpu",
                                    mode == ACCEL_TCG ? "max" : "host",
                                    "-machine",
                                    "pc",
                                    "-m",
                                    "16",
                                    "-nodefaults",
                                    "-display",
                                    "none",
                                    "-no-reboot",
                                    "-drive",
                                    drive,
                                    "-device",
                                    "isa-debug-exit,iobase=0x501,iosize=1",
                                    NULL};

        r = child_start(loop, argv, DEADLINE_USEC, on_end, a, &a->child, err);
    }
    if (r < 0) {
        accel_free(a);
        return r;
    }
    *ret = a;
    return 0;
}

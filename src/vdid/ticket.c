/* SPDX-License-Identifier: Apache-2.0 */
/* ticket.c - tickets of the qemu_spice provider. */
#include "vdid/ticket.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/time.h"
#include "codec/field.h"

#define RANDOM_BYTES 32

int ticket_new(struct ticket *ticket, int64_t expire_sec)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char bytes[RANDOM_BYTES + 1] = {0}; /* one more, so that every six bits have a home */
    size_t n = 0;

    if (getrandom(bytes, RANDOM_BYTES, 0) != RANDOM_BYTES)
        return -EIO;
    for (size_t bit = 0; bit < (size_t)RANDOM_BYTES * 8; bit += 6) {
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

        ticket->password[n++] = digits[pair >> (10 - bit % 8) & 63];
    }
    ticket->password[n] = '\0';
    ticket->expire_sec = expire_sec;
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

void ticket_write(const struct ticket *ticket, const char *host, uint32_t port,
                  const struct spice_trust *trust, struct buf *out)
{
    char when[40];

    buf_puts(out, "{\"provider\":\"qemu_spice\",\"host\":");
    json_write_string(out, host);
    if (trust) {
        buf_printf(out, ",\"tls_port\":%u,\"ca\":", port);
        json_write_string(out, trust->ca);
        buf_puts(out, ",\"host_subject\":");
        json_write_string(out, trust->subject);
    } else {
        buf_printf(out, ",\"port\":%u", port);
    }
    buf_printf(out, ",\"password\":\"%s\",\"expires\":\"%s\"}", ticket->password,
               time_to_rfc3339(ticket->expire_sec * USEC_PER_SEC, when));
}

void ticket_done(struct ticket *ticket)
{
    explicit_bzero(ticket, sizeof(*ticket));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* notice.h - what the host wants besides scripts: tell the user, set the clock, switch off. */
#ifndef GUEST_NOTICE_H
#define GUEST_NOTICE_H

#include <stdint.h>

/* Hands the text to `hook` on its stdin if that can be run, else to wall(1), else writes it to
 * the console. Does not wait. */
void notice_message(const char *hook, const char *text);
void notice_shutdown(const char *program);
void notice_time(int64_t usec);

#endif

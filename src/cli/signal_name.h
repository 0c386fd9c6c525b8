/* SPDX-License-Identifier: Apache-2.0 */
/* signal_name.h - signals as people write them: "USR1", "SIGUSR1", "10". */
#ifndef CLI_SIGNAL_NAME_H
#define CLI_SIGNAL_NAME_H

/* The number, or -EINVAL. */
int signal_from_name(const char *text);

#endif

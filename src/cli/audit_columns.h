/* SPDX-License-Identifier: Apache-2.0 */
/* audit_columns.h - the columns of vdictl audit over the records of the audit trail. */
#ifndef CLI_AUDIT_COLUMNS_H
#define CLI_AUDIT_COLUMNS_H

#include "cli/format.h"

/* Rows are struct value of a record. */
extern const struct column audit_columns[];

#define AUDIT_FORMAT "%8n %19t %16u %18r %12g %3s %5c %d"

#endif

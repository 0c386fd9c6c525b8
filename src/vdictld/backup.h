/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - restoring what GET /v1/backup gave, into an empty store. */
#ifndef VDICTLD_BACKUP_H
#define VDICTLD_BACKUP_H

#include "codec/backup.h"
#include "vdictld/core.h"

/* Ids, epochs: so many are passed over at a restore, for those that were given out after the
 * backup was taken and that nobody here knows of. */
#define RESTORE_MARGIN INT64_C(1000000)

/* Opens and checks the file; the store is not even looked at. -EBADMSG: damaged; -EPROTO: of a
 * newer release; -EINVAL: of another cluster. */
int restore_open(struct core *core, const char *path, struct backup_file **ret,
                 struct vdi_error *err);
/*
 * Fills the empty store of core->config from the file, instead of serving, with the store open
 * and nothing else made. Ids begin above `ids_after` at least. Prints what it did.
 */
int restore_run(struct core *core, struct backup_file *file, uint64_t ids_after,
                struct vdi_error *err);
/* Of a store that a restore did not finish. */
int restore_refuse_half(struct vdi_error *err);

#endif

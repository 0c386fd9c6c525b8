/* SPDX-License-Identifier: Apache-2.0 */
/* submit_mail.c - --mail-type and --mail-user: what can be told, and whom this user may tell. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "vdictld/notify.h"
#include "vdictld/submit.h"

static int refuse_no_way(const char *field, const char *what, struct vdi_error *err)
{
    error_set(err, EOPNOTSUPP, field, "this cluster sends no %s", what);
    error_hint(err, NULL,
               "an administrator sets mail_program (or webhook) in vdi.conf; vdisubmit --wait "
               "and vdiqueue --follow tell as well");
    return -EOPNOTSUPP;
}

static bool may_write_to(const struct config *c, const char *own, const char *to)
{
    const char *at = strchr(to, '@');

    for (size_t i = 0; i < c->mail_to.n; i++) {
        const char *who = c->mail_to.names[i];

        if (str_equal(who, "any") || (str_equal(who, "own") && !strcmp(own, to)) ||
            (who[0] == '@' && at && !strcasecmp(who, at)))
            return true;
    }
    return false;
}

static int check_user(const struct config *c, const struct job_spec *spec, struct vdi_error *err)
{
    char own[NOTICE_ADDRESS_MAX + 1] = "", remedy[320];
    bool has_own = notify_own_address(c, spec->owner, own);

    if (!*spec->mail_user) {
        if (has_own || *c->webhook)
            return 0;
        error_set(err, EINVAL, "mail_user", "your name makes no address of a mail");
        error_hint(err, NULL, "give --mail-user=ADDRESS");
        return -EINVAL;
    }
    if (!*c->mail_program)
        return refuse_no_way("mail_user", "mail", err);
    if (!notice_is_address(spec->mail_user)) {
        error_set(err, EINVAL, "mail_user", "'%.80s' is no address", spec->mail_user);
        error_hint(err, "254 bytes", "write NAME or NAME@DOMAIN, without quotes or blanks");
        return -EINVAL;
    }
    if (may_write_to(c, has_own ? own : "", spec->mail_user))
        return 0;
    error_set(err, EPERM, "mail_user", "no notices may be sent to %.80s", spec->mail_user);
    snprintf(remedy, sizeof(remedy), "%s%s", has_own ? "leave it out: they go to " : "", own);
    error_hint(err, "mail_to of vdi.conf", has_own ? remedy : "ask the site");
    return -EPERM;
}

/* Of an array each task is told, and nothing else is: that is to be said. */
static int check_tasks(const struct job_spec *spec, uint32_t types, struct vdi_error *err)
{
    bool each = types & NOTICE_ARRAY_TASKS;

    if (!types || each == (*spec->array != '\0'))
        return 0;
    if (each)
        error_set(err, EINVAL, "mail_type", "ARRAY_TASKS is for arrays, and this is none");
    else
        error_set(err, EINVAL, "mail_type", "an array as a whole is never told of");
    error_hint(err, NULL, each ? "leave it out" : "add ARRAY_TASKS: each task is told of");
    return -EINVAL;
}

int submit_check_mail(struct call *call, struct job_spec *spec, struct vdi_error *err)
{
    const struct config *c = call->core->config;
    char text[NOTICE_TYPES_TEXT_MAX];
    uint32_t types = 0;
    int r = notice_types_parse(spec->mail_type, &types, err);

    if (r >= 0 && !types && *spec->mail_user && !*spec->mail_type) {
        error_set(err, EINVAL, "mail_user", "nobody is told of anything without a mail_type");
        error_hint(err, NULL, "add --mail-type=END, or leave --mail-user out");
        return -EINVAL;
    }
    if (r >= 0)
        r = check_tasks(spec, types, err);
    if (r >= 0 && types && !notify_ways(c))
        r = refuse_no_way("mail_type", "notices", err);
    if (r >= 0 && types)
        r = check_user(c, spec, err);
    if (r < 0)
        return r;
    notice_types_write(types, text);
    r = job_spec_set(&spec->mail_type, text);
    if (r >= 0 && !types)
        r = job_spec_set(&spec->mail_user, "");
    return r < 0 ? error_set(err, ENOMEM, "", "out of memory") : 0;
}

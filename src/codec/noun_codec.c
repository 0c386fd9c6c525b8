/* SPDX-License-Identifier: Apache-2.0 */
/* noun_codec.c - instances, nodes, tokens, images, disks, notices, classes in JSON; all flat. */
#include "codec/noun_codec.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/str.h"
#include "codec/job_codec.h"
#include "codec/kept.h"

#define IN(m) offsetof(struct instance, m), sizeof(((struct instance *)0)->m)
#define INE(m) offsetof(struct instance_event, m), sizeof(((struct instance_event *)0)->m)
#define NO(m) offsetof(struct node, m), sizeof(((struct node *)0)->m)
#define NOE(m) offsetof(struct node_event, m), sizeof(((struct node_event *)0)->m)
#define TO(m) offsetof(struct token, m), sizeof(((struct token *)0)->m)
#define TOE(m) offsetof(struct token_event, m), sizeof(((struct token_event *)0)->m)
#define IM(m) offsetof(struct image, m), sizeof(((struct image *)0)->m)
#define IME(m) offsetof(struct image_event, m), sizeof(((struct image_event *)0)->m)
#define DI(m) offsetof(struct disk, m), sizeof(((struct disk *)0)->m)
#define DIE(m) offsetof(struct disk_event, m), sizeof(((struct disk_event *)0)->m)
#define NTC(m) offsetof(struct notice, m), sizeof(((struct notice *)0)->m)
#define NTCE(m) offsetof(struct notice_event, m), sizeof(((struct notice_event *)0)->m)
#define CL(m) offsetof(struct class, m), sizeof(((struct class *)0)->m)
#define CLE(m) offsetof(struct class_event, m), sizeof(((struct class_event *)0)->m)
#define OC(m) offsetof(struct occurrence, m), sizeof(((struct occurrence *)0)->m)
#define OCE(m) offsetof(struct occurrence_event, m), sizeof(((struct occurrence_event *)0)->m)
#define SHOWN (FIELD_SHOW | FIELD_KEEP)
#define U32 0, UINT32_MAX, NULL
#define U64 0, INT64_MAX, NULL
#define NONE 0, 0, NULL

static const char *const instance_states[] = {
    "NONE", "REQUESTED", "BUILDING", "READY", "BOUND", "SAVED", "STOPPING", "GONE", NULL,
};

const struct field instance_fields[] = {
    {"id", FIELD_U64, IN(id), FIELD_SHOW, U64, "instance id"},
    {"generation", FIELD_U32, IN(generation), SHOWN, U32, "counts its restarts"},
    {"state", FIELD_ENUM, IN(state), SHOWN, 0, 0, instance_states, "state"},
    {"job", FIELD_U64, IN(job), SHOWN, U64, "its job"},
    {"owner", FIELD_FIXED, IN(owner), SHOWN, NONE, "whose it is"},
    {"node", FIELD_FIXED, IN(node), SHOWN, NONE, "node"},
    {"template", FIELD_FIXED, IN(template_name), SHOWN, NONE, "template"},
    {"profile", FIELD_FIXED, IN(profile), SHOWN, NONE, "GPU profile"},
    {"account", FIELD_FIXED, IN(account), SHOWN, NONE, "account charged"},
    {"partition", FIELD_FIXED, IN(partition), SHOWN, NONE, "partition of its job"},
    {"qos", FIELD_FIXED, IN(qos), SHOWN, NONE, "quality of service of its job"},
    {"limits", FIELD_FIXED, IN(limits), SHOWN | FIELD_SKIP_EMPTY, NONE,
     "limit blocks that hold for its job"},
    {"vcpus", FIELD_U32, IN(vcpus), SHOWN, U32, "virtual CPUs"},
    {"memory_mib", FIELD_U32, IN(memory_mib), SHOWN, U32, "memory"},
    {"gpus", FIELD_U32, IN(gpus), SHOWN, U32, "GPUs"},
    {"encode_mpix", FIELD_U32, IN(encode_mpix), SHOWN | FIELD_SKIP_EMPTY, U32,
     "of a seat: megapixels of video each second"},
    {"reason", FIELD_FIXED, IN(reason), SHOWN, NONE, "why it is so"},
    {"image", FIELD_FIXED, IN(image), SHOWN, NONE, "the version of the image it was begun with"},
    {"class_id", FIELD_U64, IN(class_id), SHOWN, U64, "the class whose seat it was started as"},
    {"date", FIELD_FIXED, IN(date), SHOWN, NONE, "of that occurrence"},
    {"gpus_held", FIELD_FIXED, IN(gpus_held), SHOWN, NONE, "GPUs of the seat"},
    {"claim_time", FIELD_TIME, IN(claim_usec), SHOWN, NONE, "a member took the seat"},
    {"request_time", FIELD_TIME, IN(request_usec), SHOWN, NONE, "ordered"},
    {"build_time", FIELD_TIME, IN(build_usec), SHOWN, NONE, "its site has begun"},
    {"ready_time", FIELD_TIME, IN(ready_usec), SHOWN, NONE, "ready"},
    {"state_time", FIELD_TIME, IN(state_usec), SHOWN, NONE, "in this state since"},
    {"gone_time", FIELD_TIME, IN(gone_usec), SHOWN, NONE, "gone"},
    {"saved_total_usec", FIELD_I64, IN(saved_total_usec), SHOWN, 0, INT64_MAX, NULL,
     "time for which it was saved"},
    {.type = FIELD_END},
};

const struct field instance_event_fields[] = {
    {"generation", FIELD_U32, INE(generation), SHOWN, U32, "generation"},
    {"job", FIELD_U64, INE(job), SHOWN, U64, "job"},
    {"owner", FIELD_FIXED, INE(owner), SHOWN, NONE, "owner"},
    {"node", FIELD_FIXED, INE(node), SHOWN, NONE, "node"},
    {"template", FIELD_FIXED, INE(template_name), SHOWN, NONE, "template"},
    {"profile", FIELD_FIXED, INE(profile), SHOWN, NONE, "GPU profile"},
    {"account", FIELD_FIXED, INE(account), SHOWN | FIELD_SKIP_EMPTY, NONE, "account"},
    {"partition", FIELD_FIXED, INE(partition), SHOWN | FIELD_SKIP_EMPTY, NONE, "partition"},
    {"qos", FIELD_FIXED, INE(qos), SHOWN | FIELD_SKIP_EMPTY, NONE, "quality of service"},
    {"limits", FIELD_FIXED, INE(limits), SHOWN | FIELD_SKIP_EMPTY, NONE, "limit blocks"},
    {"vcpus", FIELD_U32, INE(vcpus), SHOWN, U32, "virtual CPUs"},
    {"memory_mib", FIELD_U32, INE(memory_mib), SHOWN, U32, "memory"},
    {"gpus", FIELD_U32, INE(gpus), SHOWN, U32, "GPUs"},
    {"encode_mpix", FIELD_U32, INE(encode_mpix), SHOWN | FIELD_SKIP_EMPTY, U32,
     "megapixels of video each second"},
    {"reason", FIELD_FIXED, INE(reason), SHOWN, NONE, "why"},
    {"image", FIELD_FIXED, INE(image), SHOWN | FIELD_SKIP_EMPTY, NONE, "version of the image"},
    {"class_id", FIELD_U64, INE(class_id), SHOWN | FIELD_SKIP_EMPTY, U64, "class of the seat"},
    {"date", FIELD_FIXED, INE(date), SHOWN | FIELD_SKIP_EMPTY, NONE, "of that occurrence"},
    {"gpus_held", FIELD_FIXED, INE(gpus_held), SHOWN | FIELD_SKIP_EMPTY, NONE, "GPUs"},
    {.type = FIELD_END},
};

const struct field node_fields[] = {
    {"name", FIELD_FIXED, NO(name), FIELD_SHOW, NONE, "name"},
    {"known", FIELD_BOOL, NO(known), FIELD_KEEP, NONE, ""},
    {"up", FIELD_BOOL, NO(up), SHOWN, NONE, "its link is up"},
    {"failed", FIELD_BOOL, NO(failed), SHOWN, NONE, "given up after node_fail_after"},
    {"drain", FIELD_BOOL, NO(drain), SHOWN, NONE, "takes no new jobs"},
    {"removed", FIELD_BOOL, NO(removed), FIELD_KEEP, NONE, ""},
    {"cpus", FIELD_U32, NO(cpus), SHOWN, U32, "CPUs to give out"},
    {"memory_mib", FIELD_U32, NO(memory_mib), SHOWN, U32, "memory to give out"},
    {"disk_gib", FIELD_U32, NO(disk_gib), SHOWN, U32, "disk to give out"},
    {"encode_mpix", FIELD_U32, NO(encode_mpix), SHOWN, U32,
     "megapixels of video that it can encode each second; 0: not counted"},
    {"software_encoder", FIELD_BOOL, NO(software_encoder), SHOWN, NONE,
     "its processors encode, and are charged for it"},
    {"gpus", FIELD_U32, NO(gpus), SHOWN, U32, "GPUs"},
    {"gpu_type", FIELD_FIXED, NO(gpu_type), SHOWN, NONE, "kind of GPU"},
    {"features", FIELD_FIXED, NO(features), SHOWN, NONE, "features"},
    {"boot_id", FIELD_FIXED, NO(boot_id), SHOWN, NONE, "this boot of it"},
    {"version", FIELD_FIXED, NO(version), SHOWN, NONE, "version of its vdid"},
    {"reason", FIELD_FIXED, NO(reason), SHOWN, NONE, "why it is out of service"},
    {"reason_by", FIELD_FIXED, NO(reason_by), SHOWN, NONE, "who said so"},
    {"reason_time", FIELD_TIME, NO(reason_usec), SHOWN, NONE, "when"},
    {"state_time", FIELD_TIME, NO(state_usec), SHOWN, NONE, "up or down since"},
    {"found_cpus", FIELD_U32, NO(found_cpus), SHOWN, U32, "CPUs as the node says"},
    {"found_memory_mib", FIELD_U32, NO(found_memory_mib), SHOWN, U32, "memory as the node says"},
    {.type = FIELD_END},
};

const struct field node_event_fields[] = {
    {"cpus", FIELD_U32, NOE(cpus), SHOWN, U32, "CPUs"},
    {"memory_mib", FIELD_U32, NOE(memory_mib), SHOWN, U32, "memory"},
    {"disk_gib", FIELD_U32, NOE(disk_gib), SHOWN, U32, "disk"},
    {"encode_mpix", FIELD_U32, NOE(encode_mpix), SHOWN, U32, "megapixels of video each second"},
    {"software_encoder", FIELD_BOOL, NOE(software_encoder), SHOWN, NONE, "its processors encode"},
    {"gpus", FIELD_U32, NOE(gpus), SHOWN, U32, "GPUs"},
    {"gpu_type", FIELD_FIXED, NOE(gpu_type), SHOWN, NONE, "kind of GPU"},
    {"features", FIELD_FIXED, NOE(features), SHOWN, NONE, "features"},
    {"boot_id", FIELD_FIXED, NOE(boot_id), SHOWN, NONE, "boot id"},
    {"version", FIELD_FIXED, NOE(version), SHOWN, NONE, "version"},
    {"reason", FIELD_FIXED, NOE(reason), SHOWN, NONE, "why"},
    {"by", FIELD_FIXED, NOE(by), SHOWN, NONE, "who"},
    {.type = FIELD_END},
};

const struct field token_fields[] = {
    {"id", FIELD_FIXED, TO(id), FIELD_SHOW, NONE, "token id (jti)"},
    {"owner", FIELD_FIXED, TO(owner), SHOWN, NONE, "for whom"},
    {"scope", FIELD_FIXED, TO(scope), SHOWN, NONE, "what it is good for; empty: everything"},
    {"issue_time", FIELD_TIME, TO(issue_usec), SHOWN, NONE, "issued"},
    {"expire_time", FIELD_TIME, TO(expire_usec), SHOWN, NONE, "good until"},
    {"revoked", FIELD_BOOL, TO(revoked), SHOWN, NONE, "revoked"},
    {"ended", FIELD_BOOL, TO(ended), FIELD_KEEP, NONE, ""},
    {.type = FIELD_END},
};

const struct field token_event_fields[] = {
    {"expire_time", FIELD_TIME, TOE(expire_usec), SHOWN, NONE, "good until"},
    {"owner", FIELD_FIXED, TOE(owner), SHOWN, NONE, "for whom"},
    {"scope", FIELD_FIXED, TOE(scope), SHOWN, NONE, "scope"},
    {"by", FIELD_FIXED, TOE(by), SHOWN, NONE, "who"},
    {.type = FIELD_END},
};

const struct field image_fields[] = {
    {"name", FIELD_FIXED, IM(name), SHOWN, NONE, "name"},
    {"sha256", FIELD_FIXED, IM(sha256), SHOWN, NONE, "of the manifest: NAME@sha256:THIS"},
    {"version", FIELD_U32, IM(version), SHOWN, U32, "counts up within the name"},
    {"state", FIELD_ENUM, IM(state), SHOWN, 0, 0, image_state_names, "published or retired"},
    {"bytes", FIELD_U64, IM(bytes), SHOWN, U64, "of its files"},
    {"virtual_bytes", FIELD_U64, IM(virtual_bytes), SHOWN, U64, "what the guest sees as its disk"},
    {"min_disk_gib", FIELD_U64, IM(min_disk_gib), SHOWN, U64, "what an overlay may grow to"},
    {"firmware", FIELD_FIXED, IM(firmware), SHOWN, NONE, "what it boots by"},
    {"source", FIELD_FIXED, IM(source), SHOWN, NONE, "where the disk is, if not in the store"},
    {"publisher", FIELD_FIXED, IM(publisher), SHOWN, NONE, "who published it"},
    {"reason", FIELD_FIXED, IM(reason), SHOWN, NONE, "what the publisher said about it"},
    {"publish_time", FIELD_TIME, IM(publish_usec), SHOWN, NONE, "published"},
    {"select_time", FIELD_TIME, IM(select_usec), SHOWN, NONE, "made the current one"},
    {"retire_time", FIELD_TIME, IM(retire_usec), SHOWN, NONE, "retired"},
    {"manifest", FIELD_FIXED, IM(manifest), FIELD_KEEP, NONE, ""},
    {.type = FIELD_END},
};

const struct field image_event_fields[] = {
    {"version", FIELD_U32, IME(version), SHOWN, U32, "counts up within the name"},
    {"bytes", FIELD_U64, IME(bytes), SHOWN, U64, "of its files"},
    {"virtual_bytes", FIELD_U64, IME(virtual_bytes), SHOWN, U64, "the disk's size"},
    {"min_disk_gib", FIELD_U64, IME(min_disk_gib), SHOWN, U64, "disk space"},
    {"firmware", FIELD_FIXED, IME(firmware), SHOWN, NONE, "what it boots by"},
    {"source", FIELD_FIXED, IME(source), SHOWN, NONE, "where the disk is"},
    {"reason", FIELD_FIXED, IME(reason), SHOWN, NONE, "why"},
    {"by", FIELD_FIXED, IME(by), SHOWN, NONE, "who"},
    {"manifest", FIELD_FIXED, IME(manifest), FIELD_KEEP | FIELD_SKIP_EMPTY, NONE, ""},
    {.type = FIELD_END},
};

const struct field disk_fields[] = {
    {"id", FIELD_U64, DI(id), FIELD_SHOW, U64, "disk id"},
    {"name", FIELD_FIXED, DI(name), SHOWN, NONE, "title of its block in the template"},
    {"state", FIELD_ENUM, DI(state), SHOWN, 0, 0, disk_state_names, "state"},
    {"persistence", FIELD_ENUM, DI(persistence), SHOWN, 0, 0, disk_persistence_names,
     "how long it is kept"},
    {"where", FIELD_ENUM, DI(where), SHOWN, 0, 0, disk_where_names, "on one node, or shared"},
    {"owner", FIELD_FIXED, DI(owner), SHOWN, NONE, "whose it is"},
    {"template", FIELD_FIXED, DI(template_name), SHOWN, NONE, "template"},
    {"size_gib", FIELD_U32, DI(size_gib), SHOWN, U32, "what it may grow to"},
    {"node", FIELD_FIXED, DI(node), SHOWN, NONE, "where it lies, or was used last"},
    {"job", FIELD_U64, DI(job), SHOWN, U64, "the job that has it, or had it last"},
    {"instance", FIELD_U64, DI(instance), SHOWN, U64, "leased to; 0: to none"},
    {"generation", FIELD_U32, DI(generation), SHOWN, U32, "of that instance"},
    {"epoch", FIELD_U64, DI(epoch), FIELD_KEEP, U64, ""},
    {"made", FIELD_BOOL, DI(is_made), SHOWN, NONE, "its volume is there"},
    {"token", FIELD_FIXED, DI(token), FIELD_KEEP, NONE, ""},
    {"create_time", FIELD_TIME, DI(create_usec), SHOWN, NONE, "created"},
    {"lease_time", FIELD_TIME, DI(lease_usec), SHOWN, NONE, "used last, or since"},
    {"release_time", FIELD_TIME, DI(release_usec), SHOWN, NONE, "free since"},
    {"delete_time", FIELD_TIME, DI(delete_usec), SHOWN, NONE, "deletion began"},
    {"gone_time", FIELD_TIME, DI(gone_usec), SHOWN, NONE, "gone"},
    {"reason", FIELD_FIXED, DI(reason), SHOWN, NONE, "why it is so"},
    {"by", FIELD_FIXED, DI(by), SHOWN, NONE, "who said so"},
    {.type = FIELD_END},
};

const struct field disk_event_fields[] = {
    {"name", FIELD_FIXED, DIE(name), SHOWN | FIELD_SKIP_EMPTY, NONE, "name"},
    {"persistence", FIELD_ENUM, DIE(persistence), SHOWN, 0, 0, disk_persistence_names,
     "how long it is kept"},
    {"where", FIELD_ENUM, DIE(where), SHOWN, 0, 0, disk_where_names, "on one node, or shared"},
    {"owner", FIELD_FIXED, DIE(owner), SHOWN | FIELD_SKIP_EMPTY, NONE, "owner"},
    {"template", FIELD_FIXED, DIE(template_name), SHOWN | FIELD_SKIP_EMPTY, NONE, "template"},
    {"size_gib", FIELD_U32, DIE(size_gib), SHOWN, U32, "size"},
    {"token", FIELD_FIXED, DIE(token), FIELD_KEEP | FIELD_SKIP_EMPTY, NONE, ""},
    {"node", FIELD_FIXED, DIE(node), SHOWN | FIELD_SKIP_EMPTY, NONE, "node"},
    {"job", FIELD_U64, DIE(job), SHOWN, U64, "job"},
    {"instance", FIELD_U64, DIE(instance), SHOWN, U64, "instance"},
    {"generation", FIELD_U32, DIE(generation), SHOWN, U32, "generation"},
    {"epoch", FIELD_U64, DIE(epoch), FIELD_KEEP, U64, ""},
    {"reason", FIELD_FIXED, DIE(reason), SHOWN | FIELD_SKIP_EMPTY, NONE, "why"},
    {"by", FIELD_FIXED, DIE(by), SHOWN | FIELD_SKIP_EMPTY, NONE, "who"},
    {.type = FIELD_END},
};

/* What a notice says, in its event and in itself. */
#define NOTICE_FACTS(OF)                                                                           \
    {"job", FIELD_U64, OF(facts.job), SHOWN, U64, "its job"},                                      \
        {"owner", FIELD_FIXED, OF(facts.owner), SHOWN, NONE, "whose job it is"},                   \
        {"type", FIELD_ENUM, OF(facts.type), SHOWN, 0, 0, notice_type_names, "what it tells of"},  \
        {"to", FIELD_FIXED, OF(facts.to), SHOWN, NONE, "address of the mail"},                     \
        {"name", FIELD_FIXED, OF(facts.name), SHOWN, NONE, "name of the job"},                     \
        {"event", FIELD_FIXED, OF(facts.event), SHOWN, NONE, "event of the job"},                  \
        {"state", FIELD_ENUM, OF(facts.state), SHOWN,                                              \
         0,       0,          job_state_names, "state of the job then"},                           \
        {"restarts", FIELD_U32, OF(facts.restarts), SHOWN, U32, "times requeued"},                 \
        {"exit_code", FIELD_I32, OF(facts.exit_code), SHOWN, INT32_MIN,                            \
         INT32_MAX,   NULL,      "exit status"},                                                   \
        {"exit_signal", FIELD_I32, OF(facts.exit_signal), SHOWN, 0, 128, NULL, "signal"},          \
        {"node", FIELD_FIXED, OF(facts.node), SHOWN, NONE, "node"},                                \
        {"reason", FIELD_FIXED, OF(facts.reason), SHOWN, NONE, "why"},                             \
        {"time", FIELD_TIME, OF(facts.time_usec), SHOWN, NONE, "of the event"},                    \
        {"submit_time", FIELD_TIME, OF(facts.submit_usec), SHOWN, NONE, "submitted"},              \
        {"start_time", FIELD_TIME, OF(facts.start_usec), SHOWN, NONE, "started"},                  \
    {                                                                                              \
        "end_time", FIELD_TIME, OF(facts.end_usec), SHOWN, NONE, "ended"                           \
    }

const struct field notice_fields[] = {
    NOTICE_FACTS(NTC),
    {"owed", FIELD_U32, NTC(owed), SHOWN, U32, "1: by mail, 2: by webhook, 3: both"},
    {"given_up", FIELD_BOOL, NTC(given_up), SHOWN, NONE, "not sent, for too long"},
    {"owed_time", FIELD_TIME, NTC(owed_usec), SHOWN, NONE, "owed since"},
    {"done_time", FIELD_TIME, NTC(done_usec), SHOWN, NONE, "sent or given up"},
    {.type = FIELD_END},
};

const struct field notice_event_fields[] = {
    NOTICE_FACTS(NTCE),
    {"ways", FIELD_U32, NTCE(ways), SHOWN, U32, "1: mail, 2: webhook, 3: both"},
    {.type = FIELD_END},
};

#define MADE (SHOWN | FIELD_SUBMIT)
#define CHANGED (SHOWN | FIELD_SUBMIT | FIELD_UPDATE)
#define DAY INT64_C(86400)

/* What a class is, in its event and in itself; what is written down in an event is all of it. */
#define CLASS_SPEC(OF)                                                                             \
    {"template", FIELD_FIXED, OF(spec.template_name), CHANGED, NONE, "what a seat is"},            \
        {"seats", FIELD_U32, OF(spec.seats), CHANGED, 0, CLASS_SEATS_MAX, NULL, "how many"},       \
        {"groups", FIELD_FIXED, OF(spec.groups), CHANGED, NONE, "groups whose members take part"}, \
        {"users", FIELD_FIXED, OF(spec.users), CHANGED, NONE, "users who take part"},              \
        {"roster", FIELD_FIXED, OF(spec.roster), FIELD_KEEP | FIELD_SKIP_EMPTY, NONE, ""},         \
        {"partition", FIELD_FIXED, OF(spec.partition), CHANGED, NONE, "where its seats are"},      \
        {"qos", FIELD_FIXED, OF(spec.qos), CHANGED, NONE, "quality of service of its jobs"},       \
        {"account", FIELD_FIXED, OF(spec.account), CHANGED, NONE, "what is charged"},              \
        {"starts",                                                                                 \
         FIELD_FIXED,                                                                              \
         OF(spec.starts),                                                                          \
         CHANGED,                                                                                  \
         NONE,                                                                                     \
         "when it is for the first time, as in 2026-10-13T10:15; local time of the zone"},         \
        {"duration_sec", FIELD_I64, OF(spec.duration_sec), CHANGED, 0,                             \
         7 * DAY,        NULL,      "how long it takes"},                                          \
        {"zone", FIELD_FIXED, OF(spec.zone), CHANGED, NONE, "time zone, as in Europe/Berlin"},     \
        {"repeat", FIELD_FIXED, OF(spec.repeat), CHANGED, NONE, "rule of RFC 5545; empty: once"},  \
        {"except", FIELD_FIXED, OF(spec.except),                                                   \
         CHANGED,  NONE,        "dates without it, as in 2026-12-22/2027-01-06,2027-02-01"},       \
        {"lead_sec",                                                                               \
         FIELD_I64,                                                                                \
         OF(spec.lead_sec),                                                                        \
         CHANGED,                                                                                  \
         0,                                                                                        \
         DAY,                                                                                      \
         NULL,                                                                                     \
         "seats are started at least so long before"},                                             \
        {"grace_sec",                                                                              \
         FIELD_I64,                                                                                \
         OF(spec.grace_sec),                                                                       \
         CHANGED,                                                                                  \
         0,                                                                                        \
         DAY,                                                                                      \
         NULL,                                                                                     \
         "and are left for so long after"},                                                        \
        {"no_show_sec",                                                                            \
         FIELD_I64,                                                                                \
         OF(spec.no_show_sec),                                                                     \
         CHANGED,                                                                                  \
         0,                                                                                        \
         DAY,                                                                                      \
         NULL,                                                                                     \
         "a seat that nobody took is given back after so long; 0 never"},                          \
        {"cleaning_sec",                                                                           \
         FIELD_I64,                                                                                \
         OF(spec.cleaning_sec),                                                                    \
         CHANGED,                                                                                  \
         0,                                                                                        \
         DAY,                                                                                      \
         NULL,                                                                                     \
         "another class has its place so long after it at the earliest"},                          \
        {"moved",        FIELD_FIXED,                                                              \
         OF(spec.moved), SHOWN | FIELD_SKIP_EMPTY,                                                 \
         NONE,           "dates that vdi.conf moves, written as overrides are"},                   \
        {"uid", FIELD_FIXED, OF(spec.uid), MADE, NONE, "UID of the event it was imported from"},   \
    {                                                                                              \
        "calendar", FIELD_FIXED, OF(spec.calendar), MADE, NONE, "the calendar that this is in"     \
    }

/* Of a reservation, in its event and in a class as it is kept. */
#define RESERVATION_KEPT(OF)                                                                       \
    {"nodes", FIELD_FIXED, OF(spec.nodes), FIELD_KEEP | FIELD_SKIP_EMPTY, NONE, "its nodes"},      \
    {                                                                                              \
        "flags", FIELD_FIXED, OF(spec.flags), FIELD_KEEP | FIELD_SKIP_EMPTY, NONE, "its flags"     \
    }

const struct field class_fields[] = {
    {"id", FIELD_U64, CL(id), FIELD_SHOW, U64, "class id"},
    {"name", FIELD_FIXED, CL(spec.name), MADE, NONE, "name"},
    CLASS_SPEC(CL),
    RESERVATION_KEPT(CL),
    {"overrides", FIELD_FIXED, CL(overrides), SHOWN, NONE,
     "changed dates, as in 2026-11-17 skip;2026-11-24 2026-11-25T14:15 5400; '-' and 0: unchanged"},
    {"from_config", FIELD_BOOL, CL(from_config), SHOWN, NONE, "it is in vdi.conf"},
    {"deleted", FIELD_BOOL, CL(deleted), FIELD_KEEP, NONE, ""},
    {"create_time", FIELD_TIME, CL(create_usec), SHOWN, NONE, "made"},
    {"change_time", FIELD_TIME, CL(change_usec), SHOWN, NONE, "changed last"},
    {"delete_time", FIELD_TIME, CL(delete_usec), FIELD_KEEP, NONE, "deleted"},
    {"by", FIELD_FIXED, CL(by), SHOWN, NONE, "who changed it last"},
    {"creator", FIELD_FIXED, CL(creator), SHOWN, NONE, "who made it"},
    {.type = FIELD_END},
};

/* What is asked and told of one that has nodes in place of seats. */
const struct field reservation_fields[] = {
    {"id", FIELD_U64, CL(id), FIELD_SHOW, U64, "reservation id"},
    {"name", FIELD_FIXED, CL(spec.name), FIELD_SHOW | FIELD_SUBMIT, NONE, "name"},
    {"nodes", FIELD_FIXED, CL(spec.nodes), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "hostlist, as in gpu[01-04]"},
    {"flags", FIELD_FIXED, CL(spec.flags), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "maint: no jobs, and other reservations may be there; magnetic: its members' jobs run in it "
     "without naming it; ignore_jobs: jobs may run there still"},
    {"groups", FIELD_FIXED, CL(spec.groups), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "groups whose jobs may run in it"},
    {"users", FIELD_FIXED, CL(spec.users), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "users whose jobs may"},
    {"starts", FIELD_FIXED, CL(spec.starts), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "when it is for the first time, as in 2026-10-13T10:15; local time of the zone"},
    {"duration_sec", FIELD_I64, CL(spec.duration_sec), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, 0,
     7 * DAY, NULL, "how long it takes"},
    {"zone", FIELD_FIXED, CL(spec.zone), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "time zone, as in Europe/Berlin"},
    {"repeat", FIELD_FIXED, CL(spec.repeat), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "rule of RFC 5545; empty: once"},
    {"except", FIELD_FIXED, CL(spec.except), FIELD_SHOW | FIELD_SUBMIT | FIELD_UPDATE, NONE,
     "dates without it, as in 2026-12-22/2027-01-06,2027-02-01"},
    {"moved", FIELD_FIXED, CL(spec.moved), FIELD_SHOW | FIELD_SKIP_EMPTY, NONE,
     "dates that vdi.conf moves, written as overrides are"},
    {"overrides", FIELD_FIXED, CL(overrides), FIELD_SHOW, NONE, "changed dates"},
    {"from_config", FIELD_BOOL, CL(from_config), FIELD_SHOW, NONE, "it is in vdi.conf"},
    {"create_time", FIELD_TIME, CL(create_usec), FIELD_SHOW, NONE, "made"},
    {"change_time", FIELD_TIME, CL(change_usec), FIELD_SHOW, NONE, "changed last"},
    {"by", FIELD_FIXED, CL(by), FIELD_SHOW, NONE, "who changed it last"},
    {"creator", FIELD_FIXED, CL(creator), FIELD_SHOW, NONE, "who made it"},
    {.type = FIELD_END},
};

const struct field class_event_fields[] = {
    {"name", FIELD_FIXED, CLE(spec.name), SHOWN, NONE, "name"},
    CLASS_SPEC(CLE),
    RESERVATION_KEPT(CLE),
    {"from_config", FIELD_BOOL, CLE(from_config), SHOWN | FIELD_SKIP_EMPTY, NONE, "in vdi.conf"},
    {"date", FIELD_FIXED, CLE(date), SHOWN | FIELD_SKIP_EMPTY, NONE, "of the occurrence"},
    {"skip", FIELD_BOOL, CLE(skip), SHOWN | FIELD_SKIP_EMPTY, NONE, "which is left out"},
    {"reset", FIELD_BOOL, CLE(reset), SHOWN | FIELD_SKIP_EMPTY, NONE, "or as the rule says"},
    {"to", FIELD_FIXED, CLE(starts), SHOWN | FIELD_SKIP_EMPTY, NONE, "or begins then"},
    {"for_sec", FIELD_I64, CLE(duration_sec), SHOWN | FIELD_SKIP_EMPTY, 0, 7 * DAY, NULL,
     "and takes so long"},
    {"by", FIELD_FIXED, CLE(by), SHOWN, NONE, "who"},
    {.type = FIELD_END},
};

const struct field occurrence_fields[] = {
    {"class_id", FIELD_U64, OC(class_id), SHOWN, U64, "its class"},
    {"class", FIELD_FIXED, OC(class_name), SHOWN, NONE, "name of its class"},
    {"date", FIELD_FIXED, OC(date), SHOWN, NONE, "its name: date by the rule"},
    {"state", FIELD_ENUM, OC(state), SHOWN, 0, 0, occurrence_state_names, "state"},
    {"seats", FIELD_U32, OC(seats), SHOWN, U32, "seats"},
    {"begin_time", FIELD_TIME, OC(begin_usec), SHOWN, NONE, "begins"},
    {"end_time", FIELD_TIME, OC(end_usec), SHOWN, NONE, "ends"},
    {"stop_time", FIELD_TIME, OC(stop_usec), SHOWN, NONE, "desktops end: with the grace"},
    {"open_time", FIELD_TIME, OC(open_usec), SHOWN, NONE, "seats were started from"},
    {"until_time", FIELD_TIME, OC(until_usec), SHOWN, NONE, "and are kept until"},
    {"release_time", FIELD_TIME, OC(release_usec), SHOWN, NONE, "seats were given back"},
    {"close_time", FIELD_TIME, OC(close_usec), SHOWN, NONE, "closed"},
    {"ready_early", FIELD_U32, OC(ready_early), SHOWN, U32, "READY five minutes before"},
    {"ready_on_time", FIELD_U32, OC(ready_on_time), SHOWN, U32, "READY at its time"},
    {"ready_late", FIELD_U32, OC(ready_late), SHOWN, U32, "READY two minutes after"},
    {"counted", FIELD_U32, OC(counted), SHOWN, U32, "1: the first was counted, 2: the second, 4"},
    {"claimed", FIELD_U32, OC(claimed), SHOWN, U32, "seats that members took"},
    {"failed", FIELD_U32, OC(failed), SHOWN, U32, "seats that were started anew"},
    {"slowest_usec", FIELD_I64, OC(slowest_usec), SHOWN, 0, INT64_MAX, NULL, "of its slowest seat"},
    {"slow_stage", FIELD_FIXED, OC(slow_stage), SHOWN, NONE, "what took that seat longest"},
    {"account", FIELD_FIXED, OC(account), SHOWN, NONE, "what is charged"},
    {"reason", FIELD_FIXED, OC(reason), SHOWN, NONE, "why it is so"},
    {.type = FIELD_END},
};

const struct field occurrence_event_fields[] = {
    {"class_id", FIELD_U64, OCE(class_id), SHOWN, U64, "its class"},
    {"class", FIELD_FIXED, OCE(class_name), SHOWN, NONE, "name of its class"},
    {"date", FIELD_FIXED, OCE(date), SHOWN, NONE, "its name"},
    {"seats", FIELD_U32, OCE(seats), SHOWN | FIELD_SKIP_EMPTY, U32, "seats"},
    {"begin_time", FIELD_TIME, OCE(begin_usec), SHOWN | FIELD_SKIP_EMPTY, NONE, "begins"},
    {"end_time", FIELD_TIME, OCE(end_usec), SHOWN | FIELD_SKIP_EMPTY, NONE, "ends"},
    {"stop_time", FIELD_TIME, OCE(stop_usec), SHOWN | FIELD_SKIP_EMPTY, NONE, "desktops end"},
    {"until_time", FIELD_TIME, OCE(until_usec), SHOWN | FIELD_SKIP_EMPTY, NONE, "seats kept until"},
    {"moment", FIELD_U32, OCE(moment), SHOWN | FIELD_SKIP_EMPTY, 0, OCCURRENCE_MOMENTS - 1, NULL,
     "counted when"},
    {"ready", FIELD_U32, OCE(ready), SHOWN | FIELD_SKIP_EMPTY, U32, "READY then"},
    {"slowest_usec", FIELD_I64, OCE(slowest_usec), SHOWN | FIELD_SKIP_EMPTY, 0, INT64_MAX, NULL,
     "slowest by then"},
    {"slow_stage", FIELD_FIXED, OCE(slow_stage), SHOWN | FIELD_SKIP_EMPTY, NONE,
     "what took it longest"},
    {"account", FIELD_FIXED, OCE(account), SHOWN | FIELD_SKIP_EMPTY, NONE, "account"},
    {"reason", FIELD_FIXED, OCE(reason), SHOWN | FIELD_SKIP_EMPTY, NONE, "why"},
    {.type = FIELD_END},
};

static void encode(const struct field *fields, const void *base, struct buf *out)
{
    bool first = true;

    buf_putc(out, '{');
    fields_write(fields, base, FIELD_KEEP, out, &first);
    buf_putc(out, '}');
}

static int decode(const struct field *fields, void *base, const char *json, size_t len,
                  struct vdi_error *err)
{
    struct kept_object object = {.fields = fields, .base = base};

    return kept_read(&object, 1, json, len, err);
}

/* type: what noun_event_from() made of the name; max: the newest version known. */
static int check_event(const char *noun, const char *name, int type, uint32_t version, uint32_t max,
                       struct vdi_error *err)
{
    if (type >= 0 && version <= max)
        return 0;
    return error_set(err, EPROTO, "type", "%s event '%s' version %u is not known", noun, name,
                     version);
}

#define DEFINE_CODEC(noun, NOUN, key_type, set_key)                                                \
    void noun##_event_encode(const struct noun##_event *event, struct buf *out)                    \
    {                                                                                              \
        encode(noun##_event_fields, event, out);                                                   \
    }                                                                                              \
                                                                                                   \
    int noun##_event_decode(const char *type, int64_t time_usec, uint32_t version,                 \
                            const char *json, size_t len, struct noun##_event *ret,                \
                            struct vdi_error *err)                                                 \
    {                                                                                              \
        int t = noun##_event_from(type);                                                           \
        struct noun##_event event = {.time_usec = time_usec};                                      \
        int r = check_event(#noun, type, t, version, NOUN##_EVENT_VERSION, err);                   \
                                                                                                   \
        if (r < 0)                                                                                 \
            return r;                                                                              \
        event.type = (enum noun##_event_type)t;                                                    \
        r = decode(noun##_event_fields, &event, json, len, err);                                   \
        if (r >= 0)                                                                                \
            *ret = event;                                                                          \
        return r;                                                                                  \
    }                                                                                              \
                                                                                                   \
    void noun##_snapshot_encode(const struct noun *noun, struct buf *out)                          \
    {                                                                                              \
        encode(noun##_fields, noun, out);                                                          \
    }                                                                                              \
                                                                                                   \
    int noun##_snapshot_decode(key_type key, uint32_t version, const char *json, size_t len,       \
                               struct noun **ret, struct vdi_error *err)                           \
    {                                                                                              \
        struct noun *noun;                                                                         \
        int r = check_event(#noun, "snapshot", 0, version, NOUN##_EVENT_VERSION, err);             \
                                                                                                   \
        if (r < 0)                                                                                 \
            return r;                                                                              \
        noun = calloc(1, sizeof(*noun));                                                           \
        if (!noun)                                                                                 \
            return error_set(err, ENOMEM, "", "out of memory");                                    \
        noun->refs = 1;                                                                            \
        set_key;                                                                                   \
        r = decode(noun##_fields, noun, json, len, err);                                           \
        if (r < 0)                                                                                 \
            noun##_unref(noun);                                                                    \
        else                                                                                       \
            *ret = noun;                                                                           \
        return r;                                                                                  \
    }

DEFINE_CODEC(instance, INSTANCE, uint64_t, instance->id = key)
DEFINE_CODEC(node, NODE, const char *, str_copy(node->name, sizeof(node->name), key))
DEFINE_CODEC(token, TOKEN, const char *, str_copy(token->id, sizeof(token->id), key))
DEFINE_CODEC(notice, NOTICE, const char *, str_copy(notice->key, sizeof(notice->key), key))
DEFINE_CODEC(image, IMAGE, const char *, str_copy(image->key, sizeof(image->key), key))
DEFINE_CODEC(disk, DISK, uint64_t, disk->id = key)
DEFINE_CODEC(class, CLASS, uint64_t, class->id = key)
DEFINE_CODEC(occurrence, OCCURRENCE, const char *,
             str_copy(occurrence->key, sizeof(occurrence->key), key))

/* SPDX-License-Identifier: Apache-2.0 */
/* class_impl.h - what the files of classes share; nobody else includes it. */
#ifndef VDICTLD_CLASS_IMPL_H
#define VDICTLD_CLASS_IMPL_H

#include "base/hash.h"
#include "base/list.h"
#include "codec/roster.h"
#include "vdictld/classes.h"

/* Classes are kept free for so long ahead, and no class may be more occurrences in it. */
#define CLASS_HORIZON_USEC (INT64_C(366) * 86400 * 1000000)
#define CLASSES_MAX 4096 /* that are not deleted */
#define CLASS_OCCURRENCES_MAX 2048

/* An occurrence to come, or that is: computed. */
struct class_time {
    char date[CLASS_DATE_MAX];
    int64_t begin_usec, end_usec;  /* T, and when it is over */
    int64_t from_usec, until_usec; /* seats are kept from, to */
    uint64_t plan_id;              /* of its window in the planner; 0: not booked yet */
    uint32_t seats;                /* booked */
    int64_t fetched_usec;          /* when its nodes were told to fetch its image last */
};

/* What is known of the roster file of a class. */
struct course_roster {
    char path[CLASS_ROSTER_MAX]; /* as the class names it; "": none */
    struct roster *list;         /* that was read last, until there is a better one; NULL: none */
    int64_t read_usec;
    bool is_looked_at;       /* and this is what was found: */
    struct roster_mark mark; /* good or not */
    bool is_good;
    bool is_silent;   /* what has been looking at it does not come back */
    int64_t due_usec; /* by the monotonic clock */
    char alarm[256];  /* for people; "" nothing */
};

/* What is kept of a class beside its record. */
struct course {
    uint64_t id;
    struct class_time *times; /* by time; those that are over go */
    size_t n_times;
    int64_t until_usec;    /* times are known up to here */
    struct job_spec *seat; /* what a seat asks for; NULL: vdi.conf has no such template any more */
    char alarm[256];       /* what is wrong with it, for people; "" nothing */
    bool is_stale;         /* to be refreshed */
    unsigned n_failed;     /* seats one after the other; */
    int64_t retry_usec;    /* none is ordered before */
    int64_t search_usec;   /* nor are places that there were none of sought again */
    int64_t lead_usec;     /* class_lead_usec(), as it was a few seconds ago */
    int64_t lead_due_usec; /* when it is to be looked at again */
    struct course_roster roster;
    char avoid[1024]; /* nodes on which seats of the occurrence that is have failed */
};

struct classes {
    struct core *core;
    struct hash *courses; /* id -> struct course */
    uint64_t next_plan_id;
    struct source *tick;
    struct list admits;     /* one at a time; the first is under way */
    struct source *refresh; /* courses that are stale, in slices */
    struct source *admit;
    struct admit *admitted; /* whose commit is under way; NULL: none */
    struct hash *loads;     /* node -> struct load: class_seats.c */
    struct hash *waiting;   /* ids of jobs that wait for a seat; values are the ids, too */
    struct workers *roster_workers;
    struct list looks;  /* struct roster_looks, on their way */
    struct hash *boots; /* template -> how long its last seats took */
    /* class_drawn.c */
    struct hash *drawn; /* owner -> struct drawn_owner */
    struct source *drawn_tell;
    unsigned n_magnetic; /* reservations that draw anybody */
};

/* A window's id in the planner, which keeps the top bit for itself: classes_of_plan() says whose
 * it is, the rest is no other's. */
static inline uint64_t class_plan_id(struct classes *classes, uint64_t class_id)
{
    return (class_id & INT32_MAX) << 32 | (uint32_t)classes->next_plan_id++;
}

/* classes.c */
struct course *course_get(struct core *core, uint64_t id); /* NULL: none */
const struct class *class_of(struct core *core, uint64_t id);
/* When the class, as it is in `class`, takes place within [from, to): the caller frees it. */
int class_times(struct core *core, const struct class *class, int64_t from_usec, int64_t to_usec,
                struct class_time **ret, size_t *ret_n, struct vdi_error *err);
/* Whether the class's rule gives an occurrence of that name, and it may be moved to `starts` ("":
 * it is not moved). -ENOENT, -EINVAL, -ERANGE. */
int class_find_date(const struct class *class, const char *date, const char *starts,
                    struct vdi_error *err);
/* "2026-10-20 14:15", as the clocks of the class's zone show it. */
const char *class_local_time(const struct class_spec *spec, int64_t usec, char ret[40]);
/* What one seat asks for, by `config`. */
int class_seat_spec(const struct config *config, const struct class_spec *spec,
                    struct job_spec **ret, struct vdi_error *err);
/* Books one window; -ENOSPC with what there would be. */
int class_book(struct planner *planner, const struct job_spec *seat, uint32_t seats,
               const struct class_time *time, int64_t now_usec, struct plan_shortage *ret);
/* Makes the windows in the plan those of the class as it is, as far as there is room: what is
 * short is said in its alarm. */
void course_refresh(struct core *core, struct course *course);
bool class_time_is(const struct class_time *a, const struct class_time *b);
bool job_spec_is_seat(const struct job_spec *a, const struct job_spec *b);

/* class_seats.c */
const struct occurrence *class_occurrence(struct core *core, uint64_t class_id, const char *date);
/* No seat is started any more for what is left of it. */
bool class_is_too_late(const struct occurrence *o, int64_t now);
/* Its seats that are READY now, or in a user's hands. */
uint32_t class_ready_now(struct core *core, const struct occurrence *o);
void class_seats_tick(struct classes *classes);
void class_seats_load(struct classes *classes); /* instances of seats, told to the planner */
void class_seats_published(struct core *core, const struct instance *old,
                           const struct instance *now);
/* How long before its time the seats of a class are started. */
int64_t class_lead_usec(struct core *core, const struct class_spec *spec);

/* class_lead.c: a seat that is READY took so long. */
void class_note_boot(struct core *core, const struct instance *in);
/* Seats that boot at once on a node of so many processors. */
uint32_t class_boots_at_once(uint32_t cpus);
/* A seat that boots for longer is slow, and gets a second one: half of what the slowest of the last
 * took, or twice what most did. */
int64_t class_second_usec(struct core *core, const struct class_spec *spec);

/* class_places.c */
#define RESERVATION_SAYS 200 /* reservation_say_closed() */
/* Behind what reservation_say_closed() wrote what is short: "; memory is short"; in its place
 * "; there are too few of licence 'matlab' for more", where it is that. */
#define CLASS_SAYS (RESERVATION_SAYS + PLAN_SHORTAGE_TEXT)
void class_say_short(const struct plan_shortage *shortage, const struct job_spec *seat,
                     char io[CLASS_SAYS]);
/* What to do about it, where no time is known at which there is room. */
const char *class_short_remedy(const struct plan_shortage *shortage);
/* Places on nodes that are out of service are given up so long before seats are started. */
#define CLASS_HEAL_USEC (3600 * INT64_C(1000000))
/* So long before, their nodes fetch the image. */
#define CLASS_PREFETCH_USEC (86400 * INT64_C(1000000))
struct class_places {
    char (*nodes)[64]; /* the caller's to free */
    size_t n, size;
};
/* The places of a window that are of use; what lies elsewhere is given up. */
void class_places(struct core *core, const struct class_time *t, struct class_places *ret);
/* When jobs that are asked now to make room for a seat are gone, less now. */
int64_t class_free_usec(const struct core *core, const char *qos);
/* As many places more as there are, and `pressing` of the others where jobs are to leave theirs;
 * the number that is missing still. */
uint32_t class_find_places(struct core *core, struct course *course, struct class_time *t,
                           uint32_t missing, uint32_t pressing);
/* Its nodes get the image while there is time. */
void class_prefetch(struct core *core, const struct course *course, struct class_time *t,
                    int64_t now);
/* Places on nodes that went out of service are found again elsewhere while there is time. */
void class_heal(struct core *core, struct course *course, struct class_time *t);
/* Another place is sought for what failed on this node. */
void course_avoid(struct course *course, const char *node);

/* class_role.c. `times`: all of the class within the horizon. */
int class_check_owner(const struct call *call, const struct class *class, struct vdi_error *err);
int class_check_role(const struct call *call, const struct class *class,
                     const struct class_time *times, size_t n, struct vdi_error *err);

/* class_roster.c */
int class_rosters_new(struct classes *classes);
void class_rosters_free(struct classes *classes); /* while the courses are there */
void class_rosters_tick(struct classes *classes);
void course_roster_done(struct course_roster *roster);
bool course_roster_has(const struct course *course, const struct vdi_principal *who);
/* Members of the class's document, with a comma before each. */
void course_roster_write(const struct course *course, bool with_path, struct buf *out);

/* class_drawn.c */
int class_drawn_new(struct classes *classes);
void class_drawn_free(struct classes *classes);
void class_drawn_load(struct classes *classes);
void class_drawn_tick(struct classes *classes);
void class_drawn_changed(struct classes *classes, const struct class *old, const struct class *now);

/* reservation.c: a class that has nodes in place of seats. */
bool reservation_is_maint(const struct class_spec *spec);
int reservation_check(const struct config *config, const struct class_spec *spec,
                      struct vdi_error *err);
/* Closes its nodes at those times, in place of what it had. -ENOMEM. */
int reservation_put(struct planner *planner, const struct class *class,
                    const struct class_time *times, size_t n);
/* Whether nothing is then on its nodes that may not be there. */
int reservation_check_clashes(struct core *core, struct planner *planner, const struct class *class,
                              const struct class_time *times, size_t n, bool with_jobs,
                              struct vdi_error *err);
/* "; reservation 'fix' of 2026-12-02 has n[1-2] then", where one closes nodes of the seat's
 * partition at that time; else "". The list has the reservations; NULL: they are in force. */
const char *reservation_say_closed(struct core *core, const struct planner *planner,
                                   const struct class *list, size_t n, const struct job_spec *seat,
                                   const struct class_time *time, char ret[RESERVATION_SAYS]);
/* Jobs that have not ended name it. */
bool reservation_is_named(struct core *core, const char *name);
int reservation_check_unused(struct core *core, const struct class *class, struct vdi_error *err);
/* May the caller's job run in it? Sets its time limit, if it has none. */
int reservation_match(struct call *call, const struct class *class, struct job_spec *spec,
                      struct vdi_error *err);

/* class_claim.c */
bool class_is_member(struct core *core, const struct vdi_principal *who, const struct class *class);
/* Jobs that wait for a seat of the class. */
uint32_t classes_waiting(struct core *core, uint64_t class_id);
void class_claim_all_waiting(struct core *core);
void class_claim_published(struct core *core, const struct job *now);

#endif

/**
 * A CMDB's file, beside the pipelines that keep it in step: what its sources
 * hold, what they held at another time, which plans there are, and a person's
 * word on those.
 *
 * The file is what the `cmdb.*` step types write; docs/cmdb.md teaches them and
 * `flowctl cmdb` is a thin layer of words over this header. Other processes may
 * write the file at any time. Each call sees one state of it.
 *
 * Texts that come out are UTF-8. Times are microseconds since 1970 in UTC, or,
 * in values, RFC 3339 in UTC.
 *
 * Threads: a flo_cmdb is used by one at a time. Calls block for the disk; those
 * that write also for other writers, up to ten minutes. In a coroutine bracket
 * them with flo_blocking_begin() and flo_blocking_end().
 */
#ifndef FLO_CMDB_H
#define FLO_CMDB_H

#include <flo/error.h>
#include <flo/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A CMDB's file that is open. */
typedef struct flo_cmdb flo_cmdb;

/** What a file is opened for. */
typedef enum flo_cmdb_mode {
	FLO_CMDB_READ,	/* to look only: a file of an older format stays so */
	FLO_CMDB_WRITE, /* to decide and apply, too: it is brought up to date */
} flo_cmdb_mode;

/**
 * Say where a CMDB is that is not named: $FLOW_CMDB, else `cmdb.db` in the
 * current directory.
 *
 * Returns memory for flo_free(), or NULL without memory.
 */
FLO_EXTERN char *flo_cmdb_default_path(void);

/**
 * Open the CMDB at @path (NULL: the default), which must be there: a pull makes
 * it. With FLO_CMDB_READ also where nothing may be written, as far as that can
 * be (FLO_READONLY says when it cannot).
 *
 * Returns FLO_OK and a CMDB the caller closes; FLO_NOTFOUND: there is no file,
 * or it is empty; FLO_VERSION: it is no CMDB, or a newer version wrote it;
 * FLO_READONLY; FLO_CORRUPT; FLO_NOMEM; FLO_SYSTEM and others.
 */
FLO_EXTERN flo_status flo_cmdb_open(const char *path, flo_cmdb_mode mode,
				    flo_error *err, flo_cmdb **ret_cmdb);

/** Close @cmdb. NULL is allowed. */
FLO_EXTERN void flo_cmdb_close(flo_cmdb *cmdb);

/**
 * List the sources by their names, as a list of maps {"source", "rows", "key"
 * (pointers; null before the first apply), "pulled_at" (of the last pull that
 * is complete), "applied_at", "blocked" (plans that wait for a person)}. Times
 * may be null.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOMEM; FLO_CORRUPT and others.
 */
FLO_EXTERN flo_status flo_cmdb_sources(flo_cmdb *cmdb, flo_error *err,
				       flo_value **ret_sources);

/** Which plans are listed. All zero are all of them. */
struct flo_cmdb_plans_options {
	const char *source; /* of this source; NULL: of any */
	bool blocked;	    /* only those that wait for a person */
	size_t max;	    /* the newest so many; 0: all */
};

/**
 * List plans, newest first, as a list of what flo_cmdb_plan() gives. @options
 * may be NULL.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOTFOUND: there is no such
 * source; FLO_NOMEM; FLO_CORRUPT and others.
 */
FLO_EXTERN flo_status
flo_cmdb_plans(flo_cmdb *cmdb, const struct flo_cmdb_plans_options *options,
	       flo_error *err, flo_value **ret_plans);

/**
 * Tell of @plan, or of the only plan whose id begins so, a map {"plan",
 * "source", "status", "guards" (a list of names), "reason", "added", "changed",
 * "removed", "same", "rows", "fields", "rejected", "raw_hits", "plan_only",
 * "rebase", "pull", "run", "trace_id", "created_at", "decision" (null,
 * "approved", "rejected"), "decided_at", "decided_by", "note", "applied_at"}.
 *
 * The status is "ready"; "blocked": by a guard, and waits for a person;
 * "approved": was blocked or not, and a person released it; "rejected";
 * "applied"; "outdated": its source has changed since, so it cannot be applied.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOTFOUND; FLO_INVALID: several
 * plans begin so; FLO_NOMEM; FLO_CORRUPT and others.
 */
FLO_EXTERN flo_status flo_cmdb_plan(flo_cmdb *cmdb, const char *plan,
				    flo_error *err, flo_value **ret_plan);

/** A change of a plan. All is borrowed for the call; texts are JSON. */
typedef struct flo_cmdb_change {
	char op;	    /* 'c', 'u' or 'd': added, changed, removed */
	const char *key;    /* the array of the key's parts */
	const char *fields; /* the array of pointers to what differs, for 'u' */
	const char *before; /* the record that was, or NULL */
	const char *after;  /* the record that is to be, or NULL */
} flo_cmdb_change;

/**
 * Get a change, in the thread of who asked.
 *
 * Returns FLO_OK; any other status ends the listing, which returns it.
 */
typedef flo_status (*flo_cmdb_change_fn)(const flo_cmdb_change *change,
					 void *arg);

/**
 * Give the first @max changes (0: all) of a plan to @fn with @arg, in the order
 * of the keys' texts. @plan is an id or the beginning of one. @fn must not use
 * @cmdb.
 *
 * Returns FLO_OK; what @fn returned; FLO_NOTFOUND, FLO_INVALID as
 * flo_cmdb_plan(); FLO_NOMEM; FLO_CORRUPT and others.
 */
FLO_EXTERN flo_status flo_cmdb_changes(flo_cmdb *cmdb, const char *plan,
				       size_t max, flo_cmdb_change_fn fn,
				       void *arg, flo_error *err);

/** A record as it was for a time. All is borrowed for the call. */
typedef struct flo_cmdb_version {
	const char *key;       /* the array of the key's parts */
	const char *record;    /* its JSON */
	int64_t valid_from_us; /* when it came to be so */
	int64_t valid_to_us;   /* when it no longer was; 0: it still is */
	/* Of flo_cmdb_history(): the array of pointers to what differs from the
	 * version that ended when this one began; NULL if there is none: then
	 * the record was added. */
	const char *fields;
	const char *plan; /* the id of the plan that made it so */
} flo_cmdb_version;

/**
 * Get a version, in the thread of who asked.
 *
 * Returns FLO_OK; any other status ends the listing, which returns it.
 */
typedef flo_status (*flo_cmdb_version_fn)(const flo_cmdb_version *version,
					  void *arg);

/**
 * Give the versions of a record to @fn with @arg, the oldest first. @key is the
 * JSON array of the key's parts, or, of a key of one part, that part: a text as
 * it is, or its JSON. @fn must not use @cmdb.
 *
 * Returns FLO_OK; what @fn returned; FLO_NOTFOUND: there is no such source, or
 * it never had such a key; FLO_INVALID: @key is no key, or two ("1" and 1);
 * FLO_NOMEM; FLO_CORRUPT and others.
 */
FLO_EXTERN flo_status flo_cmdb_history(flo_cmdb *cmdb, const char *source,
				       const char *key, flo_cmdb_version_fn fn,
				       void *arg, flo_error *err);

/**
 * Give to @fn with @arg what a source held at the time @us, in the order of the
 * keys' texts: of all records, or of the one whose key is @key, which is as in
 * flo_cmdb_history(). A time to come is now. @fn must not use @cmdb.
 *
 * Returns FLO_OK, also if there was nothing then; what @fn returned;
 * FLO_NOTFOUND and FLO_INVALID as flo_cmdb_history(); FLO_NOMEM; FLO_CORRUPT and
 * others.
 */
FLO_EXTERN flo_status flo_cmdb_at(flo_cmdb *cmdb, const char *source,
				  const char *key, int64_t us,
				  flo_cmdb_version_fn fn, void *arg,
				  flo_error *err);

/** A person's word on a plan. */
typedef enum flo_cmdb_word {
	FLO_CMDB_APPROVE, /* it may be applied, although a guard blocked it */
	FLO_CMDB_REJECT,  /* it must never be applied */
} flo_cmdb_word;

/**
 * Decide about a plan, durably. @plan is an id or the beginning of one; @by says
 * who decides; @note, why (NULL: nothing is said). An approval is of this plan
 * and the state that it was computed against; it does not apply the plan. Until
 * it is applied an approval may be followed by a rejection, not the other way
 * round.
 *
 * *@ret_plan (@ret_plan may be NULL) gets what flo_cmdb_plan() then tells, and
 * *@ret_before (may be NULL) whether it had been decided so before, and all is
 * as it was.
 *
 * Requires: @cmdb is open for writing.
 * Returns FLO_OK; FLO_FAILED: the plan is to be approved and out of date;
 * FLO_CLOSED: it has been applied, or was rejected and is to be approved;
 * FLO_NOTFOUND, FLO_INVALID as flo_cmdb_plan(); FLO_FULL, FLO_READONLY and
 * others.
 */
FLO_EXTERN flo_status flo_cmdb_decide(flo_cmdb *cmdb, const char *plan,
				      flo_cmdb_word word, const char *by,
				      const char *note, flo_error *err,
				      flo_value **ret_plan, bool *ret_before);

/**
 * Apply a plan as the step type cmdb.apply does, in one transaction. @plan is an
 * id or the beginning of one. Applying it again changes nothing.
 *
 * *@ret_applied (may be NULL) gets whether this call did it.
 *
 * Requires: @cmdb is open for writing.
 * Returns FLO_OK; FLO_BLOCKED: it is blocked or was rejected; FLO_FAILED: it is
 * out of date; FLO_NOTFOUND, FLO_INVALID as flo_cmdb_plan(); FLO_FULL,
 * FLO_READONLY and others.
 */
FLO_EXTERN flo_status flo_cmdb_apply(flo_cmdb *cmdb, const char *plan,
				     flo_error *err, bool *ret_applied);

/**
 * Find what the JSON pointer @pointer (RFC 6901) points at in @record, the JSON
 * text of a record. Any thread; never blocks.
 *
 * Returns the first byte of the value's text, borrowed from @record, and its
 * length in *@ret_len; NULL if there is no such value (or no memory).
 */
FLO_EXTERN const char *flo_cmdb_field(const char *record, const char *pointer,
				      size_t *ret_len);

/**
 * Read a time as people write it: RFC 3339 ("2026-11-22T12:00:00Z"); without an
 * offset it is UTC, and seconds or all of the time of day may be missing
 * ("2026-11-22", which is its beginning); a duration as in pipelines, for so
 * long ago ("2h", "2h ago", "-2h"), or in words ("5 minutes ago", up to weeks);
 * "@" and seconds since 1970; "now"; "today" and "yesterday", which are their
 * beginnings in UTC.
 * Any thread; never blocks.
 *
 * Returns FLO_OK; FLO_SYNTAX: it is none of these; FLO_RANGE: there is no such
 * day or hour.
 */
FLO_EXTERN flo_status flo_cmdb_time(const char *text, flo_error *err,
				    int64_t *ret_us);

#ifdef __cplusplus
}
#endif
#endif

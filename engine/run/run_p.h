/*
 * The runner's inside: what its files share.
 *
 *	run.c	  the life of a run: begin, body, finally, end
 *	tree.c	  one node: when, body, finally
 *	limit.c	  time limits of blocks and of the run
 *	sequence.c one child after the other
 *	crew.c	  concurrent blocks: groups and foreach; crew_member.c how
 *		  their members start and end, crew_replay.c on resume
 *	items.c	  what a foreach goes over: a list or a product
 *	leaf.c	  one leaf: attempts, retries, slots
 *	retry.c	  whether what has failed is tried again, and when
 *	attempt.c what one attempt does: a program, or by native.c native
 *		  code
 *	block.c	  what a block records of itself, and the list of its errors
 *	tally.c	  failures against what a block tolerates
 *	scope.c	  variables of expressions
 *	again.c	  pipelines within the pipeline that are tried again
 *	nested.c  pipelines within the pipeline, and slots of leaves
 *	secret.c  values of secrets, and hiding them; secret_exec.c runs
 *		  the programs that print some
 *	preset.c  what an earlier engine recorded
 *	rerun.c	  what a rerun takes over from another run
 *	choose.c  which of its steps those are
 *	spent.c	  what is left of time limits and back-off after a resume
 *	failure.c error objects
 *	bury.c	  the end of a run that stands still
 */
#ifndef FLO_ENGINE_RUN_RUN_P_H
#define FLO_ENGINE_RUN_RUN_P_H

#include "engine/run/run.h"

#include <flo/group.h>
#include <flo/sync.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mask.h"
#include "base/strbuf.h"

#include <stdatomic.h>

/* Everything that walks a plan runs on stacks of this size. */
#define FLO__RUN_STACK (256 * 1024)

struct flo__tried;

/* How a node ended, or how far it is. Owns its values. */
struct flo__result {
	enum flo__state state; /* NONE: not looked at yet */
	bool begun;	       /* of a block: something in it has begun */
	bool reused;	       /* it was taken over from another run */
	bool tried; /* of a block: whoever tries it again records its failure */
	int32_t exit_code;
	int32_t signal;
	uint32_t attempts;
	int64_t duration_ns;		 /* -1: none */
	int64_t started_us, finished_us; /* of a leaf, in inspections; else 0 */
	uint64_t log_seq;   /* event of the last attempt's start; 0: none */
	uint64_t end_seq;   /* what must be durable before a dependent */
	uint64_t error_seq; /* the failure's place in the run's order */
	flo_value *output;  /* NULL: null */
	flo_value *error;   /* NULL: none */
	/* Of a block: the errors in it that count, brief and in order, as many
	 * as are listed, and how many there are; NULL: @error alone. */
	flo_value *others;
	uint64_t others_total;
	flo_value *command; /* of a failed leaf, in inspections; or NULL */
};

#define FLO__RESULT_INIT                                                       \
	{                                                                      \
		.state = FLO__STATE_NONE, .exit_code = FLO__EVENT_NO_CODE,     \
		.duration_ns = -1                                              \
	}

void flo__result_fini(struct flo__result *result);

/* What the record of an interrupted run says of a child. */
enum flo__recorded {
	FLO__RECORDED_NOT,
	FLO__RECORDED_BEGUN,	 /* something in it has an event */
	FLO__RECORDED_PASSED,	 /* a block: nothing in it has, and yet the run
				 had come by: it was skipped, or is empty */
	FLO__RECORDED_PASSED_BY, /* the same, of a group with needs; but nobody
				    who began needs it, so it may not have
				    ended */
};

enum flo__frame_kind {
	FLO__FRAME_BLOCK, /* a sequence or group: has its children's results */
	FLO__FRAME_ITEM,  /* an instance of a foreach: has item and index */
	FLO__FRAME_FINALLY, /* around a finally: has its body's outcome */
	FLO__FRAME_NESTED,  /* around a pipeline: see struct flo__nested */
};

/*
 * A lexical scope of a run. Lives on the stack (or in the member) of the
 * coroutine that runs it, and outlives all that runs inside.
 */
struct flo__frame {
	enum flo__frame_kind kind;
	struct flo__run *run;
	struct flo__frame *parent; /* NULL at the root */
	uint32_t node;
	/* BLOCK: by position. A slot is written once, by whoever ran that
	 * child, and read by those that were started after it ended. */
	struct flo__result *results;
	/* BLOCK: what is said of what its own time limit ended; NULL: it has
	 * none. Constant. */
	const char *limit;
	/* BLOCK: the first event of such an end; 0: there is none. Atomic,
	 * relaxed: read once all in it has been joined. */
	_Atomic uint64_t cut_seq;
	/* BLOCK: that limit kept something from starting, of which there is no
	 * event. Atomic, as cut_seq. */
	atomic_bool kept;
	/* BLOCK, ITEM: enum flo__recorded of the children by position; NULL:
	 * there is no record. Constant once a child runs. */
	const uint8_t *recorded;
	/* ITEM */
	const flo_value *item; /* owned by the member it is the frame of */
	uint64_t index;
	/* FINALLY */
	enum flo__state body_state;
	const flo_value *body_error;
};

/* What the record of an interrupted run says about a leaf, or of itself a
 * block. State NONE: nothing of the attempt that the pipeline around is in. */
struct flo__preset {
	struct flo__result result; /* state RUNNING or RETRYING: was alive */
	uint32_t lost;		   /* attempts that a crash ended */
	uint32_t faults;	   /* attempts that a contained fault ended */
	uint32_t base; /* attempts in earlier attempts of what is around */
	bool open;     /* an attempt had no end yet */
	bool accepted; /* a person's word says what became of it: */
	enum flo__accept accept;
	uint64_t span_id;
	/* RETRYING: when that was recorded, and how long it was to wait */
	int64_t retrying_us;
	int64_t delay_ns;
};

/* What a recorded failure has done to a block instance. */
struct flo__poison {
	enum flo__on_error mode; /* CANCEL or DRAIN */
};

/* The end of a step that a rerun takes over. Owns both. */
struct flo__reused {
	char *path;
	struct flo__result result;
};

struct flo__run {
	struct flo__run_deps deps;
	const struct flo__plan *plan;
	struct flo__run_record record; /* its strings are owned */
	const flo_value *params;
	flo_value
		*env; /* of the pipeline, a map of strings; set at the start */
	/* Values of secrets by name, overwritten in the end; NULL: the plan has
	 * none. What is hidden; NULL: nothing. Set before the first step. */
	flo_value *secrets;
	struct flo__mask *mask;
	struct flo__journal *journal;
	struct flo__run_journal *run_journal;

	flo_context *base; /* ended by a kill or a broken store only */
	flo_context *ctx;  /* of the body: ended by cancel and the time limit */
	uint64_t timeout_ns; /* of the run; 0: none */

	flo_sem slots;	     /* of leaves in the whole run */
	bool slots_programs; /* programs take one */
	bool slots_native;   /* native steps take one */

	_Atomic(uint64_t) counts[FLO__STATES]; /* relaxed; read at the end */
	_Atomic(uint64_t) last_seq; /* relaxed: the highest event so far */
	atomic_bool work_made; /* the work directory: see flo__run_workdir() */
	atomic_bool held;      /* relaxed; read at the end: flo__run_hold() */
	atomic_bool cut; /* relaxed; read at the end: a step did not start or
			    end because the run was being stopped */
	/* relaxed; set by lock, before the contexts end: flo__run_leaving() */
	atomic_bool leaving;

	/* by lock, a plain mutex held for moments, from any thread */
	struct {
		uint32_t lock;
		flo_status
			store;	/* why the store gave up, FLO_OK if it lives */
		bool cancelled; /* a cancel was asked for */
		bool killed;
		bool recorded; /* run.cancelling is in the record */
		bool began;    /* contexts and the record exist */
		bool over;     /* how it ends is settled: nothing is to be
				  recorded by cancellers any more */
		char why[256];
		bool leave;	 /* an interrupt was asked for */
		bool leave_kill; /* and is not to wait for the steps */
		char leave_why[256];
		const char *deadlock; /* a report, borrowed; NULL: none */
		char store_why
			[FLO_ERROR_TEXT_MAX]; /* if not the journal itself failed */
	} shared;

	/* From the record of an interrupted run; read-only once it runs. */
	bool resumed;
	bool preset_cancelling;
	bool preset_queued;		 /* run.queued is in the record */
	enum flo__state preset_finished; /* how it ended; NONE */
	int64_t started_us;
	struct flo__arena paths;  /* the keys of these maps */
	struct flo__map presets;  /* path -> struct flo__preset, owned */
	struct flo__map begun;	  /* paths of nodes in which something began */
	struct flo__map poisons;  /* path -> struct flo__poison, owned */
	struct flo__map failures; /* block path -> count of failures */
	struct flo__map spans;	  /* block path -> time in it: spent.c */
	bool spans_wanted;
	int64_t last_us;  /* date of the last event; 0: none */
	int64_t spent_us; /* the time in which the run was worked on */

	/* Of a rerun: what it repeats (strings are owned), and what it takes
	 * over, until that is recorded. Owned. */
	struct flo__rerun rerun;
	struct flo__reused *reused;
	size_t reused_len;

	/* Inspection: nothing starts, everything is told. */
	bool frozen;
	bool frozen_ended; /* the run has ended */
	void (*visit)(void *arg, const struct flo__run_step *step);
	void *visit_arg;
};

/* run.c */

/* Record @event (its ts and seq are set here). After a failure of the store
 * everything is cancelled and its status comes back, always. */
flo_status flo__run_append(struct flo__run *run, struct flo__event *event);
/* Where the run's record is: a failure of ours comes after that. */
uint64_t flo__run_seq(const struct flo__run *run);
/* Park until event @seq is durable; 0 returns at once. */
flo_status flo__run_durable(struct flo__run *run, uint64_t seq);
/*
 * The files beside the store cannot be written (@err says why): the run is
 * ended as if the store had failed, so that it can be resumed.
 */
void flo__run_broken(struct flo__run *run, const flo_error *err);
/* The date that an event would have now. */
int64_t flo__run_now_us(const struct flo__run *run);
/* Whether nothing new is to start: the process is tainted, or the run is being
 * interrupted. */
bool flo__run_ending(const struct flo__run *run);
/*
 * Whether the run is being interrupted (flo__run_interrupt()): what does not
 * succeed is left as it is, and of the record only successes are taken.
 */
bool flo__run_leaving(const struct flo__run *run);
/* Something was held back for that: the run is left resumable. */
void flo__run_hold(struct flo__run *run);
/* Whether anything was, so far. */
bool flo__run_held(const struct flo__run *run);
/* Append the path of the run's own directory for steps. */
void flo__run_workdir_path(const struct flo__run *run, struct flo__strbuf *sb);
/* The same, and the directory is there: made at the first call. */
flo_status flo__run_workdir(struct flo__run *run, struct flo__strbuf *sb,
			    flo_error *err);
/* Tell an inspection's visitor, if there is one: see flo__run_inspect(). */
void flo__run_visit(struct flo__run *run, const char *path, uint32_t node,
		    const struct flo__result *result);
/* Record that the run has failed, and wait until that is durable. Nothing of it
 * may be recorded any more. */
flo_status flo__run_fail(struct flo__run *run, const char *kind,
			 const char *why, flo_error *err,
			 flo_value **ret_result);

/* What a crew did for a member when it admitted it; the member's. */
struct flo__admission {
	flo_group *group; /* whose slot it holds; NULL: none */
	bool slot;	  /* it holds those of flo__slots_take() */
	/* A leaf: its first start, recorded in the crew's order; 0: not yet */
	uint64_t start_seq;
	uint64_t span_id;
	/* Called before a leaf records that it has failed: until the crew has
	 * taken that in, it starts nothing. */
	void (*failing)(struct flo__admission *admission);
	/* Called around a leaf's own work and the time it waits to try again:
	 * the crew starts others meanwhile, however many work. */
	void (*working)(struct flo__admission *admission, bool works);
};

/* tree.c */

/*
 * Run node @id in @frame under @ctx; nothing of it starts before event
 * @need_seq is durable. @path is its path. @admission: what its crew did for
 * it already; NULL in a sequence.
 * Fills *@ret, which is in an end state unless the run is frozen.
 */
void flo__tree_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq,
		   struct flo__admission *admission, struct flo__result *ret);

/*
 * Run the pipeline that node @id is, once, in @frame, for @timeout_ns at most
 * (0: that is not limited here). @passed: see FLO__RECORDED_PASSED; @tried:
 * the attempts that this is one of, or NULL. Returns false where it cannot
 * begin: then *@ret tells why, and nothing within has its state yet.
 */
bool flo__tree_call(struct flo__frame *frame, uint32_t id, const char *path,
		    flo_context *ctx, uint64_t need_seq, uint64_t timeout_ns,
		    bool passed, struct flo__tried *tried,
		    struct flo__admission *admission, struct flo__result *ret);

/* Run the whole plan, except for its output, in @root (which has results). */
void flo__tree_run_root(struct flo__frame *root, flo_context *ctx,
			struct flo__result *ret);

/* Give node @id and all below it, none of which ran, the state @state. @frame
 * is the one that it would have run in, or one around. */
void flo__tree_settle(struct flo__frame *frame, uint32_t id, const char *path,
		      enum flo__state state);

/* The same for what is in the body of a block that has begun, which has a
 * finally still to come. */
void flo__tree_settle_body(struct flo__frame *frame, uint32_t id,
			   const char *path, enum flo__state state);
/* The same for all there is in a block: body and finally. */
void flo__tree_settle_children(struct flo__frame *frame, uint32_t id,
			       const char *path, enum flo__state state);

/* A path under @parent: "a.b"; the root's children are "a". */
char *flo__path_child(const char *parent, const char *name);
char *flo__path_item(const char *path, uint64_t index);

/* Whether @result of node @id is an error of its block, before tolerance. */
bool flo__tree_fails(const struct flo__run *run, uint32_t id,
		     const struct flo__result *result);

/* Whether @error tells of a time limit that ended. */
bool flo__tree_is_limit(const flo_value *error);
/*
 * A leaf in @frame was cancelled, as its event tells: if a time limit did it,
 * the block around whose limit it was keeps that in mind.
 */
void flo__tree_cut(struct flo__frame *frame, const struct flo__result *result);
/*
 * Something in @frame did not start because @ctx has ended, if it has: the same
 * for what has no event.
 */
void flo__tree_kept(struct flo__frame *frame, flo_context *ctx);

/* The failures a block tolerates, out of @n children. */
flo_status flo__tree_tolerance(struct flo__frame *frame, uint32_t id,
			       uint64_t n, flo_error *err, uint64_t *ret);

/* Make @ret's error @error (a reference is taken) if it is the earliest. */
void flo__result_fail(struct flo__result *ret, const flo_value *error,
		      uint64_t seq);

/* Take into a block's result that @child has not ended, or was cancelled (then
 * the first to say why is the block's error, until judged). */
void flo__result_unended(struct flo__result *ret,
			 const struct flo__result *child);

/* A failure of the block's own, not of a child: an expression, a limit, memory. */
void flo__tree_fail(struct flo__run *run, const char *path, const char *kind,
		    const char *message, struct flo__result *ret);

/* sequence.c: a sequence in its own @frame. The rest as flo__crew_run(). */
void flo__sequence_run(struct flo__frame *frame, uint32_t id, const char *path,
		       flo_context *ctx, uint64_t need_seq, bool passed,
		       struct flo__admission *admission,
		       struct flo__result *ret);

/* crew.c: a group or foreach; fills state, output and error of *@ret. @passed:
 * see FLO__RECORDED_PASSED. @admission: as flo__tree_run(). */
void flo__crew_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq, bool passed,
		   struct flo__admission *admission, struct flo__result *ret);

/* items.c */

/* What a foreach goes over. Constant once it is made. */
struct flo__items {
	uint64_t len;
	flo_value *list; /* owned; of a matrix what it includes, or NULL */
	const struct flo__matrix *matrix; /* NULL: the list is all there is */
	flo_value **axes;		  /* owned lists */
	uint64_t product;		  /* combinations before the list */
	uint32_t *kept; /* owned: which they are; NULL: all in order */
};

/* Evaluate the items of @block in @frame. FLO_TYPE, FLO_LIMIT, ... */
flo_status flo__items_init(struct flo__items *items, struct flo__frame *frame,
			   const struct flo__block *block, flo_error *err);
/* Free what is left of it; one that is all zero has nothing. */
void flo__items_fini(struct flo__items *items);
/* Item @i, a reference that the caller owns. NULL without memory. */
flo_value *flo__items_at(const struct flo__items *items, uint64_t i);

/* nested.c */

/* A pipeline that is tried again, over all its attempts. */
struct flo__tried {
	struct flo__tried *outer; /* the next one around it; NULL: none */
	/* The attempt began in this engine. Written between attempts. */
	bool anew;
	/* Leaves of this attempt; relaxed, read when it has ended. */
	_Atomic(uint64_t) counts[FLO__STATES];
	/* Of the outermost, by lock: attempts of steps within, by path. */
	flo_mutex lock;
	struct flo__arena keys;
	struct flo__map past;
};

/* What a pipeline within the pipeline has of its own. Constant but for its
 * slots; outlives all that runs inside. */
struct flo__nested {
	struct flo__frame frame; /* first: the one is cast to the other */
	const struct flo__call *call;
	struct flo__tried *tried; /* that it is, or is within; NULL: none */
	bool anew;	   /* what was recorded is of attempts that are over */
	flo_value *params; /* owned */
	flo_value *env;	   /* owned: a map of strings */
	bool limited;
	flo_sem slots; /* of its leaves, if it is limited */
};

/*
 * Begin the pipeline that node @id is: compute what it is given in @outer.
 * *@timeout_ns (0: none) becomes its own limit where that is shorter. @tried:
 * the attempts that this is one of, or NULL. NULL when it cannot begin, which *@ret tells of then.
 */
struct flo__nested *
flo__nested_new(struct flo__frame *outer, uint32_t id, const char *path,
		struct flo__admission *admission, uint64_t *timeout_ns,
		struct flo__tried *tried, struct flo__result *ret);
void flo__nested_free(struct flo__nested *nested);
/* Compute its output, in @frame, if it has succeeded. */
void flo__nested_output(struct flo__frame *frame, uint32_t id, const char *path,
			struct flo__admission *admission,
			struct flo__result *ret);
/* The pipeline that @frame is in, or NULL: it is the run's own. */
struct flo__nested *flo__nested_of(struct flo__frame *frame);

/*
 * Slots of leaves: one of each pipeline around that has a limit, from the
 * inside to the outside, and last the run's. All take them in this order, after
 * the slot of a group, so those who wait hold nothing that others wait for in
 * turn. Whether leaf @id needs any.
 */
bool flo__slots_needed(struct flo__frame *frame, uint32_t id);
/* Park until it has all of them; @front: before others. If @ctx ends it has
 * none, and why is returned. */
flo_status flo__slots_take(struct flo__frame *frame, uint32_t id,
			   flo_context *ctx, bool front);
void flo__slots_give(struct flo__frame *frame, uint32_t id);

/* again.c */

/*
 * Run the pipeline that node @id is, as flo__tree_call(), until an attempt is
 * the last one by what its `retry` says. Parks between attempts.
 */
bool flo__again_run(struct flo__frame *frame, uint32_t id, const char *path,
		    flo_context *ctx, uint64_t need_seq, uint64_t timeout_ns,
		    bool passed, struct flo__admission *admission,
		    struct flo__result *ret);
/* How many attempts of @path, which is in @frame, there were in earlier
 * attempts of a pipeline around; 0 where none is tried again. */
uint32_t flo__past_attempts(struct flo__frame *frame, const char *path);
/* The attempt @number of @path begins, or is over. FLO_NOMEM: the run is
 * broken by that. */
flo_status flo__past_note(struct flo__frame *frame, const char *path,
			  uint32_t number);
/* Count the end of a leaf in @frame. */
void flo__run_count(struct flo__frame *frame, enum flo__state state,
		    uint64_t n);

/* tally.c */

/* Of more errors than this a block lists the first ones, and says how many
 * there are: its error is in events, which have a bound. */
#define FLO__ERRORS_LISTED 1000

struct flo__failures {
	struct flo__failure *heap; /* owned; the latest on top */
	size_t len, cap;
};

/* The failures of a block. All zero but its tolerance at first; by whatever
 * guards the block's result. */
struct flo__tally {
	uint64_t tolerance;
	bool exceeded;		     /* there were more */
	struct flo__failures first;  /* those that decide about the error */
	struct flo__failures listed; /* those that it lists */
	uint64_t total, beside;	     /* of those that count, and others */
};

/* Count the failure of @child. Returns whether there are more than tolerated;
 * then the first one beyond is @ret's error. */
bool flo__tally_add(struct flo__tally *tally, const struct flo__result *child,
		    struct flo__result *ret);
/* Note what failed in @child, if it was cancelled. */
void flo__tally_beside(struct flo__tally *tally,
		       const struct flo__result *child);
/* After the last child: list what has failed in @ret. Nothing is counted after
 * that. */
void flo__tally_finish(struct flo__tally *tally, struct flo__result *ret);
/* Add an error, or each of a list, to @errors as far as there is room; NULL is
 * none. FLO_NOMEM. */
flo_status flo__errors_add(flo_value *errors, const flo_value *what);
void flo__tally_fini(struct flo__tally *tally);

/* limit.c; flo__tree_is_limit(), flo__tree_cut() and flo__tree_kept() too */

#define FLO__LIMIT_TEXT_SIZE 256

/* What a context says that ended by the time limit of @path: of blocks around
 * one another no two have the same. */
void flo__limit_text(uint64_t timeout_ns, const char *path,
		     char text[FLO__LIMIT_TEXT_SIZE]);
/* Whether @message, which an earlier version may have recorded, tells of
 * @limit, which flo__limit_text() has made. */
bool flo__limit_is(const char *limit, const char *message);
/*
 * The context that the body of block @path in @frame runs in: a child of
 * @parent with @left_ns of its limit (@timeout_ns; 0: none), or one that has
 * ended where the record says that it had run out of time. NULL: no memory.
 */
flo_context *flo__limit_context(const struct flo__frame *frame,
				const char *path, flo_context *parent,
				uint64_t timeout_ns, uint64_t left_ns,
				const struct flo__result *ret);
/*
 * Tell why a body without a failure of its own did not succeed. Returns
 * whether it was its time limit, and nothing in it has an event that says so.
 */
bool flo__limit_judge_end(struct flo__run *run, const char *path,
			  flo_context *parent, flo_context *ctx,
			  uint64_t timeout_ns, struct flo__result *ret);
/* The same for the body of a block, which fails by it, and records it if need
 * be. */
void flo__limit_judge(struct flo__frame *frame, const char *path,
		      flo_context *parent, flo_context *ctx,
		      uint64_t timeout_ns, struct flo__admission *admission,
		      struct flo__result *ret);

/* block.c */

/* Whether the record says that the block at @path was skipped. */
bool flo__block_skipped(struct flo__frame *frame, const char *path);
/* Record that it is, unless that is recorded; fills *@ret. */
void flo__block_skip(struct flo__frame *frame, const char *path,
		     struct flo__result *ret);
/*
 * Record that the block at @path has failed of itself, because something in it
 * cannot be computed, unless that is recorded. @admission: of the member that
 * it is; NULL: of none. Makes that *@ret's error. Records nothing of what is
 * tried again (ret->tried).
 */
void flo__block_fail(struct flo__frame *frame, const char *path,
		     const char *message, struct flo__admission *admission,
		     struct flo__result *ret);
/*
 * The same because of its time limit, of which @message tells, where nothing in
 * it has an event that does.
 */
void flo__block_out_of_time(struct flo__frame *frame, const char *path,
			    const char *message,
			    struct flo__admission *admission,
			    struct flo__result *ret);
/* What the record says of that; NULL: nothing. */
const struct flo__preset *flo__block_was_out(struct flo__frame *frame,
					     const char *path,
					     const char *message);
/* Make @ret's error tell of the others, if there are any. */
void flo__block_errors(struct flo__result *ret);
/* Take in that the finally of @ret has failed as @last says: beside the body's
 * error, or, where there is none, as the block's. */
void flo__block_finally_failed(struct flo__result *ret,
			       const struct flo__result *last);

/* leaf.c */
void flo__leaf_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq,
		   struct flo__admission *admission, struct flo__result *ret);
/*
 * Record the first start of a leaf, for its crew, so that starts are in the
 * crew's order. Does nothing where it is not to start now: when its `when` is
 * not true, or an earlier engine knew it.
 */
void flo__leaf_announce(struct flo__frame *frame, uint32_t id, const char *path,
			flo_context *ctx, struct flo__admission *admission);
/* Whether leaf @id takes one of the run's slots. */
bool flo__leaf_needs_slot(const struct flo__run *run, uint32_t id);

/* retry.c */

/* Of what has just failed. All is borrowed. */
struct flo__tries {
	struct flo__frame *frame;	/* where its expressions are computed */
	const struct flo__retry *retry; /* NULL: it is not tried again */
	flo_context *ctx;		/* around all attempts */
	uint32_t number;		/* of the attempt that failed */
	uint32_t counted; /* attempts that count against `limit` */
};

/* Whether there is to be another attempt after that of @ret. An expression
 * that fails says no and stands beside the error it was asked about. */
bool flo__retry_wanted(const struct flo__tries *tries, struct flo__result *ret);
/* How long to wait before it, after @tries attempts (not 0). */
uint64_t flo__retry_delay_ns(const struct flo__retry *retry, uint32_t tries);
/* Random bits, not all of them 0: W3C forbids that for spans. A simulation
 * draws them from its seed. */
uint64_t flo__run_random_id(void);

/* attempt.c */

struct flo__attempt {
	struct flo__frame *frame;
	uint32_t node;
	const char *path;
	uint32_t number;
	uint64_t start_seq;
	uint64_t span_id;
	flo_context *ctx; /* of this attempt, with its time limit */
	/* out */
	int32_t pid;
	int32_t exit_code;
	int32_t signal;
	bool fault; /* it failed by a contained fault, and @signal was it */
	flo_value *output;
	flo_value *error; /* when it failed */
};

/* FLO_OK, FLO_CANCELED, FLO_TIMEOUT (the context ended), or any failure. */
flo_status flo__attempt_run(struct flo__attempt *attempt);

/* scope.c */

/* Evaluate in @frame. @attempt: the map `step` of retry.when, or NULL. */
flo_status flo__scope_eval(struct flo__frame *frame,
			   const struct flo__expr *expr,
			   const flo_value *attempt, flo_error *err,
			   flo_value **ret_value);
/* Evaluate to a bool; anything else is FLO_TYPE. */
flo_status flo__scope_bool(struct flo__frame *frame,
			   const struct flo__expr *expr,
			   const flo_value *attempt, flo_error *err,
			   bool *ret_bool);
/* Evaluate to text as templates render it. */
flo_status flo__scope_text(struct flo__frame *frame,
			   const struct flo__expr *expr, flo_error *err,
			   struct flo__strbuf *sb);
/* Evaluate entries of an `env` to a map of strings. */
flo_status flo__scope_env(struct flo__frame *frame,
			  const struct flo__env_entry *entries, uint32_t n,
			  flo_error *err, flo_value **ret_env);
/* A number: flo__number_read(); 0: none is given. */
flo_status flo__scope_number(struct flo__frame *frame,
			     const struct flo__number *number,
			     enum flo__number_kind kind, flo_error *err,
			     uint64_t *ret);
/* A limit: at least 1 where it is computed; 0: none is given. */
flo_status flo__scope_limit(struct flo__frame *frame,
			    const struct flo__number *number, flo_error *err,
			    uint64_t *ret);

/* secret.c */

/*
 * Read the secrets of the run, once, before anything of it runs. In an
 * inspection their values are "***". Parks; programs run one after the other,
 * each for 30 s at most. FLO_CANCELED, FLO_TIMEOUT: the run's context ended;
 * else why it is not to be had, in which nothing of any value is.
 */
flo_status flo__run_secrets(struct flo__run *run, flo_error *err);
/* Forget them. */
void flo__run_secrets_fini(struct flo__run *run);
/*
 * *@value (owned; NULL: nothing happens) becomes one in which nothing is to be
 * hidden. FLO_NOMEM: then it is NULL.
 */
flo_status flo__run_hide(const struct flo__run *run, flo_value **value);
/* Append an error's text to @sb, with secrets hidden, and also the beginning of
 * one that was quoted in part: see flo__mask_quoting(). */
void flo__run_hide_text(const struct flo__run *run, const char *text,
			struct flo__strbuf *sb);
/* Overwrite the strings of a map that nobody else reads, and give it back. */
void flo__run_wipe_map(flo_value *map);
/* Overwrite @len bytes in which secrets may be; does nothing without any. */
void flo__run_wipe(const struct flo__run *run, void *mem, size_t len);

/* preset.c */

/*
 * What the record says of @path, which is a child of @frame's or the block that
 * it is of. Nothing (NULL), where @frame is in an attempt of a pipeline that
 * began in this engine, and where only earlier attempts of it are recorded.
 */
const struct flo__preset *flo__preset_find(struct flo__frame *frame,
					   const char *path);
const struct flo__poison *flo__preset_poison(struct flo__frame *frame,
					     const char *path);
/* How many attempts of @path there are in the whole record. */
uint32_t flo__preset_attempts(const struct flo__run *run, const char *path);
/* Whether anything within the block @id at @path has an event. */
flo_status flo__preset_inside(const struct flo__run *run, uint32_t id,
			      const char *path, bool *ret_yes);
/* For an inspection: what earlier attempts of what is around have left of the
 * step at @path, which has not begun in this one. */
void flo__past_show(const struct flo__run *run, const char *path,
		    struct flo__result *ret);
/*
 * What the record says of @n children of block @id at @path, or *@ret NULL if
 * there is no record. @passed: the block itself is FLO__RECORDED_PASSED.
 * The caller frees *@ret. FLO_NOMEM.
 */
flo_status flo__preset_recorded(struct flo__frame *frame, uint32_t id,
				const char *path, uint64_t n, bool passed,
				uint8_t **ret);
/* Take in @event as if it had been read back. FLO_CORRUPT, FLO_NOMEM. */
flo_status flo__preset_take(struct flo__run *run,
			    const struct flo__event *event, flo_error *err);
/* How many instances of the foreach at @path may have begun. */
uint64_t flo__preset_items(const struct flo__run *run, const char *path);
/* The node that @path means; FLO__NODE_NONE if there is none. */
uint32_t flo__preset_resolve(const struct flo__plan *plan, const char *path);
/* The last word on a step: @event. */
void flo__preset_ended(struct flo__preset *preset,
		       const struct flo__event *event);
/* Carry the failure of the step at @path outwards as far as it counts. */
flo_status flo__preset_spread(struct flo__run *run, const char *path);
void flo__preset_fini(struct flo__run *run);

/* rerun.c */

/* Whether the walk goes over what is recorded: of a run that was resumed, that
 * takes steps over from another one, or is only looked at. */
bool flo__run_replays(const struct flo__run *run);
/* Record what is to be taken over and is not recorded yet. */
void flo__run_record_reused(struct flo__run *run);
void flo__rerun_fini(struct flo__run *run);

/* choose.c */

/* The steps whose ends a rerun takes over: paths of @old's presets, in the
 * order in which they ended. */
struct flo__chosen {
	const char **paths; /* owned, of borrowed strings of @old's */
	size_t len, cap;
};

/*
 * Choose what of @old, which has ended, is taken over by a rerun as @what says.
 * Walks over all of @old, which is an inspection after that. In a coroutine.
 * FLO_NOTFOUND: there is no step @what->from, but perhaps one like it.
 */
flo_status flo__run_choose(struct flo__run *old, const struct flo__rerun *what,
			   flo_error *err, struct flo__chosen *ret);

/* Cut the last part off @path: "a[2].b" -> "a[2]" -> "a" -> "". False if there
 * is none. */
bool flo__path_cut(char *path);

/* spent.c */

/* Take in the date of an event that was recorded. FLO_NOMEM. */
flo_status flo__spent_note(struct flo__run *run,
			   const struct flo__event *event);
/* After the last one. FLO_NOMEM. */
flo_status flo__spent_done(struct flo__run *run);
/* The block at @path is tried again: its time begins anew. */
void flo__spent_forget(struct flo__run *run, const char *path);
/* What is left of the limit of the block at @path, which begins in @frame; of
 * that of the run. All of it where nothing of it was recorded. */
uint64_t flo__spent_left(struct flo__frame *frame, const char *path,
			 uint64_t limit_ns);
uint64_t flo__spent_left_of_run(const struct flo__run *run, uint64_t limit_ns);
void flo__spent_fini(struct flo__run *run);
/* How long a step that was in back-off has yet to wait. */
uint64_t flo__retry_left_ns(const struct flo__run *run,
			    const struct flo__preset *preset);

/* lost.c */
/*
 * End what engines before have left alive of the run's programs: mostly their
 * minders have done so, or are about to. All of the run's, for a program may
 * have begun of which nothing is on record. Blocks for some milliseconds, or
 * two seconds where something cannot be killed.
 */
void flo__run_end_left(struct flo__run *run);
/* Record what became of the attempts that a crash ended, in the order of their
 * paths' starts. */
void flo__run_record_lost(struct flo__run *run);

/* failure.c */

/* The map {"kind","path","message","cause","stderr_tail"}; NULL for nothing.
 * NULL when out of memory. */
flo_value *flo__failure(const char *kind, const char *path, const char *message,
			const char *cause, const char *stderr_tail);
/* @error with "; @what: @why" after its message. NULL when out of memory. */
flo_value *flo__failure_add(const flo_value *error, const char *what,
			    const char *why);
/* What a list of errors holds of @error: kind, path and message. */
flo_value *flo__failure_brief(const flo_value *error);
/* The kind that a status has in an error object. */
const char *flo__failure_kind(flo_status status);

#endif

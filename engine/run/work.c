/*
 * What an attempt is furnished with: directory, environment, grace period.
 *
 * Both are inherited along the frames, from the pipeline inwards: a node's own
 * word is the last. Later environment entries win.
 */
#include "engine/run/attempt_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The nodes from the leaf outwards, through foreach bodies and finallies. */
static const struct flo__attrs *attrs_of(const struct flo__work *w, uint32_t id)
{
	const struct flo__plan *plan = w->attempt->frame->run->plan;

	return &plan->attrs[plan->nodes[id].attrs];
}

static uint32_t outer_of(const struct flo__work *w, uint32_t id)
{
	return w->attempt->frame->run->plan->nodes[id].parent;
}

/* The pipeline that node @id is, or NULL. */
static const struct flo__call *call_of(const struct flo__work *w, uint32_t id)
{
	const struct flo__plan *plan = w->attempt->frame->run->plan;
	const struct flo__node *node = &plan->nodes[id];

	return flo__node_is_block(node) ? plan->blocks[node->spec].call : NULL;
}

static const struct flo__attrs *defaults_of(const struct flo__work *w,
					    const struct flo__call *call)
{
	return &w->attempt->frame->run->plan->attrs[call->attrs];
}

uint64_t flo__work_grace(const struct flo__work *w)
{
	for (uint32_t id = w->attempt->node; id != FLO__NODE_NONE;
	     id = outer_of(w, id)) {
		const struct flo__call *call = call_of(w, id);

		if (call != NULL &&
		    defaults_of(w, call)->grace_ns != UINT64_MAX)
			return defaults_of(w, call)->grace_ns;
		if (attrs_of(w, id)->grace_ns != UINT64_MAX)
			return attrs_of(w, id)->grace_ns;
	}
	return UINT64_C(10000000000);
}

/* A `dir`, where it is evaluated, and where it starts if it is relative. */
struct place {
	const struct flo__expr *dir; /* NULL: the start itself */
	struct flo__frame *frame;
	const char *start;
};

static const char *start_of(const struct flo__run *run,
			    struct flo__frame *frame)
{
	const struct flo__nested *nested = flo__nested_of(frame);

	return nested != NULL ? nested->call->dir : run->record.dir;
}

/*
 * The nearest `dir`. A pipeline within the pipeline looks no further than to
 * the step that it is: without a word of that it stands in its own directory.
 */
static struct place find_dir(const struct flo__work *w)
{
	const struct flo__run *run = w->attempt->frame->run;
	struct flo__frame *frame = w->attempt->frame;
	struct place place = {.frame = frame, .start = start_of(run, frame)};
	const struct flo__call *call = NULL;

	for (uint32_t id = w->attempt->node;
	     id != FLO__NODE_NONE && place.dir == NULL && call == NULL;
	     id = outer_of(w, id)) {
		call = call_of(w, id);
		place.dir = call != NULL ? defaults_of(w, call)->dir
					 : attrs_of(w, id)->dir;
		if (call == NULL || place.dir != NULL ||
		    attrs_of(w, id)->dir == NULL)
			continue;
		place.dir = attrs_of(w, id)->dir;
		place.frame = flo__nested_of(frame)->frame.parent;
		place.start = start_of(run, place.frame);
	}
	return place;
}

flo_status flo__work_dir(struct flo__work *w, flo_error *err)
{
	struct place place = find_dir(w);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st = FLO_OK;

	if (place.dir != NULL)
		st = flo__scope_text(place.frame, place.dir, err, &sb);
	if (st == FLO_OK && strlen(sb.data) != sb.len)
		st = flo_error_set(err, FLO_INVALID,
				   "the value has a NUL byte in it");
	if (st != FLO_OK) {
		flo_error_prefix(err, "dir");
		flo__strbuf_fini(&sb);
		return st;
	}
	if (sb.data[0] != '/') {
		flo__strbuf_adds(&w->dir, place.start);
		if (sb.len > 0)
			flo__strbuf_addc(&w->dir, '/');
	}
	flo__strbuf_add(&w->dir, sb.data, sb.len);
	flo__strbuf_fini(&sb);
	if (flo__strbuf_status(&w->dir) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

/* ---- environment ---- */

static bool same_name(const char *entry, const char *name, size_t len)
{
	return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

static flo_status grow(struct flo__work *w, size_t want)
{
	char **env;
	bool *owned;

	if (want <= w->env_cap)
		return FLO_OK;
	env = flo__reallocarray(w->env, want + 1, sizeof(*env));
	if (env == NULL)
		return FLO_NOMEM;
	w->env = env;
	owned = flo__reallocarray(w->env_owned, want, sizeof(*owned));
	if (owned == NULL)
		return FLO_NOMEM;
	w->env_owned = owned;
	w->env_cap = want;
	return FLO_OK;
}

/* Add @entry ("NAME=value"; taken), in place of one with its name. */
static flo_status env_put(struct flo__work *w, char *entry)
{
	size_t name_len, i;

	if (entry == NULL)
		return FLO_NOMEM;
	name_len = strcspn(entry, "=");
	for (i = 0; i < w->env_len; i++) {
		if (same_name(w->env[i], entry, name_len))
			break;
	}
	if (i == w->env_len) {
		if (w->env_len == w->env_cap &&
		    grow(w, w->env_cap + 16) != FLO_OK) {
			flo__free(entry);
			return FLO_NOMEM;
		}
		w->env_len++;
		w->env[w->env_len] = NULL;
	} else if (w->env_owned[i]) {
		flo__free(w->env[i]);
	}
	w->env[i] = entry;
	w->env_owned[i] = true;
	return FLO_OK;
}

static flo_status env_putf(struct flo__work *w, const char *format, ...)
	FLO_PRINTF(2, 3);
static flo_status env_putf(struct flo__work *w, const char *format, ...)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	va_list args;

	va_start(args, format);
	flo__strbuf_addv(&sb, format, args);
	va_end(args);
	return env_put(w, flo__strbuf_take(&sb));
}

/* The entries of one node, evaluated in @frame. */
static flo_status env_entries(struct flo__work *w, struct flo__frame *frame,
			      const struct flo__env_entry *entries, uint32_t n,
			      flo_error *err)
{
	for (uint32_t i = 0; i < n; i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_status st;

		flo__strbuf_addf(&sb, "%s=", entries[i].name);
		st = flo__scope_text(frame, entries[i].value, err, &sb);
		if (st == FLO_OK && strlen(sb.data) != sb.len)
			st = flo_error_set(err, FLO_INVALID,
					   "the value has a NUL byte in it");
		if (st != FLO_OK) {
			flo_error_prefix(err, "env %s", entries[i].name);
			flo__strbuf_fini(&sb);
			return st;
		}
		if (env_put(w, flo__strbuf_take(&sb)) != FLO_OK)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	return FLO_OK;
}

/* A pipeline's own env, which was evaluated when it began. */
static flo_status env_pipeline(struct flo__work *w, const flo_value *env)
{
	for (size_t i = 0; env != NULL && i < flo_value_len(env); i++) {
		const flo_value *key;
		const flo_value *value = flo_value_map_at(env, i, &key);
		flo_status st =
			env_putf(w, "%s=%s", flo_value_get_string(key, NULL),
				 flo_value_get_string(value, NULL));

		if (st != FLO_OK)
			return st;
	}
	return FLO_OK;
}

/* One of those whose env a leaf inherits. */
struct env_source {
	struct flo__frame *frame; /* where it is evaluated */
	const struct flo__attrs *attrs;
	const flo_value *own; /* a pipeline's, which comes before; or NULL */
};

/* A foreach and its body are two nodes a level; so is a finally. A pipeline
 * has its step's and its own. */
#define ENV_SOURCES_MAX (4 * FLO__PLAN_DEPTH_MAX + 4)

/* Those from the leaf outwards. */
static size_t env_sources(struct flo__work *w,
			  struct env_source sources[ENV_SOURCES_MAX])
{
	struct flo__frame *frame = w->attempt->frame;
	size_t n = 0;

	for (uint32_t id = w->attempt->node; id != FLO__NODE_NONE;
	     id = outer_of(w, id)) {
		const struct flo__call *call = call_of(w, id);

		INSIST(n + 2 <= ENV_SOURCES_MAX);
		if (call != NULL) {
			struct flo__nested *nested = flo__nested_of(frame);

			sources[n++] =
				(struct env_source){frame, defaults_of(w, call),
						    nested->env};
			frame = nested->frame.parent;
		}
		if (attrs_of(w, id)->env_len > 0)
			sources[n++] =
				(struct env_source){frame, attrs_of(w, id),
						    NULL};
	}
	return n;
}

/* Blocks from the outermost to the leaf itself. */
static flo_status env_nodes(struct flo__work *w, flo_error *err)
{
	struct env_source sources[ENV_SOURCES_MAX];
	size_t n = env_sources(w, sources);
	flo_status st = FLO_OK;

	while (n > 0 && st == FLO_OK) {
		const struct env_source *s = &sources[--n];

		st = env_pipeline(w, s->own);
		if (st == FLO_OK)
			st = env_entries(w, s->frame, s->attrs->env,
					 s->attrs->env_len, err);
	}
	return st;
}

static flo_status env_flow(struct flo__work *w, const char *workdir)
{
	const struct flo__attempt *a = w->attempt;
	const struct flo__run *run = a->frame->run;
	flo_status st;

	flo__strbuf_reset(&w->output_path);
	flo__strbuf_addf(&w->output_path, "%s/.output-%" PRIu64, workdir,
			 a->start_seq);
	TRY(flo__strbuf_status(&w->output_path));
	TRY(env_putf(w, "FLOW_RUN_ID=%s", run->record.id));
	TRY(env_putf(w, "FLOW_STEP=%s", a->path));
	TRY(env_putf(w, "FLOW_ATTEMPT=%" PRIu32, a->number));
	TRY(env_putf(w, "FLOW_OUTPUT=%s", w->output_path.data));
	TRY(env_putf(w, "FLOW_WORKDIR=%s", workdir));
	TRY(env_putf(w, "FLOW_IDEMPOTENCY_KEY=%s", w->key.data));
	TRY(env_putf(w, "TRACEPARENT=00-%s-%016" PRIx64 "-01",
		     run->record.trace_id, a->span_id));
	TRY(env_putf(w, "PWD=%s", w->dir.data));
out:
	return st;
}

flo_status flo__work_env(struct flo__work *w, flo_error *err)
{
	struct flo__run *run = w->attempt->frame->run;
	struct flo__strbuf workdir = FLO__STRBUF_INIT;
	size_t inherited = 0;
	flo_status st;

	while (run->deps.environ_ != NULL &&
	       run->deps.environ_[inherited] != NULL)
		inherited++;
	TRY(flo__run_workdir(run, &workdir, err));
	TRY(grow(w, inherited + 32));
	for (; w->env_len < inherited; w->env_len++) {
		/* Borrowed: never written, freed by nobody here. */
		w->env[w->env_len] = (char *)run->deps.environ_[w->env_len];
		w->env_owned[w->env_len] = false;
	}
	w->env[w->env_len] = NULL;
	TRY(env_pipeline(w, run->env));
	TRY(env_nodes(w, err));
	TRY(env_flow(w, workdir.data));
out:
	flo__strbuf_fini(&workdir);
	if (st == FLO_OK)
		return FLO_OK;
	/* Or a native step that goes on would find half of it. */
	flo__work_env_free(w);
	return flo_error_set(err, st, "out of memory");
}

void flo__work_env_free(struct flo__work *w)
{
	for (size_t i = 0; i < w->env_len; i++) {
		if (w->env_owned[i])
			flo__free(w->env[i]);
	}
	flo__free(w->env);
	flo__free(w->env_owned);
	w->env = NULL;
	w->env_owned = NULL;
	w->env_len = w->env_cap = 0;
}

/* Pipelines as an embedder sees them; expressions on their own. */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "json/json_p.h"
#include "steps/steps.h"

#include <stdlib.h>
#include <string.h>

/* ---- step types ---- */

static const flo_step_type *type_at(const struct flo__registry *registry,
				    size_t i)
{
	const struct flo__types *types = (const struct flo__types *)registry;
	size_t builtin_len;
	const flo_step_type *const *builtin = flo__builtin_steps(&builtin_len);

	if (i < builtin_len)
		return builtin[i];
	i -= builtin_len;
	return i < types->extra_len ? types->extra[i] : NULL;
}

static const flo_step_type *type_find(const struct flo__registry *registry,
				      const char *name, size_t len)
{
	const flo_step_type *type;

	for (size_t i = 0; (type = type_at(registry, i)) != NULL; i++) {
		if (strlen(type->name) == len &&
		    memcmp(type->name, name, len) == 0)
			return type;
	}
	return NULL;
}

void flo__types_init(struct flo__types *types)
{
	*types = (struct flo__types){.head = {type_find, type_at}};
}

void flo__types_fini(struct flo__types *types)
{
	flo__free(types->extra);
	types->extra = NULL;
	types->extra_len = 0;
}

flo_status flo_engine_register_step(flo_engine *engine,
				    const flo_step_type *type, flo_error *err)
{
	struct flo__types *types = &engine->types;
	const flo_step_type **extra;
	flo_status st;

	if (type_find(&types->head, type->name, strlen(type->name)) != NULL)
		return flo_error_set(err, FLO_EXISTS,
				     "step type \"%s\" is registered already",
				     type->name);
	if ((unsigned)type->isolation > FLO_ISOLATION_PROCESS)
		return flo_error_set(err, FLO_INVALID,
				     "step type \"%s\": there is no isolation "
				     "%d",
				     type->name, (int)type->isolation);
	st = flo__arguments_declared(type, err);
	if (st != FLO_OK)
		return st;
	extra = flo__reallocarray(types->extra, types->extra_len + 1,
				  sizeof(*extra));
	if (extra == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	extra[types->extra_len++] = type;
	types->extra = extra;
	return FLO_OK;
}

/* ---- pipelines ---- */

flo_status flo_pipeline_load(flo_engine *engine, const char *text, size_t len,
			     const char *file, flo_diagnostic_fn fn, void *arg,
			     flo_error *err, flo_pipeline **ret_pipeline)
{
	struct flo__types builtin;
	struct flo__dsl_options options = {
		.file = file,
		.registry =
			engine != NULL ? &engine->types.head : &builtin.head,
		.fn = fn,
		.arg = arg,
	};
	flo_pipeline *pipeline = flo__calloc(1, sizeof(*pipeline));
	struct flo__strbuf pinned = FLO__STRBUF_INIT;
	flo_status st = FLO_NOMEM;

	flo__json_guard_install();
	flo__types_init(&builtin);
	if (pipeline == NULL) {
		flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(flo__dsl_compile(text, len, &options, err, &pipeline->plan));
	flo__dsl_pin(pipeline->plan, text, len, &pinned);
	st = flo__strbuf_status(&pinned);
	pipeline->len = pinned.len;
	pipeline->text = st == FLO_OK ? flo__strbuf_take(&pinned) : NULL;
	if (pipeline->text == NULL)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
out:
	flo__strbuf_fini(&pinned);
	if (st == FLO_OK)
		*ret_pipeline = pipeline;
	else
		flo_pipeline_free(pipeline);
	return st;
}

void flo_pipeline_free(flo_pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	if (pipeline->plan != NULL)
		pipeline->plan->free(pipeline->plan);
	flo__free(pipeline->text);
	flo__free(pipeline);
}

const char *flo_pipeline_name(const flo_pipeline *pipeline)
{
	return pipeline->plan->name;
}

flo_status flo_pipeline_param(const flo_pipeline *pipeline, const char *name,
			      const char *text, flo_value *params,
			      flo_error *err)
{
	flo_value *value = NULL;
	flo_status st = flo__dsl_param(pipeline->plan, name, text, err, &value);

	if (st != FLO_OK)
		return st;
	st = flo_value_map_set(params, name, value);
	if (st == FLO_EXISTS)
		return flo_error_set(err, st, "param \"%s\" is given twice",
				     name);
	return st == FLO_OK ? st : flo_error_set(err, st, "out of memory");
}

flo_status flo_pipeline_schema(const flo_engine *engine, char **ret_text)
{
	struct flo__types builtin;
	size_t len;

	flo__types_init(&builtin);
	return flo__dsl_schema(engine != NULL ? &engine->types.head
					      : &builtin.head,
			       &len, ret_text);
}

flo_status flo_eval(const char *expr, size_t len, const flo_value *vars,
		    flo_error *err, flo_value **ret_value)
{
	flo__json_guard_install();
	return flo__dsl_eval(expr, len, vars, err, ret_value);
}

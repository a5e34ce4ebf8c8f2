#include "dsl/outline_p.h"

static uint32_t top(struct flo__outline *o, const char *name)
{
	return flo__doc_get(o->doc, 0, name);
}

/* Where the value of a param comes from. */
static const char *origin_of(const struct flo__outline *o,
			     const struct flo__param *param,
			     const flo_value *value)
{
	if (value == NULL)
		return "missing";
	if (flo_value_map_get(o->options->params, param->name) != NULL)
		return "given";
	return param->default_ != NULL ? "default" : "none";
}

static flo_value *param_value(struct flo__outline *o,
			      const struct flo__param *param)
{
	const flo_value *value =
		flo_value_map_get(o->known.units[0].params, param->name);
	flo_value *map = flo_value_map(4);

	flo__outline_put(o, map, "name", flo_value_string(param->name));
	flo__outline_put(o, map, "type",
			 flo_value_string(flo__param_type_text(param->type)));
	if (value != NULL)
		flo__outline_put(o, map, "value", flo_value_ref(value));
	flo__outline_put(o, map, "origin",
			 flo_value_string(origin_of(o, param, value)));
	return map;
}

static flo_value *params_value(struct flo__outline *o)
{
	const struct flo__params *params =
		&((const struct flo__dsl_plan *)o->plan)->params;
	flo_value *list = flo_value_list(params->len);

	for (uint32_t i = 0; i < params->len && o->st == FLO_OK; i++) {
		flo_value *map = param_value(o, &params->list[i]);

		if (list == NULL)
			o->st = FLO_NOMEM;
		if (o->st != FLO_OK)
			flo_value_unref(map);
		else
			o->st = flo_value_list_add(list, map);
	}
	return list;
}

/* Where the value comes from, in the words of the pipeline. */
static flo_value *secret_value(struct flo__outline *o,
			       const struct flo__secret *secret,
			       const char *file)
{
	flo_value *map = flo_value_map(3);
	flo_value *argv;

	flo__outline_put(o, map, "name", flo_value_string(secret->name));
	if (secret->kind == FLO__SECRET_EXEC) {
		argv = flo_value_list(4);
		for (const char *const *arg = secret->argv; *arg != NULL; arg++)
			flo__outline_add(o, argv, flo_value_string(*arg));
		flo__outline_put(o, map, "exec", argv);
	} else {
		flo__outline_put(o, map,
				 secret->kind == FLO__SECRET_ENV ? "env"
								 : "file",
				 flo_value_string(secret->from));
	}
	if (file != NULL)
		flo__outline_put(o, map, "pipeline", flo_value_string(file));
	return map;
}

/* Those of all files: each of them is read when the run begins. */
static flo_value *secrets_value(struct flo__outline *o)
{
	const struct flo__plan *plan = o->plan;
	const struct flo__file *first =
		((const struct flo__dsl_plan *)plan)->files;
	flo_value *list = flo_value_list(plan->secrets_len);

	for (const struct flo__file *file = first; file != NULL;
	     file = file->next)
		for (uint32_t i = 0; i < file->secrets_len; i++)
			flo__outline_add(
				o, list,
				secret_value(
					o,
					&plan->secrets[file->secrets_first + i],
					file != first ? file->name : NULL));
	return list;
}

static flo_value *limit_value(struct flo__outline *o)
{
	flo_value *map = flo_value_map(3);
	uint64_t own;

	if (o->limit == FLO__OUTLINE_MANY)
		flo__outline_put_doc(o, map, "expr", top(o, "limit"));
	else
		flo__outline_put(o, map, "value",
				 flo_value_int((int64_t)o->limit));
	/* A --limit does not mend it. */
	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known, &o->plan->limit,
					  FLO__NUMBER_LIMIT, &own);
	flo__outline_put_why(o, map, "error");
	flo__outline_put(o, map, "origin", flo_value_string(o->limit_origin));
	return map;
}

static void put_timeout(struct flo__outline *o, flo_value *map)
{
	flo_value *entry;

	if (o->timeout_ns == 0)
		return;
	entry = flo__outline_duration(o, o->timeout_ns, top(o, "timeout"));
	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known, &o->plan->timeout,
					  FLO__NUMBER_TIMEOUT, &o->timeout_ns);
	flo__outline_put_why(o, entry, "error");
	flo__outline_put(o, map, "timeout", entry);
}

flo_value *flo__outline_run(struct flo__outline *o)
{
	const struct flo__plan *plan = o->plan;
	flo_value *map = flo_value_map(16);

	flo__outline_put(o, map, "pipeline", flo_value_string(plan->name));
	if (plan->description != NULL)
		flo__outline_put(o, map, "description",
				 flo_value_string(plan->description));
	flo__outline_put(o, map, "file", flo_value_string(plan->file));
	flo__outline_put(o, map, "dir", flo_value_string(plan->dir));
	flo__outline_put(o, map, "params", params_value(o));
	if (plan->secrets_len != 0)
		flo__outline_put(o, map, "secrets", secrets_value(o));
	flo__outline_put_names(o, map, "env", top(o, "env"));
	flo__outline_put(o, map, "limit", limit_value(o));
	put_timeout(o, map);
	flo__outline_put_errors(o, map, 0);
	flo__outline_put_doc(o, map, "schedule", top(o, "schedule"));
	return map;
}

/* A count, or nothing where it is not known before the run. */
static void put_count(struct flo__outline *o, flo_value *map, const char *key,
		      uint64_t n)
{
	if (n <= INT64_MAX)
		flo__outline_put(o, map, key, flo_value_int((int64_t)n));
}

flo_value *flo__outline_summary(struct flo__outline *o)
{
	const struct flo__size *all = &o->sizes[0];
	bool bound = o->limit_origin[0] != 'd' || !o->native;
	flo_value *map = flo_value_map(8);

	put_count(o, map, "leaves", o->leaves);
	put_count(o, map, "skipped", o->skipped);
	put_count(o, map, "blocks", o->blocks);
	put_count(o, map, "depth", o->depth_max);
	put_count(o, map, "runs", all->leaves);
	put_count(o, map, "longest_chain", all->chain);
	/* The default limit does not hold back native steps. */
	put_count(o, map, "at_once",
		  bound && o->limit < all->breadth ? o->limit : all->breadth);
	return map;
}

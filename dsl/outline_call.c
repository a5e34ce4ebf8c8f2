#include "dsl/outline_p.h"

static const struct flo__file *file_of(const struct flo__plan *plan,
				       const struct flo__call *call)
{
	const struct flo__file *file =
		((const struct flo__dsl_plan *)plan)->files;

	while (file != NULL && &file->params != call->params)
		file = file->next;
	return file;
}

void flo__outline_open(struct flo__outline *o, const struct flo__call *call,
		       struct flo__outline_file *file)
{
	file->file = file_of(o->plan, call);
	flo__doc_init(&file->doc, file->file->text, file->file->len);
	flo__report_init(&file->report, &file->doc);
	if (o->st == FLO_OK)
		o->st = flo__doc_scan(&file->doc, &file->report);
	if (o->st != FLO_OK && o->st != FLO_NOMEM)
		flo_error_set(o->err, o->st,
			      "step %s cannot be shown: the text of %s is not "
			      "what it was when it was compiled",
			      o->path.data, call->file);
}

void flo__outline_close(struct flo__outline_file *file)
{
	flo__report_fini(&file->report);
	flo__doc_fini(&file->doc);
}

/* ---- params ---- */

static const char *origin_of(const struct flo__param *param, bool given)
{
	if (given)
		return "with";
	return param->default_ != NULL ? "default" : "none";
}

/* {"name", "type", "value" or "expr", "origin"} */
static flo_value *param_value(struct flo__outline *o,
			      const struct flo__known_unit *unit,
			      const struct flo__param *param, uint32_t with)
{
	const flo_value *value = flo_value_map_get(unit->params, param->name);
	bool given = flo__call_gives(unit->call, param->name) != NULL;
	flo_value *map = flo_value_map(4);

	flo__outline_put(o, map, "name", flo_value_string(param->name));
	flo__outline_put(o, map, "type",
			 flo_value_string(flo__param_type_text(param->type)));
	if (value != NULL)
		flo__outline_put(o, map, "value", flo_value_ref(value));
	else
		flo__outline_put_doc(o, map, "expr",
				     flo__outline_get(o, with, param->name));
	flo__outline_put(o, map, "origin",
			 flo_value_string(origin_of(param, given)));
	return map;
}

static flo_value *params_value(struct flo__outline *o,
			       const struct flo__known_unit *unit,
			       uint32_t object)
{
	const struct flo__params *params = unit->call->params;
	flo_value *list = flo_value_list(params->len);

	for (uint32_t i = 0; i < params->len && o->st == FLO_OK; i++)
		flo__outline_add(o, list,
				 param_value(o, unit, &params->list[i],
					     flo__outline_get(o, object,
							      "with")));
	return list;
}

/* ---- the whole ---- */

static void put_own_limit(struct flo__outline *o, flo_value *entry,
			  const struct flo__number *from)
{
	uint64_t limit = 0;

	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known, from, FLO__NUMBER_LIMIT,
					  &limit);
	if (limit == FLO__OUTLINE_MANY)
		flo__outline_put_doc(o, entry, "limit",
				     flo__outline_get(o, 0, "limit"));
	else if (limit != 0)
		flo__outline_put(o, entry, "limit",
				 flo_value_int((int64_t)limit));
	flo__outline_put_why(o, entry, "limit_error");
}

static void put_own_timeout(struct flo__outline *o, flo_value *entry,
			    const struct flo__number *from)
{
	uint64_t ns = 0;
	flo_value *timeout;

	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known, from, FLO__NUMBER_TIMEOUT,
					  &ns);
	if (ns == 0)
		return;
	timeout =
		flo__outline_duration(o, ns, flo__outline_get(o, 0, "timeout"));
	flo__outline_put_why(o, timeout, "error");
	flo__outline_put(o, entry, "timeout", timeout);
}

/* What the file says of itself, in its own text. */
static void put_own(struct flo__outline *o, flo_value *entry,
		    const struct flo__call *call)
{
	flo__outline_put_doc(o, entry, "name", flo__outline_get(o, 0, "name"));
	flo__outline_put_doc(o, entry, "description",
			     flo__outline_get(o, 0, "description"));
	put_own_limit(o, entry, &call->limit);
	put_own_timeout(o, entry, &call->timeout);
	flo__outline_put_names(o, entry, "env", flo__outline_get(o, 0, "env"));
}

void flo__outline_put_call(struct flo__outline *o, flo_value *map, uint32_t id,
			   uint32_t object, struct flo__outline_file *file)
{
	const struct flo__call *call = flo__outline_call(o->plan, id);
	const struct flo__known_unit *unit;
	struct flo__doc *outer = o->doc;
	flo_value *entry = flo_value_map(12);

	flo__known_enter_call(&o->known, id);
	unit = &o->known.units[o->known.at];
	flo__outline_put(o, entry, "file", flo_value_string(call->file));
	flo__outline_put(o, entry, "dir", flo_value_string(call->dir));
	flo__outline_put(o, entry, "params", params_value(o, unit, object));
	if (unit->error != NULL)
		flo__outline_put(o, entry, "error", flo_value_ref(unit->error));
	o->doc = &file->doc;
	put_own(o, entry, call);
	flo__outline_put_errors(o, entry, 0);
	o->doc = outer;
	flo__known_enter(&o->known, id);
	flo__outline_put(o, map, "pipeline", entry);
}

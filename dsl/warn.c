#include "dsl/compile_p.h"

#include <string.h>

/* Whether the evaluator would find all that @expr needs in itself. */
static bool is_closed(const struct flo__expr *expr)
{
	for (uint32_t i = 0; i < expr->ins_len; i++) {
		if (expr->ins[i].op == FLO__OP_REF)
			return false;
	}
	return true;
}

/* A condition without variables always says the same. */
void flo__warn_when(struct flo__compiler *c, uint32_t at,
		    const struct flo__expr *when)
{
	flo_value *value = NULL;
	flo_status st;
	bool yes;

	if (!is_closed(when))
		return;
	st = flo__expr_eval(when, NULL, NULL, &value);
	c->nomem |= st == FLO_NOMEM;
	if (st == FLO_OK && flo_value_typeof(value) == FLO_VALUE_BOOL) {
		yes = flo_value_get_bool(value);
		flo__report_warning(&c->report, FLO__CODE_CONSTANT_WHEN,
				    flo__doc_span(&c->doc, at), at,
				    yes ? "leave it out"
					: "the step never runs",
				    "`when` is always %s",
				    yes ? "true" : "false");
	}
	flo_value_unref(value);
}

/* Whether @node is a core.fail that nothing excuses. */
static bool always_fails(const struct flo__compiler *c, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];
	const struct flo__block *block = &c->blocks[c->nodes[n->parent].spec];
	const flo_step_type *type;

	if (n->kind != FLO__NODE_USE || n->allow_failure ||
	    c->attrs[n->attrs].when != NULL || block->max_failures.fixed != 0 ||
	    block->max_failures.expr != NULL)
		return false;
	type = c->leaves[n->spec].type;
	return type != NULL && strcmp(type->name, "core.fail") == 0;
}

/* Warn if @node comes after @before, which always fails. */
static bool warn_after(struct flo__compiler *c, uint32_t node, uint32_t before)
{
	uint32_t name;

	if (!always_fails(c, before))
		return false;
	flo__unit_enter_of(c, node);
	name = flo__doc_get(&c->doc, c->places[node], "name");
	flo__report_warning(&c->report, FLO__CODE_UNREACHABLE,
			    flo__doc_span(&c->doc, name), name,
			    "give the failing step a `when`, or leave this out",
			    "step \"%s\" is never reached: \"%s\" before it "
			    "always fails",
			    c->nodes[node].name, c->nodes[before].name);
	return true;
}

void flo__warn_unreachable(struct flo__compiler *c)
{
	for (uint32_t i = 1; i < c->nodes_len && !c->nomem; i++) {
		const struct flo__node *n = &c->nodes[i];
		const struct flo__node *up = &c->nodes[n->parent];

		if (n->is_body || n->is_finally ||
		    c->places[i] == FLO__DOC_NONE)
			continue;
		if (up->kind == FLO__NODE_SEQUENCE && n->pos > 0)
			warn_after(c, i,
				   c->children[up->first_child + n->pos - 1]);
		for (uint32_t k = 0; k < n->deps_len; k++) {
			if (warn_after(c, i, c->edges[n->first_dep + k]))
				break;
		}
	}
	flo__unit_enter(c, 0);
}

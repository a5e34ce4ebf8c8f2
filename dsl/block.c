#include "dsl/compile_p.h"

#include <stdlib.h>
#include <string.h>

/* "5%" of the items of a foreach. */
static void compile_percent(struct flo__compiler *c, uint32_t node,
			    bool foreach, struct flo__block *block)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	char buf[8] = "";
	char *end;
	unsigned long percent;

	if (len >= 2 && len < sizeof(buf))
		memcpy(buf, text, len);
	percent = strtoul(buf, &end, 10);
	if (end == buf || strcmp(end, "%") != 0 || buf[0] < '0' ||
	    buf[0] > '9' || percent > 100) {
		flo__compile_error(c, BAD_VALUE, node,
				   "write a count, or \"5%\" of a foreach",
				   "`max_failures` cannot be \"%.*s\"",
				   (int)(len < 40 ? len : 40), text);
	} else if (!foreach) {
		flo__compile_error(c, BAD_VALUE, node, "write a count",
				   "only a foreach tolerates a percentage");
	} else {
		block->max_failures_percent = (double)percent;
	}
}

void flo__compile_errors(struct flo__view *view, uint32_t on_error,
			 uint32_t max_failures, bool foreach,
			 struct flo__block *block)
{
	struct flo__compiler *c = view->c;
	unsigned word = block->on_error;
	size_t at;

	flo__compile_word(c, on_error, "`on_error`", &flo__shape_on_error,
			  &word);
	block->on_error = (enum flo__on_error)word;
	if (max_failures == FLO__DOC_NONE)
		return;
	if (c->doc.nodes[max_failures].type == FLO__DOC_STRING &&
	    !flo__compile_has_template(c, max_failures, &at)) {
		compile_percent(c, max_failures, foreach, block);
		return;
	}
	if (c->doc.nodes[max_failures].type == FLO__DOC_STRING)
		flo__compile_plain(c, max_failures, "`max_failures`");
	else
		flo__compile_count(view, max_failures, "`max_failures`", 0,
				   &block->max_failures);
}

/* What a foreach goes over, and what its item is called. */
static void compile_items(struct flo__compiler *c, uint32_t node,
			  const struct flo__keys *keys,
			  struct flo__block *block)
{
	struct flo__view view = flo__view_of(c, node, SEES_STEP);
	uint32_t at = keys->at[FLO__KEY_FOREACH];

	if (keys->at[FLO__KEY_MATRIX] != FLO__DOC_NONE)
		block->matrix =
			flo__compile_matrix(c, node, keys->at[FLO__KEY_MATRIX]);
	if (at == FLO__DOC_NONE)
		return;
	switch ((enum flo__doc_type)c->doc.nodes[at].type) {
	case FLO__DOC_ARRAY:
		block->items = flo__compile_literal(c, at);
		if (block->items != NULL && block->items->constant != NULL)
			block->item_types =
				flo__types_of_items(block->items->constant);
		break;
	case FLO__DOC_STRING:
		block->items = flo__compile_expr(&view, at, FLO_TYPES(LIST),
						 "`foreach`");
		if (block->items != NULL)
			block->item_types = view.items;
		break;
	default:
		flo__compile_error(c, WRONG_TYPE, at, NULL,
				   "`foreach` must be an array, or an "
				   "expression that yields one");
	}
}

/* A limit that never holds anything back is probably a mistake. */
static void warn_limit(struct flo__compiler *c, uint32_t node, uint32_t limit,
		       const struct flo__block *block)
{
	const struct flo__node *n = &c->nodes[node];
	uint64_t children = n->children_len;

	if (block->matrix != NULL)
		children = flo__matrix_known_len(block->matrix);
	else if (n->kind == FLO__NODE_FOREACH)
		children = block->items != NULL && block->items->constant
				   ? flo_value_len(block->items->constant)
				   : UINT64_MAX;
	if (limit == FLO__DOC_NONE)
		return;
	if (n->kind == FLO__NODE_SEQUENCE) {
		flo__report_warning(&c->report, FLO__CODE_IDLE_LIMIT,
				    flo__doc_span(&c->doc, limit), limit,
				    "it belongs to a group or foreach",
				    "`limit` changes nothing: a sequence runs "
				    "one step at a time");
		return;
	}
	if (block->limit.fixed <= children)
		return;
	flo__report_warning(&c->report, FLO__CODE_IDLE_LIMIT,
			    flo__doc_span(&c->doc, limit), limit, NULL,
			    "`limit` is larger than the number of steps, %llu",
			    (unsigned long long)children);
}

static void compile_finally(struct flo__compiler *c, uint32_t value,
			    struct flo__block *block)
{
	uint32_t timeout;

	if (value == FLO__DOC_NONE ||
	    c->doc.nodes[value].type != FLO__DOC_OBJECT)
		return;
	timeout = flo__doc_get(&c->doc, value, "timeout");
	flo__compile_time_limit(c, timeout, "`timeout` of `finally`",
				&block->finally_timeout_ns);
}

void flo__compile_block(struct flo__compiler *c, uint32_t node,
			const struct flo__keys *keys)
{
	struct flo__view view = flo__view_of(c, node, SEES_STEP);
	struct flo__block block = c->blocks[c->nodes[node].spec];
	bool foreach = c->nodes[node].kind == FLO__NODE_FOREACH;
	uint32_t limit = keys->at[FLO__KEY_LIMIT];

	/* On a foreach they all belong to the whole. */
	if (c->nodes[node].is_body)
		return;
	if (foreach)
		compile_items(c, node, keys, &block);
	/* What is in it looks its item up there. */
	c->blocks[c->nodes[node].spec].matrix = block.matrix;
	c->blocks[c->nodes[node].spec].item_types = block.item_types;
	flo__compile_count(&view, limit, "`limit`", 1, &block.limit);
	flo__compile_errors(&view, keys->at[FLO__KEY_ON_ERROR],
			    keys->at[FLO__KEY_MAX_FAILURES], foreach, &block);
	compile_finally(c, keys->at[FLO__KEY_FINALLY], &block);
	warn_limit(c, node, limit, &block);
	block.as = c->blocks[c->nodes[node].spec].as;
	c->blocks[c->nodes[node].spec] = block;
}

#include "dsl/compile_p.h"

#include <stdio.h>
#include <string.h>

/* Whether the environment can hold a variable called so (POSIX). */
static bool check_env_name(struct flo__compiler *c, uint32_t key)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);

	if (len != 0 && memchr(text, '=', len) == NULL)
		return true;
	flo__compile_error(c, BAD_NAME, key, NULL,
			   "this cannot be the name of an environment "
			   "variable");
	return false;
}

/* One value of `env`: text, or a number or boolean as it is written. */
static const struct flo__expr *env_value(struct flo__view *view, uint32_t node)
{
	struct flo__compiler *c = view->c;
	const struct flo__doc_node *n = &c->doc.nodes[node];

	switch ((enum flo__doc_type)n->type) {
	case FLO__DOC_STRING:
		return flo__compile_text(view, node);
	case FLO__DOC_NUMBER:
	case FLO__DOC_FALSE:
	case FLO__DOC_TRUE:
		return flo__compile_const(c,
					  flo_value_stringn(c->doc.text +
								    n->begin,
							    n->end - n->begin));
	default:
		flo__compile_error(
			c, WRONG_TYPE, node,
			"put it in quotes; a template renders any value",
			"the value of an environment variable must be a "
			"string, not %s",
			flo__doc_type_text((enum flo__doc_type)n->type));
		return NULL;
	}
}

void flo__compile_env(struct flo__view *view, uint32_t node,
		      const struct flo__env_entry **ret_env, uint32_t *ret_len)
{
	struct flo__compiler *c = view->c;
	struct flo__view own = *view;
	struct flo__env_entry *env;
	uint32_t uses;
	uint32_t len = 0;

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_OBJECT, "`env`"))
		return;
	own.sees |= SEES_SECRETS;
	env = flo__compile_alloc(c, c->doc.nodes[node].len, sizeof(*env));
	for (uint32_t key = flo__doc_first(&c->doc, node);
	     env != NULL && key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next) {
		if (!check_env_name(c, key))
			continue;
		env[len].name = flo__compile_string(c, key);
		uses = c->secret_uses;
		env[len].value = env_value(&own, flo__doc_value(key));
		env[len].secret = c->secret_uses != uses;
		len++;
	}
	*ret_env = env;
	*ret_len = env != NULL ? len : 0;
}

/* A record of its own, made of the shared one at the first need. */
static struct flo__attrs *own_attrs(struct flo__compiler *c, uint32_t node)
{
	struct flo__node *n = &c->nodes[node];

	if (n->attrs == 0) {
		if (!flo__compile_grow(c, &c->attrs, c->attrs_len,
				       &c->attrs_cap, sizeof(*c->attrs)))
			return NULL;
		c->attrs[c->attrs_len] =
			(struct flo__attrs){.grace_ns = UINT64_MAX};
		n->attrs = c->attrs_len++;
	}
	return &c->attrs[n->attrs];
}

static void compile_when(struct flo__compiler *c, uint32_t node, uint32_t at)
{
	struct flo__view view = flo__view_of(c, node, SEES_STEP);
	const struct flo__expr *when;
	struct flo__attrs *attrs;

	if (at == FLO__DOC_NONE)
		return;
	when = flo__compile_expr(&view, at, FLO_TYPES(BOOL), "`when`");
	attrs = own_attrs(c, node);
	if (attrs == NULL || when == NULL)
		return;
	attrs->when = when;
	flo__warn_when(c, at, when);
}

/* Keys of the whole: all but those that a foreach leaves to its instances. */
static void compile_whole(struct flo__compiler *c, uint32_t node,
			  const struct flo__keys *keys)
{
	bool allow = false;

	compile_when(c, node, keys->at[FLO__KEY_WHEN]);
	flo__compile_bool(c, keys->at[FLO__KEY_ALLOW_FAILURE],
			  "`allow_failure`", &allow);
	c->nodes[node].allow_failure = allow;
	if (keys->at[FLO__KEY_DESCRIPTION] != FLO__DOC_NONE)
		flo__compile_plain(c, keys->at[FLO__KEY_DESCRIPTION],
				   "`description`");
}

/* Keys of the step itself, or of each instance of a foreach. */
static void compile_own(struct flo__compiler *c, uint32_t node,
			const struct flo__keys *keys)
{
	struct flo__view view = flo__view_of(c, node, SEES_STEP);
	const uint32_t *at = keys->at;
	struct flo__attrs own = {.grace_ns = UINT64_MAX};
	struct flo__attrs *attrs;

	if (!flo__node_is_block(&c->nodes[node]))
		own.timeout = c->default_timeout;
	else if (at[FLO__KEY_ENV] == FLO__DOC_NONE &&
		 at[FLO__KEY_DIR] == FLO__DOC_NONE &&
		 at[FLO__KEY_TIMEOUT] == FLO__DOC_NONE &&
		 at[FLO__KEY_GRACE] == FLO__DOC_NONE)
		return;
	flo__compile_env(&view, at[FLO__KEY_ENV], &own.env, &own.env_len);
	if (at[FLO__KEY_DIR] != FLO__DOC_NONE &&
	    flo__compile_is(c, at[FLO__KEY_DIR], FLO__DOC_STRING, "`dir`"))
		own.dir = flo__compile_text(&view, at[FLO__KEY_DIR]);
	if (at[FLO__KEY_TIMEOUT] != FLO__DOC_NONE)
		own.timeout = (struct flo__number){0};
	flo__compile_duration(&view, at[FLO__KEY_TIMEOUT], "`timeout`",
			      &own.timeout);
	flo__compile_ns(c, at[FLO__KEY_GRACE], "`grace`", &own.grace_ns);
	if (own.env_len == 0 && own.dir == NULL && own.grace_ns == UINT64_MAX &&
	    own.timeout.fixed == 0 && own.timeout.expr == NULL)
		return;
	attrs = own_attrs(c, node);
	if (attrs == NULL)
		return;
	own.when = attrs->when;
	*attrs = own;
}

void flo__compile_attrs(struct flo__compiler *c, uint32_t node,
			const struct flo__keys *keys)
{
	if (!c->nodes[node].is_body)
		compile_whole(c, node, keys);
	if (c->nodes[node].kind != FLO__NODE_FOREACH)
		compile_own(c, node, keys);
}

/* What the keys of a retry mean to each other. */
static void check_retry(struct flo__compiler *c, uint32_t node,
			const struct flo__retry *retry, bool has_max)
{
	uint32_t limit = flo__doc_get(&c->doc, node, "limit");
	uint32_t max = flo__doc_get(&c->doc, node, "max");
	uint32_t when = flo__doc_get(&c->doc, node, "when");

	if (has_max && retry->max_ns < retry->backoff_ns)
		flo__compile_error(c, BAD_VALUE, max,
				   "`max` bounds what `backoff` has grown to",
				   "`max` is less than `backoff`, the first "
				   "pause");
	if (retry->when != NULL && limit != FLO__DOC_NONE &&
	    c->doc.nodes[limit].type == FLO__DOC_NUMBER &&
	    retry->limit.fixed == 0)
		flo__report_warning(&c->report, FLO__CODE_IDLE_RETRY,
				    flo__doc_span(&c->doc, when), when,
				    "raise `limit`, or leave this out",
				    "`when` is never asked: `limit` allows no "
				    "extra attempt");
}

static bool is_retry(struct flo__compiler *c, uint32_t node)
{
	const struct flo__doc_node *n = &c->doc.nodes[node];
	char hint[64];

	if (n->type != FLO__DOC_NUMBER || n->end - n->begin > 20)
		return flo__compile_is(c, node, FLO__DOC_OBJECT, "`retry`");
	snprintf(hint, sizeof(hint), "write it as {\"limit\": %.*s}",
		 (int)(n->end - n->begin), c->doc.text + n->begin);
	flo__compile_error(c, WRONG_TYPE, node, hint,
			   "`retry` must be an object, not a number");
	return false;
}

const struct flo__retry *flo__compile_retry(struct flo__view *view,
					    uint32_t node)
{
	struct flo__compiler *c = view->c;
	struct flo__view when = *view;
	struct flo__retry *retry;
	bool has_max;
	uint32_t limit;
	uint32_t at;

	if (!is_retry(c, node))
		return NULL;
	flo__keys_only(c, node, &flo__grammar_retry);
	retry = flo__compile_alloc(c, 1, sizeof(*retry));
	if (retry == NULL)
		return NULL;
	retry->factor = 2;
	limit = flo__doc_get(&c->doc, node, "limit");
	if (limit == FLO__DOC_NONE)
		flo__compile_error(c, MISSING_KEY, node, NULL,
				   "`retry` needs `limit`: how many extra "
				   "attempts there may be");
	flo__compile_count(view, limit, "`limit`", 0, &retry->limit);
	flo__compile_ns(c, flo__doc_get(&c->doc, node, "backoff"), "`backoff`",
			&retry->backoff_ns);
	flo__compile_real(c, flo__doc_get(&c->doc, node, "factor"), "`factor`",
			  &flo__shape_factor, &retry->factor);
	has_max = flo__compile_ns(c, flo__doc_get(&c->doc, node, "max"),
				  "`max`", &retry->max_ns);
	flo__compile_real(c, flo__doc_get(&c->doc, node, "jitter"), "`jitter`",
			  &flo__shape_fraction, &retry->jitter);
	at = flo__doc_get(&c->doc, node, "when");
	when.sees |= SEES_ATTEMPT;
	if (at != FLO__DOC_NONE)
		retry->when =
			flo__compile_expr(&when, at, FLO_TYPES(BOOL), "`when`");
	check_retry(c, node, retry, has_max);
	return retry;
}

#include "dsl/compile_p.h"

#include "base/signal_name.h"
#include "base/strbuf.h"

#include <stdio.h>
#include <string.h>

static void compile_exec(struct flo__view *view, uint32_t node,
			 struct flo__leaf *leaf)
{
	struct flo__compiler *c = view->c;
	struct flo__view own = *view;
	const struct flo__expr **argv;
	uint32_t n = 0;

	own.argv = true;
	if (c->doc.nodes[node].type == FLO__DOC_STRING) {
		flo__compile_error(c, WRONG_TYPE, node,
				   "write it as [\"ls\", \"-l\"], or give "
				   "`sh` a command line",
				   "`exec` must be an array, not a string");
		return;
	}
	if (!flo__compile_is(c, node, FLO__DOC_ARRAY, "`exec`"))
		return;
	if (c->doc.nodes[node].len == 0) {
		flo__compile_error(c, BAD_VALUE, node,
				   "write it as [\"ls\", \"-l\"]",
				   "`exec` needs a program to run");
		return;
	}
	argv = flo__compile_alloc(c, c->doc.nodes[node].len, sizeof(*argv));
	for (uint32_t item = flo__doc_first(&c->doc, node);
	     argv != NULL && item != FLO__DOC_NONE;
	     item = c->doc.nodes[item].next) {
		size_t len = 1;

		if (!flo__compile_is(c, item, FLO__DOC_STRING,
				     "an argument of `exec`"))
			continue;
		if (n == 0)
			flo__doc_string(&c->doc, item, &len);
		if (len == 0)
			flo__compile_error(c, BAD_VALUE, item, NULL,
					   "the name of the program is empty");
		argv[n++] = flo__compile_text(&own, item);
	}
	leaf->argv = argv;
	leaf->argv_len = n;
}

/* "PRODUCT" for `item.product`: what a variable for it might be called. */
static void variable_name(const char *text, size_t len, char *ret, size_t size)
{
	size_t begin = len;
	size_t n = 0;

	while (len > 0 && text[len - 1] == ' ')
		len--;
	for (begin = len; begin > 0; begin--) {
		char c = text[begin - 1];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '_'))
			break;
	}
	for (; begin < len && n + 1 < size; begin++) {
		char c = text[begin];

		ret[n++] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
	}
	ret[n] = '\0';
	if (n == 0 || (ret[0] >= '0' && ret[0] <= '9'))
		snprintf(ret, size, "VALUE");
}

/*
 * A template in shell text: say why not, and how it is written. Where it
 * ends.
 */
static size_t refuse_template(struct flo__compiler *c, uint32_t node, size_t at)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	size_t end = flo__lexer_template_end(text, len, at + 3);
	size_t stop = end != SIZE_MAX ? end : len;
	size_t next = end != SIZE_MAX ? end + 2 : len;
	size_t span = end != SIZE_MAX ? end + 2 - at : 3;
	char name[32];
	char hint[240];

	variable_name(text + at + 3, stop - at - 3, name, sizeof(name));
	if (stop - at > 100)
		stop = at + 3;
	snprintf(hint, sizeof(hint),
		 "pass it in: \"env\": {\"%s\": \"${{%.*s}}\"}, and write "
		 "\"$%s\" in the script",
		 name, (int)(stop - at - 3), text + at + 3, name);
	flo__report_error(&c->report, FLO__CODE_TEMPLATE_PLACE,
			  flo__doc_inside(&c->doc, node, at, span), node, hint,
			  "templates are not allowed in `sh`: their values "
			  "would become shell text");
	return next;
}

/* Append a line of a script; "$${{" is a literal "${{" here, too. */
static void add_line(struct flo__compiler *c, uint32_t node,
		     struct flo__strbuf *sb)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	size_t at = 0;

	while (flo__compile_template_at(c, node, &at))
		at = refuse_template(c, node, at);
	flo__lookalike_check(c, NULL, node, 0, len);
	for (size_t i = 0; i < len; i++) {
		if (len - i >= 4 && memcmp(text + i, "$${{", 4) == 0)
			continue;
		flo__strbuf_addc(sb, text[i]);
	}
}

static const struct flo__expr *script(struct flo__compiler *c, uint32_t node)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	const struct flo__expr *expr = NULL;
	enum flo__doc_type type = (enum flo__doc_type)c->doc.nodes[node].type;

	if (type == FLO__DOC_STRING) {
		add_line(c, node, &sb);
	} else if (type != FLO__DOC_ARRAY) {
		flo__compile_error(c, WRONG_TYPE, node, NULL,
				   "`sh` must be a string or an array of "
				   "lines, not %s",
				   flo__doc_type_text(type));
		return NULL;
	}
	for (uint32_t line = type == FLO__DOC_ARRAY
				     ? flo__doc_first(&c->doc, node)
				     : FLO__DOC_NONE;
	     line != FLO__DOC_NONE; line = c->doc.nodes[line].next) {
		if (!flo__compile_is(c, line, FLO__DOC_STRING,
				     "a line of `sh`"))
			continue;
		add_line(c, line, &sb);
		flo__strbuf_addc(&sb, '\n');
	}
	if (sb.failed)
		c->nomem = true;
	else
		expr = flo__compile_const(c,
					  flo_value_stringn(sb.data, sb.len));
	flo__strbuf_fini(&sb);
	return expr;
}

#define SHELL_LEN 3

/* /bin/sh -eu -c, made once for all steps. */
static const struct flo__expr *const *default_shell(struct flo__compiler *c)
{
	static const char *const words[SHELL_LEN] = {"/bin/sh", "-eu", "-c"};
	const struct flo__expr **shell;

	if (c->default_shell != NULL)
		return c->default_shell;
	shell = flo__compile_alloc(c, SHELL_LEN, sizeof(*shell));
	for (int i = 0; shell != NULL && i < SHELL_LEN; i++)
		shell[i] = flo__compile_const(c, flo_value_string(words[i]));
	c->default_shell = shell;
	return shell;
}

/* The program that runs the script; NULL after an error. */
static const struct flo__expr *const *shell_of(struct flo__compiler *c,
					       uint32_t node, uint32_t *ret_len)
{
	const struct flo__expr **shell;
	uint32_t n = 0;

	*ret_len = SHELL_LEN;
	if (node == FLO__DOC_NONE)
		return default_shell(c);
	if (!flo__compile_is(c, node, FLO__DOC_ARRAY, "`shell`"))
		return NULL;
	if (c->doc.nodes[node].len == 0) {
		flo__compile_error(c, BAD_VALUE, node,
				   "[\"bash\", \"-euo\", \"pipefail\", \"-c\"]",
				   "`shell` names no program");
		return NULL;
	}
	shell = flo__compile_alloc(c, c->doc.nodes[node].len, sizeof(*shell));
	for (uint32_t item = flo__doc_first(&c->doc, node);
	     shell != NULL && item != FLO__DOC_NONE;
	     item = c->doc.nodes[item].next) {
		const char *word =
			flo__compile_plain(c, item, "an argument of `shell`");

		if (word == NULL)
			continue;
		if (n == 0 && word[0] == '\0')
			flo__compile_error(c, BAD_VALUE, item, NULL,
					   "the name of the program is empty");
		shell[n++] = flo__compile_literal(c, item);
	}
	*ret_len = n;
	return shell;
}

static void compile_sh(struct flo__compiler *c, const struct flo__keys *keys,
		       struct flo__leaf *leaf)
{
	const struct flo__expr *const *shell;
	const struct flo__expr *text = script(c, keys->at[FLO__KEY_SH]);
	const struct flo__expr **argv;
	uint32_t len;

	shell = shell_of(c, keys->at[FLO__KEY_SHELL], &len);
	if (shell == NULL || text == NULL)
		return;
	argv = flo__compile_alloc(c, len + 1, sizeof(*argv));
	if (argv == NULL)
		return;
	memcpy(argv, shell, len * sizeof(*argv));
	argv[len] = text;
	leaf->argv = argv;
	leaf->argv_len = len + 1;
}

static void compile_exit_ok(struct flo__compiler *c, uint32_t node,
			    struct flo__leaf *leaf)
{
	uint8_t *codes;
	uint32_t n = 0;

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_ARRAY, "`exit_ok`"))
		return;
	if (c->doc.nodes[node].len == 0)
		flo__compile_error(c, BAD_VALUE, node,
				   "write the codes that are, as [0, 1]",
				   "`exit_ok` leaves no way to succeed");
	codes = flo__compile_alloc(c, c->doc.nodes[node].len, sizeof(*codes));
	for (uint32_t item = flo__doc_first(&c->doc, node);
	     codes != NULL && item != FLO__DOC_NONE;
	     item = c->doc.nodes[item].next) {
		double code;

		if (!flo__compile_real(c, item, "an exit code",
				       &flo__shape_exit_code, &code))
			continue;
		if (c->doc.nodes[item].real)
			flo__compile_error(c, BAD_VALUE, item, NULL,
					   "an exit code is a whole number");
		codes[n++] = (uint8_t)code;
	}
	leaf->exit_ok = codes;
	leaf->exit_ok_len = n;
}

static void compile_signal(struct flo__compiler *c, uint32_t node,
			   struct flo__leaf *leaf)
{
	const char *name;
	int signal;

	if (node == FLO__DOC_NONE)
		return;
	name = flo__compile_plain(c, node, "`stop_signal`");
	if (name == NULL)
		return;
	signal = flo__signal_parse(name);
	if (signal == 0)
		flo__compile_error(c, BAD_VALUE, node,
				   "\"SIGTERM\", \"SIGINT\"",
				   "there is no signal \"%.40s\"", name);
	else
		leaf->stop_signal = signal;
}

/* What exec and sh have in common. */
static void compile_program(struct flo__view *view,
			    const struct flo__keys *keys,
			    struct flo__leaf *leaf)
{
	struct flo__compiler *c = view->c;
	uint32_t in = keys->at[FLO__KEY_STDIN];
	unsigned output = leaf->output;

	if (in != FLO__DOC_NONE) {
		struct flo__view own = *view;

		own.sees |= SEES_SECRETS;
		leaf->stdin_ = flo__compile_value(&own, in);
	}
	flo__compile_word(c, keys->at[FLO__KEY_OUTPUT], "`output`",
			  &flo__shape_output, &output);
	leaf->output = (enum flo__output_mode)output;
	flo__compile_size(c, keys->at[FLO__KEY_OUTPUT_LIMIT], "`output_limit`",
			  &leaf->output_limit);
	compile_exit_ok(c, keys->at[FLO__KEY_EXIT_OK], leaf);
	compile_signal(c, keys->at[FLO__KEY_STOP_SIGNAL], leaf);
}

void flo__compile_leaf(struct flo__compiler *c, uint32_t node,
		       const struct flo__keys *keys)
{
	struct flo__view view = flo__view_of(c, node, SEES_STEP);
	struct flo__leaf leaf = c->leaves[c->nodes[node].spec];
	bool idempotent = true;

	switch ((enum flo__node_kind)c->nodes[node].kind) {
	case FLO__NODE_EXEC:
		compile_exec(&view, keys->at[FLO__KEY_EXEC], &leaf);
		compile_program(&view, keys, &leaf);
		break;
	case FLO__NODE_SH:
		compile_sh(c, keys, &leaf);
		compile_program(&view, keys, &leaf);
		break;
	default:
		flo__compile_use(&view, keys, &leaf);
	}
	leaf.retry = c->default_retry;
	if (keys->at[FLO__KEY_RETRY] != FLO__DOC_NONE)
		leaf.retry =
			flo__compile_retry(&view, keys->at[FLO__KEY_RETRY]);
	flo__compile_bool(c, keys->at[FLO__KEY_IDEMPOTENT], "`idempotent`",
			  &idempotent);
	c->nodes[node].not_idempotent |= !idempotent;
	c->leaves[c->nodes[node].spec] = leaf;
}

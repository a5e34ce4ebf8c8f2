#include "fuzz.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "dsl/report_p.h"

#include <flo/value.h>

#include <stdlib.h>
#include <string.h>

static const flo_step_param sleep_params[] = {
	{.name = "duration",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "how long"},
};

static const flo_step_param many_params[] = {
	{.name = "db",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "the database"},
	{.name = "source",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "its name"},
	{.name = "file",
	 .types = FLO_TYPES(STRING),
	 .description = "what to read"},
	{.name = "keep", .types = FLO_TYPES(INT), .description = "how many"},
	{.name = "key",
	 .types = FLO_TYPES(LIST),
	 .description = "JSON pointers"},
};

static const flo_step_type types[] = {
	{"core.noop", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"core.set", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"core.sleep", "", sleep_params, 1, NULL, NULL, FLO_ISOLATION_NONE,
	 NULL},
	{"cmdb.pull", "", many_params, 5, NULL, NULL, FLO_ISOLATION_NONE, NULL},
};

static const flo_step_type *registry_at(const struct flo__registry *registry,
					size_t i)
{
	(void)registry;
	return i < sizeof(types) / sizeof(types[0]) ? &types[i] : NULL;
}

static const flo_step_type *registry_find(const struct flo__registry *registry,
					  const char *name, size_t len)
{
	const flo_step_type *type;

	for (size_t i = 0; (type = registry_at(registry, i)) != NULL; i++) {
		if (strlen(type->name) == len &&
		    memcmp(type->name, name, len) == 0)
			return type;
	}
	return NULL;
}

static const struct flo__registry registry = {registry_find, registry_at};

/* What is known of a text while its diagnostics come in. */
struct heard {
	const char *text;
	size_t len;
	const flo_value *value; /* of the document; NULL: it is no JSON */
	size_t said;
	size_t errors;
	int line, column;	/* of the one before */
	struct flo__strbuf all; /* what was said, to compare */
};

/* The line @line of the text, without its end; *@ret_len 0 past the last. */
static const char *line_of(const struct heard *heard, int line, size_t *ret_len)
{
	const char *at = heard->text;
	const char *end = heard->text + heard->len;

	for (int i = 1; i < line && at != NULL; i++) {
		at = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		at = at != NULL ? at + 1 : NULL;
	}
	if (at == NULL)
		return NULL;
	if (at < end && memchr(at, '\n', (size_t)(end - at)) != NULL)
		end = memchr(at, '\n', (size_t)(end - at));
	*ret_len = (size_t)(end - at);
	return at;
}

static bool is_utf8(const char *text)
{
	return flo__utf8_valid(text, strlen(text));
}

static bool is_known(const char *code)
{
	for (int i = 0; i < FLO__CODES; i++) {
		if (strcmp(code, flo__code_text((enum flo__problem_code)i)) ==
		    0)
			return true;
	}
	return false;
}

/* Inside the text, or right behind its end or the end of a line. */
static void check_place(const struct heard *heard, const flo_diagnostic *d)
{
	size_t len = 0;
	const char *line = line_of(heard, d->line, &len);
	size_t columns;

	FUZZ_CHECK(d->line >= 1 && line != NULL, "line %d", d->line);
	columns = flo__utf8_count(line, len);
	FUZZ_CHECK(d->column >= 1 && (size_t)d->column <= columns + 1,
		   "column %d of %zu in line %d", d->column, columns, d->line);
	FUZZ_CHECK(d->end_column > d->column &&
			   (size_t)d->end_column <= columns + 2,
		   "end column %d of %zu in line %d", d->end_column, columns,
		   d->line);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	FUZZ_CHECK(d->source_line[0] == '\0' ||
			   (strlen(d->source_line) <= len &&
			    memcmp(d->source_line, line,
				   strlen(d->source_line)) == 0),
		   "line %d is not %s", d->line, d->source_line);
}

/* One step down a JSON pointer: *@at comes to stand behind the token. */
static const flo_value *step_down(const flo_value *value, const char **at)
{
	struct flo__strbuf key = FLO__STRBUF_INIT;
	const flo_value *below = NULL;

	FUZZ_CHECK(**at == '/', "the pointer goes on with %s", *at);
	for ((*at)++; **at != '/' && **at != '\0'; (*at)++) {
		char c = **at;

		if (c == '~') {
			c = *++*at;
			FUZZ_CHECK(c == '0' || c == '1', "~ before %s", *at);
			c = c == '0' ? '~' : '/';
		}
		flo__strbuf_addc(&key, c);
	}
	if (value != NULL && flo_value_typeof(value) == FLO_VALUE_MAP)
		below = flo_value_map_getn(value, key.data, key.len);
	else if (value != NULL && flo_value_typeof(value) == FLO_VALUE_LIST)
		below = flo_value_list_at(value, strtoul(key.data, NULL, 10));
	flo__strbuf_fini(&key);
	return below;
}

/* A JSON pointer by its syntax, and to something if the document is JSON. */
static void check_pointer(const struct heard *heard, const char *pointer)
{
	const flo_value *value = heard->value;
	const char *at = pointer;

	FUZZ_CHECK(is_utf8(pointer), "pointer %s", pointer);
	while (*at != '\0') {
		value = step_down(value, &at);
		FUZZ_CHECK(heard->value == NULL || value != NULL,
			   "%s points nowhere", pointer);
	}
}

static void hear(const flo_diagnostic *d, void *arg)
{
	struct heard *heard = arg;

	heard->said++;
	heard->errors += d->severity == FLO_SEVERITY_ERROR;
	FUZZ_CHECK(d->line > heard->line || (d->line == heard->line &&
					     d->column >= heard->column),
		   "%d:%d comes after %d:%d", d->line, d->column, heard->line,
		   heard->column);
	heard->line = d->line;
	heard->column = d->column;
	check_place(heard, d);
	check_pointer(heard, d->pointer);
	FUZZ_CHECK(is_known(d->code), "code %s", d->code);
	FUZZ_CHECK(d->message[0] != '\0' && is_utf8(d->message) &&
			   strchr(d->message, '\n') == NULL,
		   "message %s", d->message);
	FUZZ_CHECK(is_utf8(d->hint) && strchr(d->hint, '\n') == NULL, "hint %s",
		   d->hint);
	flo__strbuf_addf(&heard->all, "%d:%d-%d %s %s %s %s\n", d->line,
			 d->column, d->end_column, d->pointer, d->code,
			 d->message, d->hint);
}

static flo_status compile(struct heard *heard, struct flo__plan **ret_plan)
{
	struct flo__dsl_options options = {
		.file = "pipeline.json",
		.dir = "/",
		.registry = &registry,
		.fn = hear,
		.arg = heard,
	};

	return flo__dsl_compile(heard->text, heard->len, &options, NULL,
				ret_plan);
}

static void only_count(const flo_diagnostic *d, void *arg)
{
	size_t *errors = arg;

	*errors += d->severity == FLO_SEVERITY_ERROR;
}

/*
 * With the @nth allocation failing it is out of memory, or comes to the same
 * end (some can be done without), and nothing is lost.
 */
static void compile_short(const char *text, size_t len, long nth,
			  flo_status want)
{
	size_t errors = 0;
	struct flo__dsl_options options = {
		.file = "pipeline.json",
		.dir = "/",
		.registry = &registry,
		.fn = only_count,
		.arg = &errors,
	};
	struct flo__plan *plan = NULL;
	flo_status st;
	long live;

	flo__alloc_fail_at(nth, 0);
	st = flo__dsl_compile(text, len, &options, NULL, &plan);
	if (plan != NULL)
		plan->free(plan);
	live = flo__alloc_live();
	flo__alloc_fail_at(0, 0);
	FUZZ_CHECK(st == FLO_NOMEM || st == want,
		   "%s with allocation %ld failing, %s without",
		   flo_status_text(st), nth, flo_status_text(want));
	FUZZ_CHECK(live == 0, "allocation %ld fails and %ld are lost", nth,
		   live);
	FUZZ_CHECK((plan != NULL) == (st == FLO_OK), "allocation %ld", nth);
}

void fuzz_compile(const char *text, size_t len, struct flo__plan **ret_plan)
{
	struct heard heard = {.text = text, .len = len};
	flo_value *value = NULL;
	flo_status st;
	long count;
	long nth;

	flo__strbuf_init(&heard.all);
	flo_value_from_json(text, len, FLO_JSON_ANY, NULL, &value);
	heard.value = value;
	*ret_plan = NULL;
	fuzz_count_allocations();
	st = compile(&heard, ret_plan);
	count = flo__alloc_count();
	flo__alloc_fail_at(0, 0);
	FUZZ_CHECK(st == FLO_OK || st == FLO_INVALID, "%s",
		   flo_status_text(st));
	FUZZ_CHECK((st == FLO_OK) == (*ret_plan != NULL), "a plan");
	FUZZ_CHECK((st == FLO_OK) == (heard.errors == 0), "%zu errors",
		   heard.errors);
	FUZZ_CHECK(st == FLO_INVALID || value != NULL,
		   "what is no JSON was compiled");
	FUZZ_CHECK(heard.said <= FLO__DSL_DIAGNOSTICS_MAX, "%zu", heard.said);
	flo_value_unref(value);
	flo__strbuf_fini(&heard.all);
	nth = fuzz_nth_allocation((const uint8_t *)text, len, count);
	if (nth != 0)
		compile_short(text, len, nth, st);
}

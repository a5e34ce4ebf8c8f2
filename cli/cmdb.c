/* flowctl cmdb: look into a CMDB, and decide about its plans. */
#include "cli/cmdb.h"

#include "cli/print.h"
#include "cli/utf8.h"
#include "cli/when.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Columns that a value takes in "FIELD: BEFORE -> AFTER". */
#define VALUE_COLUMNS 60

static const struct cli_verb *const verbs[] = {
	&cli_verb_cmdb_sources, &cli_verb_cmdb_plans,
	&cli_verb_cmdb_show,	&cli_verb_cmdb_approve,
	&cli_verb_cmdb_reject,	&cli_verb_cmdb_history,
	&cli_verb_cmdb_at,	NULL,
};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]) - 1)

/* The file */

int cli_cmdb_error(const flo_error *err)
{
	cli_error("%s", *err->text ? err->text : flo_status_text(err->status));
	switch (err->status) {
	case FLO_BLOCKED:
	case FLO_CLOSED:
	case FLO_FAILED:
		return CLI_FAILED;
	case FLO_NOTFOUND:
	case FLO_INVALID:
	case FLO_SYNTAX:
	case FLO_RANGE:
		return CLI_USAGE;
	default:
		return CLI_STORE;
	}
}

int cli_cmdb_open(const char *path, flo_cmdb_mode mode, flo_cmdb **ret_cmdb)
{
	flo_error err = FLO_ERROR_INIT;
	char *standard;
	flo_status st = flo_cmdb_open(path, mode, &err, ret_cmdb);

	if (st == FLO_OK)
		return CLI_GO_ON;
	if (st != FLO_NOTFOUND) {
		cli_cmdb_error(&err);
		return CLI_STORE;
	}
	standard = path ? NULL : flo_cmdb_default_path();
	cli_error("there is no CMDB at %s: name its file with --db FILE or "
		  "FLOW_CMDB; the first cmdb.pull makes it",
		  path	     ? path
		  : standard ? standard
			     : "the default place");
	flo_free(standard);
	return CLI_STORE;
}

/* Printing */

/* How a JSON string says @point, which no terminal should get. */
static void put_unicode(uint32_t point)
{
	if (point < 0x10000) {
		printf("\\u%04x", point);
		return;
	}
	point -= 0x10000;
	printf("\\u%04x\\u%04x", 0xd800 + (point >> 10),
	       0xdc00 + (point & 0x3ff));
}

void cli_cmdb_put_json(const char *json, size_t len)
{
	size_t from = 0, used;

	for (size_t i = 0; i < len; i += used) {
		uint32_t point;

		used = 1;
		if (json[i] >= ' ' && json[i] <= '~')
			continue;
		point = cli_utf8_next(json + i, len - i, &used);
		if (point != CLI_UTF8_BAD && cli_utf8_width(point) >= 0)
			continue;
		fwrite(json + from, 1, i - from, stdout);
		put_unicode(point == CLI_UTF8_BAD ? 0xfffd : point);
		from = i + used;
	}
	fwrite(json + from, 1, len - from, stdout);
}

void cli_cmdb_put_short(const char *json, size_t len, size_t columns)
{
	size_t fits = cli_fit(json, len, columns);

	if (fits < len)
		fits = cli_fit(json, len, columns - 3);
	cli_put_escaped(stdout, json, fits, CLI_ONE_LINE);
	fputs(fits < len ? "..." : "", stdout);
}

void cli_cmdb_put_time(const char *key, int64_t us)
{
	time_t s = (time_t)(us / 1000000);
	char text[32];
	struct tm tm;

	if (us == 0) {
		printf(",\"%s\":null", key);
		return;
	}
	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf(",\"%s\":\"%s.%06dZ\"", key, text, (int)(us % 1000000));
}

void cli_cmdb_put_db(const char *db)
{
	if (!db)
		return;
	fputs(" --db ", stdout);
	cli_put_shell_word(stdout, db);
}

long long cli_cmdb_int(const flo_value *map, const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);

	if (!value || flo_value_typeof(value) != FLO_VALUE_INT)
		return 0;
	return (long long)flo_value_get_int(value);
}

struct cli_ago cli_cmdb_ago(const char *rfc3339)
{
	double ms = *rfc3339 ? cli_when_between(rfc3339, "") : -1;
	unsigned long hours = ms < 0 ? 0 : (unsigned long)(ms / 3600000);
	struct cli_ago ago = {"-"};

	if (!*rfc3339)
		return ago;
	if (hours >= 48)
		snprintf(ago.text, sizeof(ago.text), "%lu d ago", hours / 24);
	else
		snprintf(ago.text, sizeof(ago.text), "%s ago",
			 cli_duration(ms < 0 ? 0 : ms).text);
	return ago;
}

void cli_cmdb_put_cell(const char *text, int width)
{
	int used =
		(int)cli_put_escaped(stdout, text, strlen(text), CLI_ONE_LINE);

	printf("%*s  ", used < width ? width - used : 0, "");
}

int cli_cmdb_width(const flo_value *list, const char *key)
{
	size_t widest = strlen(key);

	for (size_t i = 0; i < flo_value_len(list); i++) {
		const char *text =
			cli_map_text(flo_value_list_at(list, i), key);
		size_t columns = cli_columns(text, strlen(text));

		if (columns > widest)
			widest = columns;
	}
	return widest > 40 ? 40 : (int)widest;
}

struct cli_paint cli_cmdb_paint(void)
{
	static const struct cli_paint none = {"", "", "", "", ""};
	static const struct cli_paint some = {"\033[32m", "\033[31m",
					      "\033[33m", "\033[1m", "\033[0m"};
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term &&
			       strcmp(term, "dumb") != 0
		       ? some
		       : none;
}

static void put_value(const char *record, const char *pointer)
{
	size_t len = 0;
	const char *text = flo_cmdb_field(record, pointer, &len);

	if (text)
		cli_cmdb_put_short(text, len, VALUE_COLUMNS);
	else
		fputs("(none)", stdout);
}

void cli_cmdb_put_fields(const char *fields, const char *before,
			 const char *after, const struct cli_paint *paint)
{
	flo_value *list = NULL;

	/* What a damaged file says of them is not shown. */
	if (!before || !after ||
	    flo_value_from_json(fields, strlen(fields), 0, NULL, &list))
		return;
	for (size_t i = 0; i < flo_value_len(list); i++) {
		const flo_value *item = flo_value_list_at(list, i);
		const char *pointer;

		if (flo_value_typeof(item) != FLO_VALUE_STRING)
			continue;
		pointer = flo_value_get_string(item, NULL);
		fputs("    ", stdout);
		cli_put_escaped(stdout, pointer, strlen(pointer), CLI_ONE_LINE);
		printf(": %s", paint->remove);
		put_value(before, pointer);
		printf("%s -> %s", paint->end, paint->add);
		put_value(after, pointer);
		printf("%s\n", paint->end);
	}
	flo_value_unref(list);
}

/* The verb of verbs */

static int unknown(const struct cli_verb *verb, const char *name)
{
	const char *names[VERBS + 1] = {0};
	const char *near;

	for (size_t i = 0; i < VERBS; i++)
		names[i] = verbs[i]->name + strlen("cmdb ");
	near = cli_nearest(name, names);
	if (near)
		return cli_args_usage(verb,
				      "there is no command \"cmdb %s\", did "
				      "you mean \"cmdb %s\"?",
				      name, near);
	return cli_args_usage(verb, "there is no command \"cmdb %s\"", name);
}

const struct cli_verb *cli_cmdb_find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(verbs[i]->name + strlen("cmdb "), name))
			return verbs[i];
	return NULL;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	const struct cli_verb *which;
	char none;
	int operands = 0, code;

	if (argc > 0 && argv[0][0] != '-') {
		which = cli_cmdb_find(argv[0]);
		return which ? which->run(which, argc - 1, argv + 1)
			     : unknown(verb, argv[0]);
	}
	if (argc > 0 && strcmp(argv[0], "--help") != 0 &&
	    strcmp(argv[0], "-h") != 0)
		return cli_args_usage(verb, "%s: options go after the command",
				      argv[0]);
	code = cli_args_parse(verb, argc, argv, &none, &operands);
	if (code != CLI_GO_ON)
		return code;
	return cli_args_usage(verb, "which of its commands?");
}

static const struct cli_option options[] = {{0}};

const struct cli_verb cli_verb_cmdb = {
	.name = "cmdb",
	.summary = "look into a CMDB, approve its plans",
	.operands = "COMMAND [ARGUMENT]...",
	.help = "  sources   list what it holds: rows, last pull, last apply\n"
		"  plans     list plans, newest first\n"
		"  show      show what a plan would change, or has\n"
		"  approve   release a plan that a guard has blocked\n"
		"  reject    see to it that a plan is never applied\n"
		"  history   show the versions of a record\n"
		"  at        print what a source held at a time\n\n"
		"'flowctl cmdb COMMAND --help' has the options and examples.",
	.examples = "flowctl cmdb sources\n"
		    "flowctl cmdb plans --blocked\n"
		    "flowctl cmdb approve 328ca426 --note 'a site was closed'\n"
		    "flowctl cmdb at '2h ago' vm",
	.options = options,
	.run = verb_run,
};

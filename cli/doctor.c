/* flowctl doctor: is the store whole, and has the machine what runs need? */
#include "cli/args.h"
#include "cli/hint.h"
#include "cli/print.h"
#include "cli/store.h"

#include <stdlib.h>
#include <string.h>

struct doctor_args {
	const char *store;
	bool json;
};

static const struct cli_option options[] = {
	CLI_OPTION_STORE(struct doctor_args, store),
	{"json", 0, CLI_FLAG, offsetof(struct doctor_args, json), NULL,
	 "print one JSON object a line"},
	{0},
};

struct doctor {
	bool json;
	size_t counts[3]; /* of each level */
};

static const char *const levels[] = {
	[FLO_CHECK_OK] = "ok",
	[FLO_CHECK_NOTE] = "note",
	[FLO_CHECK_PROBLEM] = "problem",
};

/* What comes from a damaged store may be anything. */
static flo_value *text_of(const char *text)
{
	char *utf8 = text ? cli_utf8(text) : NULL;
	flo_value *value = utf8 ? flo_value_string(utf8) : flo_value_null();

	free(utf8);
	return value;
}

static void print_json(const flo_check *check)
{
	flo_value *map = flo_value_map(5);

	if (!map)
		return;
	flo_value_map_set(map, "check", text_of(check->name));
	flo_value_map_set(map, "level", text_of(levels[check->level]));
	flo_value_map_set(map, "run", text_of(check->run));
	flo_value_map_set(map, "message", text_of(check->text));
	flo_value_map_set(map, "remedy", text_of(check->remedy));
	cli_print_json(map, false);
	flo_value_unref(map);
}

static void print_line(const flo_check *check)
{
	printf("%-7s  %-12s ", levels[check->level], check->name);
	cli_put_escaped(stdout, check->text, strlen(check->text), CLI_ONE_LINE);
	if (check->remedy) {
		fputs("; ", stdout);
		cli_put_escaped(stdout, check->remedy, strlen(check->remedy),
				CLI_ONE_LINE);
	}
	putchar('\n');
}

static void print(const flo_check *check, void *arg)
{
	struct doctor *doctor = arg;
	char *remedy = check->remedy ? cli_hint_text(check->remedy) : NULL;
	flo_check with = *check;

	if (remedy)
		with.remedy = remedy;
	doctor->counts[check->level]++;
	if (doctor->json)
		print_json(&with);
	else
		print_line(&with);
	free(remedy);
	cli_check_stdout();
}

static int examine(const struct doctor_args *args)
{
	struct doctor doctor = {.json = args->json};
	flo_error err = FLO_ERROR_INIT;
	size_t problems;

	if (flo_store_check(args->store, print, &doctor, &err) ||
	    flo_machine_check(NULL, print, &doctor, &err))
		return cli_store_error(&err);
	problems = doctor.counts[FLO_CHECK_PROBLEM];
	if (!args->json)
		printf("%zu problem%s, %zu note%s\n", problems,
		       problems == 1 ? "" : "s", doctor.counts[FLO_CHECK_NOTE],
		       doctor.counts[FLO_CHECK_NOTE] == 1 ? "" : "s");
	return problems ? CLI_STORE : CLI_OK;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct doctor_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	return examine(&args);
}

const struct cli_verb cli_verb_doctor = {
	.name = "doctor",
	.summary = "check the store and the machine",
	.operands = "",
	.help = "Says of the store whether it is whole and private, with every "
		"event of every run,\nwho carries out which run, what crashes "
		"have left behind and how much room there\nis; and of the "
		"machine whether it has what runs need. Changes nothing, and "
		"may be\nused while runs are under way.\n\n"
		"Exit codes: 0 there is no problem, 4 there is.",
	.examples = "flowctl doctor\n"
		    "flowctl doctor --store other.db --json",
	.options = options,
	.run = verb_run,
};

/* flowctl cmdb sources: what a CMDB holds. */
#include "cli/cmdb.h"
#include "cli/print.h"

#include <stdio.h>

struct sources_args {
	const char *db;
	bool json;
};

static const struct cli_option options[] = {
	CLI_OPTION_DB(struct sources_args, db),
	{"json", 0, CLI_FLAG, offsetof(struct sources_args, json), NULL,
	 "print one JSON object a line"},
	{0},
};

static void print_table(const flo_value *sources)
{
	int width = cli_cmdb_width(sources, "source");
	size_t len = flo_value_len(sources);

	if (len == 0) {
		cli_error("no sources yet: the first cmdb.pull makes one");
		return;
	}
	printf("%-*s  %10s  %-13s  %-13s  %s\n", width, "SOURCE", "ROWS",
	       "PULLED", "APPLIED", "BLOCKED");
	for (size_t i = 0; i < len; i++) {
		const flo_value *source = flo_value_list_at(sources, i);

		cli_cmdb_put_cell(cli_map_text(source, "source"), width);
		printf("%10lld  ", cli_cmdb_int(source, "rows"));
		printf("%-13s  ",
		       cli_cmdb_ago(cli_map_text(source, "pulled_at")).text);
		printf("%-13s  ",
		       cli_cmdb_ago(cli_map_text(source, "applied_at")).text);
		printf("%lld\n", cli_cmdb_int(source, "blocked"));
		cli_check_stdout();
	}
}

static int list(const struct sources_args *args)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *sources = NULL;
	flo_cmdb *cmdb = NULL;
	int code = cli_cmdb_open(args->db, FLO_CMDB_READ, &cmdb);

	if (code != CLI_GO_ON)
		return code;
	code = CLI_OK;
	if (flo_cmdb_sources(cmdb, &err, &sources))
		code = cli_cmdb_error(&err);
	else if (!args->json)
		print_table(sources);
	else
		for (size_t i = 0; i < flo_value_len(sources); i++)
			cli_print_json(flo_value_list_at(sources, i), false);
	flo_value_unref(sources);
	flo_cmdb_close(cmdb);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct sources_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	return list(&args);
}

const struct cli_verb cli_verb_cmdb_sources = {
	.name = "cmdb sources",
	.operands = "",
	.help = "Lists the sources of a CMDB: how many records each holds, "
		"when it was last\npulled and applied, and how many plans wait "
		"for a person.",
	.examples = "flowctl cmdb sources\n"
		    "flowctl cmdb sources --db /var/lib/cmdb/cmdb.db --json",
	.options = options,
	.run = verb_run,
};

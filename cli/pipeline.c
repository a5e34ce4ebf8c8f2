#include "cli/pipeline.h"

#include "cli/args.h"
#include "cli/file.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

static void print_diagnostic(const flo_diagnostic *diagnostic, void *arg)
{
	const bool *quiet = arg;

	if (!*quiet || diagnostic->severity == FLO_SEVERITY_ERROR)
		cli_print_diagnostic(stderr, diagnostic);
	else if (diagnostic->more)
		cli_print_more(stderr, diagnostic);
}

int cli_pipeline_load(const char *path, bool quiet, flo_pipeline **ret_pipeline)
{
	struct cli_file file = {0};
	flo_error err = FLO_ERROR_INIT;
	int code = cli_file_read(path, &file);

	if (code != CLI_GO_ON)
		return code;
	if (flo_pipeline_load(NULL, file.text, file.len, file.name,
			      print_diagnostic, &quiet, &err, ret_pipeline)) {
		cli_error("%s",
			  *err.text ? err.text : flo_status_text(err.status));
		code = err.status == FLO_NOMEM ? CLI_STORE : CLI_INVALID;
	}
	cli_file_free(&file);
	return code;
}

static int add_param(const struct cli_verb *verb, const flo_pipeline *pipeline,
		     const char *word, flo_value *params)
{
	const char *equals = strchr(word, '=');
	flo_error err = FLO_ERROR_INIT;
	char *name;
	flo_status st;

	if (!equals || equals == word)
		return cli_args_usage(verb, "-p wants NAME=VALUE, not \"%s\"",
				      word);
	name = strndup(word, (size_t)(equals - word));
	if (!name)
		return CLI_STORE;
	st = flo_pipeline_param(pipeline, name, equals + 1, params, &err);
	if (st == FLO_EXISTS)
		cli_error("param \"%s\" is given twice", name);
	else if (st != FLO_OK)
		cli_error("%s", err.text);
	free(name);
	return st == FLO_OK	  ? CLI_GO_ON
	       : st == FLO_EXISTS ? CLI_USAGE
				  : CLI_INVALID;
}

/* What the file says and no -p did. */
static int add_params_file(const char *path, flo_value *params)
{
	flo_value *map = NULL;
	int code = cli_file_read_map(path, &map);

	for (size_t i = 0; code == CLI_GO_ON && i < flo_value_len(map); i++) {
		const flo_value *key, *value;
		const char *name;

		value = flo_value_map_at(map, i, &key);
		name = flo_value_get_string(key, NULL);
		if (flo_value_map_get(params, name))
			continue;
		if (flo_value_map_set(params, name, flo_value_ref(value)))
			code = CLI_STORE;
	}
	flo_value_unref(map);
	return code;
}

int cli_pipeline_params(const struct cli_verb *verb,
			const flo_pipeline *pipeline,
			const struct cli_texts *texts, const char *file,
			flo_value *params)
{
	int code = params ? CLI_GO_ON : CLI_STORE;

	for (size_t i = 0; code == CLI_GO_ON && i < texts->len; i++)
		code = add_param(verb, pipeline, texts->at[i], params);
	if (code == CLI_GO_ON && file)
		code = add_params_file(file, params);
	if (code == CLI_STORE)
		cli_error("out of memory");
	return code;
}

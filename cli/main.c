/*
 * flowctl: runs pipelines written in JSON, durably.
 *
 * A thin layer of words over libflo: it finds the verb and gives it the rest.
 */
#include "cli/cli.h"
#include "cli/print.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One a line, however many there are. */
/* clang-format off */
const struct cli_verb *const cli_verbs[] = {
	&cli_verb_run,
	&cli_verb_resume,
	&cli_verb_rerun,
	&cli_verb_cancel,
	&cli_verb_validate,
	&cli_verb_plan,
	&cli_verb_graph,
	&cli_verb_eval,
	&cli_verb_schema,
	&cli_verb_runs,
	&cli_verb_show,
	&cli_verb_events,
	&cli_verb_logs,
	&cli_verb_cmdb,
	&cli_verb_prune,
	&cli_verb_doctor,
	&cli_verb_version,
	&cli_verb_help,
	NULL,
};
/* clang-format on */

#define VERBS (sizeof(cli_verbs) / sizeof(cli_verbs[0]) - 1)

const struct cli_verb *cli_verb_find(const char *name)
{
	for (size_t i = 0; i < VERBS; i++)
		if (!strcmp(cli_verbs[i]->name, name))
			return cli_verbs[i];
	return NULL;
}

/* Whether @name can only be a pipeline's file where a command should be. */
static bool is_like_file(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') ||
	       (len > 5 && !strcmp(name + len - 5, ".json"));
}

static bool is_file(const char *name)
{
	struct stat st;

	return stat(name, &st) == 0 && S_ISREG(st.st_mode);
}

static void tell_file(const char *name)
{
	char *word = cli_shell_word(name);

	cli_error("there is no command \"%s\"; to run that file: "
		  "flowctl run %s\n"
		  "'flowctl help' lists them.",
		  name, word ? word : "FILE");
	free(word);
}

static int unknown_verb(const char *name)
{
	const char *names[VERBS + 1] = {0};
	const char *near;

	for (size_t i = 0; i < VERBS; i++)
		names[i] = cli_verbs[i]->name;
	near = cli_nearest(name, names);
	if (is_like_file(name) || (!near && is_file(name)))
		tell_file(name);
	else if (near)
		cli_error("there is no command \"%s\", did you mean \"%s\"?\n"
			  "'flowctl help' lists them.",
			  name, near);
	else
		cli_error("there is no command \"%s\"\n"
			  "'flowctl help' lists them.",
			  name);
	return CLI_USAGE;
}

static int dispatch(int argc, char **argv)
{
	const struct cli_verb *verb;

	if (argc < 2) {
		cli_error("which command? 'flowctl help' lists them.");
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		verb = &cli_verb_version;
	} else if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		verb = &cli_verb_help;
	} else if (argv[1][0] == '-') {
		cli_error("unknown option %s: options go after the command",
			  argv[1]);
		return CLI_USAGE;
	} else {
		verb = cli_verb_find(argv[1]);
	}
	return verb ? verb->run(verb, argc - 2, argv + 2)
		    : unknown_verb(argv[1]);
}

/*
 * Put something in the place of standard streams that are closed. Otherwise
 * the next file that is opened, the store's perhaps, would get that number, and
 * what is printed would be written into it. /dev/null is opened the wrong way
 * round, so that whoever reads or writes there is told that it cannot be.
 */
static bool open_std(void)
{
	static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};

	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", flags[fd]) != fd)
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	if (!open_std())
		return CLI_STORE; /* and nowhere to say why */
	signal(SIGPIPE, SIG_IGN);
	/* Nobody asks how much memory SQLite has, and to count it threads wait
	 * for each other at each allocation. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	setvbuf(stderr, NULL, _IOLBF, BUFSIZ);
	return cli_finish_stdout(dispatch(argc, argv));
}

/*
 * Words of other tools: what a user of GitHub Actions, Argo Workflows, Dagu,
 * Airflow, Ansible or make writes, and what it is called here. No distance
 * between words finds these.
 */
#include "dsl/compile_p.h"

#include <string.h>

#define TEXT   FLO__JSON(STRING)
#define LIST   FLO__JSON(ARRAY)
#define OBJECT FLO__JSON(OBJECT)
#define NUMBER FLO__JSON(NUMBER)

#define ABOUT_RETRY   "it is written \"retry\": {\"limit\": 3}"
#define ABOUT_TIMEOUT "it is written \"timeout\": \"10m\""
#define ABOUT_FINALLY "what runs at the end in any case stands in `finally`"
#define ABOUT_ENV_FILE                                                         \
	"name each variable in `env`, or read the file in a `sh` step"
#define ABOUT_IMAGE                                                            \
	"programs run on this machine; a container's are started by its own "  \
	"program: \"exec\": [\"podman\", \"run\", ...]"
#define ABOUT_AT_ONCE                                                          \
	"steps that run at once stand in `group`; one step for each of many "  \
	"items is a `foreach`"
#define ABOUT_SCHEDULE "it is written \"schedule\": {\"cron\": \"0 2 * * *\"}"
#define ABOUT_DEFAULTS "what steps inherit stands in `defaults`"

static const struct flo__foreign of_step[] = {
	{"if", "when", 0, NULL},
	{"onlyif", "when", 0, NULL},
	{"condition", "when", 0, NULL},
	{"precondition", "when", 0, NULL},
	{"preconditions", "when", 0, NULL},
	{"unless", "when", 0, "write what has to be true in `when`"},
	{"run", "exec", LIST, NULL},
	{"run", "sh", TEXT, NULL},
	{"command", "exec", LIST, NULL},
	{"command", "sh", TEXT, NULL},
	{"cmd", "exec", LIST, NULL},
	{"cmd", "sh", TEXT, NULL},
	{"commands", "sh", TEXT | LIST, NULL},
	{"script", "sh", TEXT | LIST, NULL},
	{"bash", "sh", TEXT | LIST, NULL},
	{"args", NULL, 0,
	 "arguments stand in `exec`, behind the program: [\"ls\", \"-l\"]; "
	 "those of a step type in `with`"},
	{"argv", "exec", LIST, NULL},
	{"image", NULL, 0, ABOUT_IMAGE},
	{"container", NULL, 0, ABOUT_IMAGE},
	{"docker", NULL, 0, ABOUT_IMAGE},
	{"uses", "use", 0, NULL},
	{"action", "use", 0, NULL},
	{"executor", "use", 0, NULL},
	{"operator", "use", 0, NULL},
	{"type", "use", 0, NULL},
	{"module", "use", 0, NULL},
	{"depends", "needs", LIST, NULL},
	{"dependson", "needs", LIST, NULL},
	{"dependencies", "needs", LIST, NULL},
	{"requires", "needs", LIST, NULL},
	{"after", "needs", LIST, NULL},
	{"envfile", NULL, 0, ABOUT_ENV_FILE},
	{"dotenv", NULL, 0, ABOUT_ENV_FILE},
	{"environment", "env", OBJECT, NULL},
	{"vars", "env", OBJECT, NULL},
	{"variables", "env", OBJECT, NULL},
	{"retries", "retry", 0, ABOUT_RETRY},
	{"maxretries", "retry", 0, ABOUT_RETRY},
	{"attempts", "retry", 0, ABOUT_RETRY},
	{"maxattempts", "retry", 0, ABOUT_RETRY},
	{"retrystrategy", "retry", 0, ABOUT_RETRY},
	{"retrypolicy", "retry", 0, ABOUT_RETRY},
	{"parallel", "group", LIST, ABOUT_AT_ONCE},
	{"parallel", NULL, 0, ABOUT_AT_ONCE},
	{"concurrent", "group", LIST, ABOUT_AT_ONCE},
	{"dag", "group", LIST, NULL},
	{"jobs", "group", LIST, NULL},
	{"tasks", "steps", LIST, NULL},
	{"do", "steps", LIST, NULL},
	{"block", "steps", LIST, NULL},
	{"sequence", "steps", LIST, NULL},
	{"parallelism", "limit", 0, NULL},
	{"maxparallel", "limit", 0, NULL},
	{"concurrency", "limit", 0, NULL},
	{"maxconcurrency", "limit", 0, NULL},
	{"maxactivesteps", "limit", 0, NULL},
	{"withitems", "foreach", LIST, NULL},
	{"withitems", "foreach", 0, NULL},
	{"withparam", "foreach", 0, NULL},
	{"items", "foreach", LIST, NULL},
	{"loop", "foreach", LIST, NULL},
	{"each", "foreach", LIST, NULL},
	{"for", "foreach", LIST, NULL},
	{"strategy", "matrix", 0, NULL},
	{"workingdirectory", "dir", 0, NULL},
	{"workingdir", "dir", 0, NULL},
	{"workdir", "dir", 0, NULL},
	{"cwd", "dir", 0, NULL},
	{"chdir", "dir", 0, NULL},
	{"timeoutminutes", "timeout", 0, ABOUT_TIMEOUT},
	{"timeoutseconds", "timeout", 0, ABOUT_TIMEOUT},
	{"timeoutsec", "timeout", 0, ABOUT_TIMEOUT},
	{"activedeadlineseconds", "timeout", 0, ABOUT_TIMEOUT},
	{"deadline", "timeout", 0, ABOUT_TIMEOUT},
	{"continueonerror", "allow_failure", 0, NULL},
	{"continueon", "allow_failure", 0, NULL},
	{"ignoreerrors", "allow_failure", 0, NULL},
	{"failfast", "on_error", 0, NULL},
	{"id", "name", TEXT, NULL},
	{"displayname", "title", 0, NULL},
	{"inputs", "with", OBJECT, NULL},
	{"arguments", "with", OBJECT, NULL},
	{"parameters", "with", OBJECT, NULL},
	{"params", "with", OBJECT, NULL},
	{"outputs", "output", 0, NULL},
	{"stdout", "output", 0, "`output` says how stdout becomes a value"},
	{"register", "output", 0, "other steps read steps.NAME.output"},
	{"onexit", "finally", 0, ABOUT_FINALLY},
	{"onfailure", "finally", 0, ABOUT_FINALLY},
	{"handleron", "finally", 0, ABOUT_FINALLY},
	{"always", "finally", 0, ABOUT_FINALLY},
	{"template", "pipeline", 0, NULL},
	{"workflow", "pipeline", 0, NULL},
	{"include", "pipeline", 0, NULL},
	{"call", "pipeline", 0, NULL},
	{"schedule", NULL, 0, "a schedule is of the whole pipeline"},
	{"scheduleinterval", NULL, 0, "a schedule is of the whole pipeline"},
	{"secrets", NULL, 0, "secrets are declared for the whole pipeline"},
	{"signalonstop", "stop_signal", 0, NULL},
};

static const struct flo__foreign of_pipeline[] = {
	{"jobs", "steps", LIST, NULL},
	{"jobs", "steps", 0, "`steps` is an array of steps, each with a name"},
	{"tasks", "steps", LIST, NULL},
	{"stages", "steps", LIST, NULL},
	{"dag", "steps", LIST, NULL},
	{"group", NULL, 0,
	 "the steps of a pipeline are a sequence; a `group` is one of them"},
	{"parallel", NULL, 0, ABOUT_AT_ONCE},
	{"scheduleinterval", "schedule", 0, ABOUT_SCHEDULE},
	{"cron", "schedule", 0, ABOUT_SCHEDULE},
	{"on", "schedule", 0, ABOUT_SCHEDULE},
	{"triggers", "schedule", 0, ABOUT_SCHEDULE},
	{"parameters", "params", 0, NULL},
	{"inputs", "params", 0, NULL},
	{"arguments", "params", 0, NULL},
	{"args", "params", 0, NULL},
	{"environment", "env", OBJECT, NULL},
	{"vars", "env", OBJECT, NULL},
	{"variables", "env", OBJECT, NULL},
	{"envfile", NULL, 0, ABOUT_ENV_FILE},
	{"dotenv", NULL, 0, ABOUT_ENV_FILE},
	{"parallelism", "limit", 0, NULL},
	{"concurrency", "limit", 0, NULL},
	{"maxactivesteps", "limit", 0, NULL},
	{"maxactiveruns", "schedule", 0,
	 "whether runs of a schedule overlap says `overlap` of `schedule`"},
	{"onexit", "finally", 0, ABOUT_FINALLY},
	{"handleron", "finally", 0, ABOUT_FINALLY},
	{"always", "finally", 0, ABOUT_FINALLY},
	{"failfast", "on_error", 0, NULL},
	{"title", "description", 0, NULL},
	{"version", NULL, 0, "leave it out"},
	{"dir", "defaults", 0, ABOUT_DEFAULTS},
	{"workingdir", "defaults", 0, "what is meant is `dir` of `defaults`"},
	{"workingdirectory", "defaults", 0,
	 "what is meant is `dir` of `defaults`"},
	{"retry", "defaults", 0, ABOUT_DEFAULTS},
	{"retries", "defaults", 0, "what is meant is `retry` of `defaults`"},
	{"grace", "defaults", 0, ABOUT_DEFAULTS},
};

static const struct flo__foreign of_retry[] = {
	{"attempts", "limit", NUMBER, NULL},
	{"count", "limit", NUMBER, NULL},
	{"times", "limit", NUMBER, NULL},
	{"retries", "limit", NUMBER, NULL},
	{"maxretries", "limit", NUMBER, NULL},
	{"maxattempts", "limit", NUMBER, NULL},
	{"delay", "backoff", 0, NULL},
	{"interval", "backoff", 0, NULL},
	{"intervalsec", "backoff", 0, NULL},
	{"wait", "backoff", 0, NULL},
	{"pause", "backoff", 0, NULL},
	{"duration", "backoff", 0, NULL},
	{"multiplier", "factor", 0, NULL},
	{"maxdelay", "max", 0, NULL},
	{"maxinterval", "max", 0, NULL},
	{"maxduration", "max", 0, NULL},
	{"if", "when", 0, NULL},
	{"expression", "when", 0, NULL},
};

static const struct flo__foreign of_param[] = {
	{"values", "enum", 0, NULL},
	{"options", "enum", 0, NULL},
	{"choices", "enum", 0, NULL},
	{"min", "minimum", 0, NULL},
	{"max", "maximum", 0, NULL},
	{"regex", "pattern", 0, NULL},
	{"value", "default", 0, NULL},
	{"help", "description", 0, NULL},
	{"optional", "required", 0,
	 "what is not \"required\" is optional already"},
};

static const struct flo__foreign of_schedule[] = {
	{"expression", "cron", TEXT, NULL},
	{"interval", "cron", TEXT, NULL},
	{"schedule", "cron", TEXT, NULL},
	{"at", "cron", TEXT, NULL},
	{"tz", "timezone", 0, NULL},
	{"concurrencypolicy", "overlap", 0, NULL},
	{"misfire", "catch_up", 0, NULL},
	{"parameters", "params", 0, NULL},
};

static const struct flo__foreign of_secret[] = {
	{"variable", "env", TEXT, NULL},
	{"var", "env", TEXT, NULL},
	{"path", "file", 0, NULL},
	{"command", "exec", LIST, NULL},
	{"cmd", "exec", LIST, NULL},
	{"value", NULL, 0,
	 "a secret does not stand in the pipeline: say with `env`, `file` or "
	 "`exec` where it comes from"},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const struct flo__grammar *grammar;
	const struct flo__foreign *words;
	size_t len;
} all[] = {
	{&flo__grammar_step, of_step, COUNT(of_step)},
	{&flo__grammar_pipeline, of_pipeline, COUNT(of_pipeline)},
	{&flo__grammar_retry, of_retry, COUNT(of_retry)},
	{&flo__grammar_param, of_param, COUNT(of_param)},
	{&flo__grammar_items, of_param, COUNT(of_param)},
	{&flo__grammar_schedule, of_schedule, COUNT(of_schedule)},
	{&flo__grammar_secret, of_secret, COUNT(of_secret)},
};

/* Whether @text is @word, written withItems, with_items or with-items. */
static bool is_word(const char *text, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '_' || c == '-')
			continue;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c | 32);
		if (c != *word || c == '\0')
			return false;
		word++;
	}
	return *word == '\0';
}

const struct flo__foreign *flo__foreign_find(struct flo__doc *doc,
					     const struct flo__grammar *grammar,
					     uint32_t key)
{
	unsigned type = 1u << doc->nodes[flo__doc_value(key)].type;
	size_t len;
	const char *text = flo__doc_string(doc, key, &len);
	size_t i = 0;

	while (i < COUNT(all) && all[i].grammar != grammar)
		i++;
	for (size_t k = 0; i < COUNT(all) && k < all[i].len; k++) {
		const struct flo__foreign *word = &all[i].words[k];

		if ((word->types == 0 || (word->types & type) != 0) &&
		    is_word(text, len, word->word))
			return word;
	}
	return NULL;
}

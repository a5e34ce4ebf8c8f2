/*
 * The table itself: see grammar_p.h. Shapes first, then the objects.
 *
 * A pattern is tighter than the compiler nowhere: what the schema refuses, the
 * compiler refuses, too. tests/schema/mutate looks for pairs that differ.
 */
#include "dsl/grammar_p.h"

#include "dsl/compile_p.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STRING	     FLO__JSON(STRING)
#define NUMBER	     FLO__JSON(NUMBER)
#define ARRAY	     FLO__JSON(ARRAY)
#define OBJECT	     FLO__JSON(OBJECT)
#define ANYTHING                                                               \
	(STRING | NUMBER | ARRAY | OBJECT | FLO__JSON_BOOL | FLO__JSON(NULL))

#define SHAPE(name) static const struct flo__shape name =

/* The short names are what the tables below are made of. */
#define shape_duration flo__shape_duration
#define shape_size     flo__shape_size

/* ---- strings ---- */

SHAPE(shape_text){.types = STRING};

SHAPE(shape_plain){
	.def = "plain",
	.text = "Text without templates.",
	.types = STRING,
	.string = STRING_PLAIN,
};

SHAPE(shape_title){.types = STRING,
		   .string = STRING_PLAIN,
		   .len_max = FLO__TITLE_LEN_MAX};

SHAPE(shape_name){
	.def = "name",
	.text = "Letters, digits and _, no digit first, at most 63; no "
		"reserved word.",
	.types = STRING,
	.string = STRING_NAME,
};

SHAPE(shape_expression){
	.def = "expression",
	.text = "An expression in CEL, without ${{ }} around it.",
	.types = STRING,
	.string = STRING_EXPRESSION,
};

const struct flo__shape flo__shape_duration = {
	.def = "duration",
	.text = "A duration: 250ms, 10s, 1m30s, 2h, 1d.",
	.types = STRING,
	.string = STRING_PATTERN,
	.pattern = "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
		   "([0-9]+ms)?$",
};

SHAPE(shape_timeout){
	.def = "timeout",
	.text = "A duration of more than 0, or one template that computes "
		"one.",
	.types = STRING,
	.string = STRING_PATTERN,
	.pattern = "^(?=.*[1-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
		   "([0-9]+ms)?$",
	.template = true,
};

/* The same without a template. */
SHAPE(shape_time_limit){
	.def = "time_limit",
	.text = "A duration of more than 0.",
	.types = STRING,
	.string = STRING_PATTERN,
	.pattern = "^(?=.*[1-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
		   "([0-9]+ms)?$",
};

const struct flo__shape flo__shape_size = {
	.def = "size",
	.text = "A size: 512B, 64KiB, 16MiB, 1GiB.",
	.types = STRING,
	.string = STRING_PATTERN,
	.pattern = "^(?=.)([0-9]+TiB)?([0-9]+GiB)?([0-9]+MiB)?([0-9]+KiB)?"
		   "([0-9]+B)?$",
};

SHAPE(shape_signal){
	.def = "signal",
	.text = "A signal: SIGTERM, SIGINT, ...",
	.types = STRING,
	.string = STRING_SIGNAL,
};

SHAPE(shape_step_type){.types = STRING, .string = STRING_STEP_TYPE};

SHAPE(shape_path){.types = STRING, .string = STRING_PLAIN, .len_min = 1};

static const char *const output_words[] = {"none", "text",   "lines",
					   "json", "ndjson", NULL};

const struct flo__shape flo__shape_output = {
	.types = STRING,
	.string = STRING_WORD,
	.words = output_words,
};

static const char *const on_error_words[] = {"cancel", "drain", "continue",
					     NULL};

const struct flo__shape flo__shape_on_error = {
	.def = "on_error",
	.text = "cancel (unless said): the others are cancelled. drain: those "
		"that run may end, nothing new starts. continue: all goes on "
		"that does not depend on what failed.",
	.types = STRING,
	.string = STRING_WORD,
	.words = on_error_words,
};

static const char *const taken_names[] = {"params", "env",  "run",     "steps",
					  "index",  "step", "secrets", NULL};

const struct flo__shape flo__shape_item_name = {
	.types = STRING,
	.string = STRING_NAME,
	.words = taken_names,
};

/* ---- numbers and booleans ---- */

SHAPE(shape_boolean){.types = FLO__JSON_BOOL};

SHAPE(shape_number){.types = NUMBER};

SHAPE(shape_count){.types = NUMBER, .count = true};

SHAPE(shape_max_failures){
	.types = NUMBER | STRING,
	.count = true,
	.string = STRING_PATTERN,
	.pattern = "^0*(100|[1-9]?[0-9])%$",
};

SHAPE(shape_limit){
	.def = "limit",
	.text = "A count of at least 1, or one template that computes it.",
	.types = NUMBER | STRING,
	.count = true,
	.min = 1,
	.string = STRING_TEMPLATE,
};

SHAPE(shape_attempts){.types = NUMBER | STRING,
		      .count = true,
		      .string = STRING_TEMPLATE};

const struct flo__shape flo__shape_factor = {
	.types = NUMBER,
	.min = 1,
	.max = 1000,
};

const struct flo__shape flo__shape_fraction = {
	.types = NUMBER,
	.max = 1,
};

const struct flo__shape flo__shape_exit_code = {
	.types = NUMBER,
	.whole = true,
	.max = 255,
};

SHAPE(shape_exit_codes){.types = ARRAY,
			.items = &flo__shape_exit_code,
			.items_min = 1};

/* ---- arrays, maps and any JSON ---- */

SHAPE(shape_program){.types = STRING, .len_min = 1};

SHAPE(shape_argv){
	.types = ARRAY,
	.first = &shape_program,
	.items = &shape_text,
	.items_min = 1,
};

SHAPE(shape_words){.types = ARRAY,
		   .first = &shape_path,
		   .items = &shape_plain,
		   .items_min = 1};

SHAPE(shape_script){.types = STRING | ARRAY,
		    .string = STRING_PLAIN,
		    .items = &shape_plain};

SHAPE(shape_names){.types = ARRAY, .items = &shape_plain};

SHAPE(shape_labels){.types = OBJECT, .values = &shape_plain};

SHAPE(shape_env_name){.types = STRING,
		      .string = STRING_PATTERN,
		      .pattern = "^[^=]+$"};

SHAPE(shape_env_value){.types = STRING | NUMBER | FLO__JSON_BOOL};

SHAPE(shape_env){
	.def = "env",
	.text = "Environment variables. Numbers and booleans are taken as they "
		"are written.",
	.types = OBJECT,
	.keys = &shape_env_name,
	.values = &shape_env_value,
};

const struct flo__shape flo__shape_value = {
	.def = "value",
	.text = "Any JSON. A string that is one template keeps the type of "
		"what it computes.",
	.types = ANYTHING,
	.items = &flo__shape_value,
	.keys = &shape_plain,
	.values = &flo__shape_value,
};

SHAPE(shape_literal){
	.def = "literal",
	.text = "Any JSON without templates.",
	.types = ANYTHING,
	.string = STRING_PLAIN,
	.items = &shape_literal,
	.keys = &shape_plain,
	.values = &shape_literal,
};

SHAPE(shape_literals){.types = ARRAY, .items = &shape_literal, .items_min = 1};

/* Whether it must be an object depends on the step type. */
SHAPE(shape_arguments){
	.types = ANYTHING,
	.items = &flo__shape_value,
	.keys = &shape_plain,
	.values = &flo__shape_value,
};

SHAPE(shape_items){.types = STRING | ARRAY,
		   .string = STRING_EXPRESSION,
		   .items = &shape_literal};

/* ---- steps ---- */

SHAPE(shape_step){.types = OBJECT,
		  .object = &flo__grammar_step,
		  .without = "needs"};

SHAPE(shape_member){.types = OBJECT, .object = &flo__grammar_step};

SHAPE(shape_sequence){
	.def = "sequence",
	.text = "Steps, one after the other.",
	.types = ARRAY,
	.items = &shape_step,
};

SHAPE(shape_group){.types = ARRAY, .items = &shape_member};

static const struct flo__field finally_fields[] = {
	{"timeout", 0, &shape_time_limit,
	 "How long the steps may take together; 5m unless said."},
	{"steps", IS_REQUIRED, &shape_sequence, "The steps."},
};

const struct flo__grammar flo__grammar_finally = {
	.what = "`finally`",
	.fields = finally_fields,
	.len = COUNT(finally_fields),
};

SHAPE(shape_finally){
	.def = "finally",
	.text = "An array of steps, or an object with them and their timeout.",
	.types = ARRAY | OBJECT,
	.items = &shape_step,
	.object = &flo__grammar_finally,
};

static const struct flo__field retry_fields[] = {
	{"limit", IS_REQUIRED, &shape_attempts,
	 "How many extra attempts there may be."},
	{"backoff", 0, &shape_duration,
	 "The pause before the first of them; none unless said."},
	{"factor", 0, &flo__shape_factor,
	 "What the pause is multiplied by each time; 2 unless said."},
	{"max", 0, &shape_duration, "The longest pause."},
	{"jitter", 0, &flo__shape_fraction,
	 "How much chance is in a pause, from 0 to 1."},
	{"when", 0, &shape_expression,
	 "An expression, also over `step.exit_code`, `step.signal`, "
	 "`step.kind`, `step.attempt` and `step.stderr_tail`: whether to try "
	 "again."},
};

const struct flo__grammar flo__grammar_retry = {
	.def = "retry",
	.what = "`retry`",
	.text = "Extra attempts.",
	.fields = retry_fields,
	.len = COUNT(retry_fields),
};

SHAPE(shape_retry){.types = OBJECT, .object = &flo__grammar_retry};

static const struct flo__field defaults_fields[] = {
	{"timeout", 0, &shape_timeout, "How long each attempt may take."},
	{"retry", 0, &shape_retry, "Extra attempts after one that failed."},
	{"grace", 0, &shape_duration, "How long a step may take to stop."},
	{"env", 0, &shape_env, "Variables added to the environment."},
	{"dir", 0, &shape_text, "The working directory."},
};

const struct flo__grammar flo__grammar_defaults = {
	.what = "`defaults`",
	.fields = defaults_fields,
	.len = COUNT(defaults_fields),
};

SHAPE(shape_defaults){.types = OBJECT, .object = &flo__grammar_defaults};

/* The keys of a matrix are names, because they are fields of its item. */
SHAPE(shape_axis){
	.types = STRING | ARRAY,
	.string = STRING_EXPRESSION,
	.items = &shape_literal,
	.items_min = 1,
};

SHAPE(shape_combination){.types = OBJECT,
			 .keys = &shape_name,
			 .values = &shape_literal};

SHAPE(shape_included){.types = STRING | ARRAY,
		      .string = STRING_EXPRESSION,
		      .items = &shape_combination};

SHAPE(shape_exclusion){.types = OBJECT,
		       .some = true,
		       .keys = &shape_name,
		       .values = &shape_literal};

SHAPE(shape_excluded){.types = STRING | ARRAY,
		      .string = STRING_EXPRESSION,
		      .items = &shape_exclusion};

static const struct flo__field matrix_fields[] = {
	{"include", 0, &shape_included,
	 "Combinations that come after the others."},
	{"exclude", 0, &shape_excluded,
	 "Values of combinations that are left out."},
};

static const struct flo__grammar grammar_matrix = {
	.what = "`matrix`",
	.fields = matrix_fields,
	.len = COUNT(matrix_fields),
	.some = true,
	.keys = &shape_name,
	.values = &shape_axis,
};

SHAPE(shape_matrix){.types = OBJECT, .object = &grammar_matrix};

/* ---- params, secrets, schedules ---- */

static const char *const param_types[] = {"string",  "integer", "number",
					  "boolean", "array",	"object",
					  NULL};

const struct flo__shape flo__shape_param_type = {
	.types = STRING,
	.string = STRING_WORD,
	.words = param_types,
};

SHAPE(shape_item_schema){.types = OBJECT, .object = &flo__grammar_items};

#define OF(t)  (1u << FLO__PARAM_##t)
#define OF_ALL (OF(ANY) * 2 - 1)

static const struct flo__field param_fields[] = {
	{"type", OF_ALL, &flo__shape_param_type,
	 "The type of the value; string unless said."},
	{"default", OF_ALL, &shape_literal, "The value if none is given."},
	{"required", OF_ALL, &shape_boolean, "true: a value must be given."},
	{"enum", OF_ALL, &shape_literals, "The values that are allowed."},
	{"minimum", OF(INTEGER) | OF(NUMBER), &shape_number,
	 "The least number allowed."},
	{"maximum", OF(INTEGER) | OF(NUMBER), &shape_number,
	 "The largest number allowed."},
	{"minLength", OF(STRING), &shape_count,
	 "How many characters it has at least."},
	{"maxLength", OF(STRING), &shape_count,
	 "How many characters it has at most."},
	{"pattern", OF(STRING), &shape_plain,
	 "A regular expression that matches somewhere in it."},
	{"items", OF(ARRAY), &shape_item_schema, "What each item must be."},
	{"description", OF_ALL, &shape_plain, "Text for people."},
};

const struct flo__grammar flo__grammar_param = {
	.def = "param",
	.what = "a param",
	.text = "What a param may be, in words of JSON Schema.",
	.fields = param_fields,
	.len = COUNT(param_fields),
};

/* The same, but an item of no type may have any. */
const struct flo__grammar flo__grammar_items = {
	.def = "items",
	.what = "`items`",
	.text = "What the items of an array may be, in words of JSON Schema.",
	.fields = param_fields,
	.len = COUNT(param_fields),
};

SHAPE(shape_param){.types = OBJECT, .object = &flo__grammar_param};

SHAPE(shape_params){.types = OBJECT,
		    .keys = &shape_name,
		    .values = &shape_param};

SHAPE(shape_variable){.types = STRING,
		      .string = STRING_PATTERN,
		      .pattern = FLO__NO_TEMPLATE "[^=]+$"};

SHAPE(shape_command){
	.types = ARRAY,
	.first = &shape_path,
	.items = &shape_plain,
	.items_min = 1,
};

static const struct flo__field secret_fields[] = {
	{"env", 0, &shape_variable, "A variable of the engine's environment."},
	{"file", 0, &shape_path, "A file, relative to the pipeline's."},
	{"exec", 0, &shape_command, "A program that prints it."},
};

const struct flo__grammar flo__grammar_secret = {
	.def = "secret",
	.what = "a secret",
	.text = "Where a secret comes from: one of the three.",
	.fields = secret_fields,
	.len = COUNT(secret_fields),
	.one = true,
};

SHAPE(shape_secret){.types = OBJECT, .object = &flo__grammar_secret};

SHAPE(shape_secrets){.types = OBJECT,
		     .keys = &shape_name,
		     .values = &shape_secret};

static const char *const overlap_words[] = {"skip", "queue", "allow", "replace",
					    NULL};

const struct flo__shape flo__shape_overlap = {
	.types = STRING,
	.string = STRING_WORD,
	.words = overlap_words,
};

static const char *const catch_up_words[] = {"none", "last", "all", NULL};

const struct flo__shape flo__shape_catch_up = {
	.types = STRING,
	.string = STRING_WORD,
	.words = catch_up_words,
};

/* A key that is no param is not there, whatever it is. */
SHAPE(shape_param_values){.types = OBJECT, .values = &shape_literal};

static const struct flo__field schedule_fields[] = {
	{"cron", IS_REQUIRED, &shape_plain,
	 "Five fields: minute, hour, day of the month, month, day of the week; "
	 "or @hourly, @daily, @weekly, @monthly, @yearly."},
	{"timezone", 0, &shape_plain,
	 "The time zone that `cron` is in, as \"Europe/Berlin\"; UTC unless "
	 "said."},
	{"overlap", 0, &flo__shape_overlap,
	 "What happens if the last run is still going on. skip (unless said): "
	 "there is no new run. queue: it waits. allow: both run. replace: the "
	 "old one is cancelled."},
	{"catch_up", 0, &flo__shape_catch_up,
	 "What happens to times that passed while nothing ran. none (unless "
	 "said), last: one run for all of them, all: one run each."},
	{"jitter", 0, &shape_duration,
	 "How much later than its time a run may begin, by chance."},
	{"params", 0, &shape_param_values, "Params that the runs are given."},
};

const struct flo__grammar flo__grammar_schedule = {
	.def = "schedule",
	.what = "a schedule",
	.text = "When the pipeline is run.",
	.fields = schedule_fields,
	.len = COUNT(schedule_fields),
};

SHAPE(shape_schedule){.types = OBJECT, .object = &flo__grammar_schedule};

SHAPE(shape_schedules){.types = OBJECT | ARRAY,
		       .object = &flo__grammar_schedule,
		       .items = &shape_schedule};

/* ---- the step and the pipeline ---- */

#define shape_value	flo__shape_value
#define shape_on_error	flo__shape_on_error
#define shape_output	flo__shape_output
#define shape_item_name flo__shape_item_name

static const struct flo__field step_fields[] = {
#define FLO__KEY_X(key, text, where, shape, about)                             \
	{text, where, &shape_##shape, about},
	FLO__KEY_MAP(FLO__KEY_X)
#undef FLO__KEY_X
};

const struct flo__grammar flo__grammar_step = {
	.def = "step",
	.what = "a step",
	.text = "A leaf, which does work, or a block, which contains steps.",
	.fields = step_fields,
	.len = COUNT(step_fields),
};

static const struct flo__field top_fields[] = {
#define FLO__TOP_X(key, text, where, shape, about)                             \
	{text, where, &shape_##shape, about},
	FLO__TOP_MAP(FLO__TOP_X)
#undef FLO__TOP_X
};

const struct flo__grammar flo__grammar_pipeline = {
	.what = "a pipeline",
	.fields = top_fields,
	.len = COUNT(top_fields),
};

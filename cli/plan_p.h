/*
 * What the files that print a plan share: phrases, and values as text.
 *
 * Without memory all of them end the program.
 */
#ifndef CLI_PLAN_P_H
#define CLI_PLAN_P_H

#include "cli/plan.h"

#include <stdint.h>

#define CLI_STEP_INDENT 3

/* Phrases on their way into lines. */
struct cli_phrases {
	const struct cli_plan_text *out;
	size_t indent;
	size_t column; /* 0: no line has begun */
};

/* Set one more phrase, on a line of its own if the last has no room. */
__attribute__((format(printf, 2, 3))) void cli_phrase(struct cli_phrases *p,
						      const char *format, ...);
/* "WORD a, b, c" of a list of strings. */
void cli_phrase_list(struct cli_phrases *p, const char *word,
		     const flo_value *list);
/* "KEY VALUE", if @map has it. */
void cli_phrase_value(struct cli_phrases *p, const flo_value *map,
		      const char *key);
/* End the line, if one has begun. */
void cli_phrases_end(struct cli_phrases *p);

void cli_put_indent(const struct cli_plan_text *out, size_t indent);
/* Print at most @room columns of @text, in one line. Returns how many. */
size_t cli_put_cut(const struct cli_plan_text *out, const char *text,
		   size_t len, size_t room);
/* Columns that are left in a line. */
size_t cli_room_of(const struct cli_plan_text *out, size_t indent);

/* A string as it is, anything else as JSON; memory for flo_free(). */
char *cli_text_of(const flo_value *value);
/* "a, b, c" of a list of strings; memory for free(). */
char *cli_joined(const flo_value *list);
/* Of a list; 0 for NULL. */
size_t cli_len_of(const flo_value *value);
/* The int under @key, or @none. */
int64_t cli_int_of(const flo_value *map, const char *key, int64_t none);
/* The command of a step as a shell would take it; memory for free(). */
char *cli_command_of(const flo_value *step);

/* plan_block.c: lines about a step that is one of these. */
void cli_plan_matrix(const struct cli_plan_text *out, size_t indent,
		     const flo_value *step);
void cli_plan_pipeline(const struct cli_plan_text *out, size_t indent,
		       const flo_value *step);
/* Where the value of a secret comes from; nobody has looked. */
void cli_plan_secret(const struct cli_plan_text *out, const flo_value *secret);

#endif

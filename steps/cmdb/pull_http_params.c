/*
 * What "http" may have, for the compiler, which tells mistakes with their place.
 * What it cannot know (all of a URL, what goes with what) is checked when the
 * step runs. docs/cmdb.md has what each member means.
 */
#include "steps/cmdb/pull_p.h"

#define STRING(text)                                                           \
	.types = FLO_TYPES(STRING), .min_len = 1, .description = text

static const flo_step_param cursor_params[] = {
	{.name = "at",
	 .required = true,
	 .format = FLO_FORMAT_POINTER,
	 STRING("Where the cursor of the next page is: a JSON pointer.")},
	{.name = "param",
	 .required = true,
	 STRING("The query parameter that it is sent as.")},
};

static const flo_step_param gone_when_params[] = {
	{.name = "at",
	 .required = true,
	 .format = FLO_FORMAT_POINTER,
	 STRING("Where the answer says it: a JSON pointer.")},
	{.name = "is",
	 .required = true,
	 .types = FLO_TYPES(STRING) | FLO_TYPES(BOOL) | FLO_TYPES(INT) |
		  FLO_TYPES(DOUBLE),
	 .description = "What is there then."},
};

static const flo_step_param changes_params[] = {
	{.name = "cursor",
	 .required = true,
	 .format = FLO_FORMAT_POINTER,
	 STRING("Where a full answer has the cursor: a JSON pointer.")},
	{.name = "param",
	 STRING("The query parameter that it is sent as; without it the cursor "
		"is a URL.")},
	{.name = "url", STRING("Where changes are asked for.")},
	{.name = "cursor_after",
	 .format = FLO_FORMAT_POINTER,
	 STRING("Where an answer of changes has the next cursor.")},
	{.name = "records",
	 .types = FLO_TYPES(STRING) | FLO_TYPES(LIST),
	 .description = "Where the records are in an answer of changes.",
	 .format = FLO_FORMAT_POINTER},
	{.name = "gone_status",
	 .types = FLO_TYPES(LIST),
	 .description = "Statuses that mean the same as 410."},
	{.name = "gone_when",
	 .types = FLO_TYPES(MAP),
	 .description = "What in an answer means the same as 410.",
	 .members = gone_when_params,
	 .members_len = sizeof(gone_when_params) / sizeof(gone_when_params[0])},
};

const flo_step_param flo__http_params[FLO__HTTP_PARAMS] = {
	{.name = "url",
	 .required = true,
	 .types = FLO_TYPES(STRING),
	 .description = "An http or https URL, asked with GET.",
	 .pattern = "^[Hh][Tt][Tt][Pp][Ss]?://.",
	 .hint = "a URL begins with http:// or https://"},
	{.name = "headers",
	 .types = FLO_TYPES(MAP),
	 .description = "Headers to send to the server of `url`."},
	{.name = "next",
	 STRING("Where the next page is: a JSON pointer to its URL, or "
		"\"link\"."),
	 .pattern = "^(link$|/)",
	 .hint = "it is \"link\", or a JSON pointer, which begins with a "
		 "slash: \"/next\""},
	{.name = "cursor",
	 .types = FLO_TYPES(MAP),
	 .description = "Where the next page's cursor is.",
	 .members = cursor_params,
	 .members_len = sizeof(cursor_params) / sizeof(cursor_params[0])},
	{.name = "max_pages",
	 .types = FLO_TYPES(INT),
	 .description = "More pages fail the pull.",
	 .has_min = true,
	 .min = 1,
	 .has_max = true,
	 .max = 1000000},
	{.name = "max_bytes",
	 .types = FLO_TYPES(STRING) | FLO_TYPES(INT),
	 .description = "More bytes, over all pages, fail the pull.",
	 .format = FLO_FORMAT_SIZE,
	 .has_min = true,
	 .min = 1},
	{.name = "timeout",
	 .types = FLO_TYPES(STRING),
	 .description = "How long nothing may come.",
	 .format = FLO_FORMAT_DURATION},
	{.name = "retries",
	 .types = FLO_TYPES(INT),
	 .description = "Tries after the first, for each page.",
	 .has_min = true,
	 .min = 0,
	 .has_max = true,
	 .max = 100},
	{.name = "backoff",
	 .types = FLO_TYPES(STRING),
	 .description = "The wait before the second try; it doubles.",
	 .format = FLO_FORMAT_DURATION},
	{.name = "ca_file",
	 STRING("Certificates to trust as well: a PEM file.")},
	{.name = "conditional",
	 .types = FLO_TYPES(BOOL),
	 .description = "Ask only for what has changed."},
	{.name = "changes",
	 .types = FLO_TYPES(MAP),
	 .description = "Ask for changes from the second pull on.",
	 .members = changes_params,
	 .members_len = sizeof(changes_params) / sizeof(changes_params[0])},
};

#include "cli/event.h"

#include <stdlib.h>
#include <string.h>

struct cursor {
	const char *at;
	const char *end;
};

static void skip_space(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

static bool take(struct cursor *c, char what)
{
	skip_space(c);
	if (c->at == c->end || *c->at != what)
		return false;
	c->at++;
	return true;
}

/* At an opening quote; gives what lies between the quotes. */
static bool take_string(struct cursor *c, struct cli_slice *ret_slice)
{
	const char *start = ++c->at;

	for (; c->at < c->end && *c->at != '"'; c->at++)
		if (*c->at == '\\' && ++c->at == c->end)
			return false;
	if (c->at == c->end)
		return false;
	*ret_slice = (struct cli_slice){start, (size_t)(c->at - start)};
	c->at++;
	return true;
}

/* At an opening bracket; goes past its partner. */
static bool skip_nested(struct cursor *c)
{
	struct cli_slice text;
	unsigned long depth = 0;

	while (c->at < c->end) {
		char ch = *c->at;

		if (ch == '"') {
			if (!take_string(c, &text))
				return false;
			continue;
		}
		c->at++;
		if (ch == '{' || ch == '[')
			depth++;
		else if ((ch == '}' || ch == ']') && --depth == 0)
			return true;
	}
	return false;
}

static bool take_value(struct cursor *c, struct cli_slice *ret_slice)
{
	const char *start;
	bool good = true;

	skip_space(c);
	if (c->at < c->end && *c->at == '"')
		return take_string(c, ret_slice);
	start = c->at;
	if (c->at < c->end && (*c->at == '{' || *c->at == '['))
		good = skip_nested(c);
	else
		while (c->at < c->end && !strchr(",}] \t", *c->at))
			c->at++;
	*ret_slice = (struct cli_slice){start, (size_t)(c->at - start)};
	return good && ret_slice->len > 0;
}

#define FIELD(name)                                                            \
	{                                                                      \
#name, sizeof(#name) - 1, offsetof(struct cli_event, name)     \
	}

static const struct field {
	const char *name;
	size_t len;
	size_t offset;
} fields[] = {
	FIELD(seq),	 FIELD(run),	     FIELD(kind),      FIELD(path),
	FIELD(attempt),	 FIELD(status),	     FIELD(error),     FIELD(output),
	FIELD(counts),	 FIELD(duration_ms), FIELD(exit_code), FIELD(signal),
	FIELD(delay_ms), FIELD(rerun_of),
};

static void put(struct cli_event *event, struct cli_slice key,
		struct cli_slice value)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		void *slot = (char *)event + fields[i].offset;

		if (fields[i].len == key.len &&
		    !memcmp(fields[i].name, key.at, key.len))
			*(struct cli_slice *)slot = value;
	}
}

bool cli_event_scan(const char *json, size_t len, struct cli_event *ret_event)
{
	struct cursor c = {json, json + len};
	struct cli_event event = {0};

	if (!take(&c, '{'))
		return false;
	do {
		struct cli_slice key, value;

		skip_space(&c);
		if (c.at == c.end || *c.at != '"' || !take_string(&c, &key) ||
		    !take(&c, ':') || !take_value(&c, &value))
			return false;
		put(&event, key, value);
	} while (take(&c, ','));
	if (!take(&c, '}'))
		return false;
	*ret_event = event;
	return true;
}

bool cli_slice_is(struct cli_slice slice, const char *text)
{
	return slice.len == strlen(text) && !memcmp(slice.at, text, slice.len);
}

double cli_slice_number(struct cli_slice slice)
{
	char text[40] = "";

	if (slice.len == 0 || slice.len >= sizeof(text))
		return 0;
	memcpy(text, slice.at, slice.len);
	return strtod(text, NULL);
}

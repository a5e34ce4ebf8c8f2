#include "steps/http/link.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <string.h>
#include <strings.h>

/* The field's syntax (RFC 8288, 3): <target>; name=value; name="value", ... */
struct cursor {
	const char *at;
};

static void skip_blanks(struct cursor *c)
{
	while (*c->at == ' ' || *c->at == '\t')
		c->at++;
}

/* A token or a quoted string, put into @sb without quotes and escapes. */
static void read_value(struct cursor *c, struct flo__strbuf *sb)
{
	if (*c->at != '"') {
		size_t len = strcspn(c->at, " \t;,");

		flo__strbuf_add(sb, c->at, len);
		c->at += len;
		return;
	}
	for (c->at++; *c->at != '\0' && *c->at != '"'; c->at++) {
		if (*c->at == '\\' && c->at[1] != '\0')
			c->at++;
		flo__strbuf_addc(sb, *c->at);
	}
	if (*c->at == '"')
		c->at++;
}

/* Whether "next" is one of the words of a rel's value. */
static bool is_next(const char *rel)
{
	while (*rel != '\0') {
		size_t len = strcspn(rel, " \t");

		if (len == 4 && strncasecmp(rel, "next", 4) == 0)
			return true;
		rel += len;
		rel += strspn(rel, " \t");
	}
	return false;
}

/* One parameter after ';'. Only the first rel counts. */
static flo_status read_param(struct cursor *c, bool *rel_seen, bool *next)
{
	struct flo__strbuf value = FLO__STRBUF_INIT;
	const char *name;
	flo_status st;
	size_t len;

	skip_blanks(c);
	name = c->at;
	len = strcspn(name, " \t=;,");
	c->at += len;
	skip_blanks(c);
	if (*c->at == '=') {
		c->at++;
		skip_blanks(c);
		read_value(c, &value);
	}
	if (len == 3 && strncasecmp(name, "rel", 3) == 0 && !*rel_seen) {
		*rel_seen = true;
		*next = is_next(value.data);
	}
	skip_blanks(c);
	st = flo__strbuf_status(&value);
	flo__strbuf_fini(&value);
	return st;
}

flo_status flo__http_link_next(const char *link, char **ret_target)
{
	struct cursor c = {link};

	*ret_target = NULL;
	while (*(c.at += strcspn(c.at, "<")) != '\0') {
		const char *target = ++c.at;
		size_t len = strcspn(target, ">");
		bool rel_seen = false;
		bool next = false;

		if (target[len] != '>')
			return FLO_OK;
		c.at += len + 1;
		skip_blanks(&c);
		while (*c.at == ';') {
			c.at++;
			if (read_param(&c, &rel_seen, &next) != FLO_OK)
				return FLO_NOMEM;
		}
		if (!next)
			continue;
		*ret_target = flo__strndup(target, len);
		return *ret_target != NULL ? FLO_OK : FLO_NOMEM;
	}
	return FLO_OK;
}

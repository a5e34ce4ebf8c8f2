/*
 * The syntax of Link (RFC 8288, 3): <target>; name=value; name="value", ...
 *
 * That there is no next link ends a list. So what does not follow the syntax is
 * an error: to pass over it, as RFC 8288 would allow, loses pages.
 */
#include "steps/http/link.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Bytes of a link that an error shows. */
#define SHOWN_MAX 100

struct cursor {
	const char *at;
	const char *link; /* where the one begins that is read */
	flo_error *err;	  /* borrowed */
};

/* A link, or what is left of it. */
struct link {
	const char *target;
	size_t target_len;
	bool rel_seen;
	bool next;
};

/*
 * Append the beginning of @text, without the queries in it. It is not cut within
 * a word: that may be a secret, of whose pieces nobody knows that. Nor does what
 * both are made of, like ';' and ',', end them.
 */
static void show(struct flo__strbuf *sb, const char *text)
{
	static const char ends[] = " \t\"<>";
	size_t room = strlen(text) > SHOWN_MAX ? SHOWN_MAX : strlen(text);

	while (text[room] != '\0' && room > 0 &&
	       strchr(ends, text[room - 1]) == NULL)
		room--;
	for (size_t i = 0; i < room; i++) {
		flo__strbuf_addc(sb, text[i]);
		if (text[i] != '?' && text[i] != '#')
			continue;
		flo__strbuf_adds(sb, "...");
		while (i + 1 < room && strchr(ends, text[i + 1]) == NULL)
			i++;
	}
	if (text[room] != '\0')
		flo__strbuf_adds(sb, "...");
}

static flo_status broken(const struct cursor *c, const char *what)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;

	show(&sb, c->link);
	st = flo_error_set(c->err, FLO_CORRUPT,
			   "it has %s: a link is written as <URL>; "
			   "rel=\"next\", and this is %s",
			   what, sb.data);
	flo__strbuf_fini(&sb);
	return st;
}

static void skip_blanks(struct cursor *c)
{
	while (*c->at == ' ' || *c->at == '\t')
		c->at++;
}

/* Whether the target or the parameter before it ends here. */
static bool ends_here(const struct cursor *c)
{
	return *c->at == ';' || *c->at == ',' || *c->at == '\0';
}

/* A token or a quoted string, put into @sb without quotes and escapes. */
static flo_status read_value(struct cursor *c, struct flo__strbuf *sb)
{
	if (*c->at != '"') {
		size_t len = strcspn(c->at, " \t;,\"");

		flo__strbuf_add(sb, c->at, len);
		c->at += len;
		return FLO_OK;
	}
	for (c->at++; *c->at != '\0' && *c->at != '"'; c->at++) {
		if (*c->at == '\\' && c->at[1] != '\0')
			c->at++;
		flo__strbuf_addc(sb, *c->at);
	}
	if (*c->at != '"')
		return broken(c, "a quote without an end");
	c->at++;
	return FLO_OK;
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

/* What rel is. Only the first one of a link counts (RFC 8288, 3.3). */
static flo_status take_rel(const struct cursor *c, struct link *link,
			   const char *value)
{
	if (link->rel_seen)
		return FLO_OK;
	/* Tokens may begin so, but no relation does: a quote is meant. */
	if (value[0] == '\'')
		return broken(c, "a \"rel\" in single quotes");
	if (value[0] == '\0')
		return broken(c, "a \"rel\" without a value");
	link->rel_seen = true;
	link->next = is_next(value);
	return FLO_OK;
}

/* One parameter after ';', which may be empty. */
static flo_status read_param(struct cursor *c, struct link *link)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789!#$%&'*+-.^_`|~";
	struct flo__strbuf value = FLO__STRBUF_INIT;
	const char *name;
	flo_status st = FLO_OK;
	size_t len;

	skip_blanks(c);
	name = c->at;
	len = strspn(name, token);
	c->at += len;
	skip_blanks(c);
	if (len != 0 && *c->at == '=') {
		c->at++;
		skip_blanks(c);
		TRY(read_value(c, &value));
		skip_blanks(c);
	}
	if (!ends_here(c)) {
		st = broken(c, "no \";\" between two parameters");
		goto out;
	}
	TRY(flo__strbuf_status(&value));
	if (len == 3 && strncasecmp(name, "rel", 3) == 0)
		st = take_rel(c, link, value.data);
out:
	flo__strbuf_fini(&value);
	return st;
}

static flo_status read_target(struct cursor *c, struct link *link)
{
	size_t len;

	if (*c->at != '<')
		return broken(c, "no \"<\" before a URL");
	c->at++;
	/* Neither is in a URL: the link's end is missing. */
	len = strcspn(c->at, ">\"<");
	if (c->at[len] != '>')
		return broken(c, "no \">\" after a URL");
	link->target = c->at;
	link->target_len = len;
	c->at += len + 1;
	skip_blanks(c);
	if (!ends_here(c))
		return broken(c, "no \";\" after a URL");
	return FLO_OK;
}

/* The links one after the other, until one is next or they end. */
static flo_status find_next(struct cursor *c, struct link *ret_link)
{
	flo_status st = FLO_OK;

	for (;;) {
		/* A list may have empty elements (RFC 9110, 5.6.1.2). */
		c->at += strspn(c->at, " \t,");
		if (*c->at == '\0')
			break;
		c->link = c->at;
		*ret_link = (struct link){0};
		TRY(read_target(c, ret_link));
		while (*c->at == ';') {
			c->at++;
			TRY(read_param(c, ret_link));
		}
		if (ret_link->next)
			break;
	}
out:
	return st;
}

flo_status flo__http_link_next(const char *link, flo_error *err,
			       char **ret_target)
{
	struct cursor c = {.at = link, .link = link, .err = err};
	struct link found = {0};
	flo_status st = find_next(&c, &found);
	char *target = NULL;

	if (st == FLO_OK && found.next) {
		target = flo__strndup(found.target, found.target_len);
		st = target != NULL ? FLO_OK : FLO_NOMEM;
	}
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "out of memory");
	if (st == FLO_OK)
		*ret_target = target;
	return st;
}

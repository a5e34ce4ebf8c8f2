/*
 * What two plain records differ in, where that is members of theirs which are
 * no containers: nearly always, and without a tree.
 */
#include "steps/cmdb/plain.h"
#include "steps/cmdb/record.h"

#include "base/contract.h"

#include <string.h>

/* A member that differs: places of its key in the tapes; 0: it is not there. */
struct difference {
	size_t before;
	size_t after;
};

struct differences {
	const struct flo__tape *before;
	const struct flo__tape *after;
	const struct flo__spec *spec;
	struct flo__strbuf *scratch; /* borrowed */
	struct difference at[2 * FLO__PLAIN_MEMBERS_MAX];
	size_t len;
	bool nomem; /* scratch, which is reset, has failed */
};

/* Members in the order of the text: the first key's place, and the next one's. */
static size_t first_key(const struct flo__tape *tape)
{
	return tape->len > 1 ? 1 : 0;
}

static size_t next_key(const struct flo__tape *tape, size_t key)
{
	size_t next = tape->token[key + 1].next;

	return next < tape->len ? next : 0;
}

static bool is_key(const struct flo__token *a, const struct flo__token *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

/* The place of @key in @tape, or 0; mostly it is the one at @hint. */
static size_t find_key(const struct flo__tape *tape,
		       const struct flo__token *key, size_t hint)
{
	if (hint != 0 && is_key(&tape->token[hint], key))
		return hint;
	for (size_t i = first_key(tape); i != 0; i = next_key(tape, i))
		if (is_key(&tape->token[i], key))
			return i;
	return 0;
}

static bool is_container(const struct flo__tape *tape, size_t key)
{
	enum flo__token_kind kind = tape->token[key + 1].kind;

	return kind == FLO__TOKEN_ARRAY || kind == FLO__TOKEN_OBJECT;
}

/* Whether two values have one canonical form. */
static bool is_same(struct differences *diff, size_t before, size_t after,
		    const struct flo__pointer *at)
{
	const struct flo__token *a = &diff->before->token[before + 1];
	const struct flo__token *b = &diff->after->token[after + 1];
	struct flo__strbuf *sb = diff->scratch;
	size_t len;

	if (a->kind == FLO__TOKEN_STRING && b->kind == FLO__TOKEN_STRING)
		return is_key(a, b);
	if (a->kind == FLO__TOKEN_INTEGER && b->kind == FLO__TOKEN_INTEGER)
		return a->integer == b->integer;
	flo__strbuf_reset(sb);
	flo__tape_canonical(diff->before, before + 1, at, sb);
	len = sb->len;
	flo__tape_canonical(diff->after, after + 1, at, sb);
	diff->nomem |= sb->failed;
	return !sb->failed && sb->len == 2 * len &&
	       memcmp(sb->data, sb->data + len, len) == 0;
}

/* False: what differs is a container, and its leaves are to be named. */
static bool add(struct differences *diff, size_t before, size_t after)
{
	if ((before != 0 && is_container(diff->before, before)) ||
	    (after != 0 && is_container(diff->after, after)))
		return false;
	INSIST(diff->len < 2 * FLO__PLAIN_MEMBERS_MAX);
	diff->at[diff->len++] = (struct difference){before, after};
	return true;
}

static bool collect(struct differences *diff)
{
	size_t hint = first_key(diff->after);

	for (size_t i = first_key(diff->before); i != 0;
	     i = next_key(diff->before, i)) {
		const struct flo__token *key = &diff->before->token[i];
		const struct flo__pointer *at =
			flo__pointer_member(&diff->spec->root, key->text,
					    key->len);
		size_t other = find_key(diff->after, key, hint);

		if (other != 0)
			hint = next_key(diff->after, other);
		if (flo__spec_ignores(at) ||
		    (other != 0 && is_same(diff, i, other, at)))
			continue;
		if (!add(diff, i, other))
			return false;
	}
	hint = first_key(diff->before);
	for (size_t i = first_key(diff->after); i != 0;
	     i = next_key(diff->after, i)) {
		const struct flo__token *key = &diff->after->token[i];
		size_t other = find_key(diff->before, key, hint);

		if (other != 0)
			hint = next_key(diff->before, other);
		else if (!flo__spec_ignores(
				 flo__pointer_member(&diff->spec->root,
						     key->text, key->len)) &&
			 !add(diff, 0, i))
			return false;
	}
	return true;
}

static void tell(struct differences *diff, const struct difference *difference,
		 void (*field)(void *arg, const char *name), void *arg,
		 struct flo__strbuf *sb)
{
	const struct flo__token *key =
		difference->before != 0
			? &diff->before->token[difference->before]
			: &diff->after->token[difference->after];
	struct flo__strbuf *text = diff->scratch;

	flo__strbuf_reset(text);
	flo__strbuf_add(text, key->text, key->len);
	diff->nomem |= text->failed;
	field(arg, text->data);
	flo__strbuf_reset(text);
	flo__pointer_append(text, key->text, key->len);
	diff->nomem |= text->failed;
	flo__strbuf_add_json(sb, text->data, text->len);
}

bool flo__plain_compare(const struct flo__plain *before,
			const struct flo__plain *after,
			const struct flo__spec *spec,
			void (*field)(void *arg, const char *name), void *arg,
			struct flo__strbuf *scratch, struct flo__strbuf *sb)
{
	struct differences diff = {
		.before = &before->tape,
		.after = &after->tape,
		.spec = spec,
		.scratch = scratch,
	};

	if (!collect(&diff))
		return false;
	flo__strbuf_addc(sb, '[');
	for (size_t i = 0; i < diff.len; i++) {
		if (i != 0)
			flo__strbuf_addc(sb, ',');
		tell(&diff, &diff.at[i], field, arg, sb);
	}
	flo__strbuf_addc(sb, ']');
	sb->failed |= diff.nomem;
	return true;
}

#include "steps/cmdb/reading.h"

#include "base/contract.h"

static flo_status read_tree(struct flo__reading *reading, flo_error *err)
{
	return flo__record_read(&reading->reader, reading->text, reading->len,
				reading->shape.depth, err, &reading->tree);
}

static flo_status read_by_tree(struct flo__reading *reading, flo_error *err)
{
	flo_status st;

	reading->shape = flo__record_look(reading->text, reading->len);
	TRY(read_tree(reading, err));
	TRY(flo__tape_of_tree(reading->tree, NULL, 0, &reading->of_tree));
	reading->tape = &reading->of_tree;
out:
	return st;
}

flo_status flo__reading_read(struct flo__reading *reading, const char *text,
			     size_t len, flo_error *err)
{
	struct flo__plain *plain = &reading->plain;

	reading->tape = NULL;
	reading->tree = NULL;
	reading->text = text;
	reading->len = len;
	flo__tape_fini(&reading->of_tree, NULL);
	if (!flo__plain_read(plain, text, len))
		return read_by_tree(reading, err);
	reading->tape = &plain->tape;
	reading->shape = (struct flo__shape){plain->depth, plain->spaced};
	return FLO_OK;
}

static flo_status have_tree(struct flo__reading *reading, flo_error *err)
{
	return reading->tree != NULL ? FLO_OK : read_tree(reading, err);
}

static bool is_plain(const struct flo__reading *reading)
{
	return reading->tape == &reading->plain.tape;
}

flo_status flo__reading_compare(struct flo__reading *before,
				struct flo__reading *after,
				const struct flo__spec *spec,
				void (*field)(void *arg, const char *name),
				void *arg, struct flo__strbuf *scratch,
				struct flo__strbuf *sb, flo_error *err)
{
	flo_status st;

	REQUIRE(before->tape != NULL && after->tape != NULL);
	if (is_plain(before) && is_plain(after) &&
	    flo__plain_compare(&before->plain, &after->plain, spec, field, arg,
			       scratch, sb))
		return flo__strbuf_status(sb);
	TRY(have_tree(before, err));
	TRY(have_tree(after, err));
	st = flo__record_compare(before->tree, after->tree, spec, field, arg,
				 sb);
out:
	return st;
}

flo_status flo__reading_key_text(struct flo__reading *reading,
				 const struct flo__spec *spec,
				 struct flo__strbuf *sb, flo_error *err)
{
	size_t at = sb->len;
	flo_status st = FLO_OK;

	REQUIRE(reading->tape != NULL);
	if (flo__tape_key_text(reading->tape, spec, sb))
		return flo__strbuf_status(sb);
	flo__strbuf_cut(sb, at);
	TRY(have_tree(reading, err));
	flo__record_key_text(reading->tree, spec, sb);
	st = flo__strbuf_status(sb);
out:
	return st;
}

void flo__reading_fini(struct flo__reading *reading)
{
	flo__tape_fini(&reading->of_tree, NULL);
	flo__plain_fini(&reading->plain);
	flo__json_reader_fini(&reading->reader);
	*reading = (struct flo__reading){0};
}

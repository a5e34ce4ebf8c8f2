#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "cmdb_stage_step.h"

#include "steps/args.h"
#include "steps/cmdb/mapping.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

#include <stdio.h>
#include <string.h>

struct work {
	const flo_value *with;
	struct flo__mapping *mapping;
	struct flo__since since;
	struct flo__pull pull;
};

static const char *text_of(const flo_value *with, const char *name)
{
	const char *text = NULL;

	(void)flo__args_string(with, name, false, NULL, &text);
	return text;
}

static enum flo__pull_is kind_of(const flo_value *with)
{
	const char *kind = text_of(with, "kind");

	if (kind == NULL || strcmp(kind, "full") == 0)
		return FLO__PULL_FULL;
	return strcmp(kind, "changes") == 0 ? FLO__PULL_CHANGES
					    : FLO__PULL_SAME;
}

static flo_status add_all(struct flo__stage *stage, const flo_value *records,
			  flo_error *err)
{
	size_t len = records != NULL ? flo_value_len(records) : 0;
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < len; i++) {
		char *text = flo_value_to_json(flo_value_list_at(records, i));
		const struct flo__place place = {.unit = NULL};

		st = text != NULL ? flo__stage_add(stage, text, strlen(text),
						   &place, err)
				  : FLO_NOMEM;
		flo_free(text);
	}
	return st;
}

static flo_status shape(const void *arg, const char *text, size_t len,
			bool gone, struct flo__strbuf *into, flo_error *err,
			bool *ret_keep, const char **ret_text, size_t *ret_len)
{
	return flo__mapping_run(arg, text, len, gone, into, err, ret_keep,
				ret_text, ret_len);
}

static flo_status set_mapping(struct flo__stage *stage, struct work *work,
			      flo_error *err)
{
	flo_status st;

	st = flo__mapping_new(flo__args_get(work->with, "map"),
			      flo__args_get(work->with, "where"), NULL, err,
			      &work->mapping);
	if (work->mapping != NULL)
		flo__stage_shape(stage, shape, work->mapping,
				 flo__mapping_digest(work->mapping));
	return st;
}

static flo_status stage_in(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct work *work = arg;
	const flo_value *with = work->with;
	const char *source = text_of(with, "source");
	const char *origin = text_of(with, "origin");
	const char *gone = text_of(with, "gone");
	struct flo__stage *stage = NULL;
	flo_status st;

	st = flo__since_read(db, source, origin, err, &work->since);
	if (st == FLO_OK)
		st = flo__stage_open(db, source, err, &stage);
	if (st == FLO_OK)
		st = flo__stage_ask(stage, kind_of(with), origin, &work->since,
				    err);
	if (st == FLO_OK)
		st = set_mapping(stage, work, err);
	if (st == FLO_OK && gone != NULL)
		st = flo__stage_gone(stage, gone, err);
	if (st == FLO_OK)
		st = add_all(stage, flo__args_get(with, "records"), err);
	if (st == FLO_OK)
		st = flo__stage_answer(stage, text_of(with, "cursor"),
				       text_of(with, "etag"),
				       text_of(with, "modified"), err);
	if (st == FLO_OK)
		st = flo__stage_finish(stage, 0, err, &work->pull);
	flo__stage_close(stage);
	return st;
}

static void put_text(flo_value *map, const char *name, const char *text,
		     flo_status *st)
{
	flo__cmdb_put(map, name,
		      text != NULL ? flo_value_string(text) : flo_value_null(),
		      st);
}

static flo_status run(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	struct work work = {.with = with};
	flo_value *map = NULL;
	flo_status st;

	st = flo__cmdb_with_db(call, with, stage_in, &work, err);
	if (st == FLO_OK && (map = flo_value_map(3)) == NULL)
		st = FLO_NOMEM;
	if (st == FLO_OK) {
		put_text(map, "pull", work.pull.id, &st);
		put_text(map, "offered", work.since.cursor, &st);
		put_text(map, "offered_etag", work.since.etag, &st);
	}
	flo__since_fini(&work.since);
	flo__mapping_free(work.mapping);
	if (st == FLO_OK)
		*ret_output = map;
	else
		flo_value_unref(map);
	return flo__cmdb_told(st, err);
}

const flo_step_type cmdb_stage_step = {.name = "test.stage", .run = run};

/* Steps in a row */

flo_value *stage_as(const char *db, const char *how, const char *records)
{
	static unsigned number;
	flo_value *pull = NULL;
	char key[32];

	snprintf(key, sizeof(key), "stage-%u", ++number);
	fake_ok(&fs, fake_step(&fs, &cmdb_stage_step, key, &pull,
			       "{\"db\":\"%s\",\"source\":\"vm\",%s,"
			       "\"records\":%s}",
			       db, how, records));
	return pull;
}

flo_status diff_staged(const char *db, const flo_value *pull, const char *more,
		       flo_value **ret_diff)
{
	static unsigned number;
	char key[32];

	snprintf(key, sizeof(key), "diff-%u", ++number);
	return fake_step(&fs, &flo__cmdb_diff, key, ret_diff,
			 "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"]%s}",
			 db, out_text(pull, "pull"), more);
}

flo_value *plan_as(const char *db, const char *how, const char *records,
		   const char *more, const char *want)
{
	flo_value *pull = stage_as(db, how, records), *out = NULL;
	char text[128];

	fake_ok(&fs, diff_staged(db, pull, more, &out));
	snprintf(text, sizeof(text), "%lld rows +%lld ~%lld -%lld =%lld",
		 (long long)out_int(out, "rows"),
		 (long long)out_int(out, "added"),
		 (long long)out_int(out, "changed"),
		 (long long)out_int(out, "removed"),
		 (long long)out_int(out, "same"));
	assert_string_equal(text, want);
	flo_value_unref(pull);
	return out;
}

void sync_as(const char *db, const char *how, const char *records,
	     const char *more, const char *want)
{
	flo_value *out = plan_as(db, how, records, more, want);
	flo_value *done = apply_plan(db, out);

	assert_true(out_bool(done, "applied"));
	flo_value_unref(done);
	flo_value_unref(out);
}

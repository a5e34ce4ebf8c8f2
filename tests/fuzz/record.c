/*
 * Any bytes as a record of the CMDB: read without a tree or over jansson's, it
 * is a record or none, and the same one.
 */
#include "fuzz.h"

#include "../unit/cmdb_ways.h"
#include "base/alloc.h"

#include <string.h>

static const char *const lists[][3] = {
	{"[\"/id\"]", "[\"/seen\"]", NULL},
	{"[\"/a\",\"/b/c\",\"/l/0\"]", "[\"/m/t\",\"/l/1\"]", "[\"/tags\"]"},
	{"[\"/\",\"/\u00e9\"]", NULL, "[\"/l\",\"/a\",\"/m/l\"]"},
};

#define SPECS (sizeof(lists) / sizeof(lists[0]))

static struct flo__spec *specs[SPECS];
static const struct flo__pointer *gone;

static void make_specs(void)
{
	if (gone != NULL)
		return;
	flo__json_guard_install();
	for (size_t i = 0; i < SPECS; i++) {
		specs[i] = ways_spec(lists[i][0], lists[i][1], lists[i][2]);
		FUZZ_CHECK(specs[i] != NULL, "spec %zu", i);
	}
	gone = specs[1]->key[1];
}

static flo_status identify(const char *text, size_t len,
			   struct flo__identity *ret_id)
{
	struct flo__strbuf scratch = FLO__STRBUF_INIT;
	struct flo__strbuf key = FLO__STRBUF_INIT;
	struct flo__reading reading = {0};
	flo_status st = flo__reading_read(&reading, text, len, NULL);

	if (st == FLO_OK)
		st = flo__tape_identify(reading.tape, specs[1], &scratch,
					ret_id);
	if (st == FLO_OK)
		st = flo__reading_key_text(&reading, specs[1], &key, NULL);
	flo__reading_fini(&reading);
	flo__strbuf_fini(&scratch);
	flo__strbuf_fini(&key);
	return st;
}

/* With an allocation failing: out of memory, or the same as ever. */
static void identify_short(const char *text, size_t len)
{
	struct flo__identity want = {.present = 0};
	struct flo__identity id = {.present = 0};
	flo_status want_st;
	flo_status st;
	long live;
	long nth;

	fuzz_count_allocations();
	want_st = identify(text, len, &want);
	nth = flo__alloc_count();
	flo__alloc_fail_at(0, 0);
	nth = fuzz_nth_allocation((const uint8_t *)text, len, nth);
	if (nth == 0)
		return;
	flo__alloc_fail_at(nth, 0);
	st = identify(text, len, &id);
	live = flo__alloc_live();
	flo__alloc_fail_at(0, 0);
	FUZZ_CHECK(st == FLO_NOMEM || (st == want_st &&
				       memcmp(&id, &want, sizeof(id)) == 0),
		   "%s with allocation %ld failing, %s without",
		   flo_status_text(st), nth, flo_status_text(want_st));
	FUZZ_CHECK(live == 0, "allocation %ld fails and %ld are lost", nth,
		   live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	struct ways ways;
	enum way way;

	make_specs();
	ways_init(&ways);
	for (size_t i = 0; i < SPECS; i++) {
		const char *differs =
			ways_differ(&ways, specs[i], gone, text, len, &way);

		FUZZ_CHECK(differs == NULL, "%s differs under spec %zu: %.*s",
			   differs, i, (int)len, text);
	}
	ways_fini(&ways);
	identify_short(text, len);
	return 0;
}

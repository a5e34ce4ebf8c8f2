/* cmdb.pull: what is staged, what is refused, and that a failure leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include "base/contract.h"
#include "base/time.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the file system of the tests cannot do; by the step's thread. */
static bool has_no_links;
static bool has_no_renames;
static int renames;

int link(const char *from, const char *to)
{
	if (has_no_links) {
		errno = EPERM;
		return -1;
	}
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned flags)
{
	renames++;
	if (has_no_renames) {
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

static void a_pull_gives_a_handle(void **state)
{
	flo_value *pull = NULL;

	(void)state;
	fake_text(&fs, "a.json", "{\"items\":[{\"id\":1},{\"id\":2}]}");
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_pull, "h", &pull,
			       "{\"db\":\"h.db\",\"source\":\"vm\",\"file\":"
			       "\"a.json\",\"records\":\"/items\"}"));
	assert_int_equal(flo_value_len(pull), 6);
	assert_int_equal(out_int(pull, "rows"), 2);
	assert_int_equal(out_int(pull, "bytes"), 29);
	assert_string_equal(out_text(pull, "source"), "vm");
	assert_true(out_bool(pull, "complete"));
	flo_value_unref(pull);
}

static void the_database_is_private(void **state)
{
	char path[128];
	struct stat info;

	(void)state;
	flo_value_unref(pull_text("private.db", "p", "[]"));
	snprintf(path, sizeof(path), "%s/private.db", fs.dir);
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 07777, 0600);
}

static void a_database_needs_no_hard_links(void **state)
{
	char path[128];

	(void)state;
	has_no_links = true;
	renames = 0;
	flo_value_unref(pull_text("unlinked.db", "p", "[{\"id\":1}]"));
	assert_int_equal(renames, 1);
	assert_int_equal(query("unlinked.db", "SELECT count(*) FROM pull"), 1);
	/* Neither of the two. */
	has_no_renames = true;
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "p", NULL,
				   "{\"db\":\"none.db\",\"source\":\"vm\","
				   "\"command\":[\"printf\",\"[]\"]}"),
			 FLO_SYSTEM);
	has_no_links = has_no_renames = false;
	assert_non_null(strstr(fs.err.text, "none.db, for which the file "
					    "system must be able to link"));
	snprintf(path, sizeof(path), "ls '%s' | grep -q none", fs.dir);
	assert_int_not_equal(system(path), 0);
}

static void a_program_can_be_pulled_from(void **state)
{
	flo_value *pull = NULL;

	(void)state;
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_pull, "c", &pull,
			       "{\"db\":\"c.db\",\"source\":\"vm\",\"command\":"
			       "[\"printf\",\"%%s\\\\n\",\"{\\\"id\\\":1}\","
			       "\"{\\\"id\\\":2}\"]}"));
	assert_int_equal(out_int(pull, "rows"), 2);
	flo_value_unref(pull);
}

static void a_program_that_fails_fails_the_pull(void **state)
{
	(void)state;
	sync_text("x.db", "1", "[{\"id\":1}]");
	assert_int_equal(
		fake_step(&fs, &flo__cmdb_pull, "2", NULL,
			  "{\"db\":\"x.db\",\"source\":\"vm\",\"command\":"
			  "[\"sh\",\"-c\",\"echo '{\\\"id\\\":7}'; exit 3\"]}"),
		FLO_EXIT);
	assert_int_equal(query("x.db", "SELECT count(*) FROM pull"), 1);
	assert_int_equal(query("x.db", "SELECT count(*) FROM state"), 1);
}

static void bad_arguments_are_named(void **state)
{
	static const struct {
		const char *with;
		const char *says;
	} cases[] = {
		{"\"source\":\"vm\",\"file\":\"a\"", "\"db\" is missing"},
		{"\"db\":\"b.db\",\"file\":\"a\"", "\"source\" is missing"},
		{"\"db\":\"b.db\",\"source\":\"vm\"", "exactly one"},
		{"\"db\":\"b.db\",\"source\":\"vm\",\"file\":\"a\","
		 "\"command\":[\"x\"]",
		 "exactly one"},
		{"\"db\":\"b.db\",\"source\":\"../vm\",\"file\":\"a\"",
		 "\"../vm\" cannot name a source"},
		{"\"db\":\"b.db\",\"source\":\"a/b\",\"file\":\"a\"",
		 "cannot name a source"},
		{"\"db\":\"b.db\",\"source\":\".x\",\"file\":\"a\"",
		 "cannot name a source"},
		{"\"db\":\"b.db\",\"source\":\"vm\",\"file\":\"a\",\"map\":{}",
		 "\"map\" has no fields"},
		{"\"db\":\"b.db\",\"source\":\"vm\",\"file\":\"a\","
		 "\"where\":\"x\"",
		 "where: there is no variable \"x\"; `record` can be used "
		 "here (line 1, column 1)"},
		{"\"db\":\"b.db\",\"source\":\"vm\",\"file\":\"none.json\"",
		 "none.json: No such file"},
		{"\"db\":\"b.db\",\"source\":\"vm\",\"file\":\".\"",
		 "not a regular file"},
		{"\"db\":\"no/dir/b.db\",\"source\":\"vm\",\"file\":"
		 "\"bad.json\"",
		 "no/dir/b.db"},
		{"\"db\":\"b.db\",\"source\":\"vm\",\"command\":\"ls\"",
		 "list of strings"},
	};

	(void)state;
	fake_text(&fs, "bad.json", "[]");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(fake_step(&fs, &flo__cmdb_pull, "b", NULL,
					       "{%s}", cases[i].with),
				     FLO_OK);
		if (strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].with, fs.err.text);
	}
}

static void what_is_no_json_is_shown(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"error: token expired\n",
		 "'error: token expired' at line 1, byte 0, after 0 records"},
		{"{\"id\":1}\nwarning: expires\n",
		 "'warning: expires' at line 2, byte 9, after 1 record"},
		{"\xef\xbb\xbf[]",
		 "byte 0xef at line 1, byte 0, after 0 records, where "
		 "a record (an object) should be (a byte "
		 "order mark?"},
		{"\xff\xfe[", "(UTF-16? convert it to UTF-8)"},
		{"[{\"id\":1},\x01", "byte 0x01 at byte 10"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_text(&fs, "no.json", cases[i].text);
		assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "n", NULL,
					   "{\"db\":\"n.db\",\"source\":\"vm\","
					   "\"file\":\"no.json\"}"),
				 FLO_SYNTAX);
		if (strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, fs.err.text);
	}
}

static void records_that_were_forgotten_are_pointed_at(void **state)
{
	(void)state;
	fs.log[0] = '\0';
	flo_value_unref(pull_text("f.db", "1",
				  "{\"next\":null,\"tags\":[1],"
				  "\"items\":[{\"id\":1}]}"));
	assert_non_null(strstr(fs.log, "if the records are in its \"items\", "
				       "set \"records\""));
	fs.log[0] = '\0';
	flo_value_unref(pull_text("f.db", "1", "\n {\"items\":[{\"id\":1}]}"));
	assert_non_null(strstr(fs.log, "in its \"items\", "));
	fs.log[0] = '\0';
	flo_value_unref(pull_text("f.db", "2",
				  "{\"id\":1,\"disks\":[{}]}\n"
				  "{\"id\":2,\"disks\":[{}]}"));
	flo_value_unref(pull_text("f.db", "3", "[{\"id\":1,\"disks\":[{}]}]"));
	assert_null(strstr(fs.log, "warning"));
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	static const struct {
		const char *file;
		const char *says;
	} cases[] = {
		{"none.json", "none.json: No such file"},
		{"a.json/x", "a.json/x: Not a directory"},
		{".", "not a regular file; to read from a program use"},
		{"fifo", "not a regular file"},
		{"loop", "Too many levels of symbolic links"},
		{"/proc/self/mem", "read: Input/output error"},
	};
	char path[256];

	(void)state;
	fake_text(&fs, "a.json", "[]");
	snprintf(path, sizeof(path), "%s/fifo", fs.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/loop", fs.dir);
	assert_int_equal(symlink("loop", path), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[64];

		assert_int_not_equal(
			fake_step(&fs, &flo__cmdb_pull, "r", NULL,
				  "{\"db\":\"r.db\",\"source\":\"vm\","
				  "\"file\":\"%s\"}",
				  cases[i].file),
			FLO_OK);
		snprintf(want, sizeof(want),
			 "pull vm from %s: ", cases[i].file);
		if (strncmp(fs.err.text, want, strlen(want)) != 0 ||
		    strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].file, fs.err.text);
	}
}

static void a_broken_record_is_named(void **state)
{
	(void)state;
	fake_text(&fs, "a.json", "[{\"id\":1},{\"id\":01}]");
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "n", NULL,
				   "{\"db\":\"n.db\",\"source\":\"vm\","
				   "\"file\":\"a.json\"}"),
			 FLO_SYNTAX);
	assert_non_null(
		strstr(fs.err.text, "pull vm from a.json: record 2 (byte 10)"));
}

/* In words that are no parser's own, with the line of NDJSON. */
static void what_is_wrong_with_a_record_is_said(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"{\"id\":1}\n\n{\"id\":\"\\u0000\"}\n",
		 "record 2 (line 3, byte 10): \\u0000 is not allowed"},
		{"{\"id\":1}\n{\"id\":\"\xe9\"}\n",
		 "record 2 (line 2, byte 9): byte 0xe9 is not valid UTF-8"},
		{"{\"id\":1}\n{\"id\":1,}\n",
		 "record 2 (line 2, byte 9): one comma too many"},
		{"[{\"id\":'a'}]",
		 "record 1 (byte 1): only double quotes are quotes in JSON"},
		{"[{\"id\":1 \"n\":2}]",
		 "record 1 (byte 1): a comma is missing before this"},
		{"[{12345678901234567890 : 1}]",
		 "record 1 (byte 1): a key is missing here; keys stand in"},
		{"[{\"id\":1,\"id\":2}]",
		 "record 1 (byte 1): a key appears twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_text(&fs, "said.json", cases[i].text);
		assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "w", NULL,
					   "{\"db\":\"w.db\",\"source\":\"vm\","
					   "\"file\":\"said.json\"}"),
				 FLO_SYNTAX);
		if (strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, fs.err.text);
	}
}

/* Every table, as one text: what "untouched" means. */
static char *dump(const char *db)
{
	static const char *const sql[] = {
		"SELECT name, version, rows, pull FROM source",
		"SELECT id, complete, staged FROM pull",
		"SELECT hex(key), hex(raw), body FROM state",
		"SELECT id, key, valid_from FROM history",
		"SELECT id, key, valid_to FROM ended",
		"SELECT id, body FROM body",
		"SELECT id FROM staged",
		"SELECT id FROM unseen",
		"SELECT id, state FROM plan",
		"SELECT id, op FROM change",
	};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		add_rows(db, sql[i], &sb);
	return flo__strbuf_take(&sb);
}

static void a_document_that_is_cut_off_leaves_nothing(void **state)
{
	const char *text =
		"{\"v\":1,\"items\":[{\"id\":1,\"n\":\"a}\"},{\"id\":2,"
		"\"t\":[1,{\"x\":null}]},{\"id\":3}],\"end\":[true]}";
	char *before, *after;
	flo_status st;

	(void)state;
	sync_text("t.db", "1", "[{\"id\":1},{\"id\":9}]");
	before = dump("t.db");
	for (size_t len = 0; len < strlen(text); len++) {
		fake_file(&fs, "cut.json", text, len);
		st = fake_step(&fs, &flo__cmdb_pull, "cut", NULL,
			       "{\"db\":\"t.db\",\"source\":\"vm\",\"file\":"
			       "\"cut.json\",\"records\":\"/items\"}");
		if (st != FLO_SYNTAX)
			fail_msg("cut at %zu: %s", len, flo_status_name(st));
		after = dump("t.db");
		assert_string_equal(after, before);
		flo_free(after);
	}
	flo_free(before);
}

static void an_array_that_is_cut_off_leaves_nothing(void **state)
{
	const char *text = "[{\"id\":1,\"n\":\"a]\"},{\"id\":2}]";
	char *before, *after;

	(void)state;
	sync_text("u.db", "1", "[{\"id\":1},{\"id\":9}]");
	before = dump("u.db");
	/* Of nothing at all it cannot be told that it was an array. */
	for (size_t len = 1; len < strlen(text); len++) {
		fake_file(&fs, "cut.json", text, len);
		assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "cut", NULL,
					   "{\"db\":\"u.db\",\"source\":\"vm\","
					   "\"file\":\"cut.json\"}"),
				 FLO_SYNTAX);
		after = dump("u.db");
		assert_string_equal(after, before);
		flo_free(after);
	}
	flo_free(before);
}

static void a_pull_again_replaces_the_first(void **state)
{
	char first[64];
	flo_value *pull;

	(void)state;
	pull = pull_text("r.db", "1", "[{\"id\":1},{\"id\":2}]");
	snprintf(first, sizeof(first), "%s", out_text(pull, "pull"));
	flo_value_unref(pull);
	/* As if the first had been cut off by a crash. */
	query("r.db", "UPDATE pull SET complete = 0");
	pull = pull_text("r.db", "1", "[{\"id\":3}]");
	assert_string_equal(out_text(pull, "pull"), first);
	flo_value_unref(pull);
	assert_int_equal(query("r.db", "SELECT count(*) FROM pull"), 1);
	assert_int_equal(query("r.db", "SELECT count(*) FROM staged"), 1);
	assert_int_equal(query("r.db", "SELECT count(*) FROM body"), 1);
}

static void an_incomplete_pull_is_not_diffed(void **state)
{
	flo_value *pull = pull_text("i.db", "1", "[{\"id\":1}]");

	(void)state;
	query("i.db", "UPDATE pull SET complete = 0");
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "1", NULL,
				   "{\"db\":\"i.db\",\"pull\":\"%s\","
				   "\"key\":[\"/id\"]}",
				   out_text(pull, "pull")),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "incomplete"));
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "1", NULL,
				   "{\"db\":\"i.db\",\"pull\":{\"pull\":\"x\","
				   "\"complete\":false},\"key\":[\"/id\"]}"),
			 FLO_FAILED);
	flo_value_unref(pull);
}

static void a_cancelled_pull_leaves_nothing(void **state)
{
	flo_context *alive = fs.context;
	char *before, *after;

	(void)state;
	sync_text("k.db", "1", "[{\"id\":1}]");
	before = dump("k.db");
	fake_text(&fs, "a.json", "[{\"id\":5}]");
	fs.context = flo_context_child(alive);
	flo_context_cancel(fs.context, NULL);
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "2", NULL,
				   "{\"db\":\"k.db\",\"source\":\"vm\","
				   "\"file\":\"a.json\"}"),
			 FLO_CANCELED);
	flo_context_unref(fs.context);
	fs.context = alive;
	after = dump("k.db");
	assert_string_equal(after, before);
	flo_free(before);
	flo_free(after);
}

static void other_files_are_refused(void **state)
{
	(void)state;
	fake_text(&fs, "text.db",
		  "this is a text, and a long one at that; it "
		  "is no database, whatever its name may say.");
	fake_text(&fs, "a.json", "[]");
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "o", NULL,
				   "{\"db\":\"text.db\",\"source\":\"vm\","
				   "\"file\":\"a.json\"}"),
			 FLO_VERSION);
	query("other.db", "CREATE TABLE t(x)");
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "o", NULL,
				   "{\"db\":\"other.db\",\"source\":\"vm\","
				   "\"file\":\"a.json\"}"),
			 FLO_VERSION);
	assert_non_null(strstr(fs.err.text, "not a CMDB"));
	flo_value_unref(pull_text("newer.db", "1", "[]"));
	query("newer.db", "PRAGMA user_version=99");
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "o", NULL,
				   "{\"db\":\"newer.db\",\"source\":\"vm\","
				   "\"file\":\"a.json\"}"),
			 FLO_VERSION);
	assert_non_null(strstr(fs.err.text, "upgrade"));
}

/* Run a step with its allocation @nth failing; false if it made fewer. */
static bool fails_at(long nth, const flo_step_type *type, const char *with,
		     flo_status *ret_st)
{
	fs.alloc_fail_at = nth;
	*ret_st = fake_step(&fs, type, "nomem", NULL, "%s", with);
	fs.alloc_fail_at = 0;
	if (*ret_st != FLO_OK && *ret_st != FLO_NOMEM)
		fail_msg("%s, allocation %ld: %s: %s", type->name, nth,
			 flo_status_name(*ret_st), fs.err.text);
	return fs.allocs >= nth;
}

static void running_out_of_memory_is_an_error_like_others(void **state)
{
	char with[256];
	flo_status st;

	(void)state;
	sync_text("n.db", "1", "[{\"id\":1,\"n\":1},{\"id\":2,\"n\":[1]}]");
	fake_text(&fs, "n.json",
		  "[{\"id\":1,\"n\":1},{\"id\":2,\"n\":[2,{\"x\":1}]},"
		  "{\"id\":3}]");
	for (long n = 1; fails_at(n, &flo__cmdb_pull,
				  "{\"db\":\"n.db\",\"source\":\"vm\","
				  "\"file\":\"n.json\"}",
				  &st);
	     n++)
		assert_int_equal(query("n.db", "SELECT count(*) FROM state"),
				 2);
	assert_int_equal(st, FLO_OK);
	snprintf(with, sizeof(with),
		 "{\"db\":\"n.db\",\"pull\":\"%s\",\"key\":[\"/id\"],"
		 "\"unordered\":[\"/n\"]}",
		 query_text("n.db", "SELECT id FROM pull ORDER BY no DESC"
				    " LIMIT 1"));
	for (long n = 1; fails_at(n, &flo__cmdb_diff, with, &st); n++)
		assert_int_equal(query("n.db", "SELECT count(*) FROM state"),
				 2);
	assert_int_equal(st, FLO_OK);
	assert_string_equal(query_text("n.db", "SELECT group_concat(added ||"
					       " changed || same) FROM plan"
					       " WHERE state = 'ready'"),
			    "111");
	snprintf(with, sizeof(with), "{\"db\":\"n.db\",\"plan\":\"%s\"}",
		 query_text("n.db", "SELECT id FROM plan ORDER BY no DESC"
				    " LIMIT 1"));
	for (long n = 1; fails_at(n, &flo__cmdb_apply, with, &st); n++) {
		/* What could not be told may have been done. */
		int64_t rows = query("n.db", "SELECT count(*) FROM state");

		assert_int_equal(rows,
				 query("n.db", "SELECT rows FROM source"));
	}
	assert_int_equal(query("n.db", "SELECT count(*) FROM state"), 3);
}

/* One product of the test below: pulls, diffs and applies, several times. */
static void *sync_product(void *arg)
{
	const char *source = arg;
	flo_error err = FLO_ERROR_INIT;
	flo_value *with, *output, *next;
	char text[512], key[64];

	for (int i = 0; i < 10; i++) {
		snprintf(key, sizeof(key), "%s.%d", source, i);
		snprintf(text, sizeof(text),
			 "{\"db\":\"many.db\",\"source\":\"%s\",\"file\":"
			 "\"many.json\"}",
			 source);
		if (flo_value_from_json(text, strlen(text), 0, &err, &with) ||
		    fake_step_value(&fs, &flo__cmdb_pull, key, with, &err,
				    &output))
			return strdup(err.text);
		flo_value_unref(with);
		snprintf(text, sizeof(text),
			 "{\"db\":\"many.db\",\"pull\":\"%s\",\"key\":"
			 "[\"/id\"],\"ignore\":%s}",
			 out_text(output, "pull"),
			 i % 2 != 0 ? "[]" : "[\"/x\"]");
		flo_value_unref(output);
		if (flo_value_from_json(text, strlen(text), 0, &err, &with) ||
		    fake_step_value(&fs, &flo__cmdb_diff, key, with, &err,
				    &output))
			return strdup(err.text);
		flo_value_unref(with);
		snprintf(text, sizeof(text),
			 "{\"db\":\"many.db\",\"plan\":\"%s\"}",
			 out_text(output, "plan"));
		flo_value_unref(output);
		if (flo_value_from_json(text, strlen(text), 0, &err, &with) ||
		    fake_step_value(&fs, &flo__cmdb_apply, key, with, &err,
				    &next))
			return strdup(err.text);
		flo_value_unref(with);
		flo_value_unref(next);
	}
	return NULL;
}

static void sources_share_a_database(void **state)
{
	static const char *const source[] = {"vm", "db", "lb", "dns"};
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	pthread_t thread[4];

	(void)state;
	for (int i = 0; i < 500; i++)
		flo__strbuf_addf(&sb, "{\"id\":%d,\"x\":[%d]}\n", i, i);
	fake_text(&fs, "many.json", sb.data);
	flo__strbuf_fini(&sb);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, sync_product,
			       (void *)source[i]);
	for (size_t i = 0; i < 4; i++) {
		void *text = NULL;

		pthread_join(thread[i], &text);
		if (text != NULL)
			fail_msg("%s: %s", source[i], (char *)text);
	}
	assert_int_equal(query("many.db", "SELECT count(*) FROM state"), 2000);
}

/* A pull that fails while another process writes. */
static flo_status fail_while_locked(struct flo__cdb *db, void *arg,
				    flo_error *err)
{
	const struct flo__place place = {.unit = NULL};
	struct flo__stage *stage = NULL;
	sqlite3 *other = NULL;
	uint64_t *took_ns = arg;
	flo_status st;

	TRY(flo__stage_open(db, "vm", err, &stage));
	TRY(flo__stage_add(stage, "{}", 2, &place, err));
	sqlite3_open(db->path, &other);
	if (sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) != 0)
		st = FLO_BUSY;
	*took_ns = flo__time_mono_ns();
	flo__stage_close(stage);
	*took_ns = flo__time_mono_ns() - *took_ns;
	sqlite3_close(other);
out:
	return st;
}

static flo_status run_locked(flo_step_call *call, const flo_value *with,
			     flo_error *err, flo_value **ret_output)
{
	uint64_t took_ns = 0;
	flo_status st =
		flo__cmdb_with_db(call, with, fail_while_locked, &took_ns, err);

	*ret_output = flo_value_int((int64_t)(took_ns / 1000000));
	return st;
}

static void what_is_left_behind_waits_for_no_other_writer(void **state)
{
	static const flo_step_type step = {.name = "test.locked",
					   .run = run_locked};
	flo_value *took_ms = NULL;
	int64_t ms;

	(void)state;
	fake_ok(&fs, fake_step(&fs, &step, "l", &took_ms, "{\"db\":\"l.db\"}"));
	ms = flo_value_get_int(took_ms);
	flo_value_unref(took_ms);
	assert_true(ms < 60000);
	assert_int_equal(query("l.db", "SELECT count(*) FROM pull"), 1);
	/* The next apply takes it out. */
	sync_text("l.db", "1", "[{\"id\":1}]");
	assert_int_equal(query("l.db", "SELECT sum(staged) FROM pull"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_behind_waits_for_no_other_writer),
		cmocka_unit_test(a_pull_gives_a_handle),
		cmocka_unit_test(the_database_is_private),
		cmocka_unit_test(a_database_needs_no_hard_links),
		cmocka_unit_test(a_program_can_be_pulled_from),
		cmocka_unit_test(a_program_that_fails_fails_the_pull),
		cmocka_unit_test(bad_arguments_are_named),
		cmocka_unit_test(what_is_no_json_is_shown),
		cmocka_unit_test(records_that_were_forgotten_are_pointed_at),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(a_broken_record_is_named),
		cmocka_unit_test(what_is_wrong_with_a_record_is_said),
		cmocka_unit_test(a_document_that_is_cut_off_leaves_nothing),
		cmocka_unit_test(an_array_that_is_cut_off_leaves_nothing),
		cmocka_unit_test(a_pull_again_replaces_the_first),
		cmocka_unit_test(an_incomplete_pull_is_not_diffed),
		cmocka_unit_test(a_cancelled_pull_leaves_nothing),
		cmocka_unit_test(other_files_are_refused),
		cmocka_unit_test(running_out_of_memory_is_an_error_like_others),
		cmocka_unit_test(sources_share_a_database),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * Write Parquet files, and beside each what must be read from it.
 *
 * Usage: write_cases DIR [SEED]
 *
 * For each case NAME.parquet, and NAME.json: an object a line, the first
 * {"columns":[[name,type],...],"meta":{},"groups":n or null}, then a row each
 * as an array: integers and times as texts, doubles as the 16 digits of their
 * bits, other values as they are. The readers compute bounds and counts
 * themselves.
 */
#include "base/alloc.h"
#include "base/strbuf.h"
#include "steps/parquet/parquet.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1u << 20)

static const char *const type_names[] = {"bool",   "int",  "double",
					 "string", "json", "time"};

/* One file that is being written, and its account. */
static struct {
	const char *dir;
	FILE *file;
	FILE *account;
	struct flo__parquet *parquet;
	const struct flo__parquet_column *columns;
	size_t len;
	struct flo__strbuf row;
	size_t in_row;
} now;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "write_cases: %s\n", what);
	exit(1);
}

static flo_status write_file(void *arg, struct flo__strbuf *sb, flo_error *err)
{
	(void)err;
	must(fwrite(sb->data, 1, sb->len, arg) == sb->len, "cannot write");
	flo__strbuf_reset(sb);
	return FLO_OK;
}

static FILE *open_file(const char *name, const char *end)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.%s", now.dir, name, end);
	file = fopen(path, "w");
	must(file != NULL, path);
	return file;
}

static void begin(const char *name, const struct flo__parquet_column *columns,
		  size_t len, const struct flo__parquet_limits *limits,
		  int groups)
{
	now.file = open_file(name, "parquet");
	now.account = open_file(name, "json");
	now.columns = columns;
	now.len = len;
	must(flo__parquet_open(columns, len, limits, write_file, now.file, NULL,
			       &now.parquet) == FLO_OK,
	     "open");
	flo__parquet_add_meta(now.parquet, "case", name);
	flo__parquet_add_meta(now.parquet, "empty", "");
	fprintf(now.account, "{\"columns\":[");
	for (size_t i = 0; i < len; i++) {
		flo__strbuf_add_json(&now.row, columns[i].name,
				     strlen(columns[i].name));
		fprintf(now.account, "%s[%s,\"%s\"]", i == 0 ? "" : ",",
			now.row.data, type_names[columns[i].type]);
		flo__strbuf_reset(&now.row);
	}
	fprintf(now.account, "],\"meta\":{\"case\":\"%s\",\"empty\":\"\"},",
		name);
	if (groups >= 0)
		fprintf(now.account, "\"groups\":%d}\n", groups);
	else
		fprintf(now.account, "\"groups\":null}\n");
	now.in_row = 0;
}

static void end(void)
{
	flo_error err = FLO_ERROR_INIT;

	must(flo__parquet_finish(now.parquet, &err) == FLO_OK, err.text);
	must(ftell(now.file) == flo__parquet_bytes(now.parquet), "bytes");
	flo__parquet_free(now.parquet);
	must(fclose(now.file) == 0 && fclose(now.account) == 0, "close");
}

static size_t next(void)
{
	flo__strbuf_addc(&now.row, now.in_row == 0 ? '[' : ',');
	return now.in_row++;
}

static void null(void)
{
	(void)next();
	flo__strbuf_adds(&now.row, "null");
}

static void boolean(bool b)
{
	flo__parquet_put_bool(now.parquet, next(), b);
	flo__strbuf_adds(&now.row, b ? "true" : "false");
}

static void integer(int64_t n)
{
	size_t i = next();

	if (now.columns[i].type == FLO__PARQUET_TIME)
		flo__parquet_put_time(now.parquet, i, n);
	else
		flo__parquet_put_int(now.parquet, i, n);
	flo__strbuf_addf(&now.row, "\"%" PRId64 "\"", n);
}

static void real(double d)
{
	uint64_t bits;

	flo__parquet_put_double(now.parquet, next(), d);
	memcpy(&bits, &d, sizeof(bits));
	flo__strbuf_addf(&now.row, "\"%016" PRIx64 "\"", bits);
}

static void text_of(const char *text, size_t len)
{
	flo__parquet_put_text(now.parquet, next(), text, len);
	flo__strbuf_add_json(&now.row, text, len);
}

static void text(const char *t)
{
	text_of(t, strlen(t));
}

static void row(void)
{
	flo_error err = FLO_ERROR_INIT;

	must(now.in_row == now.len, "row");
	must(flo__parquet_end_row(now.parquet, &err) == FLO_OK, err.text);
	flo__strbuf_addc(&now.row, ']');
	must(flo__strbuf_status(&now.row) == FLO_OK, "memory");
	fprintf(now.account, "%s\n", now.row.data);
	flo__strbuf_reset(&now.row);
	now.in_row = 0;
}

/* Cases */

static const struct flo__parquet_column every[] = {
	{"b", FLO__PARQUET_BOOL},   {"i", FLO__PARQUET_INT},
	{"d", FLO__PARQUET_DOUBLE}, {"s", FLO__PARQUET_STRING},
	{"j", FLO__PARQUET_JSON},   {"t", FLO__PARQUET_TIME},
};
#define EVERY (sizeof(every) / sizeof(every[0]))

static void nulls(size_t n)
{
	for (size_t i = 0; i < n; i++)
		null();
}

static void case_every_type(void)
{
	begin("every_type", every, EVERY, NULL, 1);
	boolean(true);
	integer(1);
	real(1.5);
	text("one");
	text("{\"a\":[1,null]}");
	integer(1700000000123456);
	row();
	nulls(EVERY);
	row();
	boolean(false);
	integer(-1);
	real(-2.25);
	text("");
	text("null");
	integer(-1);
	row();
	end();
}

static void case_rows(const char *name, size_t rows)
{
	begin(name, every, EVERY, NULL, rows == 0 ? 0 : 1);
	for (size_t i = 0; i < rows; i++) {
		nulls(EVERY);
		row();
	}
	end();
}

static void case_one_row(void)
{
	begin("one_row", every, EVERY, NULL, 1);
	boolean(false);
	integer(0);
	real(0);
	text("x");
	text("0");
	integer(0);
	row();
	end();
}

static const struct flo__parquet_column numbers[] = {
	{"i", FLO__PARQUET_INT},
	{"d", FLO__PARQUET_DOUBLE},
	{"t", FLO__PARQUET_TIME},
};

static void case_extremes(void)
{
	/* Within what DuckDB can show: +-290,000 years. */
	const int64_t times[] = {-62135596800000000, -1, 253402300799999999,
				 -9000000000000000000, 9000000000000000000};
	const int64_t ints[] = {INT64_MIN, INT64_MAX, 0, -1, INT64_MIN + 1};
	const double reals[] = {DBL_MAX, -DBL_MAX, DBL_MIN, 5e-324, -5e-324};

	begin("extremes", numbers, 3, NULL, 1);
	for (size_t i = 0; i < 5; i++) {
		integer(ints[i]);
		real(reals[i]);
		integer(times[i]);
		row();
	}
	end();
}

static void case_reals(const char *name, const double *reals, size_t len)
{
	begin(name, &numbers[1], 1, NULL, 1);
	for (size_t i = 0; i < len; i++) {
		real(reals[i]);
		row();
	}
	end();
}

static void cases_of_reals(void)
{
	const double all[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1.0};
	const double nan[] = {NAN, NAN};
	const double some[] = {NAN, 2.0, NAN, 3.0};
	const double zero[] = {0.0}, minus[] = {-0.0};

	case_reals("reals", all, 6);
	case_reals("only_nan", nan, 2);
	case_reals("nan_and_numbers", some, 4);
	case_reals("zero", zero, 1);
	case_reals("minus_zero", minus, 1);
}

static size_t put_code(char *to, uint32_t code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (char)(0xe0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 63));
		to[2] = (char)(0x80 | (code & 63));
		return 3;
	}
	to[0] = (char)(0xf0 | code >> 18);
	to[1] = (char)(0x80 | (code >> 12 & 63));
	to[2] = (char)(0x80 | (code >> 6 & 63));
	to[3] = (char)(0x80 | (code & 63));
	return 4;
}

/* Every code point there is, 64 in a row's text. */
static void case_unicode(void)
{
	char buf[64 * 4];

	begin("unicode", &every[3], 1, NULL, -1);
	for (uint32_t code = 0; code <= 0x10ffff; code += 64) {
		size_t len = 0;

		if (code >= 0xd800 && code < 0xe000)
			continue;
		for (uint32_t i = 0; i < 64; i++)
			len += put_code(buf + len, code + i);
		text_of(buf, len);
		row();
	}
	end();
}

/* The last characters there are: no string is above all that begin so. */
static void case_highest(void)
{
	char buf[400];

	begin("highest", &every[3], 1, NULL, 1);
	for (size_t i = 0; i < sizeof(buf); i += 4)
		memcpy(buf + i, "\xf4\x8f\xbf\xbf", 4);
	text_of(buf, sizeof(buf));
	row();
	end();
}

static void case_lengths(void)
{
	static const size_t lens[] = {0,   1,	63,   64,    65,      127,
				      128, 255, 4096, 65535, MIB - 1, MIB};
	char *buf = malloc(MIB);

	must(buf != NULL, "memory");
	begin("lengths", &every[3], 1, NULL, -1);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		memset(buf, 'a' + (int)i, lens[i]);
		text_of(buf, lens[i]);
		row();
	}
	end();
	free(buf);
}

static const struct flo__parquet_column texts[] = {
	{"few", FLO__PARQUET_STRING},
	{"many", FLO__PARQUET_STRING},
	{"later", FLO__PARQUET_INT},
	{"same", FLO__PARQUET_INT},
};

/* What has a dictionary, what never had one, and what gave it up. */
static void case_dictionaries(const char *name, size_t rows,
			      const struct flo__parquet_limits *limits,
			      int groups)
{
	char buf[64];

	begin(name, texts, 4, limits, groups);
	for (size_t i = 0; i < rows; i++) {
		snprintf(buf, sizeof(buf), "state %zu", i * i % 7);
		if (i % 5 == 0)
			null();
		else
			text(buf);
		snprintf(buf, sizeof(buf), "host-%zu.example.org", i);
		text(buf);
		integer(i < rows / 2 ? (int64_t)(i % 3) : (int64_t)i * 1000003);
		integer(42);
		row();
	}
	end();
}

static void cases_of_dictionaries(void)
{
	struct flo__parquet_limits small = {.dict_bytes = 512,
					    .page_bytes = 1000};
	struct flo__parquet_limits groups = {.rows_max = 1000,
					     .dict_bytes = 4096};
	struct flo__parquet_limits bytes = {.bytes_max = 64u << 10};
	struct flo__parquet_limits plain = {.uncompressed = true};

	case_dictionaries("dictionary", 3000, NULL, 1);
	case_dictionaries("fallback", 5000, &small, 1);
	case_dictionaries("groups_of_rows", 10500, &groups, 11);
	case_dictionaries("groups_of_bytes", 20000, &bytes, -1);
	case_dictionaries("uncompressed", 3000, &plain, 1);
	case_dictionaries("default_groups", 250000, NULL, 3);
}

/* Names that are no identifiers, and more columns than a list's short head. */
static void case_names(void)
{
	static char names[40][32];
	struct flo__parquet_column columns[40];

	for (size_t i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "%zu \"%c\" \xc3\xa9/", i,
			 (char)('a' + i % 26));
		columns[i] = (struct flo__parquet_column){
			names[i], (enum flo__parquet_type)(i % 6)};
	}
	begin("names", columns, 40, NULL, 1);
	nulls(40);
	row();
	end();
}

/* Random tables: splitmix64, so that a seed says everything. */

static uint64_t seed;

static uint64_t random_bits(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return random_bits() % n;
}

static void random_text(bool few)
{
	char buf[200];
	size_t len = 0;
	size_t want = few ? below(3) : below(150);

	while (len < want)
		len += put_code(buf + len,
				below(4) == 0 ? (uint32_t)(0x800 + below(5000))
					      : (uint32_t)(32 + below(90)));
	text_of(buf, len);
}

static void random_json(void)
{
	char buf[64];

	snprintf(buf, sizeof(buf), "{\"n\":%" PRIu64 ",\"l\":[%" PRIu64 "]}",
		 below(100), below(3));
	text(buf);
}

static void random_real(void)
{
	const double few[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 1.0};

	if (below(2) == 0)
		real(few[below(6)]);
	else
		real((double)(int64_t)random_bits() / 65536.0);
}

static void random_value(enum flo__parquet_type type, bool few)
{
	switch (type) {
	case FLO__PARQUET_BOOL:
		boolean(below(2) == 0);
		break;
	case FLO__PARQUET_INT:
		integer(few ? (int64_t)below(9) : (int64_t)random_bits());
		break;
	case FLO__PARQUET_DOUBLE:
		random_real();
		break;
	case FLO__PARQUET_STRING:
		random_text(few);
		break;
	case FLO__PARQUET_JSON:
		random_json();
		break;
	case FLO__PARQUET_TIME:
		integer((int64_t)(random_bits() >> 8) - (INT64_C(1) << 54));
		break;
	}
}

static void case_random(size_t n)
{
	struct flo__parquet_limits limits = {.rows_max = 1 + below(2000),
					     .page_bytes = 1 + below(5000),
					     .dict_bytes = 1 + below(5000),
					     .uncompressed = below(4) == 0};
	struct flo__parquet_column columns[12];
	static char names[12][8];
	char name[32];
	bool few[12];
	size_t nulls_in[12];
	size_t len = 1 + below(12), rows = below(3000);

	for (size_t i = 0; i < len; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		columns[i] = (struct flo__parquet_column){
			names[i], (enum flo__parquet_type)below(6)};
		few[i] = below(2) == 0;
		nulls_in[i] = below(3) == 0 ? 0 : 1 + below(20);
	}
	snprintf(name, sizeof(name), "random_%zu", n);
	begin(name, columns, len, &limits, -1);
	for (size_t r = 0; r < rows; r++) {
		/* In stretches, so that there are runs and pages of nulls. */
		for (size_t i = 0; i < len; i++) {
			if (nulls_in[i] != 0 && r / 40 % nulls_in[i] == 0)
				null();
			else
				random_value(columns[i].type, few[i]);
		}
		row();
	}
	end();
}

int main(int argc, char **argv)
{
	must(argc == 2 || argc == 3, "usage: write_cases DIR [SEED]");
	now.dir = argv[1];
	flo__strbuf_init(&now.row);
	seed = argc == 3 ? strtoull(argv[2], NULL, 0) : 1;
	case_every_type();
	case_rows("no_rows", 0);
	case_rows("one_null", 1);
	case_rows("only_nulls", 5000);
	case_one_row();
	case_extremes();
	cases_of_reals();
	case_unicode();
	case_highest();
	case_lengths();
	cases_of_dictionaries();
	case_names();
	for (size_t i = 0; i < 20; i++)
		case_random(i);
	flo__strbuf_fini(&now.row);
	return 0;
}

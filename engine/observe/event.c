/*
 * Events as JSON lines and back.
 *
 * Writing is the hot path of the store: one pass into the caller's buffer, no
 * allocation, no printf, no libc time functions. Reading trusts nothing: a
 * line that lacks what an event must have, or has it with another type or out
 * of range, is corrupt.
 */
#include "engine/event.h"

#include "base/contract.h"
#include "base/value_p.h"

#include <string.h>

#define US_PER_S   INT64_C(1000000)
#define US_PER_DAY (86400 * US_PER_S)

/* The years that RFC 3339 can say: 0000-01-01 to 9999-12-31. */
#define TS_MIN_US (INT64_C(-719528) * US_PER_DAY)
#define TS_MAX_US (INT64_C(2932897) * US_PER_DAY - 1)

static const char *const kind_texts[] = {
#define FLO__EVENT_X(code, text) [FLO__EVENT_##code] = text,
	FLO__EVENT_KIND_MAP(FLO__EVENT_X)
#undef FLO__EVENT_X
};

static const char *const state_texts[] = {
#define FLO__STATE_X(code, text) [FLO__STATE_##code] = text,
	FLO__STATE_MAP(FLO__STATE_X)
#undef FLO__STATE_X
};

const char *flo__event_kind_text(enum flo__event_kind kind)
{
	REQUIRE(kind < FLO__EVENT_KINDS);
	return kind_texts[kind];
}

const char *flo__state_text(enum flo__state state)
{
	REQUIRE(state < FLO__STATES);
	return state_texts[state];
}

enum flo__event_kind flo__event_kind_parse(const char *text)
{
	int kind = 0;

	while (kind < FLO__EVENT_KINDS && strcmp(kind_texts[kind], text) != 0)
		kind++;
	return (enum flo__event_kind)kind;
}

enum flo__state flo__state_parse(const char *text)
{
	for (int state = 1; state < FLO__STATES; state++) {
		if (strcmp(state_texts[state], text) == 0)
			return (enum flo__state)state;
	}
	return FLO__STATE_NONE;
}

/* --- writing --- */

/*
 * Days since 1970-01-01 to a civil date, by eras of 400 years that begin in
 * March. Source: Howard Hinnant, chrono-compatible low-level date algorithms.
 */
static void civil_of_days(int64_t days, int64_t *ret_y, int *ret_m, int *ret_d)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*ret_d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_y = yoe + era * 400 + (*ret_m <= 2);
}

static int64_t days_of_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* Write @n as @width digits that end before @end. */
static void put_digits(char *end, int width, int64_t n)
{
	for (; width > 0; width--, n /= 10)
		*--end = (char)('0' + n % 10);
}

/* As flo__time_rfc3339(), about twenty times as fast. */
static void add_time(struct flo__strbuf *sb, int64_t us)
{
	char text[] = "0000-00-00T00:00:00.000000Z";
	int64_t days, y;
	int m, d;

	if (us < TS_MIN_US)
		us = TS_MIN_US;
	if (us > TS_MAX_US)
		us = TS_MAX_US;
	days = us / US_PER_DAY - (us % US_PER_DAY < 0);
	us -= days * US_PER_DAY;
	civil_of_days(days, &y, &m, &d);
	put_digits(text + 4, 4, y);
	put_digits(text + 7, 2, m);
	put_digits(text + 10, 2, d);
	put_digits(text + 13, 2, us / (3600 * US_PER_S));
	put_digits(text + 16, 2, us / (60 * US_PER_S) % 60);
	put_digits(text + 19, 2, us / US_PER_S % 60);
	put_digits(text + 26, 6, us % US_PER_S);
	flo__strbuf_add(sb, text, sizeof(text) - 1);
}

/* Nanoseconds as milliseconds with the fraction that they have, exactly. */
static void add_ms(struct flo__strbuf *sb, int64_t ns)
{
	char part[] = ".000000";
	size_t len = sizeof(part) - 1;

	flo__strbuf_add_int(sb, ns / 1000000);
	if (ns % 1000000 == 0)
		return;
	put_digits(part + len, 6, ns % 1000000);
	while (part[len - 1] == '0')
		len--;
	flo__strbuf_add(sb, part, len);
}

static void add_hex64(struct flo__strbuf *sb, uint64_t n)
{
	static const char hex[] = "0123456789abcdef";
	char text[18] = "\"";

	for (int i = 0; i < 16; i++)
		text[1 + i] = hex[n >> (60 - 4 * i) & 15];
	text[17] = '"';
	flo__strbuf_add(sb, text, sizeof(text));
}

static void add_text(struct flo__strbuf *sb, const char *text)
{
	flo__strbuf_add_json(sb, text, strlen(text));
}

#define ADD_KEY(sb, name)                                                      \
	flo__strbuf_add(sb, ",\"" name "\":", sizeof(",\"" name "\":") - 1)

/* Where it happened: the keys that every event begins with. */
static void add_head(struct flo__strbuf *sb, const struct flo__event *event,
		     const char *run_id, const char *trace_id)
{
	flo__strbuf_addc(sb, '{');
	if (event->seq != 0) {
		flo__strbuf_add(sb, "\"seq\":", 6);
		flo__strbuf_add_int(sb, (int64_t)event->seq);
		flo__strbuf_addc(sb, ',');
	}
	flo__strbuf_add(sb, "\"ts\":\"", 6);
	add_time(sb, event->ts_us);
	flo__strbuf_addc(sb, '"');
	ADD_KEY(sb, "run");
	add_text(sb, run_id);
	ADD_KEY(sb, "trace_id");
	add_text(sb, trace_id);
	ADD_KEY(sb, "kind");
	add_text(sb, kind_texts[event->kind]);
	if (event->path != NULL) {
		ADD_KEY(sb, "path");
		add_text(sb, event->path);
	}
	if (event->attempt != 0) {
		ADD_KEY(sb, "attempt");
		flo__strbuf_add_int(sb, event->attempt);
	}
	if (event->span_id != 0) {
		ADD_KEY(sb, "span_id");
		add_hex64(sb, event->span_id);
	}
}

/* How it ended: status and numbers. */
static void add_outcome(struct flo__strbuf *sb, const struct flo__event *event)
{
	if (event->status != FLO__STATE_NONE) {
		ADD_KEY(sb, "status");
		add_text(sb, state_texts[event->status]);
	}
	if (event->accepted) {
		ADD_KEY(sb, "accepted");
		flo__strbuf_add(sb, "true", 4);
	}
	if (event->pid != 0) {
		ADD_KEY(sb, "pid");
		flo__strbuf_add_int(sb, event->pid);
	}
	if (event->exit_code != FLO__EVENT_NO_CODE) {
		ADD_KEY(sb, "exit_code");
		flo__strbuf_add_int(sb, event->exit_code);
	}
	if (event->signal != 0) {
		ADD_KEY(sb, "signal");
		add_text(sb, flo__signal_name(event->signal));
	}
	if (event->delay_ns >= 0) {
		ADD_KEY(sb, "delay_ms");
		add_ms(sb, event->delay_ns);
	}
	if (event->duration_ns >= 0) {
		ADD_KEY(sb, "duration_ms");
		add_ms(sb, event->duration_ns);
	}
}

static void add_rerun(struct flo__strbuf *sb, const struct flo__rerun *rerun)
{
	if (rerun->of == NULL)
		return;
	ADD_KEY(sb, "rerun_of");
	add_text(sb, rerun->of);
	if (rerun->from != NULL) {
		ADD_KEY(sb, "rerun_from");
		add_text(sb, rerun->from);
	}
	if (rerun->failed) {
		ADD_KEY(sb, "rerun_failed");
		flo__strbuf_add(sb, "true", 4);
	}
}

static void add_value(struct flo__strbuf *sb, const flo_value *value)
{
	if (value != NULL)
		flo__value_json(value, sb);
	else
		flo__strbuf_add(sb, "null", 4);
}

void flo__event_json(const struct flo__event *event, const char *run_id,
		     const char *trace_id, struct flo__strbuf *sb)
{
	/* what the end of a run carries is there even if it is nothing */
	bool all = event->kind == FLO__EVENT_RUN_FINISHED;

	REQUIRE(event->kind < FLO__EVENT_KINDS && event->status < FLO__STATES);
	REQUIRE(event->seq <= INT64_MAX);
	REQUIRE(!all || event->status != FLO__STATE_NONE);

	add_head(sb, event, run_id, trace_id);
	add_outcome(sb, event);
	add_rerun(sb, &event->rerun);
	if (all || event->error != NULL) {
		ADD_KEY(sb, "error");
		add_value(sb, event->error);
	}
	if (all || event->output != NULL) {
		ADD_KEY(sb, "output");
		add_value(sb, event->output);
	}
	if (all || event->counts != NULL) {
		ADD_KEY(sb, "counts");
		add_value(sb, event->counts);
	}
	flo__strbuf_addc(sb, '}');
}

/* --- reading --- */

static bool corrupt(flo_error *err, const char *key)
{
	flo_error_set(err, FLO_CORRUPT,
		      "not an event: \"%s\" is missing or ill-formed", key);
	return false;
}

/* Optional string: true with *@ret untouched if there is none. */
static bool get_text(const flo_value *doc, const char *key, const char **ret,
		     flo_error *err)
{
	const flo_value *value = flo_value_map_get(doc, key);
	const char *text;
	size_t len;

	if (value == NULL)
		return true;
	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return corrupt(err, key);
	text = flo_value_get_string(value, &len);
	if (strlen(text) != len)
		return corrupt(err, key);
	*ret = text;
	return true;
}

static bool get_int(const flo_value *doc, const char *key, int64_t min,
		    int64_t max, int64_t *ret, flo_error *err)
{
	const flo_value *value = flo_value_map_get(doc, key);
	int64_t n;

	if (value == NULL)
		return true;
	if (flo_value_typeof(value) != FLO_VALUE_INT)
		return corrupt(err, key);
	n = flo_value_get_int(value);
	if (n < min || n > max)
		return corrupt(err, key);
	*ret = n;
	return true;
}

/* Milliseconds to nanoseconds: exact up to 2^53 ns (104 days) at least. */
static bool get_ms(const flo_value *doc, const char *key, int64_t *ret,
		   flo_error *err)
{
	const flo_value *value = flo_value_map_get(doc, key);
	double ms = -1;
	int64_t whole;

	if (value == NULL)
		return true;
	if (flo_value_typeof(value) == FLO_VALUE_INT) {
		int64_t n = flo_value_get_int(value);

		if (n < 0 || n > INT64_MAX / 1000000)
			return corrupt(err, key);
		*ret = n * 1000000;
		return true;
	}
	if (flo_value_typeof(value) == FLO_VALUE_DOUBLE)
		ms = flo_value_get_double(value);
	if (!(ms >= 0 && ms < 9.2e12))
		return corrupt(err, key);
	whole = (int64_t)ms;
	*ret = whole * 1000000 + (int64_t)((ms - (double)whole) * 1e6 + 0.5);
	return true;
}

/* The digits of a field of fixed width; -1 if it has anything else. */
static int fixed(const char *text, int width)
{
	int n = 0;

	for (; width > 0; width--, text++) {
		if (*text < '0' || *text > '9')
			return -1;
		n = n * 10 + (*text - '0');
	}
	return n;
}

/* Only the form that add_time() writes. */
static bool parse_time(const char *text, int64_t *ret_us)
{
	static const char form[] = "0000-00-00T00:00:00.000000Z";
	int y, m, d, hour, minute, s, us;

	for (size_t i = 0; i < sizeof(form); i++) {
		if (form[i] == '0' ? (text[i] < '0' || text[i] > '9')
				   : text[i] != form[i])
			return false;
	}
	y = fixed(text, 4);
	m = fixed(text + 5, 2);
	d = fixed(text + 8, 2);
	hour = fixed(text + 11, 2);
	minute = fixed(text + 14, 2);
	s = fixed(text + 17, 2);
	us = fixed(text + 20, 6);
	if (m < 1 || m > 12 || d < 1 || d > 31 || hour > 23 || minute > 59 ||
	    s > 59)
		return false;
	*ret_us = days_of_civil(y, m, d) * US_PER_DAY +
		  ((hour * 60 + minute) * 60 + s) * US_PER_S + us;
	return true;
}

static bool parse_hex64(const char *text, uint64_t *ret)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < 16; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = n;
	return text[i] == '\0' && n != 0;
}

/*
 * The number in "SIG<number>", else 0. Wider than flo__signal_parse(): what
 * flo__signal_name() wrote must be read again, even if no such signal exists.
 */
static int numbered_signal(const char *name)
{
	size_t digits;
	int n;

	if (strncmp(name, "SIG", 3) != 0)
		return 0;
	digits = strlen(name + 3);
	n = digits >= 1 && digits <= 3 ? fixed(name + 3, (int)digits) : 0;
	return n > 0 && n < 130 && name[3] != '0' ? n : 0;
}

static bool read_head(const flo_value *doc, struct flo__event *e,
		      flo_error *err)
{
	const char *ts = NULL, *kind = NULL, *span = NULL;
	int64_t seq = 0, attempt = 0;

	if (!get_int(doc, "seq", 1, INT64_MAX, &seq, err) ||
	    !get_text(doc, "ts", &ts, err) ||
	    !get_text(doc, "kind", &kind, err) ||
	    !get_text(doc, "path", &e->path, err) ||
	    !get_int(doc, "attempt", 1, UINT32_MAX, &attempt, err) ||
	    !get_text(doc, "span_id", &span, err))
		return false;
	if (ts == NULL || !parse_time(ts, &e->ts_us))
		return corrupt(err, "ts");
	e->kind = kind == NULL ? FLO__EVENT_KINDS : flo__event_kind_parse(kind);
	if (e->kind == FLO__EVENT_KINDS)
		return corrupt(err, "kind");
	if (span != NULL && !parse_hex64(span, &e->span_id))
		return corrupt(err, "span_id");
	if (e->kind >= FLO__EVENT_STEP_STARTED && e->path == NULL)
		return corrupt(err, "path");
	e->seq = (uint64_t)seq;
	e->attempt = (uint32_t)attempt;
	return true;
}

static bool read_outcome(const flo_value *doc, struct flo__event *e,
			 flo_error *err)
{
	const char *status = NULL, *signal = NULL;
	int64_t pid = 0, code = FLO__EVENT_NO_CODE;

	if (!get_text(doc, "status", &status, err) ||
	    !get_int(doc, "pid", 1, INT32_MAX, &pid, err) ||
	    !get_int(doc, "exit_code", INT32_MIN + 1, INT32_MAX, &code, err) ||
	    !get_text(doc, "signal", &signal, err) ||
	    !get_ms(doc, "delay_ms", &e->delay_ns, err) ||
	    !get_ms(doc, "duration_ms", &e->duration_ns, err))
		return false;
	if (status != NULL)
		e->status = flo__state_parse(status);
	if ((status != NULL || e->kind == FLO__EVENT_RUN_FINISHED ||
	     e->kind == FLO__EVENT_STEP_FINISHED ||
	     e->kind == FLO__EVENT_STEP_REUSED) &&
	    e->status == FLO__STATE_NONE)
		return corrupt(err, "status");
	if (signal != NULL) {
		e->signal = flo__signal_parse(signal);
		if (e->signal == 0)
			e->signal = numbered_signal(signal);
		if (e->signal == 0)
			return corrupt(err, "signal");
	}
	e->pid = (int32_t)pid;
	e->exit_code = (int32_t)code;
	return true;
}

static bool read_rerun(const flo_value *doc, struct flo__rerun *rerun,
		       flo_error *err)
{
	const flo_value *failed = flo_value_map_get(doc, "rerun_failed");

	if (!get_text(doc, "rerun_of", &rerun->of, err) ||
	    !get_text(doc, "rerun_from", &rerun->from, err))
		return false;
	if (failed != NULL && flo_value_typeof(failed) != FLO_VALUE_BOOL)
		return corrupt(err, "rerun_failed");
	rerun->failed = failed != NULL && flo_value_get_bool(failed);
	return true;
}

static bool read_values(const flo_value *doc, struct flo__event *e,
			flo_error *err)
{
	const flo_value **slots[] = {&e->error, &e->output, &e->counts};
	static const char *const keys[] = {"error", "output", "counts"};

	for (int i = 0; i < 3; i++) {
		const flo_value *value = flo_value_map_get(doc, keys[i]);
		bool nothing = value != NULL &&
			       flo_value_typeof(value) == FLO_VALUE_NULL;

		/* a step's output may be null, and that is a value */
		if (nothing && (i != 1 || e->kind == FLO__EVENT_RUN_FINISHED))
			value = NULL;
		if (value != NULL && i != 1 &&
		    flo_value_typeof(value) != FLO_VALUE_MAP)
			return corrupt(err, keys[i]);
		*slots[i] = value;
	}
	return true;
}

flo_status flo__event_parse(const char *json, size_t len, flo_error *err,
			    flo_value **ret_doc, struct flo__event *ret_event)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_KINDS);
	flo_error why = FLO_ERROR_INIT;
	flo_value *doc = NULL;
	flo_status st;

	st = flo_value_from_json(json, len, 0, &why, &doc);
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "%s", flo_status_text(st));
	if (st != FLO_OK)
		return flo_error_set(err, FLO_CORRUPT, "not an event: %s",
				     why.text);
	if (flo_value_typeof(doc) != FLO_VALUE_MAP) {
		st = flo_error_set(err, FLO_CORRUPT,
				   "not an event: not a JSON object");
		goto out;
	}
	if (!read_head(doc, &event, err) || !read_outcome(doc, &event, err) ||
	    !read_rerun(doc, &event.rerun, err) ||
	    !read_values(doc, &event, err)) {
		st = FLO_CORRUPT;
		goto out;
	}
	*ret_event = event;
	*ret_doc = doc;
	doc = NULL;
out:
	flo_value_unref(doc);
	return st;
}

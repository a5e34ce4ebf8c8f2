/* Events: what is written is read back, and nothing else is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/event.h"

#include <signal.h>
#include <string.h>

#define RUN   "0198-run"
#define TRACE "0af7651916cd43dd8448eb211c80319c"

static void assert_value(const flo_value *a, const flo_value *b)
{
	assert_int_equal(a == NULL, b == NULL);
	if (a != NULL)
		assert_true(flo_value_equal(a, b));
}

static void assert_same(const struct flo__event *a, const struct flo__event *b)
{
	assert_int_equal(a->seq, b->seq);
	assert_int_equal(a->ts_us, b->ts_us);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->path == NULL, b->path == NULL);
	if (a->path != NULL)
		assert_string_equal(a->path, b->path);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->span_id, b->span_id);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->exit_code, b->exit_code);
	assert_int_equal(a->signal, b->signal);
	assert_int_equal(a->duration_ns, b->duration_ns);
	assert_int_equal(a->delay_ns, b->delay_ns);
	assert_value(a->error, b->error);
	assert_value(a->output, b->output);
	assert_value(a->counts, b->counts);
}

/* Write, compare with @text unless it is NULL, read, compare with @event. */
static void round_trip(const struct flo__event *event, const char *text)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_error err = FLO_ERROR_INIT;
	struct flo__event back;
	flo_value *doc = NULL;
	flo_status st;

	flo__event_json(event, RUN, TRACE, &sb);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	if (text != NULL)
		assert_string_equal(sb.data, text);
	st = flo__event_parse(sb.data, sb.len, &err, &doc, &back);
	if (st != FLO_OK)
		print_error("%s: %s\n", sb.data, err.text);
	assert_int_equal(st, FLO_OK);
	assert_same(event, &back);
	flo_value_unref(doc);
	flo__strbuf_fini(&sb);
}

static flo_value *value_of(const char *json)
{
	flo_value *value = NULL;

	assert_int_equal(flo_value_from_json(json, strlen(json), FLO_JSON_ANY,
					     NULL, &value),
			 FLO_OK);
	return value;
}

static void only_what_is_set_is_written(void **state)
{
	struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_RUN_STARTED);

	(void)state;
	e.seq = 1;
	e.ts_us = 1795316645678901;
	round_trip(&e, "{\"seq\":1,\"ts\":\"2026-11-22T03:04:05.678901Z\","
		       "\"run\":\"" RUN "\",\"trace_id\":\"" TRACE "\","
		       "\"kind\":\"run.started\"}");
}

static void keys_have_one_order(void **state)
{
	struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);
	flo_value *error = value_of("{\"kind\":\"exit\",\"path\":\"a\"}");
	flo_value *output = value_of("[1,2.5,\"x\\n\"]");
	flo_value *counts = value_of("{\"failed\":1}");

	(void)state;
	e.seq = 17;
	e.path = "hosts[\"a\"]/pull";
	e.attempt = 3;
	e.span_id = 0x00f067aa0ba902b7;
	e.status = FLO__STATE_FAILED;
	e.pid = 4711;
	e.exit_code = 0;
	e.signal = SIGSEGV;
	e.delay_ns = 250000000;
	e.duration_ns = 1234567890;
	e.error = error;
	e.output = output;
	e.counts = counts;
	round_trip(
		&e,
		"{\"seq\":17,\"ts\":\"1970-01-01T00:00:00.000000Z\","
		"\"run\":\"" RUN "\",\"trace_id\":\"" TRACE "\","
		"\"kind\":\"step.finished\",\"path\":\"hosts[\\\"a\\\"]/pull\","
		"\"attempt\":3,\"span_id\":\"00f067aa0ba902b7\","
		"\"status\":\"failed\",\"pid\":4711,\"exit_code\":0,"
		"\"signal\":\"SIGSEGV\",\"delay_ms\":250,"
		"\"duration_ms\":1234.56789,"
		"\"error\":{\"kind\":\"exit\",\"path\":\"a\"},"
		"\"output\":[1,2.5,\"x\\n\"],\"counts\":{\"failed\":1}}");
	flo_value_unref(error);
	flo_value_unref(output);
	flo_value_unref(counts);
}

static void the_end_of_a_run_says_everything(void **state)
{
	struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_RUN_FINISHED);
	flo_value *counts = value_of("{\"succeeded\":2}");

	(void)state;
	e.seq = 2;
	e.status = FLO__STATE_SUCCEEDED;
	e.counts = counts;
	round_trip(&e, "{\"seq\":2,\"ts\":\"1970-01-01T00:00:00.000000Z\","
		       "\"run\":\"" RUN "\",\"trace_id\":\"" TRACE "\","
		       "\"kind\":\"run.finished\",\"status\":\"succeeded\","
		       "\"error\":null,\"output\":null,"
		       "\"counts\":{\"succeeded\":2}}");
	flo_value_unref(counts);
}

static void every_kind_and_state_comes_back(void **state)
{
	(void)state;
	for (int kind = 0; kind < FLO__EVENT_KINDS; kind++) {
		const char *text = flo__event_kind_text(kind);

		assert_int_equal(flo__event_kind_parse(text), kind);
		for (int s = 1; s < FLO__STATES; s++) {
			struct flo__event e = FLO__EVENT_INIT(kind);

			e.seq = 1;
			e.status = s;
			e.path = kind >= FLO__EVENT_STEP_STARTED ? "p" : NULL;
			round_trip(&e, NULL);
			assert_int_equal(flo__state_parse(flo__state_text(s)),
					 s);
		}
	}
	assert_int_equal(flo__event_kind_parse("run"), FLO__EVENT_KINDS);
	assert_int_equal(flo__state_parse("done"), FLO__STATE_NONE);
	assert_int_equal(flo__state_parse(""), FLO__STATE_NONE);
}

static void numbers_come_back_at_their_limits(void **state)
{
	static const int64_t spans[] = {0,
					1,
					999999,
					1000000,
					1000001,
					123456789012345,
					INT64_C(1) << 52};
	static const int64_t times[] = {-1,
					INT64_C(-62167219200000000),
					INT64_C(253402300799999999),
					951782400000000,
					1709164799999999,
					4107542400000000};

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_STEP_RETRYING);

		e.seq = INT64_MAX;
		e.path = "";
		e.attempt = UINT32_MAX;
		e.span_id = UINT64_MAX;
		e.pid = INT32_MAX;
		e.exit_code = INT32_MIN + 1;
		e.delay_ns = spans[i];
		e.duration_ns = spans[i];
		round_trip(&e, NULL);
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_RUN_QUEUED);

		e.seq = 1;
		e.ts_us = times[i];
		round_trip(&e, NULL);
	}
}

static void what_a_run_repeats_is_read_back(void **state)
{
	struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_RUN_QUEUED), back;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *doc = NULL;

	(void)state;
	e.seq = 1;
	e.rerun = (struct flo__rerun){.of = "r0",
				      .from = "each[2].x",
				      .failed = true};
	flo__event_json(&e, "r1", "t", &sb);
	assert_int_equal(flo__event_parse(sb.data, sb.len, NULL, &doc, &back),
			 FLO_OK);
	assert_string_equal(back.rerun.of, "r0");
	assert_string_equal(back.rerun.from, "each[2].x");
	assert_true(back.rerun.failed);
	flo_value_unref(doc);
	flo__strbuf_fini(&sb);
}

static void a_null_output_of_a_step_is_a_value(void **state)
{
	struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);
	flo_value *nothing = value_of("null");

	(void)state;
	e.seq = 1;
	e.path = "a";
	e.status = FLO__STATE_SUCCEEDED;
	e.output = nothing;
	round_trip(&e, NULL);
	flo_value_unref(nothing);
}

static void signals_have_names(void **state)
{
	(void)state;
	assert_string_equal(flo__signal_name(11), "SIGSEGV");
	assert_string_equal(flo__signal_name(99), "SIG99");
	assert_int_equal(flo__signal_parse("SIGTERM"), SIGTERM);
	assert_int_equal(flo__signal_parse("TERM"), SIGTERM);
	assert_int_equal(flo__signal_parse("SIGNAL"), 0);
	assert_int_equal(flo__signal_parse(""), 0);
	assert_int_equal(flo__signal_parse("SIG"), 0);
	assert_int_equal(flo__signal_parse("SIG99"), 0);
	assert_int_equal(flo__signal_parse("9"), 0);
	for (int n = 1; n < 128; n++) {
		struct flo__event e = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);

		if (n <= 64)
			assert_int_equal(flo__signal_parse(flo__signal_name(n)),
					 n);
		e.seq = 1;
		e.path = "a";
		e.status = FLO__STATE_FAILED;
		e.signal = n;
		round_trip(&e, NULL);
	}
}

static void what_is_no_event_is_corrupt(void **state)
{
#define HEAD "\"ts\":\"2026-11-22T03:04:05.678901Z\",\"kind\":\"run.queued\""
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"kind\":\"run.queued\"}",
		"{\"ts\":\"2026-11-22T03:04:05.678901Z\"}",
		"{\"ts\":\"2026-11-22T03:04:05Z\",\"kind\":\"run.queued\"}",
		"{\"ts\":\"2026-13-22T03:04:05.678901Z\","
		"\"kind\":\"run.queued\"}",
		"{\"ts\":\"\",\"kind\":\"run.queued\"}",
		"{\"ts\":5,\"kind\":\"run.queued\"}",
		"{\"ts\":\"2026-11-22T03:04:05.678901Z\",\"kind\":\"x\"}",
		"{" HEAD ",\"seq\":0}",
		"{" HEAD ",\"seq\":\"1\"}",
		"{" HEAD ",\"attempt\":0}",
		"{" HEAD ",\"attempt\":4294967296}",
		"{" HEAD ",\"span_id\":\"12\"}",
		"{" HEAD ",\"span_id\":\"0000000000000000\"}",
		"{" HEAD ",\"span_id\":\"00f067aa0ba902b70\"}",
		"{" HEAD ",\"status\":\"fine\"}",
		"{" HEAD ",\"pid\":-1}",
		"{" HEAD ",\"exit_code\":-2147483648}",
		"{" HEAD ",\"signal\":\"SIGNAL\"}",
		"{" HEAD ",\"signal\":\"SIG0\"}",
		"{" HEAD ",\"delay_ms\":-1}",
		"{" HEAD ",\"delay_ms\":1e300}",
		"{" HEAD ",\"delay_ms\":\"5\"}",
		"{" HEAD ",\"path\":\"a\\u0000b\"}",
		"{" HEAD ",\"error\":\"text\"}",
		"{" HEAD ",\"counts\":[]}",
		"{" HEAD "} x",
		"{\"ts\":\"2026-11-22T03:04:05.678901Z\","
		"\"kind\":\"step.started\"}",
		"{\"ts\":\"2026-11-22T03:04:05.678901Z\","
		"\"kind\":\"run.finished\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		flo_error err = FLO_ERROR_INIT;
		struct flo__event event;
		flo_value *doc = NULL;
		flo_status st;

		st = flo__event_parse(bad[i], strlen(bad[i]), &err, &doc,
				      &event);
		if (st != FLO_CORRUPT)
			print_error("taken for an event: %s\n", bad[i]);
		assert_int_equal(st, FLO_CORRUPT);
		assert_int_equal(err.status, FLO_CORRUPT);
		assert_null(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_set_is_written),
		cmocka_unit_test(keys_have_one_order),
		cmocka_unit_test(the_end_of_a_run_says_everything),
		cmocka_unit_test(every_kind_and_state_comes_back),
		cmocka_unit_test(numbers_come_back_at_their_limits),
		cmocka_unit_test(what_a_run_repeats_is_read_back),
		cmocka_unit_test(a_null_output_of_a_step_is_a_value),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(what_is_no_event_is_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

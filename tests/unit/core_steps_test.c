/* core.*: the step types that need nothing but the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_step.h"
#include "steps/core/core.h"
#include "steps/steps.h"

#include <pthread.h>
#include <string.h>

static struct fake_steps fs;

static int set_up(void **state)
{
	(void)state;
	fake_steps_init(&fs);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_steps_fini(&fs);
	return 0;
}

static void noop_gives_nothing(void **state)
{
	flo_value *output = NULL;

	(void)state;
	assert_int_equal(fake_step(&fs, &flo__core_noop, "a", &output, "{}"),
			 FLO_OK);
	assert_null(output);
}

static void fail_fails_with_its_message(void **state)
{
	(void)state;
	assert_int_equal(fake_step(&fs, &flo__core_fail, "a", NULL,
				   "{\"message\":\"no %%s today\"}"),
			 FLO_FAILED);
	assert_string_equal(fs.err.text, "no %s today");
	assert_int_equal(fake_step(&fs, &flo__core_fail, "a", NULL, "{}"),
			 FLO_FAILED);
	assert_string_equal(fs.err.text, "core.fail");
}

static void set_gives_its_arguments(void **state)
{
	flo_value *output = NULL;

	(void)state;
	assert_int_equal(fake_step(&fs, &flo__core_set, "a", &output,
				   "{\"a\":[1,{\"b\":null}]}"),
			 FLO_OK);
	assert_int_equal(flo_value_len(flo_value_map_get(output, "a")), 2);
	flo_value_unref(output);
}

static void sleep_takes_its_time(void **state)
{
	uint64_t before = flo_now();

	(void)state;
	assert_int_equal(fake_step(&fs, &flo__core_sleep, "a", NULL,
				   "{\"duration\":\"20ms\"}"),
			 FLO_OK);
	assert_true(flo_now() - before >= 20000000);
}

static void sleep_names_a_bad_duration(void **state)
{
	(void)state;
	assert_int_equal(fake_step(&fs, &flo__core_sleep, "a", NULL,
				   "{\"duration\":\"soon\"}"),
			 FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "\"soon\""));
	assert_int_equal(fake_step(&fs, &flo__core_sleep, "a", NULL, "{}"),
			 FLO_INVALID);
	assert_int_equal(fake_step(&fs, &flo__core_sleep, "a", NULL,
				   "{\"duration\":5}"),
			 FLO_TYPE);
}

static void *cancel(void *arg)
{
	flo_error cause = FLO_ERROR_INIT;

	(void)arg;
	flo_error_set(&cause, FLO_CANCELED, "a sibling failed");
	flo_context_cancel(fs.context, &cause);
	return NULL;
}

static void sleep_ends_with_its_context(void **state)
{
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, cancel, NULL);
	assert_int_equal(fake_step(&fs, &flo__core_sleep, "a", NULL,
				   "{\"duration\":\"1d\"}"),
			 FLO_CANCELED);
	assert_non_null(strstr(fs.err.text, "a sibling failed"));
	pthread_join(thread, NULL);
}

static void every_type_is_listed_and_documented(void **state)
{
	size_t len = 0;
	const flo_step_type *const *types = flo__builtin_steps(&len);

	(void)state;
	assert_int_equal(len, 9);
	for (size_t i = 0; i < len; i++) {
		assert_non_null(types[i]->run);
		assert_non_null(types[i]->description);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(types[i]->name, types[j]->name);
		for (size_t j = 0; j < types[i]->params_len; j++)
			assert_non_null(types[i]->params[j].description);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(noop_gives_nothing),
		cmocka_unit_test(fail_fails_with_its_message),
		cmocka_unit_test(set_gives_its_arguments),
		cmocka_unit_test(sleep_takes_its_time),
		cmocka_unit_test(sleep_names_a_bad_duration),
		cmocka_unit_test(sleep_ends_with_its_context),
		cmocka_unit_test(every_type_is_listed_and_documented),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

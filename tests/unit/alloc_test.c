/* The allocation seam: failing on demand, overflow, sizes of 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"

#include <string.h>

static void only_the_nth_allocation_fails(void **state)
{
	void *a, *b, *c;

	(void)state;
	flo__alloc_fail_at(2, 0);
	a = flo__malloc(1);
	b = flo__calloc(1, 1);
	c = flo__strdup("c");
	assert_int_equal(flo__alloc_count(), 3);
	flo__alloc_fail_at(0, 0);
	assert_non_null(a);
	assert_null(b);
	assert_string_equal(c, "c");
	flo__free(a);
	flo__free(c);
}

static void from_the_nth_on_all_fail_if_asked(void **state)
{
	void *a;

	(void)state;
	flo__alloc_fail_at(2, 1);
	a = flo__malloc(1);
	for (int i = 0; i < 10; i++)
		assert_null(flo__malloc(1));
	flo__alloc_fail_at(0, 0);
	assert_non_null(a);
	flo__free(a);
}

static void a_failed_realloc_keeps_the_memory(void **state)
{
	char *mem = flo__strdup("kept");
	char *more;

	(void)state;
	flo__alloc_fail_at(1, 0);
	more = flo__realloc(mem, 1000);
	flo__alloc_fail_at(0, 0);
	assert_null(more);
	assert_string_equal(mem, "kept");
	flo__free(mem);
}

static void overflowing_products_fail(void **state)
{
	/* Not a constant, so that the compiler does not warn. */
	volatile size_t half = SIZE_MAX / 2;

	(void)state;
	assert_null(flo__calloc(half, 3));
	assert_null(flo__reallocarray(NULL, half, 3));
}

static void failures_are_counted(void **state)
{
	long before = flo__alloc_failures();
	volatile size_t half = SIZE_MAX / 2;
	void *a;

	(void)state;
	flo__alloc_fail_at(2, 1);
	a = flo__malloc(1);
	assert_int_equal(flo__alloc_failures(), before);
	assert_null(flo__malloc(1));
	assert_null(flo__calloc(1, 1));
	assert_null(flo__realloc(NULL, 1));
	flo__alloc_fail_at(0, 0);
	assert_null(flo__calloc(half, 3));
	assert_null(flo__reallocarray(NULL, half, 3));
	assert_int_equal(flo__alloc_failures(), before + 5);
	flo__free(a);
}

static void nothing_is_something(void **state)
{
	void *a = flo__malloc(0);
	void *b = flo__calloc(0, 8);
	char *c = flo__strndup("abc", 0);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_string_equal(c, "");
	a = flo__realloc(a, 0);
	assert_non_null(a);
	flo__free(a);
	flo__free(b);
	flo__free(c);
	flo__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_nth_allocation_fails),
		cmocka_unit_test(from_the_nth_on_all_fail_if_asked),
		cmocka_unit_test(a_failed_realloc_keeps_the_memory),
		cmocka_unit_test(overflowing_products_fail),
		cmocka_unit_test(failures_are_counted),
		cmocka_unit_test(nothing_is_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

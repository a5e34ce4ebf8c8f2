/* flo__arena: pieces do not move, overlap or outlive it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"

#include <string.h>

static void pieces_are_aligned_and_apart(void **state)
{
	unsigned char *pieces[2000];
	struct flo__arena arena;

	(void)state;
	flo__arena_init(&arena);
	for (size_t i = 0; i < 2000; i++) {
		pieces[i] = flo__arena_alloc(&arena, i);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)(i % 251), i);
	}
	for (size_t i = 0; i < 2000; i++) {
		for (size_t k = 0; k < i; k++)
			assert_int_equal(pieces[i][k], i % 251);
	}
	flo__arena_fini(&arena);
	flo__arena_fini(&arena);
}

static void strings_are_copied(void **state)
{
	struct flo__arena arena;
	char text[] = "abc";
	char *copy, *part;

	(void)state;
	flo__arena_init(&arena);
	copy = flo__arena_strdup(&arena, text);
	part = flo__arena_strndup(&arena, text, 2);
	text[0] = 'x';
	assert_string_equal(copy, "abc");
	assert_string_equal(part, "ab");
	flo__arena_fini(&arena);
}

static void a_cleared_arena_needs_no_more_memory(void **state)
{
	struct flo__arena arena;

	(void)state;
	flo__arena_init(&arena);
	flo__arena_clear(&arena);
	assert_null(arena.blocks);
	assert_non_null(flo__arena_alloc(&arena, 1000000));
	flo__arena_clear(&arena);
	assert_null(arena.blocks);
	for (int i = 0; i < 100; i++)
		assert_non_null(flo__arena_alloc(&arena, 100));
	assert_non_null(flo__arena_alloc(&arena, 1000000));
	flo__arena_clear(&arena);
	flo__alloc_fail_at(1, 1);
	for (int i = 0; i < 40; i++) {
		unsigned char *piece = flo__arena_alloc(&arena, 100);

		assert_non_null(piece);
		memset(piece, i, 100);
	}
	assert_int_equal(flo__alloc_count(), 0);
	flo__alloc_fail_at(0, 0);
	flo__arena_fini(&arena);
}

static void cleared_pieces_are_zero(void **state)
{
	struct flo__arena arena;

	(void)state;
	flo__arena_init(&arena);
	for (int i = 0; i < 100; i++) {
		unsigned char *piece = flo__arena_calloc(&arena, 3, 33);

		for (int k = 0; k < 99; k++)
			assert_int_equal(piece[k], 0);
		memset(piece, 1, 99);
	}
	flo__arena_fini(&arena);
}

static void large_pieces_waste_no_room(void **state)
{
	struct flo__arena arena;
	char *before, *large, *after;

	(void)state;
	flo__arena_init(&arena);
	before = flo__arena_alloc(&arena, 16);
	large = flo__arena_alloc(&arena, 1 << 20);
	after = flo__arena_alloc(&arena, 16);
	memset(large, 1, 1 << 20);
	assert_ptr_equal(after, before + 16);
	flo__arena_fini(&arena);
}

static void a_failed_piece_changes_nothing(void **state)
{
	struct flo__arena arena;

	(void)state;
	flo__arena_init(&arena);
	flo__alloc_fail_at(1, 1);
	assert_null(flo__arena_alloc(&arena, 1));
	assert_null(flo__arena_alloc(&arena, 1 << 20));
	assert_null(flo__arena_strdup(&arena, "a"));
	flo__alloc_fail_at(0, 0);
	assert_non_null(flo__arena_alloc(&arena, 1));
	flo__arena_fini(&arena);
}

static void impossible_sizes_are_refused(void **state)
{
	struct flo__arena arena;

	(void)state;
	flo__arena_init(&arena);
	assert_null(flo__arena_alloc(&arena, SIZE_MAX));
	assert_null(flo__arena_alloc(&arena, SIZE_MAX - 17));
	assert_null(flo__arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_null(flo__arena_strndup(&arena, "", SIZE_MAX));
	flo__arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(a_cleared_arena_needs_no_more_memory),
		cmocka_unit_test(cleared_pieces_are_zero),
		cmocka_unit_test(large_pieces_waste_no_room),
		cmocka_unit_test(a_failed_piece_changes_nothing),
		cmocka_unit_test(impossible_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* flo__map: order, growth, deletion, borrowed and copied keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/hash.h"
#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 3000

static char keys[KEYS][8];

static int make_keys(void **state)
{
	(void)state;
	for (int i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
	return 0;
}

static void put(struct flo__map *map, int i)
{
	union flo__map_slot *slot;

	assert_int_equal(flo__map_put(map, keys[i], &slot), FLO_OK);
	assert_true(slot->n == 0);
	slot->n = (uint64_t)i;
}

static void keys_are_found_in_order_of_insertion(void **state)
{
	struct flo__map map;

	(void)state;
	flo__map_init(&map, NULL);
	assert_null(flo__map_get(&map, "k0"));
	for (int i = 0; i < KEYS; i++)
		put(&map, i);
	assert_int_equal(map.len, KEYS);
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(flo__map_get(&map, keys[i])->n, i);
		assert_ptr_equal(map.entries[i].key, keys[i]);
	}
	assert_null(flo__map_get(&map, "k3000"));
	flo__map_fini(&map);
	assert_null(flo__map_get(&map, "k0"));
}

static void a_key_is_put_once(void **state)
{
	union flo__map_slot *slot;
	struct flo__map map;

	(void)state;
	flo__map_init(&map, NULL);
	put(&map, 7);
	assert_int_equal(flo__map_put(&map, "k7", &slot), FLO_EXISTS);
	assert_int_equal(slot->n, 7);
	assert_int_equal(map.len, 1);
	flo__map_fini(&map);
}

static void keys_may_be_any_bytes(void **state)
{
	union flo__map_slot *slot;
	struct flo__map map;

	(void)state;
	flo__map_init(&map, NULL);
	assert_int_equal(flo__map_putn(&map, "a\0b", 3, &slot), FLO_OK);
	assert_int_equal(flo__map_putn(&map, "a\0c", 3, &slot), FLO_OK);
	assert_int_equal(flo__map_putn(&map, "", 0, &slot), FLO_OK);
	assert_non_null(flo__map_getn(&map, "a\0b", 3));
	assert_non_null(flo__map_get(&map, ""));
	assert_null(flo__map_get(&map, "a"));
	flo__map_fini(&map);
}

static void an_arena_keeps_the_keys(void **state)
{
	union flo__map_slot *slot;
	struct flo__arena arena;
	struct flo__map map;
	char key[] = "here today";

	(void)state;
	flo__arena_init(&arena);
	flo__map_init(&map, &arena);
	assert_int_equal(flo__map_put(&map, key, &slot), FLO_OK);
	memset(key, 'x', strlen(key));
	assert_non_null(flo__map_get(&map, "here today"));
	flo__map_fini(&map);
	flo__arena_fini(&arena);
}

static void deletion_leaves_the_others(void **state)
{
	bool there[KEYS] = {false};
	struct flo__map map;

	(void)state;
	srand(11);
	flo__map_init(&map, NULL);
	for (int step = 0; step < 60000; step++) {
		int i = rand() % KEYS;

		if (rand() % 5 < 3 && !there[i])
			put(&map, i);
		else
			assert_int_equal(flo__map_del(&map, keys[i]), there[i]);
		there[i] = flo__map_get(&map, keys[i]) != NULL;
		if (there[i])
			assert_int_equal(flo__map_get(&map, keys[i])->n, i);
	}
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(flo__map_get(&map, keys[i]) != NULL, there[i]);
	for (int i = 0; i < KEYS; i++)
		flo__map_del(&map, keys[i]);
	assert_int_equal(map.len, 0);
	flo__map_fini(&map);
}

static void a_failed_put_changes_nothing(void **state)
{
	struct flo__arena arena;
	struct flo__map map;

	(void)state;
	flo__arena_init(&arena);
	flo__map_init(&map, &arena);
	for (int i = 0; i < KEYS;) {
		union flo__map_slot *slot;
		flo_status st;

		/* Each put is tried with its first allocations failing. */
		for (long nth = 1; nth <= 3; nth++) {
			flo__alloc_fail_at(nth, 0);
			st = flo__map_put(&map, keys[i], &slot);
			flo__alloc_fail_at(0, 0);
			if (st == FLO_OK)
				break;
			assert_int_equal(st, FLO_NOMEM);
			assert_int_equal(map.len, i);
			assert_null(flo__map_get(&map, keys[i]));
		}
		i += st == FLO_OK;
		if (st != FLO_OK)
			put(&map, i++);
	}
	for (int i = 0; i < KEYS; i++)
		assert_non_null(flo__map_get(&map, keys[i]));
	flo__map_fini(&map);
	flo__arena_fini(&arena);
}

static void hashes_differ_by_every_byte(void **state)
{
	char text[24] = {0};

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		uint64_t plain = flo__hash_bytes(text, len);

		assert_true(flo__hash_bytes(text, len) == plain);
		assert_true(flo__hash_bytes(text, len + 1) != plain);
		for (size_t i = 0; i < len; i++) {
			text[i] = 1;
			assert_true(flo__hash_bytes(text, len) != plain);
			text[i] = 0;
		}
	}
	assert_true(flo__hash_u64(1) != flo__hash_u64(2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_in_order_of_insertion),
		cmocka_unit_test(a_key_is_put_once),
		cmocka_unit_test(keys_may_be_any_bytes),
		cmocka_unit_test(an_arena_keeps_the_keys),
		cmocka_unit_test(deletion_leaves_the_others),
		cmocka_unit_test(a_failed_put_changes_nothing),
		cmocka_unit_test(hashes_differ_by_every_byte),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}

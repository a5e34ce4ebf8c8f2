/*
 * The words of other tools: what they are said to mean here must be a key of
 * the object they stand in. Includes the source to reach the tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dsl/foreign.c"

static bool has_key(const struct flo__grammar *grammar, const char *key)
{
	for (unsigned i = 0; i < grammar->len; i++)
		if (strcmp(grammar->fields[i].key, key) == 0)
			return true;
	return false;
}

static void what_is_meant_is_a_key_of_the_object(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		for (size_t k = 0; k < all[i].len; k++) {
			const struct flo__foreign *row = &all[i].words[k];

			if (row->key == NULL)
				assert_non_null(row->hint);
			else if (!has_key(all[i].grammar, row->key))
				fail_msg("%s: %s has no %s", row->word,
					 all[i].grammar->what, row->key);
		}
	}
}

static void a_word_is_written_as_it_is_compared(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		for (size_t k = 0; k < all[i].len; k++)
			assert_true(is_word(all[i].words[k].word,
					    strlen(all[i].words[k].word),
					    all[i].words[k].word));
}

/* The first row that fits is taken, so that a second must ask for less. */
static void each_row_can_be_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		for (size_t k = 1; k < all[i].len; k++) {
			const struct flo__foreign *row = &all[i].words[k];

			for (size_t j = 0; j < k; j++) {
				if (strcmp(all[i].words[j].word, row->word) !=
				    0)
					continue;
				assert_int_not_equal(all[i].words[j].types, 0);
				/* and stands right before it */
				assert_int_equal(j, k - 1);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_meant_is_a_key_of_the_object),
		cmocka_unit_test(a_word_is_written_as_it_is_compared),
		cmocka_unit_test(each_row_can_be_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

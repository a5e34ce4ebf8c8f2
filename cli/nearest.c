/* "did you mean": the nearest of a few words, by the edits between them. */
#include "cli/cli.h"

#include <string.h>

#define WORD_MAX 32

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance; WORD_MAX if a word is too long to be meant. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t alen = strlen(a), blen = strlen(b);

	if (alen > WORD_MAX || blen > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= blen; j++)
		row[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      corner + (a[i - 1] != b[j - 1]));
			corner = above;
		}
	}
	return row[blen];
}

const char *cli_nearest(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t least = strlen(word) / 3 + 1;

	for (; *names; names++) {
		size_t d = distance(word, *names);

		if (d <= least && (!best || d < least)) {
			best = *names;
			least = d;
		}
	}
	return best;
}

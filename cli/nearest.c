/* "did you mean": the nearest of a few words, by the edits between them. */
#include "cli/cli.h"

#include <string.h>

#define WORD_MAX 32

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance, with swaps of neighbours; WORD_MAX if a word is too
 * long to be meant. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t alen = strlen(a), blen = strlen(b);

	if (alen > WORD_MAX || blen > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= blen; j++)
		last[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] =
					min3(row[j], before[j - 2] + 1, row[j]);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[blen];
}

const char *cli_nearest(const char *word, const char *const *names)
{
	const char *best = NULL;
	size_t least = (strlen(word) + 2) / 3;

	for (; *names; names++) {
		size_t d = distance(word, *names);

		if (d <= least && d < strlen(*names) && (!best || d < least)) {
			best = *names;
			least = d;
		}
	}
	return best;
}
